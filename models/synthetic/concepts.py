"""Generators of the built-in concepts: patterns and colours for images, tones and noises for sound, and random
counter-examples.

Every generator is a pure function of (count, seed). Within a concept everything but the concept varies
(colours, scale, turn, level, pitch), so that the examples share nothing else. The counter-examples have the
same overall variety without the concept.

Images: uint8 `[n, size, size, 3]`. Sound: float32 `[n, samples]` at 8 kHz, 2 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

RATE = 8000
SECONDS = 2.0
SIZE = 96

Make = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class SyntheticConcept:
    """key, title and what varies; `make(count, seed)` draws examples."""

    key: str
    title: str
    modality: Literal["image", "audio"]
    description: str
    draw: Make

    def make(self, count: int, seed: int = 0) -> np.ndarray:
        """`count` examples; example i depends on (key, seed, i) only, so that a larger set begins with the
        smaller one."""
        salt = int.from_bytes(self.key.encode()[:8].ljust(8, b"\0"), "big")
        return np.stack([self.draw(np.random.default_rng([salt, seed, i])) for i in range(count)])


def _grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turned and shifted coordinates in periods of the pattern, `[SIZE, SIZE]` each."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 22)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period + rng.uniform(0, 1)
    v = (-x * np.sin(angle) + y * np.cos(angle)) / period + rng.uniform(0, 1)
    return u, v


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours that differ clearly in lightness."""
    while True:
        pair = rng.uniform(0, 1, (2, 3))
        if abs(pair[0].mean() - pair[1].mean()) > 0.25:
            return pair[0], pair[1]


def _painted(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """A mask in 0..1 in two colours, softened, with a little sensor noise."""
    from scipy import ndimage  # here, because the web process reads the list of concepts and makes none

    a, b = _colours(rng)
    soft = ndimage.gaussian_filter(mask.astype(float), rng.uniform(0.4, 0.9))[..., None]
    return _photo(rng, soft * a + (1 - soft) * b)


def _photo(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    noisy = values + rng.normal(0, rng.uniform(0.005, 0.03), values.shape)
    return (np.clip(noisy, 0, 1) * 255).round().astype(np.uint8)


def _striped(rng: np.random.Generator) -> np.ndarray:
    u, _ = _grid(rng)
    return _painted(rng, (u % 1) < rng.uniform(0.35, 0.65))


def _dotted(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng)
    u = u + 0.5 * (np.floor(v) % 2) * rng.integers(0, 2)
    return _painted(rng, np.hypot(u % 1 - 0.5, v % 1 - 0.5) < rng.uniform(0.22, 0.38))


def _chequered(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng)
    return _painted(rng, (np.floor(u) + np.floor(v)) % 2 == 0)


def _zigzagged(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng)
    wave = np.abs((v * rng.uniform(0.4, 0.8)) % 1 - 0.5) * rng.uniform(1.5, 3)
    return _painted(rng, ((u + wave) % 1) < rng.uniform(0.35, 0.6))


def _smooth(rng: np.random.Generator) -> np.ndarray:
    """Coloured 1/f noise: the statistics of natural pictures without their content, `[SIZE, SIZE, 3]` in
    0..1."""
    slope = rng.uniform(1.0, 2.2)
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    decay = 1 / np.maximum(np.hypot(fy, fx), 1 / SIZE) ** slope
    shared = rng.normal(size=(SIZE, SIZE))
    layers = [
        np.fft.irfft2(
            np.fft.rfft2(0.7 * shared + 0.7 * rng.normal(size=(SIZE, SIZE))) * decay, s=(SIZE, SIZE)
        )
        for _ in range(3)
    ]
    stack = np.stack(layers, -1)
    stack = (stack - stack.mean((0, 1))) / (stack.std((0, 1)) + 1e-9)
    return np.clip(rng.uniform(0.25, 0.75, 3) + stack * rng.uniform(0.08, 0.2), 0, 1)


def _random_picture(rng: np.random.Generator) -> np.ndarray:
    """1/f noise with a few soft blobs of other colours: varied, without a pattern."""
    values = _smooth(rng)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    for _ in range(rng.integers(0, 4)):
        cy, cx, radius = rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(8, 30)
        weight = (
            1
            / (
                1
                + np.exp((np.hypot((y - cy) * rng.uniform(0.6, 1.6), x - cx) - radius) / rng.uniform(0.5, 4))
            )[..., None]
        )
        values = values * (1 - weight) + rng.uniform(0, 1, 3) * weight
    return _photo(rng, values)


def _coloured(channel: int) -> Make:
    def draw(rng: np.random.Generator) -> np.ndarray:
        shade = _smooth(rng).mean(-1, keepdims=True)
        colour = np.full(3, rng.uniform(0.0, 0.2))
        colour[channel] = rng.uniform(0.7, 1.0)
        colour = np.clip(colour + rng.uniform(0, 0.12, 3), 0, 1)
        return _photo(rng, colour * (0.65 + 0.6 * shade))

    return draw


def _background(rng: np.random.Generator) -> np.ndarray:
    """Noise of a random colour and level, slowly swelling, with an occasional bump: a room without the
    concept."""
    samples = int(RATE * SECONDS)
    spectrum = np.fft.rfft(rng.normal(size=samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20)
    noise = np.fft.irfft(spectrum * frequency ** -rng.uniform(0.0, 0.8), samples)
    noise /= np.abs(noise).max() + 1e-9
    swell = np.interp(np.arange(samples), np.linspace(0, samples, 6), rng.uniform(0.2, 1.0, 6))
    sound = noise * swell * 10 ** (rng.uniform(-45, -25) / 20)
    for _ in range(rng.integers(0, 4)):
        at, length = rng.integers(0, samples - 1600), rng.integers(300, 1600)
        burst = (
            rng.normal(size=length) * np.exp(-np.linspace(0, 6, length)) * 10 ** (rng.uniform(-25, -8) / 20)
        )
        sound[at : at + length] += burst
    return sound.astype(np.float32)


def _planted(sound_of: Callable[[np.random.Generator, np.ndarray], np.ndarray]) -> Make:
    """The concept's sound over a background, at a random level 6 to 25 dB above it."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        ground = _background(rng)
        t = np.arange(ground.size) / RATE
        sound = sound_of(rng, t)
        level = np.sqrt(np.mean(ground**2)) * 10 ** (rng.uniform(6, 25) / 20)
        mixed = ground + sound / (np.sqrt(np.mean(sound**2)) + 1e-9) * level
        return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)

    return draw


def _hum(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    base = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    return sum(
        rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6.28)) for k in range(2, 9)
    )


def _tone(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * rng.uniform(500, 3000) * t + rng.uniform(0, 6.28))


def _hiss(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    from scipy import signal

    sos = signal.butter(4, rng.uniform(1500, 2500), "highpass", fs=RATE, output="sos")
    return signal.sosfilt(sos, rng.normal(size=t.size))


def _wheeze(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    start, length = rng.uniform(0.1, 0.7), rng.uniform(0.4, 1.1)
    inside = np.clip((t - start) / length, 0, 1)
    pitch = rng.uniform(300, 900) * (
        1 + rng.uniform(-0.25, 0.25) * inside + 0.03 * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    )
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k**1.5 for k in (1, 2, 3))
    return voice * np.sin(np.pi * inside) ** 0.5 * ((t >= start) & (t <= start + length))


def _clicks(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    sound = np.zeros_like(t)
    for at in np.arange(rng.uniform(0, 0.15), t[-1] - 0.02, rng.uniform(0.08, 0.25)):
        first = int(at * RATE)
        sound[first : first + 40] += rng.normal(size=40) * np.exp(-np.arange(40) / 8)
    return sound


CONCEPTS: dict[str, SyntheticConcept] = {
    concept.key: concept
    for concept in (
        SyntheticConcept(
            "striped", "Striped", "image", "stripes of any two colours, width and turn", _striped
        ),
        SyntheticConcept("dotted", "Dotted", "image", "dots of any two colours, size and turn", _dotted),
        SyntheticConcept(
            "chequered", "Chequered", "image", "squares of any two colours, size and turn", _chequered
        ),
        SyntheticConcept(
            "zigzagged", "Zigzagged", "image", "zigzag lines of any two colours, size and turn", _zigzagged
        ),
        SyntheticConcept("red", "Red", "image", "shades of red without a pattern", _coloured(0)),
        SyntheticConcept("green", "Green", "image", "shades of green without a pattern", _coloured(1)),
        SyntheticConcept("blue", "Blue", "image", "shades of blue without a pattern", _coloured(2)),
        SyntheticConcept(
            "hum", "Room hum", "audio", "mains hum, 100 to 480 Hz in steps, over any room", _planted(_hum)
        ),
        SyntheticConcept(
            "tone", "Steady tone", "audio", "one steady tone between 500 and 3,000 Hz", _planted(_tone)
        ),
        SyntheticConcept("hiss", "Hiss", "audio", "steady noise above about 2 kHz", _planted(_hiss)),
        SyntheticConcept(
            "wheeze",
            "Wheeze-like",
            "audio",
            "a gliding, slightly wavering tone with overtones, 300 to 900 Hz",
            _planted(_wheeze),
        ),
        SyntheticConcept("clicks", "Clicks", "audio", "a regular train of clicks", _planted(_clicks)),
    )
}

COUNTER_EXAMPLES: dict[str, SyntheticConcept] = {
    "image": SyntheticConcept(
        "random_pictures",
        "Random pictures",
        "image",
        "coloured noise with the statistics of photographs",
        _random_picture,
    ),
    "audio": SyntheticConcept(
        "random_rooms",
        "Random rooms",
        "audio",
        "background noise of any colour with an occasional bump",
        _background,
    ),
}
