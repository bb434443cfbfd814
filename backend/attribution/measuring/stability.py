"""Which cells of a map would be there again: sign and size against the error that each cell has.

    error, in this order     the standard errors of the method's own samples, where it keeps them (LIME, Kernel SHAP,
                             Shapley sampling, RISE)
                             sqrt(variance / n) of the noisy copies (SmoothGrad)
                             otherwise the standard deviation over jitters of the input: noise of 2 % of its range,
                             and a shift by at most a cell, undone in the map

A cell is stable where |value| >= 1.645 error: a 90 % interval around it does not reach zero. Cells of zero without
error have nothing to hide and count as stable; the share is of the map's mass, so they add nothing to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.attribution.concepts.work import work_of
from backend.attribution.types import Attribution, Progress, silent
from models.model import Model

Z = 1.645
JITTERS, FEWEST = 8, 4
NOISE = 0.02
"""Standard deviation of the jitter, as a share of the input's range."""
SPEND = 4e11
"""Multiplications that the jitters may cost."""


@dataclass(frozen=True, eq=False)
class Stability:
    """stable: bool `[H, W]`. share: of the map's mass in stable cells. how: what the errors are. n: jitters, 0 for the
    method's own samples."""

    stable: np.ndarray
    share: float
    how: str
    n: int

    @property
    def words(self) -> str:
        return f"{percent(self.share)} of the map is stable: {self.how}."


def banded(values: np.ndarray, error: np.ndarray, how: str, n: int = 0) -> Stability:
    """values, error: `[H, W]`; an error that is not finite leaves its cell in doubt."""
    stable = np.abs(values) >= Z * np.where(np.isfinite(error), error, np.inf)
    mass = np.abs(values).astype(np.float64)
    total = float(mass.sum())
    return Stability(stable, float(mass[stable].sum()) / total if total else 1.0, how, n)


def own_error(values: np.ndarray, stages: dict[str, np.ndarray], samples: int | None) -> Stability | None:
    """By what the method kept of its samples; None where it kept nothing. stages: `[H, W]` by name."""
    if (error := stages.get("error")) is not None and error.shape == values.shape:
        return banded(values, error, "its cells stay where other random samples would have been drawn")
    variance = stages.get("variance")
    if variance is not None and variance.shape == values.shape and samples and samples > 1:
        return banded(
            values,
            np.sqrt(variance / samples),
            "its cells stay where other noisy copies would have been drawn",
        )
    return None


def jitters_of(model: Model, passes: int) -> int:
    """How many the price allows; 0 where fewer than four are too dear. passes: of one map, a backward one counted twice."""
    count = int(min(JITTERS, SPEND // max(1.0, float(max(1, passes) * work_of(model)))))
    return count if count >= FEWEST else 0


def by_jitters(
    values: np.ndarray,
    x: Tensor,
    explain: Callable[[Tensor], Attribution],
    n: int,
    seed: int = 0,
    rows: bool = True,
    report: Progress = silent,
) -> Stability:
    """explain: the same map of another input. rows: whether the input may be shifted along its rows too; bands of
    frequency stay where they are."""
    generator = torch.Generator().manual_seed(seed)
    spread = NOISE * float(x.max() - x.min())
    maps = []
    for number in range(n):
        report(number, n)
        shift = [int(each) for each in torch.randint(-1, 2, (2,), generator=generator)]
        shift[0] *= rows
        noise = spread * torch.randn(x.shape, generator=generator)
        moved = explain(shifted(x, shift) + noise.to(x.device)).values
        maps.append(
            shifted(torch.from_numpy(np.array(moved))[None, None], [-by for by in shift])[0, 0].numpy()
        )
    report(n, n)
    return banded(
        values,
        np.std(maps, axis=0, ddof=1),
        "its cells stay when the input is moved by a cell and given 2 % noise",
        n,
    )


def shifted(x: Tensor, by: list[int]) -> Tensor:
    """`[..., H, W]` moved down and right by at most a cell, the edge repeated."""
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    height, width = x.shape[-2:]
    top, left = 1 - by[0], 1 - by[1]
    return padded[..., top : top + height, left : left + width]


def percent(share: float) -> str:
    """`46 %`; `under 1 %` where something is there."""
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
