"""Bundled sets of inputs to measure explanations on, with the classes and the evidence that are known.

The list imports no torch, so that the web process can read it; inputs are made in workers, each from its number alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import Incompatible, NotFound
from app.core.schemas import Region
from models.labelled import THINGS

if TYPE_CHECKING:
    from app.core.schemas import Modality

SEED = 95_000
"""Of generated inputs: none of the seeds that the bundled networks were trained, calibrated or judged with."""
DRAWN = 256
"""Pictures that the generator draws together."""
DRAWN_LABELS = ["striped", "dotted", "red", "star"]
COUGH_LABELS = ["no wheeze", "wheeze"]
SAMPLES = Path(__file__).resolve().parents[2] / "models" / "samples"


@dataclass(frozen=True, eq=False)
class Sample:
    """An input to measure on. raw: what `Model.prepare` takes. label: its class's number for the network, if known."""

    name: str
    raw: Any
    label: int | None = None
    region: Region | None = None
    start: float | None = None


@dataclass(frozen=True)
class BundledSet:
    """count: inputs by default; more: whether a generator makes as many as are asked for. fits: whether a network of
    these kinds of input and these labels can be measured on it."""

    key: str
    title: str
    count: int
    labelled: bool
    masks: bool
    note: str
    fits: Callable[[Sequence[Modality], Sequence[str]], bool] = field(compare=False)
    make: Callable[[int], Sample] = field(compare=False)
    more: bool = False

    def name(self, number: int) -> str:
        return f"{self.title} {number + 1}"


def _drawing(number: int) -> Sample:
    from models.regions import packed

    part, row = divmod(number, DRAWN)
    drawn = _drawn(part)
    region = Region(mask=packed(drawn.masks[row]))
    return Sample(f"Drawing {number + 1}", drawn.images[row], int(drawn.labels[row]), region)


@lru_cache(4)
def _drawn(part: int) -> Any:
    from models.synthetic import shapes

    return shapes.generate(DRAWN, seed=SEED + part)


def _cough(number: int) -> Sample:
    from models.synthetic import coughs

    item = coughs.recording(number, seed=SEED, hum="none")
    region = Region(boxes=[list(box) for box in item.boxes]) if item.boxes else None
    return Sample(f"Cough {number + 1}", (item.waveform, item.rate), item.label, region)


def _unlabelled_cough(number: int) -> Sample:
    sample = _cough(number)
    return Sample(sample.name, sample.raw)


def _photo(number: int) -> Sample:
    from PIL import Image

    entry = _photos()[number]
    with Image.open(SAMPLES / entry["file"]) as picture:
        picture.load()
    accepted = entry.get("accepted") or [None]
    return Sample(entry["title"], picture, accepted[0], Region(boxes=entry["evidence"]["boxes"]))


@lru_cache
def _photos() -> list[dict[str, Any]]:
    """The sample photographs in which somebody drew a box around the thing."""
    entries: list[dict[str, Any]] = json.loads((SAMPLES / "photos.json").read_text("utf-8"))
    return [entry for entry in entries if entry["evidence"].get("boxes")]


def _photograph(number: int) -> Sample:
    from PIL import Image

    name = _photographs()[number]
    with Image.open(SAMPLES / "photographs" / name) as picture:
        picture.load()
    return Sample(Path(name).stem.replace("_", " "), picture)


@lru_cache
def _photographs() -> list[str]:
    with (SAMPLES / "photographs" / "credits.csv").open(newline="", encoding="utf-8") as file:
        return [row["file"] for row in csv.DictReader(file)]


def _is_photo_network(modalities: Sequence[Modality], labels: Sequence[str]) -> bool:
    return "image" in modalities and list(labels) != DRAWN_LABELS


SETS = {
    each.key: each
    for each in (
        BundledSet(
            "shapes", "Drawn objects", 32, True, True,
            "Pictures of our generator; the evidence of each class lies in the object's mask and nowhere else.",
            lambda modalities, labels: "image" in modalities and list(labels) == DRAWN_LABELS, _drawing, more=True,
        ),
        BundledSet(
            "cnnexplain_synthetic", "Synthetic coughs", 32, True, True,
            "Recordings of our generator; a wheeze is the evidence, in a box of time and frequency, and half have none.",
            lambda modalities, labels: "audio" in modalities and list(labels) == COUGH_LABELS, _cough, more=True,
        ),
        BundledSet(
            "coughs", "Synthetic coughs", 32, False, False,
            "Recordings of our generator. What tells this network's classes apart is not known in them.",
            lambda modalities, labels: "audio" in modalities and list(labels) != COUGH_LABELS, _unlabelled_cough, more=True,
        ),
        BundledSet(
            "photos", "Sample photographs", len(_photos()), True, True,
            "The gallery's photographs with a box drawn by eye around the thing.",
            lambda modalities, labels: _is_photo_network(modalities, labels) and len(labels) == THINGS, _photo,
        ),
        BundledSet(
            "photographs", "Photographs of objects", len(_photographs()), False, False,
            "From Caltech 101. Neither classes nor places are marked.",
            _is_photo_network, _photograph,
        ),
    )
}  # fmt: skip
"""By key."""


def set_of(key: str) -> BundledSet:
    """Raises NotFound."""
    if key not in SETS:
        raise NotFound(
            f"There is no set of that name; there are: {', '.join(SETS)}.", code="unknown_set", field="set"
        )
    return SETS[key]


def fitting_set(key: str, modalities: Sequence[Modality], labels: Sequence[str]) -> BundledSet:
    """Raises NotFound, Incompatible."""
    chosen = set_of(key)
    if not chosen.fits(modalities, labels):
        fitting = ", ".join(each.key for each in SETS.values() if each.fits(modalities, labels))
        there = f"sets that do: {fitting}" if fitting else "send inputs of your own"
        raise Incompatible(f"This set does not fit the model; {there}.", code="wrong_set", field="set")
    return chosen
