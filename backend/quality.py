"""Is a recording fit to be judged? Plain measurements of the sound itself, each a state with a word and a sentence (schemas.Check).

Thresholds are ours: they mark where a listener would object, and are shown with the figure they judge.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import signal

State = Literal["ok", "warning", "bad", "unknown"]

FRAME = 0.02
"""Seconds per frame of the level curve."""
CLIPPED = (0.0005, 0.01)
"""Share of samples at full scale: above the first a warning, above the second bad."""
SNR_DB = (6.0, 15.0)
"""Below the first bad, below the second a warning."""
BAND_HZ = (1000.0, 3000.0)
REACH_DB = 50.0
"""The band ends where the event's spectrum has fallen this far below its peak."""


def check_sound(waveform: np.ndarray, rate: int, window: tuple[float, float] | None = None) -> list[dict[str, Any]]:
    """waveform: float `[n]` mono, within -1..1. rate: Hz. window: seconds that the model sees; None is all.

    Returns checks `clipping`, `noise`, `band`: the first over the window, noise floor and band against the whole recording.
    """
    seen = waveform if window is None else waveform[max(0, int(window[0] * rate)) : max(1, int(window[1] * rate))]
    return [clipping(seen), noise(seen, waveform, rate), band(seen, rate)]


def clipping(waveform: np.ndarray) -> dict[str, Any]:
    """Share of samples on a plateau at the top: at least two neighbours at the same extreme value (0.99 of the peak, above 0.5)."""
    size = np.abs(waveform)
    peak = float(size.max(initial=0.0))
    flat = size >= 0.99 * peak if peak > 0.5 else np.zeros(len(size), bool)
    share = float(np.mean(flat[1:] & flat[:-1])) if len(size) > 1 else 0.0
    state: State = "bad" if share > CLIPPED[1] else "warning" if share > CLIPPED[0] else "ok"
    words = {
        "ok": "Not clipped.",
        "warning": "A little clipped: the microphone was close to its limit.",
        "bad": "Clipped: record it more softly.",
    }
    return check("clipping", "Clipping", state, f"{words[state]} {100 * share:.1f} % of the samples are at the limit.")


def levels(waveform: np.ndarray, rate: int) -> np.ndarray:
    """Level of each frame in dB re full scale, `[frames]`; digital silence is -120 dB."""
    size = max(1, int(FRAME * rate))
    count = max(1, len(waveform) // size)
    frames = np.resize(waveform, size) if len(waveform) < size else waveform[: count * size]
    power = np.mean(frames.reshape(count, -1).astype(np.float64) ** 2, axis=1)
    return 10 * np.log10(np.maximum(power, 1e-12))


def noise(seen: np.ndarray, whole: np.ndarray, rate: int) -> dict[str, Any]:
    """Signal over noise: 95th percentile of the window's levels over the 10th percentile of the whole recording's."""
    ratio = float(np.percentile(levels(seen, rate), 95) - np.percentile(levels(whole, rate), 10))
    state: State = "bad" if ratio < SNR_DB[0] else "warning" if ratio < SNR_DB[1] else "ok"
    words = {"ok": "Clear of the background.", "warning": "Noisy background.", "bad": "Hardly louder than the background."}
    return check("noise", "Background noise", state, f"{words[state]} The event stands {ratio:.0f} dB above the quiet parts.")


def band(waveform: np.ndarray, rate: int) -> dict[str, Any]:
    """Up to which frequency the sound reaches: the highest band of the Welch spectrum within `REACH_DB` of its peak."""
    frequencies, power = signal.welch(waveform.astype(np.float64), rate, nperseg=min(len(waveform), 512))
    if power.max(initial=0.0) <= 0:
        return check("band", "Bandwidth", "unknown", "Silent: nothing to measure.")
    reach = float(frequencies[np.flatnonzero(10 * np.log10(np.maximum(power / power.max(), 1e-20)) > -REACH_DB)[-1]])
    state: State = "bad" if reach < BAND_HZ[0] else "warning" if reach < BAND_HZ[1] else "ok"
    words = {"ok": "Full enough.", "warning": "Muffled: high frequencies are missing.", "bad": "Only low frequencies are there."}
    return check("band", "Bandwidth", state, f"{words[state]} The sound reaches up to {reach:.0f} Hz.")


def cough(probability: float) -> dict[str, Any]:
    """probability: of the cough_check model that the window holds a cough."""
    state: State = "ok" if probability >= 0.5 else "warning" if probability >= 0.2 else "bad"
    words = {"ok": "A cough was found.", "warning": "Perhaps not a cough.", "bad": "No cough was found in this window."}
    return check("cough", "Cough", state, f"{words[state]} The cough detector says {100 * probability:.0f} %.")


def check(key: str, label: str, state: State, detail: str) -> dict[str, Any]:
    """`app.schemas.Check` as JSON."""
    return {"key": key, "label": label, "state": state, "detail": detail}
