"""Does a concept beat chance? Random pseudo-concepts, empirical p-values, Benjamini-Hochberg, TCAV's score
and test.

Attribution alone does not show that a concept is real: a random direction often passes the emblem gate and
can score as high. A pseudo-concept consists of as many examples and counter-examples as the concept has, both
drawn with replacement from the counter-examples. It is scored like a concept on the *same* attribution fields
(one product of all directions with F).

    p = (1 + #{pseudo score >= score}) / (1 + number of pseudo-concepts)           (Davison and Hinkley 1997, eq. 4.11)

The concept itself is redrawn in the same way, its examples from its examples: this shows how far its numbers
depend on the choice of examples. Draws with replacement have the length, the emblems and the fit to their own
examples that a concept of these sizes would have. (Splitting the counter-examples instead would give smaller
sets, whose directions are longer.)

TCAV (Kim et al. 2018, arXiv 1711.11279): share of a class's inputs whose directional derivative along v is
positive. Its interval comes from redrawing both sets. Its p-value tests whether examples and counter-examples
differ along the class's mean slope, by permuting the labels "example" and "counter-example" over both sets;
exact for any sizes. A test with the concept's examples held fixed is invalid: it called 62 to 86 % of concepts
significant that were drawn from the counter-examples themselves.
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
PER_TEST = 20
"""Pseudo-concepts per test: the smallest p-value, adjusted for all tests, then stays below 0.05."""
MOST_RANDOM = 20_000
PERMUTATIONS = 1999
SCORE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class PseudoConcepts:
    """directions `[P, C]`, emblems `[P, 2]` of P draws of `size` examples each."""

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
        """Attributions `[P, T]` on a field, in blocks of bounded size."""
        channels, height, width = field.features.shape
        block = max(1, SCORE_BYTES // (4 * (len(field.targets) * channels + 3 * height * width)))
        parts = []
        for directions, emblems in zip(self.directions.split(block), self.emblems.split(block), strict=True):
            _, maps = concept_maps(field.features, directions, emblems)
            parts.append(concept_scores(field, directions, maps))
        return torch.cat(parts)

    @classmethod
    def together(cls, blocks: Sequence[PseudoConcepts]) -> PseudoConcepts:
        """Several draws of the same size as one."""
        directions, emblems = zip(*((block.directions, block.emblems) for block in blocks), strict=True)
        return cls(torch.cat(directions), torch.cat(emblems), blocks[0].size)

    def first(self, count: int) -> PseudoConcepts:
        """The first `count`, for uses where each costs a pass through the network."""
        return PseudoConcepts(self.directions[:count], self.emblems[:count], self.size)


def pseudo_concepts(
    minus: Activations, size: int, count: int = 50, seed: int = 0, emblems: Tensor | None = None
) -> PseudoConcepts:
    """`count` pseudo-concepts: `size` examples drawn from the counter-examples, against counter-examples drawn
    from them too. emblems: `[count, 2]` of these very draws, if they are known.

    Raises InvalidInput below 20 counter-examples: the draws would all be the same.
    """
    pool = len(minus.pooled)
    if pool < MINIMUM_POOL:
        raise InvalidInput(
            f"Comparing with chance needs at least {MINIMUM_POOL} counter-examples, there are {pool}; add more.",
            code="too_few_examples",
        )
    return redrawn(minus, minus, count, seed=seed, size=size, emblems=emblems)


@torch.no_grad()
def redrawn(
    plus: Activations,
    minus: Activations,
    count: int,
    *,
    seed: int = 0,
    size: int | None = None,
    emblems: Tensor | None = None,
) -> PseudoConcepts:
    """Directions and emblems of `count` concepts whose sets are drawn with replacement from `plus` and `minus`.
    size: examples per draw, None takes as many as `plus` has. emblems: `[count, 2]` of these very draws, if they
    are known."""
    size = len(plus.pooled) if size is None else size
    generator = np.random.default_rng(seed)
    plus_rows = _drawn(generator, len(plus.pooled), size, count, plus.pooled.device)
    minus_rows = _drawn(generator, len(minus.pooled), len(minus.pooled), count, minus.pooled.device)
    directions = _means(plus_rows, plus.pooled) - _means(minus_rows, minus.pooled)
    if emblems is not None:
        return PseudoConcepts(directions, emblems.to(directions), size)
    minus_emblems = minus.emblems(directions).T  # [P, M]
    plus_emblems = minus_emblems if plus is minus else plus.emblems(directions).T
    pairs = [
        median_element(values.gather(1, rows).T)
        for values, rows in ((plus_emblems, plus_rows), (minus_emblems, minus_rows))
    ]
    return PseudoConcepts(directions, torch.stack(pairs, dim=1), size)


def _drawn(generator: np.random.Generator, pool: int, size: int, count: int, device: torch.device) -> Tensor:
    """`[count, size]` numbers of examples."""
    return torch.as_tensor(generator.integers(pool, size=(count, size)), device=device)


def _means(rows: Tensor, pooled: Tensor) -> Tensor:
    """Mean of the drawn rows of `pooled [N, C]`, `[count, C]`."""
    weights = pooled.new_zeros(len(rows), len(pooled))
    weights.scatter_add_(1, rows, torch.ones_like(rows, dtype=pooled.dtype))
    return weights @ pooled / rows.shape[1]


def empirical_p(score: float, random_scores: Sequence[float] | np.ndarray) -> float:
    """One-sided: how often chance does at least as well."""
    values = np.asarray(random_scores, dtype=float)
    return float((1 + np.count_nonzero(values >= score)) / (1 + values.size))


def draws_for(tests: int, at_least: int = 0) -> int:
    """Number of pseudo-concepts with which a single one of `tests` tests can reach p = 0.05 after adjustment."""
    return min(max(at_least, PER_TEST * tests), MOST_RANDOM)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of any shape, controlling the share of false discoveries over all of them (NaN
    stays NaN)."""
    flat = np.asarray(p, dtype=float)
    adjusted = np.full(flat.shape, np.nan)
    known = ~np.isnan(flat)
    if known.any():
        adjusted[known] = stats.false_discovery_control(flat[known])
    return adjusted


def tcav_share(slopes: Tensor, directions: Tensor) -> Tensor:
    """Share of inputs with a positive directional derivative: slopes `[N, C]` of one class, directions
    `[K, C]` -> `[K]`."""
    return (slopes @ directions.T > 0).to(torch.float32).mean(0)


@dataclass(frozen=True)
class TcavTest:
    """score: share along the concept's direction; low, high: 95 % of it over redrawn examples and
    counter-examples. p: two-sided, of the mean directional derivative, by permutation of the two sets.
    random_mean: mean share of the pseudo-concepts."""

    score: float
    low: float
    high: float
    p: float
    random_mean: float


@torch.no_grad()
def tcav_test(
    slopes: Tensor,
    plus: Activations,
    minus: Activations,
    pseudo: PseudoConcepts,
    *,
    count: int = PERMUTATIONS,
    seed: int = 0,
) -> TcavTest:
    """TCAV score of a concept over a class's inputs: slopes `[N, C]`. count: permutations."""
    generator = np.random.default_rng(seed)
    sides = plus.pooled, minus.pooled
    rows = [_drawn(generator, len(side), len(side), 400, side.device) for side in sides]
    shares = tcav_share(slopes, _means(rows[0], sides[0]) - _means(rows[1], sides[1]))
    low, high = np.quantile(shares.cpu().numpy(), (0.025, 0.975))
    score = float(tcav_share(slopes, (sides[0].mean(0) - sides[1].mean(0))[None])[0])
    along = (torch.cat(sides).double() @ slopes.double().mean(0)).cpu().numpy()
    p = permutation_p(along, len(sides[0]), count, generator)
    return TcavTest(score, float(low), float(high), p, float(tcav_share(slopes, pseudo.directions).mean()))


def permutation_p(values: np.ndarray, size: int, count: int, generator: np.random.Generator) -> float:
    """Two-sided p of the difference between the mean of the first `size` values and the mean of the rest,
    under all labellings alike."""
    centred = values - values.mean()
    observed = abs(centred[:size].mean() - centred[size:].mean())
    relabelled = generator.random((count, values.size)).argpartition(size - 1, axis=1)[:, :size]
    means = centred[relabelled].mean(1)
    gaps = np.abs(
        means * values.size / (values.size - size)
    )  # the rest's mean follows: all of them add up to 0
    return float((1 + np.count_nonzero(gaps >= observed * (1 - 1e-12))) / (1 + count))
