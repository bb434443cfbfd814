"""Pictures with known evidence: one object per picture with its mask, and an optional corner tag that may
betray the class.

Every class has its evidence inside the object's mask and nowhere else: stripes, dots, the colour red, the
outline of a star. Ground, clutter, position, size, turn, outline and all other colours are drawn
independently of the class. Drawing is vectorised over pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

LABELS = ("striped", "dotted", "red", "star")
STRIPED, DOTTED, RED, STAR = range(4)
SIZE = 64
Tag = Literal["none", "random", "predictive"]
TAGGED = STAR
"""The class that a predictive tag betrays."""
TAG_SIZE = 10
TAG_MARGIN = 3
TAG_SHARE = 0.25
"""How many pictures carry a tag that says nothing."""
CHUNK = 256
OUTLINES = np.array([(40, np.cos(np.pi / 40)), (3, 0.5), (4, np.cos(np.pi / 4)), (6, np.cos(np.pi / 6))])
"""Disc, triangle, square, hexagon as (corners, radius half way between two corners); a star is (5, 0.42)."""
STAR_OUTLINE = (5, 0.42)
RED_HUES = (-0.035, 0.035)
OTHER_HUES = (0.12, 0.88)
"""Hues of everything that is not red, leaving a gap on both sides (turns of the colour circle)."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """images: uint8 `[N, S, S, 3]`. labels: int64 `[N]`. masks: bool `[N, S, S]`, the object. tags: bool
    `[N, S, S]`, the corner tag."""

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    tags: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def tagged(self) -> np.ndarray:
        """bool `[N]`: whether the picture carries a tag."""
        return np.asarray(self.tags.any(axis=(1, 2)))


def generate(
    n: int, seed: int, tag: Tag = "none", *, size: int = SIZE, labels: np.ndarray | None = None
) -> Shapes:
    """`n` pictures. The same arguments give the same pictures, and the first k of n pictures do not depend on
    n.

    tag: `none`; `random` on a quarter of the pictures, whatever their class; `predictive` on every picture of
    the class `star` and no other. labels: int `[n]`, None draws them evenly.
    """
    parts = list(_chunks(n, seed, tag, size, labels))
    return Shapes(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("images", "labels", "masks", "tags")
        )
    )


def labels_of(n: int, seed: int) -> np.ndarray:
    """int `[n]`: the labels of the pictures that `generate(n, seed)` draws, without drawing them."""
    chunks = range(-(-n // CHUNK))
    return np.concatenate(
        [np.random.default_rng((seed, number)).integers(len(LABELS), size=CHUNK) for number in chunks]
    )[:n]


def with_tag(shapes: Shapes, present: bool | np.ndarray, seed: int = 0) -> Shapes:
    """The same pictures with a tag pasted where `present`; pictures that carry one already keep it."""
    rng = np.random.default_rng(seed)
    images, tags = shapes.images.copy(), shapes.tags.copy()
    size, scale = images.shape[1], max(1, round(images.shape[1] / SIZE))
    side, low = TAG_SIZE * scale, TAG_MARGIN * scale
    high = size - low - side
    chosen = np.broadcast_to(np.asarray(present, bool), len(shapes)) & ~shapes.tagged
    corners = rng.integers(4, size=len(shapes))
    picture = _tag_picture().repeat(scale, axis=0).repeat(scale, axis=1)
    for i in np.flatnonzero(chosen):
        top, left = (high if corners[i] & 1 else low), (high if corners[i] & 2 else low)
        images[i, top : top + side, left : left + side] = picture
        tags[i, top : top + side, left : left + side] = True
    return Shapes(images, shapes.labels, shapes.masks & ~tags, tags)


def evidence_mass(values: np.ndarray, mask: np.ndarray) -> float:
    """Relevance mass accuracy: sum of positive relevance inside the mask over all positive relevance (Arras
    et al. 2022).

    values: `[H, W]`; mask: bool `[H, W]`. NaN where nothing is positive. A map that is the same everywhere
    gets `uniform_share(mask)`.
    """
    if values.shape != mask.shape:
        raise ValueError("values and mask must have the same shape")
    positive = np.clip(values.astype(np.float64), 0, None)
    total = positive.sum()
    return float(positive[mask.astype(bool)].sum() / total) if total > 0 else float("nan")


def uniform_share(mask: np.ndarray) -> float:
    """The evidence mass of a map without any preference: the mask's share of the area."""
    return float(np.mean(mask.astype(bool)))


def _chunks(n: int, seed: int, tag: Tag, size: int, labels: np.ndarray | None) -> Iterator[Shapes]:
    for number, start in enumerate(range(0, n, CHUNK)):
        rng = np.random.default_rng((seed, number))
        draws = _Draws(rng, min(CHUNK, n - start))
        drawn = draws.integers(len(LABELS))
        classes = drawn if labels is None else np.resize(np.asarray(labels)[start : start + CHUNK], draws.n)
        plain = _draw(draws, classes.astype(np.int64), size)
        tagged = draws.random() < TAG_SHARE
        present = {"none": np.zeros(draws.n, bool), "random": tagged, "predictive": plain.labels == TAGGED}[
            tag
        ]
        yield with_tag(plain, present, seed=int(rng.integers(2**31)))


class _Draws:
    """Random numbers for the first n pictures of a chunk. They are drawn for the whole chunk, so that a picture does
    not depend on n; what is painted with them is not."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self._rng, self.n = rng, n

    def uniform(self, low: float, high: float) -> np.ndarray:
        return self._rng.uniform(low, high, CHUNK)[: self.n]

    def random(self) -> np.ndarray:
        return self._rng.random(CHUNK)[: self.n]

    def integers(self, high: int) -> np.ndarray:
        return self._rng.integers(high, size=CHUNK)[: self.n]

    def normal(self, *shape: int) -> np.ndarray:
        """`[n, *shape]`"""
        return self._rng.normal(size=(CHUNK, *shape))[: self.n]


def _draw(draws: _Draws, labels: np.ndarray, size: int) -> Shapes:
    unit = size / SIZE
    canvas = _ground(draws, size)
    for _ in range(2):  # clutter: small plain things, each present in two of three pictures
        alpha, _, _ = _outline(
            draws, size, radius=draws.uniform(3.5, 6.5) * unit, corners=None, edge=5 * unit
        )
        alpha *= (draws.random() < 2 / 3)[:, None, None]
        canvas = _blend(canvas, _flat(_colour(draws, OTHER_HUES), size), alpha)
    radius = draws.uniform(11, 19) * unit
    star = np.where((labels == STAR)[:, None], STAR_OUTLINE, OUTLINES[draws.integers(len(OUTLINES))])
    alpha, u, v = _outline(
        draws, size, radius=np.where(labels == STAR, radius * 1.15, radius), corners=star, edge=14 * unit
    )
    canvas = _blend(canvas, _surface(draws, labels, u, v, unit), alpha)
    canvas += (
        draws.normal(*canvas.shape[1:]).astype(np.float32)
        * draws.uniform(0.005, 0.05).astype(np.float32)[:, None, None, None]
    )
    images = np.round(canvas.clip(0, 1) * 255).astype(np.uint8)
    return Shapes(images, labels, alpha > 0.5, np.zeros(alpha.shape, bool))


def _ground(draws: _Draws, size: int) -> np.ndarray:
    """float32 `[n, S, S, 3]`: clouds of two colours, half of them with faint waves: texture that means
    nothing."""
    coarse = draws.normal(9, 9).astype(np.float32)
    place = np.linspace(0, 7.999, size)
    i = place.astype(int)
    f = (place - i).astype(np.float32)
    rows = coarse[:, i] * (1 - f)[None, :, None] + coarse[:, i + 1] * f[None, :, None]
    cloud = rows[:, :, i] * (1 - f) + rows[:, :, i + 1] * f
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period, phase = (
        draws.uniform(0, np.pi),
        draws.uniform(4, 16) * size / SIZE,
        draws.uniform(0, 2 * np.pi),
    )
    along = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    wave = np.sin(2 * np.pi * along / period[:, None, None] + phase[:, None, None])
    cloud = cloud * 0.5 + wave * (draws.uniform(0.05, 0.35) * (draws.random() < 0.5))[:, None, None]
    mix = (0.5 + 0.4 * cloud).clip(0, 1)[..., None].astype(np.float32)
    first, second = (_flat(_colour(draws, OTHER_HUES, saturation=(0.0, 0.5)), size) for _ in range(2))
    return first * (1 - mix) + second * mix


def _outline(
    draws: _Draws,
    size: int,
    *,
    radius: np.ndarray,
    corners: np.ndarray | None,
    edge: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage `[n, S, S]` in 0..1 of a turned star polygon at a random place, and the object's own
    coordinates u, v in pixels.

    In polar coordinates the side from a corner (radius 1, angle 0) to the point half way (radius q, angle pi
    / k) is `r(phi) = dy / (cos(phi) dy - sin(phi) dx)` with `(dx, dy) = (q cos(pi/k) - 1, q sin(pi/k))`.
    """
    corners = OUTLINES[draws.integers(len(OUTLINES))] if corners is None else corners
    centre = [draws.uniform(edge, size - edge) for _ in range(2)]
    turn = draws.uniform(0, 2 * np.pi)[:, None, None]
    y, x = np.mgrid[:size, :size] + 0.5
    dy, dx = y - centre[0][:, None, None], x - centre[1][:, None, None]
    half = (np.pi / corners[:, 0])[:, None, None]
    q = corners[:, 1][:, None, None]
    phi = np.abs((np.arctan2(dy, dx) - turn) % (2 * half) - half)
    phi = half - phi
    side_x, side_y = q * np.cos(half) - 1, q * np.sin(half)
    border = side_y / (np.cos(phi) * side_y - np.sin(phi) * side_x) * radius[:, None, None]
    alpha = (border - np.hypot(dx, dy) + 0.5).clip(0, 1).astype(np.float32)
    return alpha, dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)


def _surface(draws: _Draws, labels: np.ndarray, u: np.ndarray, v: np.ndarray, unit: float) -> np.ndarray:
    """float32 `[n, S, S, 3]`: stripes or dots of a second colour, or one plain colour, red for the class
    red."""
    size = u.shape[1]
    colour = _colour(draws, OTHER_HUES)
    red = _colour(draws, RED_HUES, saturation=(0.6, 1.0), value=(0.45, 0.95))
    colour = np.where((labels == RED)[:, None], red, colour)
    second = _contrasting(draws, colour)
    period = (draws.uniform(4.5, 9) * unit)[:, None, None]
    sharp = period / 4
    stripes = 0.5 + sharp * np.sin(2 * np.pi * u / period)
    span = period * 1.15
    distance = np.hypot((u % span) - span / 2, (v % span) - span / 2)
    dots = 0.5 + span * draws.uniform(0.26, 0.34)[:, None, None] - distance
    pattern = np.where(
        (labels == STRIPED)[:, None, None], stripes, np.where((labels == DOTTED)[:, None, None], dots, 0)
    )
    amount = pattern.clip(0, 1)[..., None].astype(np.float32)
    return _flat(colour, size) * (1 - amount) + _flat(second, size) * amount


def _blend(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha[..., None]
    return below * (1 - weight) + above * weight


def _flat(colour: np.ndarray, size: int) -> np.ndarray:
    return np.broadcast_to(colour[:, None, None, :], (len(colour), size, size, 3)).astype(np.float32)


def _colour(
    draws: _Draws,
    hues: tuple[float, float],
    saturation: tuple[float, float] = (0.15, 1.0),
    value: tuple[float, float] = (0.25, 0.95),
) -> np.ndarray:
    """float `[n, 3]` RGB in 0..1 of random hue (turns), saturation and value."""
    return _rgb(draws.uniform(*hues), draws.uniform(*saturation), draws.uniform(*value))


def _rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """HSV to RGB (Smith 1978), vectorised."""
    k = (np.array([5, 3, 1]) + hue[:, None] * 6) % 6
    return value[:, None] * (1 - saturation[:, None] * np.clip(np.minimum(k, 4 - k), 0, 1))


def _contrasting(draws: _Draws, colour: np.ndarray) -> np.ndarray:
    """A colour of the other brightness, not red: how strongly it stands out varies, so that some textures
    are hard to see."""
    brightness = colour @ np.array([0.299, 0.587, 0.114])
    strength = draws.uniform(0.2, 0.9)
    target = np.where(
        brightness > 0.5, brightness - strength * brightness, brightness + strength * (1 - brightness)
    )
    tint = _colour(draws, OTHER_HUES, saturation=(0.0, 0.5), value=(1.0, 1.0))
    return (tint * target[:, None] / (tint @ np.array([0.299, 0.587, 0.114]))[:, None]).clip(0, 1)


def _tag_picture() -> np.ndarray:
    """uint8 `[TAG_SIZE, TAG_SIZE, 3]`: a white sticker with a black cross."""
    picture = np.full((TAG_SIZE, TAG_SIZE, 3), 255, np.uint8)
    middle = TAG_SIZE // 2
    picture[middle - 1 : middle + 1, 2:-2] = 0
    picture[2:-2, middle - 1 : middle + 1] = 0
    return picture
