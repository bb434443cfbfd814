"""A picture of a map for people and reports: the input in grey, evidence in colour, its strength in the
opacity."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from backend.rendering.colours import ramp


@dataclass(frozen=True)
class Look:
    """opacity: of the strongest cell, 0..1. top: percent of the cells shown, the strongest first. scale:
    pixels per cell."""

    opacity: float = 0.6
    top: float = 100.0
    sign: Literal["for", "against", "both"] = "both"
    scale: int = 2
    signed: bool = True
    upside_down: bool = False
    """Row 0 of the map is the bottom row of the picture (spectrograms)."""
    limit: float | None = None
    """Strength of full colour; None: that of the strongest cell shown."""


def draw(grid: np.ndarray | None, values: np.ndarray, look: Look) -> bytes:
    """PNG of `render`."""
    out = io.BytesIO()
    Image.fromarray(render(grid, values, look)).save(out, "PNG")
    return out.getvalue()


def render(grid: np.ndarray | None, values: np.ndarray, look: Look) -> np.ndarray:
    """uint8 `[scale * H, scale * W, 3]`. grid: the input on the display grid, uint8 `[H, W, 3]` or float `[H, W]` in 0..1, None for plain
    grey. values: float `[H, W]`.

    Colour: cividis from 0 to full for unsigned maps, coolwarm symmetric about 0 for signed
    ones; opacity follows |value|.
    """
    selected = _selected(values.astype(np.float64), look)
    full = look.limit or float(np.abs(selected).max(initial=0.0)) or 1.0
    share = (selected / full).clip(-1.0, 1.0)
    colour = ramp("coolwarm", (share + 1.0) / 2.0) if look.signed else ramp("cividis", share)
    alpha = (look.opacity * np.abs(share))[..., None]
    picture = (1.0 - alpha) * _grey(grid, values.shape)[..., None] + alpha * colour
    pixels = np.rint(picture).astype(np.uint8)
    if look.upside_down:
        pixels = pixels[::-1]
    return np.repeat(np.repeat(pixels, look.scale, axis=0), look.scale, axis=1)


def _selected(values: np.ndarray, look: Look) -> np.ndarray:
    """Zero where the sign is not asked for or the cell is not among the strongest `top` percent."""
    if look.sign == "for":
        values = np.maximum(values, 0.0)
    elif look.sign == "against":
        values = np.minimum(values, 0.0)
    keep = max(1, round(values.size * look.top / 100.0))
    strength = np.abs(values)
    return np.where(strength >= np.partition(strength.ravel(), -keep)[-keep], values, 0.0)


def _grey(grid: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """float `[H, W]` in 0..255."""
    if grid is None or grid.shape[:2] != shape:
        return np.full(shape, 224.0)
    if grid.ndim == 2:
        return np.clip(grid.astype(np.float64), 0.0, 1.0) * 255.0
    return grid.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
