"""What if a part of the input were not there: the prediction without it, beside what random parts of the same shape
and area do to it.

    altered = filler where the region is (erase, replace) or is not (keep), x elsewhere

Random regions are the same region moved. Where a region means no more to the network than its position by chance, it
and the random ones are exchangeable, so the number of random ones that it beats is uniform over 0..n; equal scores
count against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter
from app.core.schemas.regions import Filler, Mode
from backend.attribution.explain import check_input, resolve_target
from backend.attribution.network.cache import steady
from backend.attribution.network.passes import Passes
from models.model import Model

RANDOM = 20
"""Random regions beside each region."""
SAME = 1e-4
"""Log odds that differ by less count as equal: sums in float32 differ by as much from batch to batch."""


def fillers(model: Model) -> tuple[Filler, ...]:
    """What can stand in place of a region, the default first."""
    return (*model.input.baselines, "noise")


def filled(model: Model, x: Tensor, filler: Filler | None, seed: int) -> Tensor:
    """The whole input replaced, same shape as `x [1, C, H, W]`. noise: its own cells in random order, all channels of a
    cell together, so that every value is one that it had. Raises InvalidInput for a filler that is not offered."""
    if filler != "noise":
        if filler is not None and filler not in model.input.baselines:
            raise BadParameter(
                f"This model's inputs can be filled with {', '.join(fillers(model)[:-1])} or noise.",
                field="filler",
            )
        return model.input.baseline(x, filler)
    cells = x.flatten(2)
    order = torch.randperm(cells.shape[2], generator=torch.Generator().manual_seed(seed))
    return cells[:, :, order.to(x.device)].reshape(x.shape)


def altered(
    model: Model, x: Tensor, inside: np.ndarray, mode: Mode, filler: Filler | None = None, seed: int = 0
) -> Tensor:
    """`x [1, C, H, W]` altered in regions `inside`, bool `[H, W]` or `[N, H, W]`: one altered input each."""
    regions = torch.from_numpy(inside.reshape(-1, *inside.shape[-2:])).to(x.device)
    goes = ~regions if mode == "keep" else regions
    return torch.where(goes[:, None], filled(model, x, filler, seed), x)


@dataclass(frozen=True, eq=False)
class Placements:
    """regions: bool `[N, H, W]`. wrapped: whether they may run over the border to the other side. shifts: (down, right) of
    each, in cells."""

    regions: np.ndarray
    wrapped: bool
    shifts: Sequence[tuple[int, int]] = ()


def random_regions(
    inside: np.ndarray, seed: int, count: int = RANDOM, columns: int | None = None
) -> Placements:
    """The region moved to other places, each as likely as any other, none twice and none where it is.

    They stay inside the grid; only where that leaves fewer than `count` other places do they run over the border, and
    fewer than `count` come back where there are no more. columns: as many are filled by the recording, the rest is
    padding, where nothing is put unless the region itself reaches into it.
    """
    width = inside.shape[1] if columns is None or inside[:, columns:].any() else max(1, columns)
    part = inside[:, :width]
    rng = np.random.default_rng(seed)
    shifts = _inside_shifts(part)
    wrapped = len(shifts) < count
    if wrapped:
        shifts = [
            (down, right)
            for down in range(part.shape[0])
            for right in range(width)
            if (down, right) != (0, 0)
        ]
    seen, regions, used = {part.tobytes()}, [], []
    for place in rng.permutation(len(shifts)):
        moved = np.roll(part, shifts[place], (0, 1))
        if moved.tobytes() not in seen:
            seen.add(moved.tobytes())
            used.append(shifts[place])
            regions.append(np.pad(moved, ((0, 0), (0, inside.shape[1] - width))))
        if len(regions) == count:
            break
    return Placements(np.array(regions, bool).reshape(-1, *inside.shape), wrapped, used)


def _inside_shifts(part: np.ndarray) -> list[tuple[int, int]]:
    """(down, right) for which the region's bounding box stays inside the grid, without (0, 0)."""
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    down = range(-int(rows[0]), part.shape[0] - int(rows[-1]))
    right = range(-int(columns[0]), part.shape[1] - int(columns[-1]))
    return [(i, j) for i in down for j in right if (i, j) != (0, 0)]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """probabilities `[2 + n, classes]` and odds `[2 + n]`, log p / (1 - p) of the target, float64: as it is, altered, altered
    in n random regions. stronger_than: see `stronger`."""

    probabilities: np.ndarray
    odds: np.ndarray
    target: int
    stronger_than: int
    wrapped: bool


def stronger(before: float, after: float, randoms: np.ndarray, mode: Mode) -> int:
    """How many random regions change the log odds of the class less, whichever way; of `keep`, how many leave less of
    them. Log odds, because a probability near 1 hides how much was lost."""
    if mode == "keep":
        return int((after - randoms > SAME).sum())
    return int((abs(after - before) - np.abs(randoms - before) > SAME).sum())


def what_if(
    model: Model,
    x: Tensor,
    inside: np.ndarray,
    mode: Mode = "erase",
    filler: Filler | None = None,
    target: int | None = None,
    seed: int = 0,
    columns: int | None = None,
) -> WhatIf:
    """x `[1, C, H, W]`; inside: bool `[H, W]` of the display grid; columns: see `random_regions`. Raises BadParameter,
    InvalidInput."""
    with steady(model), torch.no_grad():
        x = check_input(model, x)
        randoms = random_regions(inside, seed, columns=columns)
        every = np.concatenate([inside[None], randoms.regions])
        return compared(model, x, altered(model, x, every, mode, filler, seed), mode, target, randoms.wrapped)


def compared(
    model: Model, x: Tensor, others: Tensor, mode: Mode, target: int | None, wrapped: bool = False
) -> WhatIf:
    """x `[1, C, H, W]` as it is beside others `[1 + n, C, H, W]`: altered, and altered in n random regions. All of them on one network,
    the engine's float32 copy: less than half the time of the module as given."""
    with steady(model), torch.no_grad():
        target = resolve_target(model, x, target)
        plan = Passes.of(model).precise
        asked = plan.laid_out(torch.cat([x, others.to(x)]))
        outputs = [plan.network(part.clone()).float().cpu() for part in asked.split(plan.batch)]
        logits = model.paired(torch.cat(outputs)).double()
    odds = log_odds(model, logits, target)
    count = stronger(odds[0], odds[1], odds[2:], mode)
    return WhatIf(model.probabilities(logits).numpy(), odds, target, count, wrapped)


def log_odds(model: Model, logits: Tensor, target: int) -> np.ndarray:
    """log p / (1 - p) of a class from logits `[N, classes]`, exact where p is 1 to the last digit."""
    scaled = logits / model.spec.temperature
    if model.independent:
        return scaled[:, target].numpy()
    others = torch.cat([scaled[:, :target], scaled[:, target + 1 :]], dim=1)
    return (scaled[:, target] - others.logsumexp(1)).numpy()
