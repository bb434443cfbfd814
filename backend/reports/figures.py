"""Pictures of a report: pixels and ticks apart, so that text stays text. numpy and PIL."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from app.core.schemas import AxisInfo, Cough, Record, Region
from backend.rendering import captioned, overlay
from backend.rendering.bundle import Look
from backend.rendering.colours import ramp
from backend.reports.content import Figure, Mark
from models.regions import cells_inside

ROWS, COLUMNS = 128, 900
"""Of a drawn spectrogram, at most."""
FLOOR = -75.0
"""dB under the loudest cell that are drawn black."""
FRAME = 0.032
PIXELS = 448
"""Of the longer side of a drawn map, about."""
WIDE = 0.55
"""Height over width of a map over time and frequency, as drawn."""


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", optimize=False)
    return out.getvalue()


def spectrogram(
    waveform: np.ndarray,
    rate: int,
    coughs: Sequence[Cough],
    window: tuple[float, float] | None,
    hears: float | None,
) -> tuple[Figure, AxisInfo, AxisInfo]:
    """The whole recording, power in dB on a mel-spaced axis, with what the model looked at; and its axes, frequency
    and time. hears: the highest frequency that the model takes in, Hz."""
    seconds = len(waveform) / rate
    size = max(64, 2 ** round(np.log2(FRAME * rate)))
    columns = int(np.clip(round(seconds / (FRAME / 4)), 8, COLUMNS))
    times = (np.arange(columns) + 0.5) * seconds / columns
    places = (times * rate).astype(int)[:, None] + np.arange(size) - size // 2
    inside = (places >= 0) & (places < len(waveform))
    frames = waveform[places.clip(0, len(waveform) - 1)] * inside * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    mel = np.linspace(0.0, _mel(rate / 2), ROWS + 1)
    hertz = _hertz((mel[1:] + mel[:-1]) / 2)
    levels = 10 * np.log10(power + 1e-12)
    bins = np.fft.rfftfreq(size, 1 / rate)
    cells = np.stack([np.interp(hertz, bins, row) for row in levels], axis=1)
    share = ((cells - cells.max() - FLOOR) / -FLOOR).clip(0.0, 1.0)
    y = AxisInfo(name="frequency", unit="Hz", origin="lower", values=hertz.tolist())
    x = AxisInfo(name="time", unit="s", origin="upper", values=times.tolist())
    marks = [
        Mark("event", [(cough.start / seconds, 0.0, cough.end / seconds, 1.0)], str(n))
        for n, cough in enumerate(coughs, 1)
    ]
    if window is not None:
        marks.append(Mark("window", [(window[0] / seconds, 0.0, min(1.0, window[1] / seconds), 1.0)]))
    if hears is not None and hears < 0.98 * rate / 2:
        height = 1.0 - captioned.share_of(y, hears)
        marks.append(
            Mark("line", [(0.0, height, 1.0, height)], f"The model hears nothing above {hears / 1000:g} kHz")
        )
    figure = Figure(
        png(np.rint(255 * share[::-1]).astype(np.uint8)),
        0.17,
        captioned.ticks(x, 640),
        _y_ticks(y, 150),
        f"Spectrogram of the recording, 0 to {seconds:.2f} s and 0 to {rate / 2:,.0f} Hz, with {len(coughs)} coughs.",
        marks,
    )  # fmt: skip
    return figure, y, x


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def photograph(
    pixels: np.ndarray, seen: tuple[AxisInfo, AxisInfo] | None
) -> tuple[Figure, AxisInfo, AxisInfo]:
    """The picture as it was sent, uint8 `[h, w, 3]`, and its axes in pixels, y and x. seen: axes of what the model looked at."""
    height, width = pixels.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    picture.thumbnail((900, 900))
    y = AxisInfo(name="y", unit="px", origin="upper", values=_centres(height))
    x = AxisInfo(name="x", unit="px", origin="upper", values=_centres(width))
    marks = []
    if seen is not None:
        top, bottom = (_edge(seen[0], end) / height for end in (0.0, 1.0))
        left, right = (_edge(seen[1], end) / width for end in (0.0, 1.0))
        if min(left, top) > 0.005 or max(right, bottom) < 0.995:
            marks.append(Mark("window", [(max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom))]))
    alt = f"The picture, {width} by {height} pixels."
    figure = Figure(
        png(np.asarray(picture)), height / width, captioned.ticks(x, 420), captioned.ticks(y, 300), alt, marks
    )
    return figure, y, x


def _centres(count: int) -> list[float]:
    """Of at most 512 even cells."""
    cells = min(count, 512)
    return ((np.arange(cells) + 0.5) * count / cells).tolist()


def _edge(axis: AxisInfo, end: float) -> float:
    return captioned.place(axis, end)


def map_figure(
    grid: np.ndarray | None, values: np.ndarray, record: Record, look: Look, full: float
) -> Figure:
    """A map over its input in grey, under the look of the page. full: strength of full colour."""
    drawn = overlay.Look(
        opacity=look.opacity,
        top=look.top,
        sign=look.sign,  # type: ignore[arg-type]
        scale=max(1, PIXELS // max(values.shape)),
        signed=record.signed,
        upside_down=record.y_axis.origin == "lower",
        limit=full,
    )
    time = record.x_axis.unit == "s"
    height, width = values.shape
    ends = [captioned.place(axis, end) for axis in (record.x_axis, record.y_axis) for end in (0.0, 1.0)]
    unit = ("s", "Hz") if time else (record.x_axis.unit, record.y_axis.unit)
    digits = 2 if time else 0
    alt = (
        f"Map of {record.method_title} for {record.target_label} over the input, {ends[0]:.{digits}f} to {ends[1]:.{digits}f} {unit[0]} "
        f"and {ends[2]:,.0f} to {ends[3]:,.0f} {unit[1]}; in words below."
    )
    return Figure(
        png(overlay.render(grid, values, drawn)),
        WIDE if time else height / width,
        captioned.ticks(record.x_axis, 280),
        _y_ticks(record.y_axis, 160),
        alt,
    )


def _y_ticks(axis: AxisInfo, length: int) -> list[tuple[float, str]]:
    """Shares from the top; thousands of Hz as k, as there is little room."""
    turned = axis.origin == "lower"
    ticks = [((1.0 - share if turned else share), label) for share, label in captioned.ticks(axis, length)]
    return [(share, _short(label)) for share, label in ticks if -0.001 <= share <= 1.001]


def _short(label: str) -> str:
    number, _, unit = label.replace(",", "").partition(" ")
    if unit == "Hz" and float(number) >= 1000:
        return f"{float(number) / 1000:g} kHz"
    if not unit and number.isdigit() and int(number) >= 1000 and int(number) % 100 == 0:
        return f"{int(number) / 1000:g}k"
    return label


def full_colour(values: np.ndarray, look: Look, largest: float) -> float:
    """Strength of full colour under the look's scale. largest: |value| of all maps together."""
    sizes = np.abs(values)
    limit = {"own": float(sizes.max()), "raw": largest}.get(look.scale) or float(np.quantile(sizes, 0.99))
    return limit or float(sizes.max()) or 1.0


def colour_bar(signed: bool) -> bytes:
    colours = ramp("coolwarm" if signed else "cividis", np.linspace(0.0, 1.0, 256))
    return png(np.rint(colours[None]).astype(np.uint8))


def within(region: Region, y: AxisInfo, x: AxisInfo) -> np.ndarray:
    """bool `[H, W]`: cells of a grid that lie in the region."""
    return cells_inside(region, y, x)  # type: ignore[arg-type]  # axes as they are sent have the same values


def outline(region: Region, y: AxisInfo, x: AxisInfo, label: str) -> Mark | None:
    """The region's edge on a grid; None where it holds no cell of it."""
    inside = within(region, y, x)
    if not inside.any():
        return None
    if y.origin == "lower":
        inside = inside[::-1]
    height, width = inside.shape
    segments = [(a / width, r / height, b / width, r / height) for r, a, b in _edges(inside)]
    segments += [(c / width, a / height, c / width, b / height) for c, a, b in _edges(inside.T)]
    return Mark("region", segments, label)


def _edges(inside: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs along the lines between rows where inside meets outside: line, first column, last column + 1."""
    padded = np.pad(inside.astype(np.int8), ((1, 1), (0, 0)))
    meets = np.diff(padded, axis=0) != 0
    runs = []
    for line, row in enumerate(meets):
        turns = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        runs += [(line, int(a), int(b)) for a, b in zip(turns[::2], turns[1::2], strict=True)]
    return runs
