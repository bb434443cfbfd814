"""Everything about some maps in one zip: numbers, pictures, records, and a text that says what is what.

The same maps under the same look give the same bytes: entries are stored in order, with one date for all. The zip is made while it
is sent, one entry at a time.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.core.schemas import Record
from app.core.text import spreadsheet_cell

DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can hold."""
COLUMNS = (
    "folder", "method", "class", "model", "layer", "seed", "quality", "quality_means", "minimum", "maximum", "sum",
    "share_for", "share_against", "seconds", "forward_passes", "backward_passes", "parameters", "weights_sha256", "map_sha256",
)  # fmt: skip
README = """Maps of one or more explanations, from Evident.

Research and teaching only. Not a medical device. Maps show what the model used, not what is wrong with the patient.

{link}

numbers.csv       one row per map: class, quality, range, sum, shares of what speaks for and against, cost, checksums
N_METHOD/map.npy      the map itself, float32 [rows, columns], raw numbers (numpy.load opens it)
N_METHOD/picture.png  the map over the input in grey, with axes, colour bar and conditions, under the look of the page: {look}
N_METHOD/record.json  what was asked for, and everything the map holds under: axes, parameters, seed, weights, versions, quality
N_METHOD/stages/      maps on the way to it, where the method has any
N_METHOD/arrays/      other numbers that the method kept
N_METHOD/input.png    the input as the network saw it, on the grid of the map
N_METHOD/prediction.json  scores with their interval, and what the gate said about the input

Row 0 of a map is at the top of a picture, and the lowest frequency of a spectrogram: record.json says so under y_axis.
The recording or photograph itself is not in this file.
"""


FULL = {
    "own": "each map's strongest cell",
    "shared": "each map's strongest 1 % of cells",
    "raw": "the strongest cell of all maps",
}


@dataclass(frozen=True)
class Look:
    """As on the page. opacity: 0..1; top: percent of the cells shown; scale: where the colour is full, at each map's strongest
    cell, at its 99th percentile, or at the strongest cell of all maps."""

    opacity: float = 0.7
    top: float = 100.0
    sign: str = "both"
    scale: str = "shared"

    @property
    def words(self) -> str:
        """For a person."""
        return f"opacity {100 * self.opacity:.0f} %, strongest {self.top:g} % of cells, sign {self.sign}, full colour at {FULL[self.scale]}"


@dataclass(frozen=True)
class Part:
    """One map and its files. request: as it was asked for. grid: the stored input on the grid of the map, None without one.
    files: further entries by name below the part's folder."""

    key: str
    request: dict[str, Any]
    record: Record
    values: Path
    grid: Path | None
    files: dict[str, Path]
    prediction: dict[str, Any] | None

    @property
    def paths(self) -> list[Path]:
        return [self.values, *([self.grid] if self.grid else []), *self.files.values()]


class _Outlet(io.RawIOBase):
    """What the zip writes, until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def zipped(entries: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[bytes]:
    """A zip in pieces; each entry is made when its turn comes."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for name, make in entries:
            info = zipfile.ZipInfo(name, DATE)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, make())
            yield outlet.take()
    yield outlet.take()


def entries(parts: Sequence[Part], look: Look, link: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and contents, in the order of the parts."""
    names = [f"{number}_{part.key}" for number, part in enumerate(parts, 1)]
    opened = (
        f"Open the same view: {link}"
        if link
        else "Open the same view: ask for the maps again as record.json says."
    )
    yield "README.txt", lambda: README.format(link=opened, look=look.words).encode()
    yield "numbers.csv", lambda: table(names, parts).encode()
    largest = max((max(abs(part.record.vmin), abs(part.record.vmax)) for part in parts), default=0.0)
    for name, part in zip(names, parts, strict=True):
        yield f"{name}/map.npy", part.values.read_bytes
        yield f"{name}/picture.png", partial(picture, part, look, largest)
        record = {"request": part.request, "record": part.record.model_dump(mode="json")}
        yield f"{name}/record.json", partial(as_json, record)
        if part.prediction is not None:
            yield f"{name}/prediction.json", partial(as_json, part.prediction)
        for file, path in sorted(part.files.items()):
            yield f"{name}/{file}", path.read_bytes


def as_json(value: Any) -> bytes:
    """Readable, in one order."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def picture(part: Part, look: Look, largest: float) -> bytes:
    """PNG of the map under the look, with axes, colour bar and conditions. largest: |value| of all maps together."""
    from backend.rendering import captioned, overlay

    values = np.load(part.values, allow_pickle=False)
    sizes = np.abs(values)
    limit = {"own": float(sizes.max()), "raw": largest}.get(look.scale) or float(np.quantile(sizes, 0.99))
    full = limit or float(sizes.max()) or 1.0
    drawn = overlay.Look(
        opacity=look.opacity,
        top=look.top,
        sign=look.sign,  # type: ignore[arg-type]
        scale=max(1, 448 // max(values.shape)),
        signed=part.record.signed,
        upside_down=part.record.y_axis.origin == "lower",
        limit=full,
    )
    pixels = overlay.render(np.load(part.grid, allow_pickle=False) if part.grid else None, values, drawn)
    clipped = float(sizes.max()) > full * 1.000001
    return captioned.figure(pixels, captioned.Caption(part.record, full, clipped, look.words))


def table(names: Sequence[str], parts: Sequence[Part]) -> str:
    """CSV, one row per map."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, part in zip(names, parts, strict=True):
        writer.writerow([spreadsheet_cell(value) for value in row(name, part)])
    return out.getvalue()


def row(name: str, part: Part) -> list[Any]:
    """In the order of `COLUMNS`."""
    record, values = part.record, np.load(part.values, allow_pickle=False).astype(np.float64)
    whole = float(np.abs(values).sum()) or 1.0
    said = record.quality[0] if record.quality else None
    return [
        name,
        record.method_title,
        record.target_label,
        record.model,
        record.layer or "",
        record.seed,
        f"{said.figure} {said.word}".strip() if said else "",
        said.meaning if said else "",
        record.vmin,
        record.vmax,
        float(values.sum()),
        float(values.clip(0).sum()) / whole,
        abs(float(values.clip(max=0).sum())) / whole,
        record.seconds,
        record.forwards,
        record.backwards,
        json.dumps(record.params, sort_keys=True),
        record.weights_sha256,
        record.values_sha256,
    ]
