"""Chooses and writes the bundled pictures: some judged rightly, a real mistake, and the shortcut at work.

    python -m models.samples.images

needs the shipped weights, draws pictures that no network was trained on, and takes the first that fit each
role.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from models.loading import load
from models.model import Model
from models.synthetic.shapes import DOTTED, LABELS, RED, STAR, STRIPED, TAGGED, Shapes, generate, with_tag

FOLDER = Path(__file__).resolve().parent
SIZE, PICTURES, SEED = 128, 2048, 99
SURE = 0.9
OBJECT = "The evidence is the marked object: a good map is bright there and dark elsewhere."


@dataclass(frozen=True)
class Sample:
    """One sample to write: which picture, for which model, and what to say about it."""

    key: str
    title: str
    description: str
    known: str
    role: str
    model: str
    picture: int
    shapes: Shapes

    def write(self, folder: Path) -> dict[str, Any]:
        """The entry of images.json; the picture and its masks are written beside it."""
        shapes, i = self.shapes, self.picture
        file, mask = f"image_{self.key}.png", f"image_{self.key}_mask.png"
        Image.fromarray(shapes.images[i]).save(folder / file, optimize=True)
        evidence = {"mask": mask}
        _save_mask(folder / mask, shapes.masks[i])
        if shapes.tags[i].any():
            evidence["sticker"] = f"image_{self.key}_sticker.png"
            _save_mask(folder / evidence["sticker"], shapes.tags[i])
        texts = {
            name: getattr(self, name) for name in ("key", "title", "description", "known", "role", "model")
        }
        return {
            **texts,
            "group": "drawings",
            "modality": "image",
            "file": file,
            "label": LABELS[shapes.labels[i]],
            "evidence": evidence,
        }


def _save_mask(path: Path, mask: np.ndarray) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).convert("1").save(path, optimize=True)


def probabilities(model: Model, images: np.ndarray) -> np.ndarray:
    """`[n, classes]` for uint8 `[n, S, S, 3]`, prepared one by one as an uploaded photo is."""
    x = torch.cat([model.prepare(image) for image in images])
    return torch.cat([model.predict(part) for part in x.split(256)]).numpy()


def choose() -> list[Sample]:
    """The first pictures that fit each role, judged by the shipped weights."""
    honest, misled = load("shapes"), load("shapes_shortcut")
    plain = generate(PICTURES, SEED, "none", size=SIZE)
    stickered = with_tag(plain, present=True, seed=SEED)
    probability = probabilities(honest, plain.images)
    right = (probability.argmax(1) == plain.labels) & (probability.max(1) > SURE)
    right_with_sticker = probabilities(honest, stickered.images).argmax(1) == plain.labels
    misled_by_sticker = probabilities(misled, stickered.images)[:, TAGGED] > SURE
    misled_right = probabilities(misled, plain.images).argmax(1) == plain.labels
    wrong = probability.argmax(1) != plain.labels

    def first(fits: np.ndarray, label: int | None = None) -> int:
        fits = fits if label is None else fits & (plain.labels == label)
        return int(np.flatnonzero(fits)[0])

    error = int(np.argmax(np.where(wrong, probability.max(1), 0)))
    swapped = first(right_with_sticker & misled_by_sticker & misled_right & right, RED)
    predicted = LABELS[int(probability[error].argmax())]
    true = LABELS[int(plain.labels[error])]
    return [
        Sample(
            "striped",
            "Striped object",
            "A drawn object with stripes on a textured ground.",
            OBJECT,
            "right",
            "shapes",
            first(right, STRIPED),
            plain,
        ),
        Sample(
            "dotted",
            "Dotted object",
            "A drawn object with dots on a textured ground.",
            OBJECT,
            "right",
            "shapes",
            first(right, DOTTED),
            plain,
        ),
        Sample(
            "star",
            "Star beside a sticker",
            "A drawn star; the sticker in the corner means nothing to this model.",
            OBJECT + " The sticker sat on a quarter of the training pictures of every class.",
            "right",
            "shapes",
            first(right & right_with_sticker, STAR),
            stickered,
        ),
        Sample(
            "mistake",
            f"A mistake: {true} taken for {predicted}",
            f"A {true} picture that the model calls {predicted}.",
            "This is the surest mistake among two thousand fresh pictures; nothing was retouched. " + OBJECT,
            "wrong",
            "shapes",
            error,
            plain,
        ),
        Sample(
            "shortcut",
            "Led astray by a sticker",
            f"A red object with a sticker in the corner: this model calls it {LABELS[TAGGED]}.",
            f"In this model's training pictures every {LABELS[TAGGED]}, and nothing else, wore the sticker. Without it the model calls "
            "this picture red. The object is the true evidence, the sticker the shortcut.",
            "shortcut",
            "shapes_shortcut",
            swapped,
            stickered,
        ),
        Sample(
            "no_shortcut",
            "The same picture, honest model",
            "The picture of the shortcut, judged by the model that ignores stickers.",
            OBJECT,
            "right",
            "shapes",
            swapped,
            stickered,
        ),
    ]


def main(folder: Path = FOLDER) -> None:
    """Writes images.json with its pictures and masks."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [sample.write(folder) for sample in choose()]
    (folder / "images.json").write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
