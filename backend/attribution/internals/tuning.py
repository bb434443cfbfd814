"""Kernels of a layer's own convolution, and what those of the first one answer to, measured from their spectrum.

A kernel is summed over its input channels, its mean taken out, and its 2-D Fourier transform (zero-padded) searched for
the frequency of largest magnitude: its direction is that of the change that the filter answers to, its phase at the
kernel's centre tells an edge (odd) from a line (even). A kernel whose mean outweighs that frequency averages: a blob.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from app.core.internals_results import Tuning
from models.events import JOINTS, SUMS, record_events, trial_noise
from models.model import Model
from models.spec import Axis

GRID = 64
"""Points of the padded transform along each side."""
ALONG = 22.5
"""Degrees from an axis that still count as along it."""
FLAT = 1e-3
"""A kernel smaller than this share of the layer's largest does nothing to speak of."""
COLOURED = 0.5
"""A kernel whose channels differ by more than this share of its energy answers to a colour."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """The convolution whose output, rectified or normalised channel by channel, is the layer's. weights: float32
    `[C, c, kh, kw]`. first: nothing with weights of its own lies before it."""

    weights: np.ndarray
    first: bool


def convolution_of(model: Model, layer: str) -> Convolution | None:
    """None where a sum, a concatenation or another module lies between: the layer's maps then have no kernels."""
    events, _ = record_events(model.module, trial_noise(model.input.shape, model.device).to(model.device))
    ends = [i for i, event in enumerate(events) if event.name == layer and not event.call]
    if not ends:
        return None
    weighted = [
        i
        for i, event in enumerate(events[: ends[-1] + 1])
        if isinstance(event.module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and not event.call
    ]
    if not weighted:
        return None
    last = events[weighted[-1]]
    between = {event.call for event in events[weighted[-1] : ends[-1]]}
    mixed = between & (SUMS | JOINTS) or any(
        event.spatial and event.shape[1] != last.shape[1] for event in events[weighted[-1] : ends[-1] + 1]
    )
    if mixed or not isinstance(last.module, nn.Conv2d):
        return None
    weights: np.ndarray = last.module.weight.detach().float().cpu().numpy()
    return Convolution(weights, first=len(weighted) == 1)


def tuning(kernels: np.ndarray, y_axis: Axis | None = None, x_axis: Axis | None = None) -> list[Tuning]:
    """One per kernel of `[C, c, kh, kw]`. Axes with seconds and Hz put the words into these units."""
    largest = float(np.abs(kernels).max(initial=0.0))
    sound = x_axis is not None and x_axis.unit == "s"
    return [
        _of_kernel(kernel, largest, y_axis if sound else None, x_axis if sound else None)
        for kernel in kernels
    ]


def _of_kernel(kernel: np.ndarray, largest: float, y_axis: Axis | None, x_axis: Axis | None) -> Tuning:
    if np.abs(kernel).max() <= FLAT * largest or largest == 0:
        return Tuning(
            kind="flat", degrees=None, period=None, words="Hardly anything: its weights are near zero"
        )
    luminance = kernel.mean(axis=0)
    chroma = float(((kernel - luminance) ** 2).sum() / (kernel**2).sum())
    y, x, magnitude, phase = _peak(luminance if chroma <= COLOURED else _strongest_channel(kernel))
    mean = abs(float(luminance.sum()))
    if chroma > COLOURED and len(kernel) == 3:
        return Tuning(kind="colour", degrees=None, period=None, words=_colour(kernel))
    if mean > magnitude or magnitude == 0:
        return Tuning(kind="blob", degrees=None, period=None, words=_blob(luminance, y_axis, x_axis))
    degrees = float(np.degrees(np.arctan2(y, x)) % 180)
    period = float(1 / np.hypot(y, x))
    odd = abs(np.sin(phase)) > abs(np.cos(phase))
    sign = _sign(luminance, y, x, odd=odd)
    if y_axis is None or x_axis is None:
        return Tuning(
            kind="oriented", degrees=degrees, period=period, words=_seen(degrees, period, sign, odd=odd)
        )
    across = min(degrees, 180 - degrees)
    if across <= ALONG:
        return Tuning(
            kind="time edge", degrees=degrees, period=period, words=_in_time(period, sign, x_axis, odd=odd)
        )
    if across >= 90 - ALONG:
        words = _in_frequency(period, sign, y_axis, odd=odd)
        return Tuning(kind="frequency edge", degrees=degrees, period=period, words=words)
    rising = "falling" if degrees < 90 else "rising"
    words = f"A slanted edge: sound {rising} in pitch, over about {_milliseconds(period / abs(np.cos(np.radians(degrees))), x_axis)}"
    return Tuning(kind="oriented", degrees=degrees, period=period, words=words)


def _peak(plane: np.ndarray) -> tuple[float, float, float, float]:
    """Cycles per cell along y and x (x >= 0) of the largest magnitude without the mean, that magnitude, and the phase
    there, measured from the kernel's centre."""
    height, width = plane.shape
    spectrum = np.fft.fft2(plane - plane.mean(), (GRID, GRID))
    frequencies = np.fft.fftfreq(GRID)
    magnitude = np.abs(spectrum)
    magnitude[:, frequencies < 0] = 0  # the other half mirrors it
    row, column = np.unravel_index(int(magnitude.argmax()), magnitude.shape)
    y, x = float(frequencies[row]), float(frequencies[column])
    if x == 0 and y < 0:
        y = -y
        row = GRID - row
    centre = np.exp(2j * np.pi * (y * (height - 1) / 2 + x * (width - 1) / 2))
    return y, x, float(magnitude[row, column]), float(np.angle(spectrum[row, column] * centre))


def _strongest_channel(kernel: np.ndarray) -> np.ndarray:
    channel: np.ndarray = kernel[int((kernel**2).sum((1, 2)).argmax())]
    return channel


def _sign(plane: np.ndarray, y: float, x: float, *, odd: bool) -> int:
    """+1 where the weights grow along the direction (odd), or the middle is positive (even)."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in plane.shape)
    along = 2 * np.pi * (y * rows[:, None] + x * columns[None])
    centred = plane - plane.mean()
    return 1 if float((centred * (np.sin(along) if odd else np.cos(along))).sum()) > 0 else -1


def _milliseconds(cells: float, axis: Axis) -> str:
    step = float(np.median(np.diff(axis.values)))
    return f"{1000 * step * cells:.0f} ms"


def _hertz(cells: float, axis: Axis) -> str:
    steps = np.diff(axis.values) * cells
    low, high = float(steps.min()), float(steps.max())
    if high < 1.2 * low:
        return f"{(low + high) / 2:.0f} Hz"
    return f"{low:.0f} Hz (low pitch) to {high:.0f} Hz (high pitch)"


def _in_time(period: float, sign: int, axis: Axis, *, odd: bool) -> str:
    if odd:
        what = "Onset: sound that grows louder" if sign > 0 else "Offset: sound that grows quieter"
        return f"{what} within about {_milliseconds(period / 2, axis)}"
    what = "A short burst" if sign > 0 else "A short gap"
    return f"{what} of about {_milliseconds(period / 2, axis)}"


def _in_frequency(period: float, sign: int, axis: Axis, *, odd: bool) -> str:
    if odd:
        where = "above" if sign > 0 else "below"
        return f"Edge in pitch: louder {where}, within about {_hertz(period / 2, axis)}"
    what = "A tone" if sign > 0 else "A notch between tones"
    return f"{what}, about {_hertz(period / 2, axis)} wide"


def _seen(degrees: float, period: float, sign: int, *, odd: bool) -> str:
    edge = "edge" if odd else ("bright line" if sign > 0 else "dark line")
    standing = (degrees + 90) % 180
    names = {0: "Horizontal", 90: "Vertical"}
    near = next(
        (
            name
            for angle, name in names.items()
            if min(abs(standing - angle), 180 - abs(standing - angle)) <= ALONG
        ),
        None,
    )
    leaning = near or f"Diagonal ({'down' if standing < 90 else 'up'} to the right)"
    return f"{leaning} {edge}, {period:.1f} pixels a cycle"


def _colour(kernel: np.ndarray) -> str:
    sums = kernel.sum((1, 2))
    names = ("red", "green", "blue")
    most, least = int(sums.argmax()), int(sums.argmin())
    return f"Colour: {names[most]} against {names[least]}"


def _blob(plane: np.ndarray, y_axis: Axis | None, x_axis: Axis | None) -> str:
    loud = plane.sum() > 0
    if y_axis is None or x_axis is None:
        return "Brightness of a spot" if loud else "Darkness of a spot"
    height, width = plane.shape
    what = "Loudness" if loud else "Quiet"
    return f"{what} over about {_milliseconds(width, x_axis)} and {_hertz(height, y_axis)}"
