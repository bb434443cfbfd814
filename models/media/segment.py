"""Sound events (coughs) of a recording: position, level, and the quality of the recording. Plain numpy.

The detector works on the levels of 20 ms frames every 10 ms. The background is their 10th percentile. An event
is a run of frames above a low threshold that reaches a high one (hysteresis); it is cut where a new burst
starts (a sudden rise over many frequencies: positive spectral flux) before the previous sound has decayed. The
detector is our own and has no learned parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

RATE = 8000
"""Hz at which events are detected; recordings at higher rates are resampled to it, others used as they are."""
FRAME, HOP = 0.020, 0.010
HIGH, LOW = 12.0, 6.0
"""dB above the background at which an event is certain, and at which it begins and ends."""
RANGE, TAIL = 25.0, 25.0
"""dB below the loudest frame that a peak must exceed to be an event; dB below its own peak where an event
ends."""
BRIDGE, SHORTEST = 0.060, 0.040
"""Seconds: shorter pauses inside an event are bridged, shorter events are clicks and left out."""
RISE, REFRACTORY = 9.0, 0.150
"""A new burst: the mean over bands of the positive rise within 30 ms, in dB, and the earliest it may come
after the last one (s)."""
BEFORE = 0.25
"""Seconds shown before an event."""


@dataclass(frozen=True)
class Event:
    """One sound event, seconds from the start of the recording. level_db: its loudest frame in dB below
    full scale (RMS)."""

    index: int
    start: float
    end: float
    peak: float
    level_db: float


def mono(samples: np.ndarray) -> tuple[np.ndarray, str]:
    """Samples `[n]` or `[n, channels]` -> float32 `[n]` and a note ("" when there is nothing to say).

    Channels that carry the same sound (correlation above 0.5 with the loudest and within 6 dB of it) are
    averaged. Otherwise only the loudest is taken: in telephone recordings the two channels are the two ends
    of the line, and averaging would add the other end.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim == 1 or samples.shape[1] == 1:
        return np.ascontiguousarray(samples.reshape(len(samples))), ""
    centred = samples - samples.mean(0)
    energy = np.square(centred, dtype=np.float64).sum(0)
    loudest = int(energy.argmax())
    if energy[loudest] == 0:
        return np.ascontiguousarray(samples[:, 0]), ""
    product = centred.T.astype(np.float64) @ centred[:, loudest]
    same = (product / np.sqrt(energy * energy[loudest] + 1e-30) > 0.5) & (energy > energy[loudest] / 4)
    if same.all():
        return np.ascontiguousarray(
            samples.mean(1)
        ), f"The {samples.shape[1]} channels carry the same sound and were averaged."
    return np.ascontiguousarray(
        samples[:, loudest]
    ), f"The channels differ: only the loudest one, number {loudest + 1}, is used."


def segment(waveform: np.ndarray, rate: int) -> list[Event]:
    """Sound events in order of time; empty for silence and for a steady sound. waveform: mono float `[n]`,
    rate in Hz."""
    sound = _for_search(waveform, rate)
    rate = min(rate, RATE)
    levels, bands = _frames(sound, rate)
    if len(levels) == 0 or levels.max() < -90:
        return []
    floor = max(float(np.percentile(levels, 10)), -100.0)
    high = max(floor + HIGH, levels.max() - RANGE)
    events = []
    for first, last in _bridged(levels, floor, high):
        for begin, end in _cut(levels, bands, first, last):
            peak = begin + int(levels[begin:end].argmax())
            # an event ends where it has decayed, even if a noisy background keeps the level above the low
            # threshold
            audible = np.flatnonzero(levels[begin:end] > levels[peak] - TAIL)
            begin, end = begin + int(audible[0]), begin + int(audible[-1]) + 1
            if (end - begin) * HOP >= SHORTEST and levels[peak] >= high:
                events.append(
                    (begin * HOP, (end - 1) * HOP + FRAME, peak * HOP + FRAME / 2, float(levels[peak]))
                )
    length = len(sound) / rate
    return [
        Event(i, round(a, 3), round(min(b, length), 3), round(c, 3), round(d, 1))
        for i, (a, b, c, d) in enumerate(events)
    ]


def loudest(events: Sequence[Event]) -> Event | None:
    """The event with the highest level; the first of equals; None when there is none."""
    return max(events, key=lambda event: event.level_db, default=None)


def window_start(event: Event, length: float, duration: float) -> float:
    """First second of a window of `length` that shows the event with a little of what came before, inside
    the recording if it fits."""
    return float(np.clip(event.start - BEFORE, 0.0, max(0.0, duration - length)))


def loudest_start(waveform: np.ndarray, rate: int, length: float) -> float:
    """First second of the window around the loudest event; without any event, of the window with the most
    energy."""
    duration = len(waveform) / rate
    event = loudest(segment(waveform, rate))
    if event is not None:
        return window_start(event, length, duration)
    n = round(length * rate)
    if len(waveform) <= n:
        return 0.0
    total = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return float((total[n:] - total[:-n]).argmax() / rate)


def level_curve(waveform: np.ndarray, rate: int) -> np.ndarray:
    """Levels of 20 ms frames every 10 ms, dB below full scale (RMS), after the rumble is taken off;
    `[frames]`."""
    return _frames(_for_search(waveform, rate), min(rate, RATE))[0]


def band_frames(waveform: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels `[frames]` as in `level_curve`, power spectrum `[frames, bins]`, and the bins' frequencies in
    Hz."""
    sound, rate = _for_search(waveform, rate), min(rate, RATE)
    power, spectrum = _power(sound, rate)
    size = round(FRAME * rate)
    return 10 * np.log10(power + 1e-12), spectrum, np.fft.rfftfreq(size, 1 / rate)[1:]


def envelope(waveform: np.ndarray, points: int = 600) -> np.ndarray:
    """Peak envelope for drawing, float32 in 0..1 relative to the loudest sample, at most `points` values."""
    parts = np.array_split(np.abs(waveform), min(points, max(1, len(waveform))))
    peaks = np.array([part.max(initial=0.0) for part in parts], np.float32)
    return peaks / max(float(peaks.max(initial=0.0)), 1e-9)


def quality(waveform: np.ndarray, rate: int) -> list[dict[str, Any]]:
    """Is the recording fit for use? One line per check: key, label, state (ok, warning, bad, unknown) and a
    plain sentence.

    waveform: float `[n]` in -1..1, or `[n, channels]` before mixing, for which the channels are compared too.
    """
    sound, note = mono(waveform)
    checks = [
        _length(sound, rate),
        _level(sound),
        _clipping(sound),
        _noise(sound, rate),
        _bandwidth(sound, rate),
    ]
    if note:
        state = "ok" if "same" in note else "warning"
        checks.append(_check("channels", "Channels", state, note))
    return checks


def _check(key: str, label: str, state: str, detail: str) -> dict[str, Any]:
    return {"key": key, "label": label, "state": state, "detail": detail}


def _length(sound: np.ndarray, rate: int) -> dict[str, Any]:
    seconds = len(sound) / rate
    if seconds < 0.2:
        return _check("length", "Length", "bad", f"Only {seconds:.2f} s: shorter than a cough.")
    if seconds < 0.5:
        return _check("length", "Length", "warning", f"{seconds:.2f} s: the cough may be cut off.")
    return _check("length", "Length", "ok", f"{seconds:.1f} s.")


def _level(sound: np.ndarray) -> dict[str, Any]:
    peak = float(np.abs(sound).max(initial=0.0))
    if peak < 1e-4:
        return _check("level", "Loudness", "bad", "The recording is silent.")
    db = 20 * float(np.log10(peak))
    quiet = db < -30
    detail = f"Peak {abs(db):.0f} dB {'below' if db <= 0 else 'above'} full scale{', very quiet' if quiet else ''}."
    return _check("level", "Loudness", "warning" if quiet else "ok", detail)


def _clipping(sound: np.ndarray) -> dict[str, Any]:
    """Clipped samples repeat the extreme value; a single sample at the peak is not clipping."""
    size = np.abs(sound)
    top = size.max(initial=0.0)
    flat = size >= 0.999 * top
    share = float(np.mean(flat[1:] & flat[:-1])) if top > 0.1 and len(sound) > 1 else 0.0
    state = "bad" if share > 0.01 else "warning" if share > 0.0005 else "ok"
    detail = (
        "No clipping."
        if state == "ok"
        else f"{100 * share:.2g} % of the samples are clipped: recorded too loud."
    )
    return _check("clipping", "Clipping", state, detail)


def _noise(sound: np.ndarray, rate: int) -> dict[str, Any]:
    """Loudest event over the background (10th percentile of the frame levels), in dB: an estimate, the
    noise under the event is not heard."""
    levels, _ = _frames(_for_search(sound, rate), min(rate, RATE))
    event = loudest(segment(sound, rate))
    if event is None:
        return _check("noise", "Background", "unknown", "No sound event stands out of the background.")
    ratio = event.level_db - max(float(np.percentile(levels, 10)), -100.0)
    state = "ok" if ratio >= 20 else "warning" if ratio >= 12 else "bad"
    return _check(
        "noise",
        "Background",
        state,
        f"The loudest sound is {ratio:.0f} dB above the background{', which is noisy' if state != 'ok' else ''}.",
    )


def _bandwidth(sound: np.ndarray, rate: int) -> dict[str, Any]:
    """The highest frequency whose mean power is within 50 dB of the strongest: telephone lines and strong
    compression cut it off."""
    n = 512
    if len(sound) < n:
        return _check("bandwidth", "Bandwidth", "unknown", "Too short to tell.")
    blocks = np.lib.stride_tricks.sliding_window_view(sound, n)[:: max(n // 2, len(sound) // 4000)]
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(n), axis=1))).mean(0)
    if power.max() <= 0:
        return _check("bandwidth", "Bandwidth", "unknown", "The recording is silent.")
    top = float(np.flatnonzero(power > power.max() * 1e-5)[-1] * rate / n)
    state = "ok" if top >= 3000 else "warning" if top >= 2000 else "bad"
    return _check("bandwidth", "Bandwidth", state, f"Sound up to {top / 1000:.1f} kHz.")


def _for_search(waveform: np.ndarray, rate: int) -> np.ndarray:
    """Mono at 8 kHz or less, without the lowest frequencies (first difference against the running sample:
    rumble is no cough)."""
    sound = np.asarray(waveform, np.float32)
    if rate > RATE:
        sound = soxr.resample(sound, rate, RATE, quality="MQ")
    return np.diff(sound, prepend=sound[:1]) if len(sound) else sound


def _frames(sound: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels `[frames]` and band levels `[frames, 16]` in dB of 20 ms frames every 10 ms."""
    power, spectrum = _power(sound, rate)
    if len(power) == 0:
        return power, np.empty((0, 16))
    edges = np.linspace(0, spectrum.shape[1], 17).astype(int)[:-1]
    bands = np.add.reduceat(spectrum, edges, axis=1)
    return 10 * np.log10(power + 1e-12), 10 * np.log10(bands + 1e-12)


def _power(sound: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean power `[frames]` and power spectrum without its constant part `[frames, bins]` of the frames."""
    size, hop = round(FRAME * rate), round(HOP * rate)
    if len(sound) < size:
        return np.empty(0), np.empty((0, size // 2))
    blocks = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    spectrum = np.square(np.abs(np.fft.rfft(blocks * np.hanning(size).astype(np.float32), axis=1)))[:, 1:]
    return np.square(blocks).mean(1), spectrum / size**2


def _bridged(levels: np.ndarray, floor: float, high: float) -> list[tuple[int, int]]:
    """Runs `[first, last)` above the low threshold that reach the high one; runs closer than BRIDGE are
    one."""
    above = np.flatnonzero(levels > min(floor + LOW, high))
    if len(above) == 0:
        return []
    breaks = np.flatnonzero(np.diff(above) > round(BRIDGE / HOP))
    firsts, lasts = above[np.r_[0, breaks + 1]], above[np.r_[breaks, len(above) - 1]] + 1
    return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if levels[a:b].max() >= high]


def _cut(levels: np.ndarray, bands: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Cuts a run where a new burst sets in: a broad sudden rise, well after the last one and out of a dip
    of at least RISE dB."""
    lag, wait = 3, round(REFRACTORY / HOP)
    cuts = [first]
    for t in range(first + wait, last - 1):
        flux = np.maximum(bands[t] - bands[t - lag], 0).mean()
        dip = levels[cuts[-1] : t].max() - levels[t - lag]
        if (
            flux > RISE
            and dip > RISE
            and t - cuts[-1] >= wait
            and levels[t : t + 5].max() - levels[t - lag] > RISE
        ):
            cuts.append(t - lag + int(levels[t - lag : t + 1].argmin()))
    return list(zip(cuts, [*cuts[1:], last], strict=True))
