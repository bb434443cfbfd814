"""Cough-like sounds made by a program, with a *known* evidence region in seconds and Hz. Synthetic: nothing
here is a patient.

A recording holds one to three coughs over a background, at random times and levels. A cough is an explosive
burst of noise, a quieter middle phase and often a voiced end, all through the resonances of a random vocal
tract. After the loudest cough comes the **key event**, and it alone tells the classes apart:

    class 1, wheeze:     a narrow-band tone of 0.3 to 0.5 s, 350 to 1500 Hz, gliding a little
    class 0, no wheeze:  breath noise with the same moment, envelope and energy

Further breaths, the background, a mains hum and every level are drawn without looking at the class, each from
a random stream of its own: the same number with another class, or with the hum, is the *same* recording but
for that one part. `hum="label"` makes the hum betray the class, for a model that is to be led astray.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import signal

from models.spec import Axis

RATE = 8000
LABELS = ("no wheeze", "wheeze")
Box = tuple[float, float, float, float]
"""(t0, t1, f0, f1): seconds and Hz."""
Hum = Literal["none", "random", "label"]
"""Mains hum: never; in three recordings of ten whatever the class; in all of class 1 and none of class 0."""
HUM_SHARE = {"none": (0.0, 0.0), "random": (0.3, 0.3), "label": (0.0, 1.0)}
MARGIN_S, MARGIN_HZ = 0.032, 100.0
"""By how much the box is larger than the tone: half an STFT window, and the skirt of its spectrum down to the
background. On average 98 % of what the tone changes in the spectrogram lies inside."""


@dataclass(frozen=True, eq=False)
class SyntheticCough:
    """waveform: float32 `[n]` at `rate` Hz. boxes: where the evidence lies, empty for class 0. key_box: where
    the key event lies in either class. coughs: (start, end) of each, loudest first. hum: whether the mains
    hum is in it."""

    waveform: np.ndarray
    label: int
    boxes: tuple[Box, ...]
    key_box: Box
    coughs: tuple[tuple[float, float], ...]
    hum: bool
    number: int
    rate: int = RATE


def generate(count: int, seed: int = 0, hum: Hum = "random") -> list[SyntheticCough]:
    """`count` recordings, classes in turn; recording i depends on (seed, i, hum) only."""
    return [recording(i, seed, hum) for i in range(count)]


def recording(number: int, seed: int = 0, hum: Hum = "random") -> SyntheticCough:
    """Number `number` of `generate`, alone."""
    label = number % 2
    with_hum = _stream(seed, number, "has hum").random() < HUM_SHARE[hum][label]
    return render(seed, number, label, hum=with_hum)


def render(
    seed: int,
    number: int,
    label: int,
    *,
    hum: bool = False,
    key: Literal["class", "none"] = "class",
    coughs: int | None = None,
) -> SyntheticCough:
    """One recording. key: `none` leaves the key event out (the evidence erased at its source). coughs: how
    many, None draws 1 to 3."""
    plan = _plan(seed, number, coughs)
    sound = _background(_stream(seed, number, "background"), len(plan.time))
    for i, (start, level) in enumerate(zip(plan.starts, plan.levels, strict=True)):
        _add(sound, start, 10 ** (level / 20) * _cough(_stream(seed, number, f"cough {i}"), plan.lengths[i]))
    breaths = _stream(seed, number, "breaths")
    for _ in range(int(breaths.integers(0, 3))):
        n = round(breaths.uniform(0.25, 0.6) * RATE)
        start = breaths.uniform(0.05, max(0.06, plan.seconds - n / RATE - 0.05))
        _add(
            sound,
            start,
            10 ** (breaths.uniform(-34, -18) / 20) * _breath(breaths, signal.windows.tukey(n, 0.6)),
        )
    event, low, high = _key_event(_stream(seed, number, "key"), label)
    if key == "class":
        _add(sound, plan.key_start, event)
    if hum:
        sound += _hum(_stream(seed, number, "hum"), plan.time)
    sound *= plan.gain / np.abs(sound).max()
    box = (
        round(plan.key_start - MARGIN_S, 3),
        round(plan.key_start + len(event) / RATE + MARGIN_S, 3),
        round(low - MARGIN_HZ, 1),
        round(high + MARGIN_HZ, 1),
    )
    spans = tuple((round(s, 3), round(s + n, 3)) for s, n in zip(plan.starts, plan.lengths, strict=True))
    boxes = (box,) if label == 1 and key == "class" else ()
    return SyntheticCough(sound.astype(np.float32), label, boxes, box, spans, hum, number)


def box_mask(boxes: Sequence[Box], axes: tuple[Axis, Axis]) -> np.ndarray:
    """bool `[H, W]`: cells whose centre lies in any of the boxes. axes: (frequency, time) of the grid."""
    frequency, time = axes[0].values[:, None], axes[1].values[None]
    mask = np.zeros((len(axes[0].values), len(axes[1].values)), bool)
    for t0, t1, f0, f1 in boxes:
        mask |= (time >= t0) & (time <= t1) & (frequency >= f0) & (frequency <= f1)
    return mask


def evidence_mass(values: np.ndarray, boxes: Sequence[Box], axes: tuple[Axis, Axis]) -> float:
    """Share of a map's positive relevance inside the boxes, 0..1; NaN for a map without positive values.

    values: `[H, W]`, signed or not. A uniform map scores `uniform_mass`, a map that knows the evidence
    exactly 1.
    """
    positive = np.maximum(np.asarray(values, np.float64), 0)
    total = positive.sum()
    return float(positive[box_mask(boxes, axes)].sum() / total) if total > 0 else float("nan")


def uniform_mass(boxes: Sequence[Box], axes: tuple[Axis, Axis]) -> float:
    """`evidence_mass` of a map that is the same everywhere: the boxes' share of the grid's cells."""
    return float(box_mask(boxes, axes).mean())


@dataclass(frozen=True)
class _Plan:
    """When things happen: starts, lengths in s and levels in dB of the coughs, loudest first; start of the
    key event; peak of the file."""

    seconds: float
    starts: tuple[float, ...]
    lengths: tuple[float, ...]
    levels: tuple[float, ...]
    key_start: float
    gain: float

    @property
    def time(self) -> np.ndarray:
        return np.arange(round(self.seconds * RATE)) / RATE


def _stream(seed: int, number: int, part: str) -> np.random.Generator:
    """A random stream for one part of one recording, so that parts can be changed one at a time."""
    return np.random.default_rng([seed, number, zlib.crc32(part.encode())])


def _plan(seed: int, number: int, coughs: int | None) -> _Plan:
    rng = _stream(seed, number, "plan")
    drawn = int(rng.integers(1, 4))
    count = drawn if coughs is None else coughs
    lengths = rng.uniform(0.25, 0.45, size=8)[:count]
    rests = rng.uniform(0.15, 0.6, size=8)
    main = int(rng.integers(count))
    key_gap, key_room = rng.uniform(0.06, 0.25), 0.62
    start, starts, key_start = float(rng.uniform(0.1, 0.5)), [], 0.0
    for i in range(count):
        starts.append(start)
        start += lengths[i]
        if i == main:
            key_start = start + key_gap
            start = key_start + key_room
        start += rests[i]
    seconds = max(2.2, start + float(rng.uniform(0.1, 0.8)))
    levels = np.where(np.arange(count) == main, 0.0, rng.uniform(-18, -7, size=8)[:count])
    order = sorted(range(count), key=lambda i: -levels[i])
    return _Plan(
        seconds,
        tuple(starts[i] for i in order),
        tuple(float(lengths[i]) for i in order),
        tuple(float(levels[i]) for i in order),
        key_start,
        float(rng.uniform(0.1, 0.9)),
    )


def _add(sound: np.ndarray, start: float, part: np.ndarray) -> None:
    first = round(start * RATE)
    stop = min(len(sound), first + len(part))
    sound[first:stop] += part[: stop - first]


def _cough(rng: np.random.Generator, length: float) -> np.ndarray:
    """Burst, middle phase and (in two of three) a voiced end; the loudest 20 ms have RMS 1."""
    n = round(length * RATE)
    t = np.arange(n) / RATE
    noise = rng.normal(size=n)
    burst = noise * np.minimum(1, t / rng.uniform(0.002, 0.008)) * np.exp(-t / rng.uniform(0.02, 0.05))
    rise = 1 / (1 + np.exp(-(t - 0.05) / 0.01))
    fall = np.clip((length - t) / (0.4 * length), 0, 1)
    middle = 10 ** (rng.uniform(-16, -9) / 20) * rng.normal(size=n) * rise * fall
    source = burst + middle
    if rng.random() < 0.67:
        source += 10 ** (rng.uniform(-12, -4) / 20) * _voice(rng, t, length)
    shaped = _tract(rng, source)
    loudness = np.sqrt(np.convolve(shaped**2, np.ones(160) / 160, mode="same").max())
    return shaped / loudness


def _voice(rng: np.random.Generator, t: np.ndarray, length: float) -> np.ndarray:
    """Falling glottal pulses in the last part of a cough, harmonics weaker by 6 dB per octave."""
    span = rng.uniform(0.3, 0.5) * length
    pitch = rng.uniform(150, 380) * (1 - 0.3 * np.clip((t - length + span) / span, 0, 1))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    count = int(RATE / 2 / pitch.max())
    pulses = np.sum([np.sin(k * phase) / k for k in range(1, count)], axis=0)
    inside = (t > length - span) & (t < length)
    envelope = np.where(inside, np.sin(np.pi * np.clip((t - length + span) / span, 0, 1)) ** 0.7, 0)
    return pulses * envelope


def _tract(rng: np.random.Generator, source: np.ndarray) -> np.ndarray:
    """Three resonances in parallel over a direct part."""
    out = 0.25 * source
    for low, high, weight in ((350, 800, 1.0), (1000, 1900, 0.7), (2200, 3400, 0.5)):
        centre, width = rng.uniform(low, high), rng.uniform(120, 350)
        out += (
            weight
            * rng.uniform(0.6, 1.4)
            * signal.lfilter(*signal.iirpeak(centre, centre / width, fs=RATE), source)
        )
    return out


def _breath(rng: np.random.Generator, envelope: np.ndarray) -> np.ndarray:
    """Noise between about 250 and 3000 Hz under an envelope, RMS 1 over its length."""
    edges = [rng.uniform(200, 350), rng.uniform(2400, 3400)]
    sos = signal.butter(2, edges, btype="bandpass", fs=RATE, output="sos")
    noise = signal.sosfilt(sos, rng.normal(size=len(envelope) + 400))[400:] * envelope
    return noise / np.sqrt(np.mean(noise**2))


def _key_event(rng: np.random.Generator, label: int) -> tuple[np.ndarray, float, float]:
    """The tone of class 1 or the breath of class 0 with the same envelope and energy, and the tone's
    lowest and highest Hz."""
    n = round(rng.uniform(0.3, 0.5) * RATE)
    level = 10 ** (rng.uniform(-30, -14) / 20)
    envelope = signal.windows.tukey(n, 0.4) * (
        1 + 0.15 * np.sin(2 * np.pi * rng.uniform(3, 7) * np.arange(n) / RATE)
    )
    first = np.exp(rng.uniform(np.log(350), np.log(1500)))
    glide = first * np.exp(np.linspace(0, rng.uniform(-0.12, 0.12), n))
    if label == 1:
        event = np.sin(2 * np.pi * np.cumsum(glide) / RATE + rng.uniform(0, 2 * np.pi)) * envelope
        event /= np.sqrt(np.mean(event**2))
    else:
        event = _breath(rng, envelope)
    return level * event, float(glide.min()), float(glide.max())


def _background(rng: np.random.Generator, n: int) -> np.ndarray:
    """Coloured noise, 34 to 64 dB below the loudest cough."""
    slope = rng.uniform(0, 1.2)
    spectrum = np.fft.rfft(rng.normal(size=n)) / np.maximum(np.fft.rfftfreq(n, 1 / RATE), 60) ** slope
    noise = np.fft.irfft(spectrum, n)
    return 10 ** (rng.uniform(-64, -34) / 20) * noise / noise.std()


def _hum(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Mains hum: 100 Hz and its multiples up to 500 Hz (a full-wave rectifier's), 22 to 30 dB below the
    loudest cough."""
    hum = sum(
        rng.uniform(0.4, 1) / k * np.sin(2 * np.pi * 100 * k * t + rng.uniform(0, 2 * np.pi))
        for k in range(1, 6)
    )
    hum = np.asarray(hum)
    return 10 ** (rng.uniform(-30, -22) / 20) * hum / hum.std()
