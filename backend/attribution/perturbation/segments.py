"""Segments of an input, which perturbation methods switch on and off: superpixels of pictures, tiles of
spectrograms."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from skimage.segmentation import slic as superpixels
from torch import Tensor

from models.model import Model

Segmentation = Literal["slic", "tiles"]


def segments(model: Model, x: Tensor, kind: Segmentation, n: int) -> np.ndarray:
    """About `n` segments of `x [1, C, H, W]`, never more: int64 `[H, W]`, labels 0 .. S - 1, each present."""
    if kind == "tiles":
        rows, columns = grid(n, *x.shape[-2:])
        return tiles(x.shape[-2], x.shape[-1], rows, columns)
    return slic(picture(model, x), n)


def slic(image: np.ndarray, n: int) -> np.ndarray:
    """SLIC superpixels with adaptive compactness (Achanta et al. 2012, doi:10.1109/TPAMI.2012.120; the SLICO
    variant).

    image: float `[H, W, C]` in 0..1, grey or colour. Falls back to tiles for a picture too small or too flat
    to segment. SLIC starts from a grid and may return a few more than `n`; the smallest are then merged into
    a neighbour.
    """
    height, width = image.shape[:2]
    colour = image.shape[2] == 3
    superpixel_labels = superpixels(
        image if colour else image[..., 0],
        n_segments=n,
        slic_zero=True,
        start_label=0,
        convert2lab=colour,
        channel_axis=-1 if colour else None,
    )
    labels = at_most(n, np.unique(superpixel_labels, return_inverse=True)[1].reshape(height, width))
    return labels if labels.max() > 0 or n == 1 else tiles(height, width, *grid(n, height, width))


def at_most(n: int, labels: np.ndarray) -> np.ndarray:
    """Merges the smallest segment into the neighbour with the longest common border until at most `n`
    remain."""
    while labels.max() >= n:
        smallest = np.bincount(labels.ravel()).argmin()
        sides = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
        beyond = [b[(a == smallest) & (b != smallest)] for pair in sides for a, b in (pair, pair[::-1])]
        labels = np.where(labels == smallest, np.bincount(np.concatenate(beyond)).argmax(), labels)
        labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return labels


def tiles(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """A grid of `rows` x `columns` rectangles as equal as whole cells allow."""
    y = np.arange(height) * rows // height
    x = np.arange(width) * columns // width
    return y[:, None] * columns + x[None, :]


def grid(n: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of at most `n` tiles, as many rows as columns where possible: 64 -> 8 x 8, 8 -> 2 x 4."""
    rows = min(height, math.isqrt(n))
    return rows, min(width, n // rows)


def picture(model: Model, x: Tensor) -> np.ndarray:
    """`x` as colours in 0..1, float64 `[H, W, C]` with C = 1 or 3."""
    image = x.detach().float().cpu()
    denormalise = getattr(model.input, "denormalise", None)
    image = denormalise(image) if denormalise else image
    low, high = float(image.min()), float(image.max())
    if low < -0.01 or high > 1.01:
        image = (image - low) / max(high - low, 1e-12)
    colours: np.ndarray = image[0].clamp(0, 1).movedim(0, -1).double().numpy()
    return colours if colours.shape[-1] in (1, 3) else colours.mean(-1, keepdims=True)


def to_cells(values: Tensor | np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values per segment `[S]` to values per cell, float32 `[H, W]`. labels: `[H, W]`."""
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.ascontiguousarray(array[labels], dtype=np.float32)
