"""A map as a figure that can leave the page: title, conditions, axes with their units, colour bar in words. On white, cell by cell, without
matplotlib (whose DejaVu Sans it writes in: 18 MB of a web process for a few words would be much).

    title
    conditions
    plot with ticks
    colour bar, from what speaks against to what speaks for
    caption
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.core.schemas import AxisInfo, Record
from backend.rendering.colours import ramp

INK, MUTED, LINE = (22, 25, 29), (92, 102, 112), (226, 229, 233)
MARGIN, LEFT, TOP, BELOW = 20, 62, 62, 112
"""Pixels: around everything, left of the plot, above it, under it."""
NARROWEST = 480
"""Of the plot's column: words need room beside a narrow map."""
HERTZ = (1000, 4000, 500, 2000, 100, 8000, 16000, 200, 50)
"""Round frequencies, the important ones first."""
WARNING = "Research and teaching only. What the model used, not what is wrong with the patient."


@dataclass(frozen=True)
class Caption:
    """limit: strength of full colour. clipped: stronger cells exist. look: how it was drawn, for a person."""

    record: Record
    limit: float
    clipped: bool
    look: str


def figure(pixels: np.ndarray, caption: Caption) -> bytes:
    """PNG. pixels: the map over its input, uint8 `[h, w, 3]`, row 0 at the top as a person sees it."""
    height, width = pixels.shape[:2]
    record, column = caption.record, max(width, NARROWEST)
    canvas = Image.new("RGB", (LEFT + column + MARGIN, TOP + height + BELOW), (255, 255, 255))
    canvas.paste(Image.fromarray(pixels), (LEFT, TOP))
    draw = ImageDraw.Draw(canvas)
    room = LEFT + column - MARGIN
    draw.text((MARGIN, 14), fitted(record.method_title, 16, room), INK, font(16))
    draw.text((MARGIN, 38), fitted(conditions(record), 11, room), MUTED, font(11))
    axes(draw, record, (LEFT, TOP, width, height))
    bar(canvas, draw, caption, (LEFT, TOP + height + 34, column))
    draw.text((MARGIN, TOP + height + 74), fitted(caption.look, 10, room), MUTED, font(10))
    draw.text((MARGIN, TOP + height + 90), fitted(WARNING, 10, room), MUTED, font(10))
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def conditions(record: Record) -> str:
    """Class, model, weights, layer, seed: a map without them says nothing."""
    parts = [record.target_label, record.model, f"weights {record.weights_sha256[:12]}", record.layer]
    return " · ".join([*(part for part in parts if part), f"seed {record.seed}"])


def axes(draw: ImageDraw.ImageDraw, record: Record, box: tuple[int, int, int, int]) -> None:
    """Ticks with their labels; the unit stands on the last one. box: left, top, width, height of the plot."""
    left, top, width, height = box
    turned = record.y_axis.origin == "lower"
    for share, label in ticks(record.x_axis, width):
        x = left + share * width
        draw.line((x, top + height, x, top + height + 4), MUTED)
        draw.text((min(x, left + width - 8), top + height + 6), label, MUTED, font(11), anchor="ma")
    for share, label in ticks(record.y_axis, height):
        y = top + (1 - share if turned else share) * height
        draw.line((left - 5, y, left - 1, y), MUTED)
        draw.text((left - 7, y), label, MUTED, font(11), anchor="rm")


def ticks(axis: AxisInfo, length: int) -> list[tuple[float, str]]:
    """Share of the side and label of round values, at least 30 pixels apart."""
    edges = [place(axis, end) for end in (0.0, 1.0)]
    if axis.unit == "Hz":
        values: Sequence[float] = _apart(axis, [hz for hz in HERTZ if edges[0] <= hz <= edges[1]], length)
    else:
        values = rounded(edges[0], edges[1], max(3, length // 70))
    decimals = 0 if axis.unit != "s" else max(0, -int(np.floor(np.log10(_step(values)))))
    return [
        (share_of(axis, value), f"{value:,.{decimals}f}{f' {axis.unit}' if value == values[-1] else ''}")
        for value in values
    ]


def _apart(axis: AxisInfo, wanted: Sequence[int], length: int) -> list[float]:
    chosen: list[float] = []
    for value in wanted:
        if all(abs(share_of(axis, value) - share_of(axis, other)) * length >= 30 for other in chosen):
            chosen.append(float(value))
    return sorted(chosen)


def _step(values: Sequence[float]) -> float:
    return float(values[1] - values[0]) if len(values) > 1 else 1.0


def rounded(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], about `count` of them."""
    rough = (high - low) / count
    if not rough > 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= 0.999 * rough)
    first, last = int(np.ceil(low / step - 1e-6)), int(np.floor(high / step + 1e-6))
    return [float(f"{step * number:.12g}") for number in range(first, last + 1)]


def share_of(axis: AxisInfo, value: float) -> float:
    """Where a coordinate lies, as a share of the side: cell centres at (i + 0.5) / n, straight on beyond the outer ones."""
    values, count = np.asarray(axis.values), len(axis.values)
    if count < 2:
        return 0.5
    i = int(np.clip(np.searchsorted(values, value, side="right") - 1, 0, count - 2))
    return float((i + (value - values[i]) / (values[i + 1] - values[i]) + 0.5) / count)


def place(axis: AxisInfo, share: float) -> float:
    """The inverse of `share_of`."""
    values, count = axis.values, len(axis.values)
    if count < 2:
        return values[0]
    at = share * count - 0.5
    i = int(np.clip(np.floor(at), 0, count - 2))
    return values[i] + (at - i) * (values[i + 1] - values[i])


def bar(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, caption: Caption, where: tuple[int, int, int]
) -> None:
    """Which colour means what, with zero marked. where: left, top, width."""
    left, top, width = where
    signed, label = caption.record.signed, caption.record.target_label
    colours = ramp("coolwarm" if signed else "cividis", np.linspace(0.0, 1.0, width))
    canvas.paste(Image.fromarray(np.rint(np.repeat(colours[None], 8, axis=0)).astype(np.uint8)), (left, top))
    end = f"{'≥ ' if caption.clipped else ''}{caption.limit:.3g}"
    low = (f"{'≤ ' if caption.clipped else ''}−{caption.limit:.3g} speaks against") if signed else "0"
    high = f"{'supports' if signed else 'used for'} {label} {end}"
    draw.text((left, top + 12), low, INK, font(11))
    draw.text((left + width, top + 12), fitted(high, 11, width // 2 - 20), INK, font(11), anchor="ra")
    if signed:
        draw.line((left + width // 2, top - 2, left + width // 2, top + 9), INK)
        draw.text((left + width // 2, top + 12), "0", INK, font(11), anchor="ma")


def fitted(text: str, size: int, room: float) -> str:
    """The text, its end replaced by an ellipsis where there is no room."""
    if font(size).getlength(text) <= room:
        return text
    while text and font(size).getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of matplotlib's own data: the package is found, not loaded."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size)
