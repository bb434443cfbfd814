"""Plan of an analysis, and its state at one layer: directions, pseudo-concepts, redrawn concepts, scores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.attribution.concepts.domains import unlike_words
from backend.attribution.concepts.library import COUNTER_KINDS, RANDOM, Library
from backend.attribution.concepts.separability import HeldOut, Rule
from backend.attribution.concepts.significance import PseudoConcepts, redrawn
from models.model import Model

REDRAWS = 100
"""Redraws of both sets of a concept, with replacement."""
KIND_SETS = 50
"""Random sets of the concept's kind that are scored where the counter-examples are of another kind."""


@dataclass(frozen=True)
class Plan:
    """What to analyse. classes: None takes each input's predicted class. negatives: RANDOM takes
    counter-examples of each concept's own kind. n_random: at least so many random concepts, and 20 per test.
    """

    concepts: tuple[str, ...]
    layers: tuple[str, ...]
    classes: tuple[int, ...] | None = None
    negatives: str = RANDOM
    n_random: int = 200
    seed: int = 0


class LayerConcepts:
    """Directions and pseudo-concepts of one layer, and the scores on the inputs so far. Concepts of equal
    size and with the same counter-examples share their pseudo-concepts."""

    def __init__(self, model: Model, library: Library, plan: Plan, name: str, n_random: int) -> None:
        self.name = name
        self._model, self._library, self._plan = model, library, plan
        self.counters = [library.counter_for(model, ref, plan.negatives) for ref in plan.concepts]
        references = list(zip(plan.concepts, self.counters, strict=True))
        self.vectors = [library.vector(model, name, ref, counter) for ref, counter in references]
        self.minus = [library.minus(model, name, counter) for counter in self.counters]
        self.plus = [library.plus(model, name, ref) for ref in plan.concepts]
        self.groups = list(
            dict.fromkeys(
                (vector.positives, counter)
                for vector, counter in zip(self.vectors, self.counters, strict=True)
            )
        )
        self.group_of = [
            self.groups.index((vector.positives, counter))
            for vector, counter in zip(self.vectors, self.counters, strict=True)
        ]
        self.chance = [
            library.pseudo(model, name, size, n_random, negatives=counter, seed=plan.seed)
            for size, counter in self.groups
        ]
        self.redrawn = [
            library.redrawn(model, name, ref, REDRAWS, negatives=counter, seed=plan.seed + 1)
            for ref, counter in references
        ]
        self.directions = torch.stack([vector.direction for vector in self.vectors])
        self.emblems = torch.tensor(
            [vector.emblems for vector in self.vectors], device=self.directions.device
        )
        self.kinds = [(library.kind(model, ref), library.kind(model, counter)) for ref, counter in references]
        self.counter_names = [library.name(counter) for counter in self.counters]
        self.same_kind = [self._random_sets_of_kind(model, library, k, plan) for k in range(len(references))]
        self.above_chance: list[list[float]] = [
            [] for _ in references
        ]  # per concept: whether random sets of its kind score above chance
        self.scores: dict[int, list[np.ndarray]] = defaultdict(list)  # class -> per input [K]
        self.redrawn_scores: dict[int, list[np.ndarray]] = defaultdict(list)  # class -> per input [K, R]
        self.chance_means: dict[int, list[np.ndarray]] = defaultdict(list)  # class -> per input [K]
        self.chance_sums: dict[int, np.ndarray] = {}  # class -> [groups, P], summed over its inputs
        self.slopes: dict[int, list[Tensor]] = defaultdict(list)

    def pseudo(self, k: int) -> PseudoConcepts:
        """The pseudo-concepts of concept k."""
        return self.chance[self.group_of[k]]

    def separability(self, k: int, rule: Rule) -> HeldOut:
        """How well the layer tells concept k from its counter-examples."""
        plan = self._plan
        return self._library.separability(
            self._model, self.name, plan.concepts[k], self.counters[k], rule, plan.seed
        )

    def _random_sets_of_kind(
        self, model: Model, library: Library, k: int, plan: Plan
    ) -> PseudoConcepts | None:
        kind, other = self.kinds[k]
        pool = next((ref for ref, counter_kind in COUNTER_KINDS.items() if counter_kind == kind), None)
        if kind == other or pool is None:
            return None
        random = library.minus(model, self.name, pool)
        return redrawn(random, self.minus[k], KIND_SETS, size=self.vectors[k].positives, seed=plan.seed)

    def random_share(self, k: int) -> float | None:
        """Share of random sets of the concept's kind that score above chance, over all inputs and classes so
        far; None where kinds agree."""
        return float(np.mean(self.above_chance[k])) if self.above_chance[k] else None

    def unlike(self, k: int) -> str | None:
        return unlike_words(*self.kinds[k], self.random_share(k))
