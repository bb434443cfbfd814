"""Inputs x concepts x layers x classes: the local maps and numbers, the global picture, and what chance would give.

Per layer the directions are made once; per input and layer one attribution field serves every concept, class and pseudo-concept.
Global (step 7 of Visual-TCAV): mean over the inputs of a class, deviation with ddof 0, standard error, mean +- 2 SE; tested against the
means of the pseudo-concepts over the same inputs; p-values adjusted over concepts x layers (Benjamini-Hochberg) for each class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.attribution.concepts.attribution import attribution_field as field_of
from backend.attribution.concepts.attribution import concept_maps, concept_scores
from backend.attribution.concepts.curves import concept_curves, probability, without
from backend.attribution.concepts.library import RANDOM, Library
from backend.attribution.concepts.separability import HeldOut, held_out, logistic, mean_difference
from backend.attribution.concepts.significance import PseudoConcepts, benjamini_hochberg, empirical_p, tcav_test
from backend.attribution.concepts.vectors import ConceptVector
from backend.attribution.network.head import suffix
from backend.attribution.types import Progress, silent
from models.model import Model

CONTROLS = 10
"""Pseudo-concepts whose erasing curves are drawn beside a concept's."""


@dataclass(frozen=True)
class Plan:
    """What to analyse. classes: None takes each input's predicted class."""

    concepts: tuple[str, ...]
    layers: tuple[str, ...]
    classes: tuple[int, ...] | None = None
    negatives: str = RANDOM
    n_random: int = 50
    seed: int = 0


@dataclass
class Analysis:
    """rows: one per input x layer x concept x class. directions: one per layer x concept. overall: one per layer x concept x class.
    cosines: per layer `[K, K]`. maps: `(input, layer) -> [K, h, w]`. random_95: per layer and class, what 95 % of pseudo-concepts' means
    stay below."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    directions: list[dict[str, Any]] = field(default_factory=list)
    overall: list[dict[str, Any]] = field(default_factory=list)
    cosines: dict[str, list[list[float]]] = field(default_factory=dict)
    maps: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    random_95: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    """Erasing and insertion curves of the first input, one per layer x concept, for its first class."""


class _Layer:
    """Directions and pseudo-concepts of one layer. Concepts of equal size share their pseudo-concepts."""

    def __init__(self, model: Model, books: Library, plan: Plan, name: str) -> None:
        self.name = name
        self.vectors = [books.vector(model, name, ref, plan.negatives) for ref in plan.concepts]
        self.minus = books.minus(model, name, plan.negatives)
        self.plus = [books.plus(model, name, ref) for ref in plan.concepts]
        self.pseudo = [
            books.pseudo(model, name, vector.positives, plan.n_random, negatives=plan.negatives, seed=plan.seed) for vector in self.vectors
        ]
        self.directions = torch.stack([vector.direction for vector in self.vectors])
        self.emblems = torch.tensor([vector.emblems for vector in self.vectors], device=self.directions.device)
        self.scores: dict[int, list[np.ndarray]] = defaultdict(list)  # class -> per input [K]
        self.chance: dict[int, list[np.ndarray]] = defaultdict(list)  # class -> per input [K, P]
        self.slopes: dict[int, list[Tensor]] = defaultdict(list)


def analyse(model: Model, inputs: Sequence[Tensor], plan: Plan, books: Library, report: Progress = silent) -> Analysis:
    """inputs: prepared, `[1, C, H, W]` each. report's partial is the table so far: mean attribution `[layers, concepts]`, NaN if unknown.

    Raises NotFound, InvalidInput (concepts), Incompatible (layers), Cancelled.
    """
    found = Analysis()
    table = np.full((len(plan.layers), len(plan.concepts)), np.nan, dtype=np.float32)
    total = len(plan.layers) * (len(inputs) + 1)
    wanted = [plan.classes if plan.classes is not None else (int(model.predict(x).argmax()),) for x in inputs]
    done = 0
    report(done, total)
    for place, name in enumerate(plan.layers):
        layer = _Layer(model, books, plan, name)
        done += 1
        for number, (x, classes) in enumerate(zip(inputs, wanted, strict=True)):
            found.rows.extend(_local(model, layer, plan, number, x, classes, found.maps))
            table[place] = np.mean([scores for column in layer.scores.values() for scores in column], axis=0)
            done += 1
            report(done, total, table)
        found.directions.extend(_direction(layer, place, plan) for place in range(len(plan.concepts)))
        found.curves.extend(_curves(model, layer, plan, inputs[0], wanted[0][0]))
        found.cosines[name] = _cosines(layer.directions)
        for target in sorted(layer.scores):
            found.overall.extend(_overall(layer, plan, target))
            chance = np.mean(layer.chance[target], axis=0)
            found.random_95.append({"layer": name, "class": target, "value": float(np.quantile(chance, 0.95))})
    _adjust(found.overall)
    return found


def _local(
    model: Model, layer: _Layer, plan: Plan, number: int, x: Tensor, classes: Sequence[int], kept: dict[tuple[int, str], np.ndarray]
) -> Iterator[dict[str, Any]]:
    at = suffix(model, layer.name).at(x)
    field_ = field_of(model, x, layer.name, classes, at=at)
    _, maps = concept_maps(field_.features, layer.directions, layer.emblems)
    scores, against = (concept_scores(field_, layer.directions, maps, against=side).cpu().numpy() for side in (False, True))
    chance = np.stack([pseudo.scores(field_).cpu().numpy() for pseudo in layer.pseudo])  # [K, P, T]
    erased = without(model, x, layer.name, layer.directions, layer.emblems, classes, at=at).cpu().numpy()
    control = without(model, x, layer.name, layer.pseudo[0].directions, layer.pseudo[0].emblems, classes, at=at).cpu().numpy()
    kept[number, layer.name] = maps.cpu().numpy().astype(np.float32)
    for t, target in enumerate(classes):
        layer.scores[target].append(scores[:, t])
        layer.chance[target].append(chance[:, :, t])
        layer.slopes[target].append(field_.slopes[t])
        for k, ref in enumerate(plan.concepts):
            yield {
                "input": number, "layer": layer.name, "concept": ref, "class": target, "score": float(scores[k, t]),
                "against": float(against[k, t]), "share": float(field_.shares[t]), "p": empirical_p(float(scores[k, t]), chance[k, :, t]),
                "probability": float(probability(model, field_.logits[None], target)), "without": float(erased[k, t]), "without_random": float(np.median(control[:, t])),
                "recognised": layer.vectors[k].recognised, "coverage": float((maps[k] > 0).float().mean()),
            }  # fmt: skip


def _curves(model: Model, layer: _Layer, plan: Plan, x: Tensor, target: int) -> Iterator[dict[str, Any]]:
    at = suffix(model, layer.name).at(x)
    for k, ref in enumerate(plan.concepts):
        pseudo = layer.pseudo[k]
        few = PseudoConcepts(pseudo.directions[:CONTROLS], pseudo.emblems[:CONTROLS], pseudo.size)
        curves = concept_curves(model, x, layer.name, layer.vectors[k], target, pseudo=few, at=at)
        yield {
            "layer": layer.name, "concept": ref, "class": target, "share": curves.share.tolist(), "erasing": curves.erasing.tolist(),
            "insertion": curves.insertion.tolist(), "control": curves.control.median(0).values.tolist(),
        }  # fmt: skip


def _direction(layer: _Layer, k: int, plan: Plan) -> dict[str, Any]:
    vector, pseudo = layer.vectors[k], layer.pseudo[k]
    gap = vector.emblems[0] - vector.emblems[1]
    others = [_cosine(layer.directions[k], other) if j != k else -2.0 for j, other in enumerate(layer.directions)]
    nearest = int(np.argmax(others)) if len(others) > 1 else None
    own, trained = (held_out(layer.plus[k], layer.minus, rule, plan.seed) for rule in (mean_difference, logistic))
    return {
        "layer": layer.name, "concept": plan.concepts[k], "name": vector.name, "emblem_plus": vector.emblems[0],
        "emblem_minus": vector.emblems[1], "recognised": vector.recognised, "length": vector.length,
        "length_over_random": vector.length / max(float(pseudo.lengths.median()), 1e-12),
        "p_length": empirical_p(vector.length, pseudo.lengths.cpu().numpy()), "emblem_gap": gap, "p_gap": empirical_p(gap, pseudo.gaps.cpu().numpy()),
        **_separability(own), **_separability(trained, "trained_"), "examples": vector.positives, "counter_examples": vector.negatives,
        "nearest": None if nearest is None else plan.concepts[nearest], "nearest_cosine": None if nearest is None else others[nearest],
    }  # fmt: skip


def _separability(found: HeldOut, lead: str = "") -> dict[str, Any]:
    """accuracy, accuracy_low, accuracy_high, told_apart, separability (in words); with `trained_` in front for the trained classifier."""
    named = {
        "accuracy": found.accuracy, "accuracy_low": found.low, "accuracy_high": found.high, "told_apart": found.told_apart,
        "separability": found.words,
    }  # fmt: skip
    return {f"{lead}{name}": value for name, value in named.items()}


def _overall(layer: _Layer, plan: Plan, target: int) -> Iterator[dict[str, Any]]:
    values = np.stack(layer.scores[target])  # [N, K]
    chance = np.stack(layer.chance[target])  # [N, K, P]
    slopes = torch.stack(layer.slopes[target])
    for k, ref in enumerate(plan.concepts):
        mean, deviation = float(values[:, k].mean()), float(values[:, k].std())
        error = deviation / np.sqrt(len(values))
        tcav = tcav_test(slopes, layer.plus[k], layer.minus, layer.pseudo[k], seed=plan.seed)
        yield {
            "layer": layer.name, "concept": ref, "class": target, "n": len(values), "mean": mean, "sd": deviation, "se": error,
            "low": mean - 2 * error, "high": mean + 2 * error, "p": empirical_p(mean, chance[:, k].mean(0)),
            "tcav": tcav.score, "tcav_p": tcav.p, "tcav_random": tcav.random_mean,
        }  # fmt: skip


def _adjust(overall: list[dict[str, Any]]) -> None:
    for target in {row["class"] for row in overall}:
        rows = [row for row in overall if row["class"] == target]
        adjusted = benjamini_hochberg(np.array([row["p"] for row in rows]))
        tcav = benjamini_hochberg(np.array([row["tcav_p"] for row in rows]))
        for row, p, tcav_p in zip(rows, adjusted, tcav, strict=True):
            row["p_adjusted"], row["tcav_p_adjusted"] = float(p), float(tcav_p)


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def _cosines(directions: Tensor) -> list[list[float]]:
    unit = torch.nn.functional.normalize(directions, dim=1)
    return (unit @ unit.T).tolist()


__all__ = ["Analysis", "ConceptVector", "Plan", "PseudoConcepts", "analyse"]
