"""Per filter the inputs that it answers to most, and the part of each that its strongest cell looks at.

How much of the input a cell looks at is measured, the same for every network: the window, centred on the cell, that
holds `SHARE` of the input gradient of the layer's squared maps there, on average over a few inputs. (The window that
could matter at all is the whole photograph for most layers of a deep network.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.internals_results import Strongest
from backend.attribution.internals.pooled import Pooled
from backend.attribution.network.activations import up_to
from models.model import Model
from models.spec import Axis, Prepared

MOST = 4
"""Inputs shown per filter, of different sources."""
SHARE = 0.95
PROBES = 8
"""Inputs over which the window is measured."""
SMALLEST = 3
PATCH_BYTES = 24 * 2**20
"""All patches of a layer together; larger ones are averaged down."""
LARGEST = 64
"""Longest side of a stored patch, in cells."""


@dataclass(frozen=True)
class Window:
    """Height and width of what one cell looks at, in cells of the display grid `[H, W]`."""

    height: int
    width: int


def window_of(model: Model, layer: str, x: Tensor) -> Window:
    """x: some inputs `[n, C, H, W]`."""
    with torch.enable_grad():
        leaf = x[:PROBES].detach().clone().requires_grad_(True)
        maps = up_to(model, layer, leaf)
        row, column = maps.shape[2] // 2, maps.shape[3] // 2
        (gradient,) = torch.autograd.grad(maps[:, :, row, column].square().sum(), leaf)
    weight = gradient.abs().sum(1).double()
    total = weight.sum((1, 2), keepdim=True)
    if not bool((total > 0).any()):
        return Window(*x.shape[2:])
    mean = (weight / torch.where(total > 0, total, 1.0)).sum(0).cpu().numpy()
    height, width = x.shape[2:]
    return Window(
        _extent(mean.sum(1), (row + 0.5) * height / maps.shape[2] - 0.5),
        _extent(mean.sum(0), (column + 0.5) * width / maps.shape[3] - 0.5),
    )


def _extent(profile: np.ndarray, centre: float) -> int:
    """Length of the smallest window around `centre` that holds `SHARE` of the profile."""
    distance = np.abs(np.arange(len(profile)) - centre)
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(profile[order]) / profile.sum()
    reach = float(distance[order][min(int(np.searchsorted(held, SHARE)), len(order) - 1)])
    return int(min(len(profile), max(SMALLEST, 2 * np.ceil(reach) + 1)))


@dataclass(frozen=True)
class Patch:
    """Rows and columns of the display grid that one strongest cell looks at, and the input it lies in."""

    example: int
    value: float
    rows: slice
    columns: slice


def patches_of(
    pooled: Pooled, sources: Sequence[str], window: Window, grid: tuple[int, int]
) -> list[list[Patch]]:
    """Per filter at most `MOST` patches of inputs with different sources, strongest first; none for a dead filter."""
    living = set(pooled.living)
    order = np.argsort(-pooled.peaks, axis=0, kind="stable")
    return [
        [_patch(pooled, int(example), k, window, grid) for example in _different(order[:, k], sources)]
        if k in living
        else []
        for k in range(pooled.peaks.shape[1])
    ]


def _different(order: np.ndarray, sources: Sequence[str]) -> list[int]:
    """The first `MOST` inputs of different sources."""
    first: dict[str, int] = {}
    for example in order:
        first.setdefault(sources[example], int(example))
        if len(first) == MOST:
            break
    return list(first.values())


def _patch(pooled: Pooled, example: int, k: int, window: Window, grid: tuple[int, int]) -> Patch:
    _, height, width = pooled.mean_map.shape
    row, column = divmod(int(pooled.peak_cells[example, k]), width)
    return Patch(
        example,
        float(pooled.peaks[example, k]),
        _placed((row + 0.5) / height * grid[0], window.height, grid[0]),
        _placed((column + 0.5) / width * grid[1], window.width, grid[1]),
    )


def _placed(centre: float, length: int, side: int) -> slice:
    """A window of that length around the centre, moved inside the grid."""
    start = min(max(0, round(centre - length / 2)), side - length)
    return slice(start, start + length)


def described(patch: Patch, source: str, prepared: Prepared, *, sound: bool) -> Strongest:
    """In shares of the display grid, and in seconds and Hz where its axes have them."""
    height, width = prepared.display.shape[:2]
    return Strongest(
        source=source,
        example=patch.example,
        value=patch.value,
        box=(
            patch.columns.start / width,
            patch.rows.start / height,
            patch.columns.stop / width,
            patch.rows.stop / height,
        ),
        seconds=_span(prepared.x_axis, patch.columns) if prepared.x_axis.unit == "s" else None,
        hz=_span(prepared.y_axis, patch.rows) if prepared.y_axis.unit == "Hz" else None,
        sound=sound,
    )


def _span(axis: Axis, cells: slice) -> tuple[float, float]:
    """From the lower edge of the first cell to the upper edge of the last; edges lie half way between centres."""
    edges = np.concatenate([[0.0], (axis.values[1:] + axis.values[:-1]) / 2, [0.0]])
    edges[0] = max(0.0, 2 * axis.values[0] - edges[1])
    edges[-1] = 2 * axis.values[-1] - edges[-2]
    return float(edges[cells.start]), float(edges[cells.stop])


def patch_shape(window: Window, filters: int, colours: int) -> tuple[int, int]:
    """Height and width of stored patches: the window, averaged down where all would be too large."""
    side = min(LARGEST, int((PATCH_BYTES / (filters * MOST * colours)) ** 0.5))
    scale = min(1.0, side / max(window.height, window.width))
    return max(1, round(window.height * scale)), max(1, round(window.width * scale))


def cut(display: np.ndarray, patch: Patch, shape: tuple[int, int]) -> np.ndarray:
    """The patch as it is seen, uint8 `[ph, pw]` or `[ph, pw, 3]`, rows as in the display grid."""
    from PIL import Image

    part = display[patch.rows, patch.columns]
    if part.dtype != np.uint8:
        part = np.round(np.clip(part, 0, 1) * 255).astype(np.uint8)
    if part.shape[:2] == shape:
        return np.ascontiguousarray(part)
    picture = Image.fromarray(np.ascontiguousarray(part)).resize(shape[::-1], Image.Resampling.BOX)
    return np.asarray(picture)
