"""The names of timm and torchvision without those libraries: a list in this folder (`architectures.csv`, written by
`models.indexing`) that is searched in milliseconds, offline, and tells the architecture of a file of weights by its tensors."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

INDEX = Path(__file__).with_name("architectures.csv")
SPDX = {
    "apache-2.0": "Apache-2.0",
    "bsd-3-clause": "BSD-3-Clause",
    "mit": "MIT",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
}


def licence_name(text: str) -> str:
    """A licence as it is usually written; empty where none is stated."""
    return "" if text in ("", "unknown", "other") else SPDX.get(text.lower(), text)


@dataclass(frozen=True)
class Tag:
    """One set of published weights of a timm network: `timm:resnet50.a1_in1k`."""

    key: str
    shape: tuple[int, int, int]
    classes: int
    licence: str
    hub: str

    def as_row(self) -> list[str]:
        return [self.key, _shape_text(self.shape), str(self.classes), self.licence, self.hub]


@dataclass(frozen=True)
class Architecture:
    """One architecture. body, per_class: parameters without the head, and of the head for each class. heads: tensors
    with one row per class. classes: of its published weights, 0 for none that classify. hub: repository of its weights
    as safetensors, empty without one."""

    key: str
    shape: tuple[int, int, int]
    classes: int
    licence: str
    hub: str
    family: str
    body: int
    per_class: int
    tensors: int
    convolutional: bool
    heads: tuple[str, ...]
    fingerprint: str
    sketch: tuple[str, ...]

    COLUMNS: ClassVar[Sequence[str]] = (
        "key", "input", "classes", "licence", "hub", "family", "body", "per_class", "tensors", "convolutional", "heads",
        "fingerprint", "sketch",
    )  # fmt: skip

    def as_row(self) -> list[str]:
        return [
            *Tag(self.key, self.shape, self.classes, self.licence, self.hub).as_row(),
            self.family,
            str(self.body),
            str(self.per_class),
            str(self.tensors),
            "yes" if self.convolutional else "no",
            " ".join(self.heads),
            self.fingerprint,
            "".join(self.sketch),
        ]

    def parameters(self, classes: int) -> int:
        """With a head for so many classes."""
        return self.body + self.per_class * classes


def _shape_text(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def _shape(text: str) -> tuple[int, int, int]:
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


@cache
def _rows() -> list[dict[str, str]]:
    with INDEX.open(newline="", encoding="utf-8") as file:
        return [{name: value or "" for name, value in row.items()} for row in csv.DictReader(file)]


@cache
def architectures() -> dict[str, Architecture]:
    """Every known architecture by key; our own, which have no library in their key, come first."""
    return {
        row["key"]: Architecture(
            key=row["key"],
            shape=_shape(row["input"]),
            classes=int(row["classes"]),
            licence=licence_name(row["licence"]),
            hub=row["hub"],
            family=row["family"],
            body=int(row["body"]),
            per_class=int(row["per_class"]),
            tensors=int(row["tensors"]),
            convolutional=row["convolutional"] == "yes",
            heads=tuple(row["heads"].split()),
            fingerprint=row["fingerprint"],
            sketch=tuple(row["sketch"][i : i + 8] for i in range(0, len(row["sketch"]), 8)),
        )
        for row in _rows()
        if row["fingerprint"]
    }


@cache
def tags() -> dict[str, Tag]:
    """Every set of published weights by key."""
    return {
        row["key"]: Tag(
            row["key"], _shape(row["input"]), int(row["classes"]), licence_name(row["licence"]), row["hub"]
        )
        for row in _rows()
        if not row["fingerprint"]
    }
