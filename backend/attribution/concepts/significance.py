"""Does a concept beat chance? Random pseudo-concepts, empirical p-values, Benjamini-Hochberg, TCAV's score and test.

Attribution alone does not show that a concept is real: a random direction passes the emblem gate often and can score as high. So the
same number of examples is drawn at random from the counter-examples, many times, each draw is treated as if it were a concept, and the
real one is compared with them on the *same* attribution fields (nearly free: one product of all directions with F).

    p = (1 + #{pseudo score >= score}) / (1 + number of pseudo-concepts)           (Davison and Hinkley 1997, eq. 4.11)
TCAV (Kim et al. 2018, arXiv 1711.11279): share of a class's inputs whose directional derivative along v is positive; tested against
the shares of the pseudo-concepts by Welch's t-test over repeated draws of the counter-examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from app.core.errors import InvalidInput
from backend.attribution.concepts.attribution import Field, concept_maps, concept_scores
from backend.attribution.concepts.vectors import Activations, median_element

MINIMUM_POOL = 20


@dataclass(frozen=True, eq=False)
class PseudoConcepts:
    """directions `[P, C]`, emblems `[P, 2]` of P random draws of `size` examples from the counter-examples."""

    directions: Tensor
    emblems: Tensor
    size: int

    @property
    def lengths(self) -> Tensor:
        """|v| of each, `[P]`."""
        return self.directions.norm(dim=1)

    @property
    def gaps(self) -> Tensor:
        """Emblem gap e+ - e- of each, `[P]`."""
        return self.emblems[:, 0] - self.emblems[:, 1]

    def scores(self, field: Field) -> Tensor:
        """Attributions `[P, T]` on a field."""
        _, maps = concept_maps(field.features, self.directions, self.emblems)
        return concept_scores(field, self.directions, maps)


def pseudo_concepts(minus: Activations, size: int, count: int = 50, seed: int = 0) -> PseudoConcepts:
    """Draw `count` pseudo-concepts of `size` examples each from the counter-examples; the rest of them are their counter-examples.

    With fewer than 2 * size counter-examples a draw takes half of them, so that both sides stay populated.
    Raises InvalidInput below 20 counter-examples: the draws would all be the same.
    """
    pool = len(minus.pooled)
    if pool < MINIMUM_POOL:
        raise InvalidInput(
            f"Comparing with chance needs at least {MINIMUM_POOL} counter-examples, there are {pool}; add more.", code="too_few_examples"
        )
    taken = min(size, pool // 2)
    generator = np.random.default_rng(seed)
    draws = np.zeros((count, pool), dtype=bool)
    for row in draws:
        row[generator.choice(pool, taken, replace=False)] = True
    inside = torch.as_tensor(draws, device=minus.pooled.device)
    weight = inside.to(minus.pooled.dtype)
    directions = weight @ minus.pooled / taken - (1 - weight) @ minus.pooled / (pool - taken)
    emblems = minus.emblems(directions)
    pairs = [torch.stack([median_element(emblems[inside[p], p]), median_element(emblems[~inside[p], p])]) for p in range(count)]
    return PseudoConcepts(directions, torch.stack(pairs), taken)


def empirical_p(score: float, random_scores: Sequence[float] | np.ndarray) -> float:
    """One-sided: how often chance does at least as well."""
    values = np.asarray(random_scores, dtype=float)
    return float((1 + np.count_nonzero(values >= score)) / (1 + values.size))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of any shape, controlling the share of false discoveries over all of them (NaN stays NaN)."""
    flat = np.asarray(p, dtype=float)
    adjusted = np.full(flat.shape, np.nan)
    known = ~np.isnan(flat)
    if known.any():
        adjusted[known] = stats.false_discovery_control(flat[known])
    return adjusted


def tcav_share(slopes: Tensor, directions: Tensor) -> Tensor:
    """Share of inputs with a positive directional derivative: slopes `[N, C]` of one class, directions `[K, C]` -> `[K]`."""
    return (slopes @ directions.T > 0).to(torch.float32).mean(0)


@dataclass(frozen=True)
class TcavTest:
    """score: mean share over repeats. p: two-sided Welch t-test against the pseudo-concepts' shares; 1 when neither varies."""

    score: float
    p: float
    random_mean: float


def tcav_test(
    slopes: Tensor, plus: Activations, minus: Activations, pseudo: PseudoConcepts, *, repeats: int = 20, seed: int = 0
) -> TcavTest:
    """TCAV score of a concept over a class's inputs, with counter-examples redrawn `repeats` times (half of them each time)."""
    generator = np.random.default_rng(seed)
    pool = len(minus.pooled)
    centre = plus.pooled.mean(0)
    draws = [generator.choice(pool, max(1, pool // 2), replace=False) for _ in range(repeats)]
    directions = torch.stack([centre - minus.pooled[torch.as_tensor(draw, device=centre.device)].mean(0) for draw in draws])
    real = tcav_share(slopes, directions).cpu().numpy().astype(float)
    chance = tcav_share(slopes, pseudo.directions).cpu().numpy().astype(float)
    return TcavTest(float(real.mean()), _welch(real, chance), float(chance.mean()))


def _welch(real: np.ndarray, chance: np.ndarray) -> float:
    """Welch's t-test; a side that does not vary at all (a share of 0 or 1 in every repeat) is a fixed number the other is tested against."""
    if np.ptp(real) == 0 and np.ptp(chance) == 0:
        return 1.0 if real[0] == chance[0] else 0.0
    if np.ptp(real) == 0:
        return float(stats.ttest_1samp(chance, real[0]).pvalue)
    if np.ptp(chance) == 0:
        return float(stats.ttest_1samp(real, chance[0]).pvalue)
    return float(stats.ttest_ind(real, chance, equal_var=False).pvalue)
