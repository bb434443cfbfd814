"""Sound of a map, or of a region: a soft mask on the complex spectrogram with the original phase, inverted to a waveform.
numpy only: this runs in the web process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LOUDER = 10.0
"""Most that the masked sound is amplified to match the loudness of the original (20 dB): near-silence
stays near-silent."""
FADE = 0.01
"""Seconds at both ends of the window, so that it does not click."""
SOFT = (0.016, 62.5)
"""Seconds and Hz over which the mask of a region falls from 1 to 0, half of it outside: two frames, two bins."""
Part = Literal["only", "rest"]


@dataclass(frozen=True, eq=False)
class Cells:
    """A map `[H, W]` and the centres of its cells: frequencies `[H]` in Hz and times `[W]` in seconds,
    both ascending."""

    values: np.ndarray
    frequencies: list[float]
    times: list[float]


def marked_sound(
    waveform: np.ndarray,
    rate: int,
    cells: Cells,
    *,
    part: Part,
    top: float,
    window: tuple[float, float] | None = None,
) -> np.ndarray:
    """What the strongest `top` percent of the cells mark, or everything else, float32 `[n]` of the window at
    the recording's own rate.

    With S the short-time Fourier transform (Hann, 32 ms, hop a quarter) and M in 0..1 the mask interpolated
    from the cells between their centres, the sound is the inverse of `M S` (`only`) or `(1 - M) S` (`rest`);
    the two add up to the original. It is then scaled to the original's RMS, by at most 20 dB and never beyond
    full scale. Positive relevance is what marks a cell.
    """
    return _masked(
        waveform, rate, lambda frequencies, times: _mask(cells, top, frequencies, times), part, window
    )


def region_sound(
    waveform: np.ndarray,
    rate: int,
    boxes: Sequence[Sequence[float]],
    *,
    part: Part,
    window: tuple[float, float] | None = None,
) -> np.ndarray:
    """What lies in any of the boxes `[t0, t1, f0, f1]` (seconds of the recording, Hz), or everything else, as
    `marked_sound` makes it."""
    return _masked(
        waveform, rate, lambda frequencies, times: _boxes_mask(boxes, frequencies, times), part, window
    )


def _masked(
    waveform: np.ndarray,
    rate: int,
    mask_at: Callable[[np.ndarray, np.ndarray], np.ndarray],
    part: Part,
    window: tuple[float, float] | None,
) -> np.ndarray:
    start, end = window or (0.0, len(waveform) / rate)
    begin, stop = max(0, round(start * rate)), min(len(waveform), round(end * rate))
    piece = np.asarray(waveform[begin:stop], np.float64)
    size = max(64, 2 ** round(np.log2(0.032 * rate)))
    spectrum = stft(piece, size)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    times = begin / rate + np.arange(spectrum.shape[0]) * (size // 4) / rate
    mask = mask_at(frequencies, times)
    sound = istft(spectrum * (mask if part == "only" else 1.0 - mask), size, len(piece))
    return _matched(sound, piece, rate)


def _mask(cells: Cells, top: float, frequencies: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`[frames, bins]` in 0..1: 1 inside the marked cells, falling to 0 between the centres of neighbours,
    0 outside the map's band."""
    strength = np.maximum(cells.values.astype(np.float64), 0.0)
    keep = max(1, round(strength.size * top / 100.0))
    threshold = np.partition(strength.ravel(), -keep)[-keep]
    marked = ((strength >= threshold) & (strength > 0.0)).astype(np.float64)
    at_times = np.stack([np.interp(times, cells.times, row) for row in marked])
    bottom, ceiling = cells.frequencies[0], cells.frequencies[-1]
    at_both = np.stack([np.interp(frequencies, cells.frequencies, column) for column in at_times.T])
    # The lowest and highest cells reach half a cell beyond their centres.
    reach = (frequencies >= bottom - (cells.frequencies[1] - bottom) / 2) & (
        frequencies <= ceiling + (ceiling - cells.frequencies[-2]) / 2
    )
    return at_both * reach


def _boxes_mask(boxes: Sequence[Sequence[float]], frequencies: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`[frames, bins]` in 0..1: 1 inside a box, falling to 0 over SOFT, one half at its edges."""
    mask = np.zeros((len(times), len(frequencies)))
    for left, right, low, high in boxes:
        inside = (_rise(times, left, SOFT[0]) * _rise(-times, -right, SOFT[0]))[:, None]
        mask = np.maximum(
            mask, inside * _rise(frequencies, low, SOFT[1]) * _rise(-frequencies, -high, SOFT[1])
        )
    return mask


def _rise(values: np.ndarray, edge: float, width: float) -> np.ndarray:
    """0 before the edge, 1 behind it."""
    return np.clip((values - edge) / width + 0.5, 0.0, 1.0)


def stft(x: np.ndarray, size: int) -> np.ndarray:
    """Complex `[frames, size / 2 + 1]`; frame k is centred on sample k * size / 4 (the ends are padded
    with zeros)."""
    hop = size // 4
    padded = np.pad(x, (size // 2, size // 2 + (-len(x)) % hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    return np.fft.rfft(frames * _hann(size), axis=1)


def istft(spectrum: np.ndarray, size: int, length: int) -> np.ndarray:
    """Inverse of `stft` by weighted overlap-add: exact where the spectrum was not changed."""
    hop = size // 4
    window = _hann(size)
    frames = np.fft.irfft(spectrum, size, axis=1) * window
    total = np.zeros((len(frames) - 1) * hop + size)
    weight = np.zeros_like(total)
    for offset in range(4):  # frames four hops apart do not overlap: add each family at once
        family = frames[offset::4]
        place = slice(offset * hop, offset * hop + family.size)
        total[place] += family.ravel()
        weight[place] += np.tile(window**2, len(family))
    sound = total / np.maximum(weight, 1e-8)
    return sound[size // 2 : size // 2 + length]


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _matched(sound: np.ndarray, original: np.ndarray, rate: int) -> np.ndarray:
    """As loud as the original, then faded at the ends."""
    loud = float(np.sqrt(np.mean(sound**2)))
    gain = min(LOUDER, float(np.sqrt(np.mean(original**2))) / loud) if loud > 0 else 1.0
    peak = float(np.abs(sound).max(initial=0.0)) * gain
    sound = sound * (gain / max(1.0, peak))
    fade = max(1, min(len(sound) // 2, round(FADE * rate)))
    ramp = np.linspace(0.0, 1.0, fade)
    sound[:fade] *= ramp
    sound[-fade:] *= ramp[::-1]
    return sound.astype(np.float32)
