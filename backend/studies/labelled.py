"""Photographs in a folder with a table of labels and boxes, as a network sees them.

The table (`images/labels.csv`) has a line a file: file, label, imagenet_index, box_x0, box_y0, box_x1, box_y1 in pixels of the
file, the last two exclusive.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from models.model import Model


@dataclass(frozen=True, eq=False)
class Case:
    """x: `[1, C, H, W]`. target: the class whose maps are compared. region: bool `[H, W]` on the display grid, or None."""

    name: str
    x: Tensor
    target: int
    region: np.ndarray | None = None


def boxed(folder: Path, label: Callable[[Mapping[str, str]], int | None], model: Model) -> Iterator[Case]:
    """The photographs with a box whose class the network knows; the box as the network sees it."""
    for row in table_of(folder / "images" / "labels.csv"):
        target = label(row)
        if target is None or not row["box_x0"]:
            continue
        prepared = model.input.prepare(folder / row["file"])
        x0, y0, x1, y1 = (float(row[f"box_{side}"]) for side in ("x0", "y0", "x1", "y1"))
        columns, lines = prepared.x_axis.values, prepared.y_axis.values
        inside = np.outer((lines >= y0) & (lines < y1), (columns >= x0) & (columns < x1))
        yield Case(Path(row["file"]).stem, prepared.x, target, inside)


def imagenet_class(row: Mapping[str, str]) -> int | None:
    """Number of its class; None where the table says none."""
    return int(row["imagenet_index"]) if row["imagenet_index"] else None


def table_of(path: Path) -> list[dict[str, str]]:
    """Its lines by their heads."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
