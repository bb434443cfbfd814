"""The strongest inputs of all filters, as pictures and sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.core.internals_results import Sounds, Strongest
from backend.attribution.internals.choice import Chosen
from backend.attribution.internals.pooled import Pooled
from backend.attribution.internals.strongest import (
    MOST,
    PROBES,
    Patch,
    cut,
    described,
    patch_shape,
    patches_of,
    window_of,
)
from models.model import Model
from models.spec import Axis, Prepared

FULL_SCALE = 32767


@dataclass(frozen=True, eq=False)
class Examples:
    """strongest: per filter. patches: uint8 `[C, 4, ph, pw(, 3)]`, black where a filter has fewer than four; None where
    the inputs came as numbers without a picture. clips: int16 `[E, n]`, one window for each of `sounds.examples`."""

    strongest: list[list[Strongest]]
    shape: tuple[int, int] | None = None
    patches: np.ndarray | None = None
    sounds: Sounds | None = None
    clips: np.ndarray | None = None
    y_axis: Axis | None = None
    x_axis: Axis | None = None


def examples_of(
    model: Model, chosen: Chosen, seen: Pooled, step: Callable[[float], None] = lambda share: None
) -> Examples:
    """step: told the share that is done."""
    window = window_of(model, seen.layer, next(iter(chosen()))[:PROBES].to(model.device))
    grid = (model.input.shape[1], model.input.shape[2])
    patches = patches_of(seen, chosen.sources, window, grid)
    step(0.1)
    needed = sorted({patch.example for part in patches for patch in part})
    prepared: dict[int, Prepared] = {}
    for number, example in enumerate(needed):
        shown = chosen.calibration.prepared(chosen.rows[example])
        if shown is None:
            return Examples([[_bare(patch, chosen, grid) for patch in part] for part in patches])
        prepared[example] = shown
        step(0.1 + 0.9 * (number + 1) / len(needed))
    if not needed:
        return Examples([[] for _ in patches])
    first = prepared[needed[0]]
    sounds, clips = _sounds(model, chosen, prepared)
    colours = 3 if first.display.ndim == 3 else 1
    shape = patch_shape(window, len(patches), colours)
    pictures = np.zeros((len(patches), MOST, *shape, *first.display.shape[2:]), np.uint8)
    for k, part in enumerate(patches):
        for number, patch in enumerate(part):
            pictures[k, number] = cut(prepared[patch.example].display, patch, shape)
    strongest = [
        [
            described(patch, chosen.names[patch.example], prepared[patch.example], sound=sounds is not None)
            for patch in part
        ]
        for part in patches
    ]
    return Examples(strongest, shape, pictures, sounds, clips, first.y_axis, first.x_axis)


def _bare(patch: Patch, chosen: Chosen, grid: tuple[int, int]) -> Strongest:
    return Strongest(
        source=chosen.names[patch.example],
        example=patch.example,
        value=patch.value,
        box=(
            patch.columns.start / grid[1],
            patch.rows.start / grid[0],
            patch.columns.stop / grid[1],
            patch.rows.stop / grid[0],
        ),
    )


def _sounds(
    model: Model, chosen: Chosen, prepared: dict[int, Prepared]
) -> tuple[Sounds | None, np.ndarray | None]:
    """The window of each example, at the network's own rate."""
    rate = getattr(model.input, "rate", None)
    windows = {example: shown.window for example, shown in prepared.items()}
    if rate is None or any(shown.x_axis.unit != "s" for shown in prepared.values()):
        return None, None
    parts, starts = [], []
    for example, window in windows.items():
        raw = chosen.calibration.raw(chosen.rows[example])
        if window is None or not isinstance(raw, tuple):
            return None, None
        parts.append(_clip(raw[0], int(raw[1]), window, rate))
        starts.append(window[0])
    clips = np.zeros((len(parts), max(map(len, parts))), np.int16)
    for row, part in enumerate(parts):
        clips[row, : len(part)] = part
    return Sounds(rate=rate, examples=list(windows), starts=starts), clips


def _clip(waveform: np.ndarray, rate: int, window: tuple[float, float], wanted: int) -> np.ndarray:
    import soxr

    from models.media.segment import mono

    sound = mono(np.asarray(waveform, np.float32))[0][round(window[0] * rate) : round(window[1] * rate)]
    if rate != wanted:
        sound = soxr.resample(sound, rate, wanted)
    loudest = float(np.abs(sound).max(initial=0.0))
    scaled = sound / loudest * 0.9 if loudest > 0 else sound
    clip: np.ndarray = np.round(scaled * FULL_SCALE).astype(np.int16)
    return clip
