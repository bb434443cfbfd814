"""What the model says of a recording with a region masked in the sound itself, beside the same region elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

    from app.core.schemas import Alteration
    from backend.attribution.whatif import WhatIf
    from models import Model, Prepared
    from models.spec import Axis

AROUND = 0.1
"""Seconds of sound masked before and after the window, so that its first and last frames have neighbours."""
Box = Sequence[float]


def heard_what_if(
    model: Model,
    prepared: Prepared,
    sound: tuple[np.ndarray, int],
    wish: Alteration,
    inside: np.ndarray,
    target: int | None,
    columns: int | None,
) -> WhatIf:
    """inside: the cells of `wish.boxes` on the display grid, which say where else the region has room. Raises
    InvalidInput."""
    import torch

    from backend.attribution.explain import check_input
    from backend.attribution.whatif import compared, random_regions

    places = random_regions(inside, wish.seed, columns=columns)
    shifts = [] if places.wrapped else list(places.shifts)
    regions = [
        wish.boxes,
        *([moved(box, shift, prepared.y_axis, prepared.x_axis) for box in wish.boxes] for shift in shifts),
    ]
    x = check_input(model, prepared.x)
    others = torch.cat([masked(model, prepared, sound, boxes, wish.mode == "keep") for boxes in regions])
    return compared(model, x, others, wish.mode, target)


def masked(
    model: Model, prepared: Prepared, sound: tuple[np.ndarray, int], boxes: Sequence[Box], keep: bool
) -> Tensor:
    """The window of the masked sound as the network sees it, `[1, C, H, W]`; nothing where all of it is silent."""
    from backend.rendering.listen import region_sound

    waveform, rate = sound
    first, last = prepared.window or (0.0, len(waveform) / rate)
    begin, end = max(0.0, first - AROUND), min(len(waveform) / rate, last + AROUND)
    part = region_sound(waveform, rate, boxes, part="only" if keep else "rest", window=(begin, end))
    try:
        return model.input.prepare((part, rate), start=first - round(begin * rate) / rate).x
    except InvalidInput as error:
        if error.instance_code != "silent":
            raise
        return model.input.baseline(prepared.x)


def moved(box: Box, shift: tuple[int, int], y_axis: Axis, x_axis: Axis) -> list[float]:
    """The box as many cells up and to the right: of equal size on the network's grid, not in Hz."""
    left, right = _along(box[:2], x_axis, shift[1])
    low, high = _along(box[2:], y_axis, shift[0])
    return [left, right, low, high]


def _along(ends: Sequence[float], axis: Axis, cells: int) -> tuple[float, float]:
    if cells == 0:
        return float(ends[0]), float(ends[1])
    index = np.arange(len(axis.values), dtype=float)
    edges = np.clip(np.array(ends, float), axis.values[0], axis.values[-1])
    first, last = np.interp(np.interp(edges, axis.values, index) + cells, index, axis.values)
    return float(first), float(last)
