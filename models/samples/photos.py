"""Writes the bundled photographs: made smaller, judged by the shipped network, credited.

    python -m models.samples.photos FOLDER

FOLDER holds the originals by the names below. Each is made smaller with antialiasing to at most `SIDE` pixels a
side and saved as JPEG of at most `BYTES`. Boxes are read off the originals by eye, about 2 % of the picture; they
say where the thing is, not what the network should look at.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from models.loading import load
from models.model import Model

FOLDER = Path(__file__).resolve().parent
CREDITS = FOLDER / "photos_credits.csv"
MODEL = "squeezenet1_1"
SIDE, BYTES = 640, 80_000
QUALITIES = (88, 85, 80, 75, 70)
MOSAIC = 8
SCIKIT_IMAGE = "https://scikit-image.org/docs/stable/api/skimage.data.html"
US_WORK = "public domain (work of the US Government)"
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Photo:
    """accepted: classes of the network that name it rightly, the best first; none where no single one would be right.
    box: of the thing, `x0, y0, x1, y1` in pixels of the original. hidden: parts made unreadable."""

    key: str
    title: str
    description: str
    known: str
    original: str
    accepted: tuple[int, ...]
    box: Box | None
    author: str
    licence: str
    page: str
    hidden: tuple[Box, ...] = ()

    @property
    def file(self) -> str:
        return f"photo_{self.key}.jpg"


PHOTOS = (
    Photo(
        "cat",
        "A cat",
        "A cat's face, close.",
        "The box holds the cat. The network's name for its kind is right.",
        "chelsea.png",
        (285, 281, 282),
        (14, 0, 397, 300),
        "Stefan van der Walt",
        "CC0-1.0",
        SCIKIT_IMAGE,
    ),
    Photo(
        "coffee",
        "A cup of coffee",
        "An espresso in a red cup on a table.",
        "The box holds the cup and its saucer. The network is right.",
        "coffee.png",
        (967, 968, 504),
        (72, 16, 420, 376),
        "Rachel Michetti, Pikolo Espresso Bar",
        "CC0-1.0",
        SCIKIT_IMAGE,
    ),
    Photo(
        "street_sign",
        "A street sign",
        "A stop sign under the name of a street.",
        "The box holds both signs. The network is right, and very sure.",
        "street_sign_34501842524.jpg",
        (919,),
        (189, 12, 459, 360),
        "US Department of Energy",
        US_WORK,
        "https://www.flickr.com/photos/departmentofenergy/34501842524",
    ),
    Photo(
        "rocket",
        "A rocket",
        "A rocket on its pad between four masts, at dusk.",
        "The box holds the rocket. The network is wrong: the nearest of its names is missile. Do the maps lie on the rocket or on the masts?",
        "rocket.jpg",
        (657, 744),
        (301, 120, 346, 418),
        "SpaceX",
        "public domain",
        SCIKIT_IMAGE,
    ),
    Photo(
        "ship",
        "A hospital ship",
        "A white ship with red crosses, seen from the shore; three people from behind.",
        "The box holds the ship. The network is wrong: the nearest of its names is liner. Do the maps lie on the ship or on the water?",
        "ship_18124840932.jpg",
        (628,),
        (26, 228, 794, 420),
        "US Navy",
        US_WORK,
        "https://www.flickr.com/photos/usnavy/18124840932",
    ),
    Photo(
        "traffic",
        "Traffic",
        "Cars on a wide street of a city.",
        "No single name would be right: there are many things. The scores say so too, none is high. Which car do the maps choose?",
        "traffic_19064748793.jpg",
        (),
        None,
        "US Department of State",
        US_WORK,
        "https://www.flickr.com/photos/statephotos/19064748793",
        ((540, 422, 616, 445), (349, 378, 390, 392), (105, 357, 139, 371), (810, 323, 845, 336)),
    ),
)


def smaller(original: Image.Image, hidden: tuple[Box, ...] = ()) -> Image.Image:
    """RGB, at most `SIDE` pixels a side; the hidden parts as a coarse mosaic."""
    picture = original.convert("RGB")
    for box in hidden:
        part = picture.crop(box)
        coarse = part.resize(
            (max(1, part.width // MOSAIC), max(1, part.height // MOSAIC)), Image.Resampling.BOX
        )
        picture.paste(coarse.resize(part.size, Image.Resampling.NEAREST), box[:2])
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture


def encoded(picture: Image.Image) -> bytes:
    """JPEG without metadata, of the best quality that fits."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= BYTES:
            return buffer.getvalue()
    raise ValueError(f"no quality of {QUALITIES} fits {BYTES} bytes")


def write(photo: Photo, originals: Path, model: Model) -> tuple[dict[str, Any], dict[str, str]]:
    """The entry of photos.json and the row of credits; the picture is written beside them."""
    with Image.open(originals / photo.original) as original:
        original.load()
    picture = smaller(original, photo.hidden)
    (FOLDER / photo.file).write_bytes(encoded(picture))
    top = int(model.predict(model.prepare(FOLDER / photo.file))[0].argmax())
    right = top in photo.accepted
    scale = picture.width / original.width
    x0, y0, x1, y1 = (round(scale * side, 1) for side in photo.box or (0, 0, 0, 0))
    size = f"{original.width} x {original.height} to {picture.width} x {picture.height} pixels, saved as JPEG"
    changes = (
        f"made smaller, {size}"
        if picture.width < original.width
        else f"saved as JPEG, {picture.width} x {picture.height} pixels"
    )
    changes += "; number plates made unreadable" if photo.hidden else ""
    entry = {
        "key": f"photo_{photo.key}",
        "group": "photographs",
        "title": photo.title,
        "description": photo.description,
        "known": photo.known,
        "role": "example" if not photo.accepted else "right" if right else "wrong",
        "model": MODEL,
        "modality": "image",
        "file": photo.file,
        "label": model.labels[top if right else photo.accepted[0]] if photo.accepted else None,
        "accepted": list(photo.accepted),
        "evidence": {"boxes": [[x0, x1, y0, y1]]} if photo.box else {},
        "credit": {"author": photo.author, "licence": photo.licence, "page": photo.page},
    }
    row = {
        "file": photo.file,
        "author": photo.author,
        "licence": photo.licence,
        "page": photo.page,
        "changes": changes,
    }
    return entry, row


def main(originals: Path) -> None:
    """Writes photos.json, the pictures and their credits."""
    model = load(MODEL)
    entries, rows = zip(*(write(photo, originals, model) for photo in PHOTOS), strict=True)
    (FOLDER / "photos.json").write_text(
        json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    with CREDITS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
