"""Inputs of studies without a server: numbers of a bundled set, and files of a folder with what is known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from app.core.errors import BadParameter, InvalidInput, NotFound
from backend.tasks.sets import Sample, fitting_set, set_of
from models.labelled import LABELS, LabelledFile, family_of, labelled_files, require_once
from models.model import Model
from models.regions import cells_inside


@dataclass(frozen=True)
class Source:
    """One input: a file with what is known of it, or number `number` of a bundled set. label: class number."""

    name: str
    file: LabelledFile | None = None
    label: int | None = None
    set: str | None = None
    number: int = 0

    def sample(self) -> Sample:
        """Raises what reading a file raises."""
        if self.set is not None:
            return set_of(self.set).make(self.number)
        assert self.file is not None
        return Sample(self.name, self.file.path, self.label, self.file.region())

    def identity(self) -> list[Any]:
        """What its scores depend on."""
        if self.file is None:
            return [self.set, self.number]
        digests = [_sha(path) if path is not None else None for path in (self.file.path, self.file.mask)]
        return [*digests, self.file.box, self.label]


def bundled_sources(key: str, count: int | None, model: Model) -> tuple[list[Source], str]:
    """Of a bundled set, and what they are. Raises NotFound, Incompatible, BadParameter."""
    chosen = fitting_set(key, model.input.modalities, model.labels)
    n = chosen.count if count is None else count
    if n < 1 or (n > chosen.count and not chosen.more):
        raise BadParameter(f"This set has {chosen.count} inputs.", field="count")
    return [Source(chosen.name(i), set=key, number=i) for i in range(n)], chosen.title.lower()


def folder_sources(folder: Path, labels: Path | None, model: Model, count: int | None = None) -> list[Source]:
    """The files of a folder (`models.labelled`). labels: the table, None takes the folder's. Raises NotFound, InvalidInput,
    which name the line."""
    if not folder.is_dir():
        raise NotFound("There is no such folder; give --inputs a folder of files.", field="inputs")
    if labels is not None and not labels.is_file():
        raise NotFound("There is no such table; give --labels a CSV file.", field="labels")
    files = [file for file in labelled_files(folder, labels) if file.cells or family_of(file.path) in READ]
    require_once(files, (labels or folder / LABELS).name)
    if not files:
        raise InvalidInput(
            "No file there can be an input: put pictures, recordings or .npy tables into the folder.",
            field="inputs",
        )
    return [Source(file.name, file, file.class_in(model.labels)) for file in files[:count]]


READ = ("image", "audio", "array")
"""Families of files that can be inputs."""


@dataclass(frozen=True, eq=False)
class Case:
    """x: `[1, C, H, W]`. target: the class whose maps are compared. region: bool `[H, W]` on the display grid, or None."""

    name: str
    x: Tensor
    target: int
    region: np.ndarray | None = None


def boxed(
    folder: Path, model: Model, class_of: Callable[[LabelledFile], int | None] | None = None
) -> Iterator[Case]:
    """Photographs of `folder/images` with a box whose class the network knows; the box as the network sees it. class_of: None takes
    the table's."""
    for file in labelled_files(folder / "images"):
        target = file.class_in(model.labels) if class_of is None else class_of(file)
        region = file.boxed()
        if target is None or region is None:
            continue
        prepared = model.input.prepare(file.path)
        yield Case(file.path.stem, prepared.x, target, cells_inside(region, prepared.y_axis, prepared.x_axis))


@lru_cache(100_000)
def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
