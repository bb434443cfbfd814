"""The coughs of a recording, counted and cut as people hear them. Plain numpy.

A cough is a burst (the glottis opens: noise up to several kHz), a quieter middle part and often a voiced end,
as loud as the burst but without its high notes. Hence the envelope of the high band, from 1.5 kHz up: each of
its peaks is one cough, whatever the voice does below. `segment` cuts finer (a voiced end is an event of its
own there) and places the window that a network sees; this file answers "how many, and where?".
"""

from __future__ import annotations

import numpy as np

from models.media.segment import FRAME, HIGH, HOP, LOW, RATE, TAIL, Event, band_frames

LOWEST = 1500.0
"""Hz: of the high band. Voiced ends have most of their energy below."""
FALL = 10.0
"""dB the band must fall after a burst, and rise again, before another is counted."""
FAINTEST = 20.0
"""dB below the loudest burst of the recording; fainter ones are breath or background."""
APART = 0.24
"""Seconds between two bursts. Of two nearer ones the fainter is part of the other."""
SUDDEN, RISE = 10.0, 0.040
"""dB and seconds: a burst sets in at least this suddenly. Breath drawn in and wheezes swell slowly."""
BRIDGE = 0.150
"""Seconds: a shorter pause before its voiced end does not end a cough."""


def coughs(waveform: np.ndarray, rate: int) -> list[Event]:
    """In order of time; `peak` is the moment of the burst. Empty for silence and steady sound.

    waveform: mono float `[n]`, rate in Hz. Any sound with bursts is cut (clapping, speech): whether these are
    coughs is for a detector to say.
    """
    levels, spectrum, frequencies = band_frames(waveform, rate)
    if len(levels) == 0 or levels.max() < -90:
        return []
    band = spectrum[:, frequencies >= min(LOWEST, min(rate, RATE) / 4)].sum(1)
    curve = 10 * np.log10(_smooth(band) + 1e-12)
    bursts = _bursts(curve)
    if not bursts:
        return []
    floor = max(float(np.percentile(levels, 10)), -100.0)
    starts = [_onset(curve, first, burst) for first, burst in zip([0, *bursts[:-1]], bursts, strict=True)]
    ends = [
        _end(levels, burst, limit, floor)
        for burst, limit in zip(bursts, [*starts[1:], len(levels)], strict=True)
    ]
    length = len(waveform) / rate
    return [
        Event(
            index,
            round(start * HOP, 3),
            round(min((end - 1) * HOP + FRAME, length), 3),
            round(burst * HOP + FRAME / 2, 3),
            round(float(levels[start:end].max()), 1),
        )
        for index, (start, burst, end) in enumerate(zip(starts, bursts, ends, strict=True))
    ]


def _smooth(power: np.ndarray) -> np.ndarray:
    """`[frames]`, a Hann average over 5 frames: a cough's own roughness is no second cough."""
    kernel = np.hanning(7)[1:-1]
    return np.convolve(np.pad(power, 2, mode="edge"), kernel / kernel.sum(), mode="valid")


def _bursts(curve: np.ndarray) -> list[int]:
    """Frames of the peaks that stand FALL dB above the dips on both sides, FAINTEST dB below the loudest at
    most, HIGH dB above the background, APART seconds from a higher one. The recording is taken to begin and
    end in silence."""
    least = max(curve.max() - FAINTEST, np.percentile(curve, 10) + min(HIGH, FALL))
    chosen: list[int] = []
    for frame in sorted(_sudden_peaks(curve), key=lambda frame: -curve[frame]):
        if curve[frame] >= least and all(abs(frame - other) * HOP >= APART for other in chosen):
            chosen.append(frame)
    return sorted(chosen)


def _sudden_peaks(curve: np.ndarray) -> list[int]:
    """Peaks FALL dB above the dips on both sides that are reached by a rise of SUDDEN dB within RISE; the
    first frame counts as one, because the recording may begin inside a cough."""
    lag = round(RISE / HOP)
    rise = (
        np.r_[np.full(lag, np.inf), curve[lag:] - curve[:-lag]]
        if len(curve) > lag
        else np.full(len(curve), np.inf)
    )
    peaks: list[int] = []
    top, bottom, dip, rising = 0, 0, curve[0], True
    for frame, level in enumerate([*curve, -np.inf]):
        if rising:
            if level > curve[top]:
                top = frame
            elif level < curve[top] - FALL:
                if rise[bottom : top + 1].max() >= SUDDEN:
                    peaks.append(top)
                bottom, dip, rising = frame, level, False
        elif level < dip:
            bottom, dip = frame, level
        elif level > dip + FALL:
            top, rising = frame, True
    return peaks


def _onset(curve: np.ndarray, first: int, burst: int) -> int:
    """The frame where the burst sets in, not before `first`: where it is TAIL dB below its peak, else at the
    lowest level."""
    before = curve[first : burst + 1]
    quiet = np.flatnonzero(before < curve[burst] - TAIL)
    return first + (int(quiet[-1]) + 1 if len(quiet) else int(before.argmin()))


def _end(levels: np.ndarray, burst: int, limit: int, floor: float) -> int:
    """One past the last frame that is still heard, pauses under BRIDGE included, before `limit`."""
    heard = levels[burst:limit] > max(floor + LOW, levels[burst:limit].max() - TAIL)
    gaps = np.flatnonzero(heard)
    if len(gaps) == 0:
        return burst + 1
    pauses = np.flatnonzero(np.diff(gaps) > round(BRIDGE / HOP) + 1)
    return burst + int(gaps[pauses[0]] if len(pauses) else gaps[-1]) + 1
