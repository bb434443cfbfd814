"""Which cells of a model's display grid lie in a region of the input.

A region is in pixels of the photo, or in seconds and Hz, so that it fits every model and every window: the axes of
the prepared input know how it was cropped, resized or cut. Numbers only, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import BadParameter
from app.core.schemas import PixelRuns, Region

if TYPE_CHECKING:
    from models.spec import Axis


def cells_inside(region: Region, y_axis: Axis, x_axis: Axis) -> np.ndarray:
    """bool `[H, W]`: cells whose centre lies in one of the boxes, edges included, or where the mask, interpolated
    between the centres of its pixels, is at least one half."""
    rows, columns = np.asarray(y_axis.values), np.asarray(x_axis.values)
    inside = np.zeros((len(rows), len(columns)), bool)
    for left, right, low, high in region.boxes:
        inside[_between(rows, low, high), _between(columns, left, right)] = True
    if region.mask is not None:
        inside |= _interpolated(unpacked(region.mask), rows, columns) >= 0.5
    return inside


def require_same_size(mask: Sequence[int], picture: Sequence[int]) -> None:
    """Rows and columns of both. Raises BadParameter."""
    if tuple(mask) != tuple(picture):
        raise BadParameter(
            f"The mask has {mask[1]} x {mask[0]} pixels and the picture {picture[1]} x {picture[0]}; make a mask of the same size.",
            code="mask_size",
            field="mask",
        )


def checked_cells(region: Region, y_axis: Axis, x_axis: Axis) -> np.ndarray:
    """`cells_inside`, some and not all. Raises BadParameter."""
    inside = cells_inside(region, y_axis, x_axis)
    if not inside.any():
        raise BadParameter(
            "The region holds no cell of what this model looks at: it lies outside the part shown, or is smaller than a cell. "
            "Choose a larger one, or another part of the input.",
            code="region_outside",
            field="boxes" if region.boxes else "mask",
        )
    if inside.all():
        raise BadParameter(
            "The region covers all that this model looks at, so there is nothing to compare it with; choose a smaller one.",
            code="region_whole",
            field="boxes" if region.boxes else "mask",
        )
    return inside


def painted(pixels: np.ndarray) -> np.ndarray:
    """bool `[H, W]` of a mask as a picture, uint8 `[H, W, 3]`: what is brighter than half of its brightest pixel is inside."""
    grey = pixels.max(axis=2)
    inside: np.ndarray = grey > grey.max() / 2
    return inside


def packed(mask: np.ndarray) -> PixelRuns:
    """Run lengths down the columns of bool `[H, W]`, the first run outside."""
    down = np.concatenate([[False], mask.T.ravel()])
    turns = np.flatnonzero(np.diff(down, append=~down[-1]))
    return PixelRuns(size=(mask.shape[0], mask.shape[1]), counts=np.diff(turns, prepend=0).tolist())


def unpacked(runs: PixelRuns) -> np.ndarray:
    """bool `[H, W]`."""
    height, width = runs.size
    values = np.arange(len(runs.counts)) % 2 == 1
    return np.repeat(values, runs.counts).reshape(width, height).T


def _between(values: np.ndarray, low: float, high: float) -> slice:
    """values: ascending."""
    return slice(int(np.searchsorted(values, low, "left")), int(np.searchsorted(values, high, "right")))


def _interpolated(mask: np.ndarray, ys: Sequence[float] | np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Bilinear values of the mask at all pairs of coordinates, in which pixel k covers k..k+1."""
    top, bottom, v = _neighbours(np.asarray(ys), mask.shape[0])
    left, right, u = _neighbours(xs, mask.shape[1])
    upper = mask[np.ix_(top, left)] * (1 - u) + mask[np.ix_(top, right)] * u
    lower = mask[np.ix_(bottom, left)] * (1 - u) + mask[np.ix_(bottom, right)] * u
    values: np.ndarray = upper * (1 - v)[:, None] + lower * v[:, None]
    return values


def _neighbours(at: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two neighbouring pixels, and the weight of the second."""
    place = np.clip(at - 0.5, 0, count - 1)
    first = np.minimum(np.floor(place).astype(int), max(0, count - 2))
    return first, np.minimum(count - 1, first + 1), place - first
