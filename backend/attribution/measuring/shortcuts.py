"""Shortcut meter: how much of what a map counts for the class lies where no evidence can be.

    share   of the positive relevance that lies in a region: sum of max(v, 0) inside over that of the whole map
    area    of the region, as a share of the cells: what an even map would have there
    flagged at least twice and ten percentage points more than an even map has, and more than 9 of 10 maps with the
            same values elsewhere (the map rolled along its sides) have there

Regions of sound: the first and the last 0.1 s of the cut, what was filled up with silence, pauses between sounds, and
the bands of a mains hum where one is heard. Regions of pictures: the border, and bars of one colour along it. What a
sample is known to hold beside its evidence (a sticker, a hum) is a region too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.media.segment import Event, segment
from models.spec import Axis, Prepared

EDGE_S = 0.1
"""Seconds at both ends of the cut."""
BORDER = 0.04
"""Width of a picture's border, as a share of its shorter side."""
BAR = 2.0
"""Grey levels of 255 that a bar of one colour may vary by."""
MAINS = (50.0, 60.0)
PARTIALS = 500.0
"""Hz up to which a hum's partials are looked for."""
PROMINENT = 10.0
"""dB above the levels around it from which a steady line counts."""
MARGIN_S = 0.05
"""Around a sound that is no pause yet."""
TIMES, MORE, RARE = 2.0, 0.10, 0.1


@dataclass(frozen=True, eq=False)
class Region:
    """mask: bool `[H, W]`. words: where it is, as the end of "... of the support lies in ..."."""

    key: str
    title: str
    words: str
    mask: np.ndarray


@dataclass(frozen=True)
class Share:
    """A region and a map. rare: share of the rolled maps that have as much in the region."""

    key: str
    title: str
    share: float
    area: float
    rare: float
    words: str

    @property
    def times(self) -> float:
        return self.share / self.area

    @property
    def flagged(self) -> bool:
        return self.times >= TIMES and self.share - self.area >= MORE and self.rare <= RARE


def shares(values: np.ndarray, regions: Iterable[Region]) -> list[Share]:
    """What the map holds of each region that has an inside and an outside, the flagged and most striking first; empty for a map
    with nothing positive. values: `[H, W]`."""
    support = np.maximum(values, 0).astype(np.float64)
    total = float(support.sum())
    if not total:
        return []
    weighed = [
        Share(
            region.key,
            region.title,
            share := float(support[region.mask].sum()) / total,
            float(region.mask.mean()),
            _rare(support / total, region.mask, share),
            f"{said(share)} of the support lies {region.words}",
        )
        for region in regions
        if region.mask.any() and not region.mask.all()
    ]
    return sorted(weighed, key=lambda each: (not each.flagged, each.area - each.share))


def _rare(support: np.ndarray, mask: np.ndarray, share: float) -> float:
    """Share of the places a map can be rolled to at which the region holds as much or more, its own place among them: by the
    circular correlation of map and region."""
    if (mask == mask[:, :1]).all():  # whole rows: only up and down is another place
        support, mask = support.sum(1, keepdims=True), mask[:, :1]
    elif (mask == mask[:1]).all():
        support, mask = support.sum(0, keepdims=True), mask[:1]
    there = np.fft.ifft2(np.fft.fft2(support) * np.conj(np.fft.fft2(mask.astype(np.float64)))).real
    return float(np.mean(there >= share - 1e-9))


def said(share: float) -> str:
    """`46 %`; `Under 1 %` where something is there; `Nothing`."""
    if share <= 0:
        return "Nothing"
    return "Under 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def regions_of(prepared: Prepared, sound: tuple[np.ndarray, int] | None = None) -> list[Region]:
    """What can be told from the input itself. sound: mono waveform `[n]` and its rate, of a recording."""
    if prepared.x_axis.name == "time":
        return regions_of_sound(prepared, sound)
    return regions_of_picture(prepared.display)


def regions_of_sound(prepared: Prepared, sound: tuple[np.ndarray, int] | None = None) -> list[Region]:
    times, shape = prepared.x_axis.values, (len(prepared.y_axis.values), len(prepared.x_axis.values))
    step = float(times[1] - times[0])
    first = float(times[0]) - step / 2
    last = min(float(times[-1]) + step / 2, prepared.window[1] if prepared.window else np.inf)
    events = [event for event in segment(*sound) if event.end > first and event.start < last] if sound else []
    regions = [
        _columns(
            "start",
            "Start of the cut",
            f"in the first {EDGE_S:g} s{_before(first + EDGE_S, events)}",
            times < first + EDGE_S,
            shape,
        ),
        _columns(
            "end",
            "End of the cut",
            f"in the last {EDGE_S:g} s{_after(last - EDGE_S, events)}",
            (times >= last - EDGE_S) & (times < last),
            shape,
        ),
        _columns(
            "padding",
            "Filled up",
            "after the recording's end, where silence was filled in",
            times >= last,
            shape,
        ),
    ]
    if events:
        heard = np.zeros(len(times), bool)
        for event in events:
            heard |= (times > event.start - MARGIN_S) & (times < event.end + MARGIN_S)
        regions.append(
            _columns(
                "pauses", "Pauses", "in the pauses, where no sound stands out", ~heard & (times < last), shape
            )
        )
    if sound and (lines := hum_lines(*sound)):
        rows = bands_of(prepared.y_axis, lines)
        regions.append(
            Region("hum", "Mains hum", "in the bands of a mains hum", np.broadcast_to(rows[:, None], shape))
        )
    return regions


def _columns(key: str, title: str, words: str, inside: np.ndarray, shape: tuple[int, int]) -> Region:
    return Region(key, title, words, np.broadcast_to(inside[None], shape))


def _before(time: float, events: Sequence[Event]) -> str:
    return ", before the cough" if events and min(event.start for event in events) >= time else ""


def _after(time: float, events: Sequence[Event]) -> str:
    return ", after the cough" if events and max(event.end for event in events) <= time else ""


def hum_lines(waveform: np.ndarray, rate: int) -> list[float]:
    """Frequencies in Hz of a steady hum: multiples of 50 or 60 Hz that stand out of the quietest fifth of the moments by 10 dB,
    two of one kind at least; else none."""
    size = round(rate / 4)
    if len(waveform) < 4 * size:
        return []
    blocks = np.lib.stride_tricks.sliding_window_view(np.asarray(waveform, np.float32), size)[:: size // 2]
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(size).astype(np.float32), axis=1)))
    levels = 10 * np.log10(np.percentile(power, 20, axis=0) + 1e-20)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    best: list[float] = []
    for mains in MAINS:
        partials = np.arange(mains, PARTIALS + 1, mains)
        lines = [float(line) for line in partials if _prominence(levels, hertz, line) >= PROMINENT]
        best = max(best, lines, key=len)
    return best if len(best) >= 2 else []


def _prominence(levels: np.ndarray, hertz: np.ndarray, line: float) -> float:
    """dB of the line over the median of what is 12 to 30 Hz away from it."""
    away = np.abs(hertz - line)
    return float(levels[away <= 4].max() - np.median(levels[(away >= 12) & (away <= 30)]))


def bands_of(axis: Axis, lines: Sequence[float]) -> np.ndarray:
    """bool `[rows]`: bands that reach over a line, from the centre of the band below to that of the band above."""
    centres = axis.values
    below = np.r_[2 * centres[0] - centres[1], centres[:-1]]
    above = np.r_[centres[1:], 2 * centres[-1] - centres[-2]]
    return np.array(
        [any(low < line < high for line in lines) for low, high in zip(below, above, strict=True)]
    )


def regions_of_picture(display: np.ndarray) -> list[Region]:
    """display: `[H, W, 3]` uint8 or `[H, W]` in 0..1."""
    picture = display if display.ndim == 3 else display[..., None]
    picture = picture.astype(np.float32) * (1 if display.dtype == np.uint8 else 255)
    height, width = picture.shape[:2]
    wide = max(1, round(BORDER * min(height, width)))
    border = np.ones((height, width), bool)
    border[wide : height - wide, wide : width - wide] = False
    bars = np.zeros((height, width), bool)
    top, bottom = _bar(picture), _bar(picture[::-1])
    left, right = _bar(picture.transpose(1, 0, 2)), _bar(picture.transpose(1, 0, 2)[::-1])
    bars[:top], bars[height - bottom :], bars[:, :left], bars[:, width - right :] = True, True, True, True
    return [
        Region("border", "Image border", "on the border of the picture", border),
        Region("bars", "Bars", "on the bars of one colour at its edges", bars),
    ]


def _bar(picture: np.ndarray) -> int:
    """Rows from the top that have one colour, the same for all of them."""
    same = np.abs(picture - picture[0, 0]).max(axis=(1, 2)) <= BAR
    rows = int(np.argmin(same)) if not same.all() else 0
    return rows if rows >= 2 else 0
