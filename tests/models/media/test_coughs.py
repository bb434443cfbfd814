"""Coughs are counted as people hear them: generated bouts exactly, real ones as the eye counted them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from models.media.coughs import coughs
from models.media.segment import mono

RATE = 8000
COUNTS = Path(__file__).parents[3] / "docs" / "coughs.md"


def cough(rng: np.random.Generator, rate: int) -> np.ndarray:
    """Burst of noise, a pause of breath, and a voiced end as loud as the burst without its high notes."""

    def decaying(seconds: float, decay: float) -> np.ndarray:
        t = np.arange(round(seconds * rate)) / rate
        return np.exp(-t / decay) * np.minimum(1, t / 0.004)

    burst = decaying(0.1, 0.03)
    burst = burst * rng.normal(size=len(burst))
    breath = 0.03 * rng.normal(size=round(rng.uniform(0.06, 0.1) * rate))
    voiced = decaying(0.14, 0.06)
    t = np.arange(len(voiced)) / rate
    pitch = rng.uniform(150, 300)
    voiced = voiced * sum(np.sin(2 * np.pi * k * pitch * t) for k in range(1, 4))
    return np.concatenate([burst, breath, voiced])


def bout(count: int, seed: int, rate: int = RATE, noise_db: float = -55) -> tuple[np.ndarray, list[float]]:
    """`count` coughs within 10 dB of each other over a steady background, and when each begins."""
    rng = np.random.default_rng([seed, count])
    parts, starts = [np.zeros(round(0.4 * rate))], []
    for _ in range(count):
        starts.append(sum(map(len, parts)) / rate)
        parts += [
            10 ** (rng.uniform(-10, 0) / 20) * cough(rng, rate),
            np.zeros(round(rng.uniform(0.05, 0.5) * rate)),
        ]
    sound = np.concatenate([*parts, np.zeros(round(0.4 * rate))])
    sound += 10 ** (noise_db / 20) * rng.normal(size=len(sound))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32), starts


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_a_bout_of_n_coughs_is_n_coughs(count, rate):
    for seed in range(4):
        sound, starts = bout(count, seed, rate)
        events = coughs(sound, rate)
        assert len(events) == count
        assert [event.start for event in events] == pytest.approx(starts, abs=0.05)
        assert all(event.start <= event.peak < event.end for event in events)
        assert all(a.end <= b.start + 0.02 for a, b in pairwise(events))
        assert all(event.end - event.start > 0.2 for event in events), "the voiced end belongs to its cough"


def test_loudness_changes_levels_only():
    sound, _ = bout(5, 1)
    loud, soft = coughs(sound, RATE), coughs(0.02 * sound, RATE)
    assert [(e.start, e.end) for e in loud] == [(e.start, e.end) for e in soft]


def test_steady_sound_and_silence_hold_no_cough():
    t = np.arange(2 * RATE) / RATE
    assert coughs(np.zeros(RATE, np.float32), RATE) == []
    assert coughs(np.zeros(10, np.float32), RATE) == []
    assert coughs(np.sin(2 * np.pi * 440 * t).astype(np.float32), RATE) == []
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(size=4 * RATE).astype(np.float32)
        assert coughs(0.1 * noise, RATE) == []


def test_a_breath_drawn_in_slowly_and_far_softer_is_none():
    sound, starts = bout(2, 3)
    n = round(0.35 * RATE)
    sound[:n] += (0.01 * signal.windows.hann(n) * np.random.default_rng(0).normal(size=n)).astype(np.float32)
    assert [event.start for event in coughs(sound, RATE)] == pytest.approx(starts, abs=0.05)


@pytest.mark.data
def test_real_recordings_are_counted_as_the_eye_counted_them(real_data):
    """The figures of docs/coughs.md, on the half that set no number."""
    rows = re.findall(
        r"^\| (\d+) \| `(.+?)` \| (\d+)[ *]* \| \d+ \| \d+ \| (\d+) \|$", COUNTS.read_text(), re.M
    )
    assert len(rows) == 40
    errors = []
    for number, file, eye, now in rows:
        sound, rate = soundfile.read(real_data / "cough" / file, dtype="float32", always_2d=True)
        count = len(coughs(mono(sound)[0], rate))
        assert count == int(now), file
        if int(number) % 2:
            errors.append(abs(count - int(eye)))
    assert np.mean(errors) <= 0.25
