"""Analysis of concepts at layers: maps and scores per input and class, means per class, and their
significance.

Directions are computed once per layer; per input and layer one attribution field serves all concepts,
classes, pseudo-concepts and redrawn concepts. Global (step 7 of Visual-TCAV): mean over the inputs of a class,
standard deviation (ddof 0), standard error, mean +- 2 SE, tested against the means of the pseudo-concepts over
the same inputs. P-values are adjusted over concepts x layers x classes (Benjamini-Hochberg), separately for
each input and for the means over the inputs of the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.concept_results import (
    ConceptCurve,
    ConceptDirection,
    ConceptOverall,
    ConceptRow,
    RandomLevel,
    Verdict,
)
from backend.attribution.concepts.attribution import attribution_field as field_of
from backend.attribution.concepts.attribution import concept_maps, concept_scores
from backend.attribution.concepts.curves import concept_curves, control_curves, probability, without
from backend.attribution.concepts.layer import LayerConcepts, Plan
from backend.attribution.concepts.library import Library
from backend.attribution.concepts.separability import HeldOut, logistic, mean_difference
from backend.attribution.concepts.significance import (
    PERMUTATIONS,
    PseudoConcepts,
    benjamini_hochberg,
    draws_for,
    empirical_p,
    tcav_test,
)  # fmt: skip
from backend.attribution.concepts.vectors import ConceptVector
from backend.attribution.concepts.verdict import ALPHA, Evidence, interval, judge_together, strongest
from backend.attribution.network.head import suffix
from backend.attribution.types import Progress, silent
from models.model import Model

CONTROLS = 10
"""Pseudo-concepts that are erased as controls of a concept: each costs passes."""
Numbers = dict[str, Any]


@dataclass
class Analysis:
    """rows: one per input x layer x concept x class. directions: one per layer x concept. overall: one per
    layer x concept x class. table: mean attribution `[layers, concepts]`, float32. cosines: per layer `[K, K]`. maps: `(input, layer) -> [K, h, w]`. random_95: per
    layer and class, what 95 % of pseudo-concepts' means stay below. curves: erasing and insertion of the
    first input, one per layer x concept, for its first class. verdicts: the strongest of each concept.
    n_random: pseudo-concepts drawn, for so many tests."""

    n_random: int
    tests: int
    table: np.ndarray
    rows: list[ConceptRow] = field(default_factory=list)
    directions: list[ConceptDirection] = field(default_factory=list)
    overall: list[ConceptOverall] = field(default_factory=list)
    cosines: dict[str, list[list[float]]] = field(default_factory=dict)
    maps: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)
    random_95: list[RandomLevel] = field(default_factory=list)
    curves: list[ConceptCurve] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def analyse(
    model: Model, inputs: Sequence[Tensor], plan: Plan, library: Library, report: Progress = silent
) -> Analysis:
    """inputs: prepared, `[1, C, H, W]` each. report's partial is the table so far: mean attribution
    `[layers, concepts]`, NaN if unknown.

    Raises NotFound, InvalidInput (concepts), Incompatible (layers), Cancelled.
    """
    classes_of = [
        plan.classes if plan.classes is not None else (int(model.predict(x).argmax()),) for x in inputs
    ]
    tests = (
        len(plan.concepts) * len(plan.layers) * len({target for classes in classes_of for target in classes})
    )
    table = np.full((len(plan.layers), len(plan.concepts)), np.nan, dtype=np.float32)
    analysis = Analysis(draws_for(tests, plan.n_random), tests, table)
    rows: list[tuple[Numbers, Evidence]] = []
    overall: list[tuple[Numbers, Evidence]] = []
    total = len(plan.layers) * (len(inputs) + 1)
    done = 0
    report(done, total)
    library.prepare(model, plan.layers, plan.concepts, plan.negatives)
    for place, name in enumerate(plan.layers):
        layer = LayerConcepts(model, library, plan, name, analysis.n_random)
        done += 1
        local_rows: list[tuple[Numbers, Evidence]] = []
        for number, (x, classes) in enumerate(zip(inputs, classes_of, strict=True)):
            local_rows.extend(_local(model, layer, plan, number, x, classes, analysis.maps))
            table[place] = np.mean([scores for column in layer.scores.values() for scores in column], axis=0)
            done += 1
            report(done, total, table)
        unlike = {ref: layer.unlike(k) for k, ref in enumerate(plan.concepts)}
        rows.extend(
            (numbers, replace(evidence, unlike=unlike[numbers["concept"]]))
            for numbers, evidence in local_rows
        )
        analysis.directions.extend(_direction(layer, place, plan) for place in range(len(plan.concepts)))
        analysis.curves.extend(_curves(model, layer, plan, inputs[0], classes_of[0][0]))
        analysis.cosines[name] = _cosines(layer.directions)
        for target in sorted(layer.scores):
            overall.extend(_overall(layer, plan, target, tests))
            chance = layer.chance_sums[target] / len(layer.scores[target])
            analysis.random_95.append(
                RandomLevel(layer=name, target=target, value=float(np.quantile(chance, 0.95)))
            )
    for number in range(len(inputs)):
        analysis.rows.extend(
            ConceptRow(**numbers)
            for numbers in _judged([pair for pair in rows if pair[0]["input"] == number], analysis.n_random)
        )
    analysis.overall = _adjusted_tcav(_judged(overall, analysis.n_random))
    analysis.verdicts = {
        ref: strongest(row.verdict for row in analysis.overall if row.concept == ref) for ref in plan.concepts
    }
    return analysis


def _judged(family: Sequence[tuple[Numbers, Evidence]], draws: int) -> Iterator[Numbers]:
    """The numbers of each test with its adjusted p-value, interval and verdict."""
    judgements = judge_together([evidence for _, evidence in family], draws)
    for (numbers, evidence), judgement in zip(family, judgements, strict=True):
        yield {
            **numbers,
            "p": evidence.p,
            "p_adjusted": judgement.p_adjusted,
            "range_low": evidence.low,
            "range_high": evidence.high,
            "random_mean": evidence.chance,
            "random_95": evidence.chance_95,
            "verdict": judgement.verdict,
            "because": judgement.because,
        }


def _local(
    model: Model,
    layer: LayerConcepts,
    plan: Plan,
    number: int,
    x: Tensor,
    classes: Sequence[int],
    maps_of: dict[tuple[int, str], np.ndarray],
) -> Iterator[tuple[Numbers, Evidence]]:
    at = suffix(model, layer.name).at(x)
    input_field = field_of(model, x, layer.name, classes, at=at)
    _, maps = concept_maps(input_field.features, layer.directions, layer.emblems)
    scores, against = (
        concept_scores(input_field, layer.directions, maps, against=side).cpu().numpy()
        for side in (False, True)
    )
    chance = np.stack([pseudo.scores(input_field).cpu().numpy() for pseudo in layer.chance])  # [groups, P, T]
    redrawn_scores = np.stack(
        [draws.scores(input_field).cpu().numpy() for draws in layer.redrawn]
    )  # [K, R, T]
    erased = without(model, x, layer.name, layer.directions, layer.emblems, classes, at=at).cpu().numpy()
    controls = layer.chance[0].first(CONTROLS)
    control = (
        without(model, x, layer.name, controls.directions, controls.emblems, classes, at=at).cpu().numpy()
    )
    maps_of[number, layer.name] = maps.cpu().numpy().astype(np.float32)
    for k, draws in enumerate(layer.same_kind):
        if draws is not None:
            levels = np.quantile(chance[layer.group_of[k]], 1 - ALPHA, axis=0)
            layer.above_chance[k].extend((draws.scores(input_field).cpu().numpy() > levels).ravel().tolist())
    for t, target in enumerate(classes):
        layer.scores[target].append(scores[:, t])
        layer.redrawn_scores[target].append(redrawn_scores[:, :, t])
        layer.chance_means[target].append(chance[layer.group_of, :, t].mean(1))
        layer.chance_sums[target] = layer.chance_sums.get(target, 0) + chance[:, :, t]
        layer.slopes[target].append(input_field.slopes[t])
        for k, ref in enumerate(plan.concepts):
            numbers = {
                "input": number,
                "layer": layer.name,
                "concept": ref,
                "class": target,
                "score": float(scores[k, t]),
                "against": float(against[k, t]),
                "share": float(input_field.shares[t]),
                "probability": float(probability(model, input_field.logits[None], target)),
                "without": float(erased[k, t]),
                "without_random": float(np.median(control[:, t])),
                "recognised": layer.vectors[k].recognised,
                "coverage": float((maps[k] > 0).float().mean()),
            }
            yield (
                numbers,
                _evidence(
                    scores[k : k + 1, t],
                    redrawn_scores[k, :, t],
                    chance[layer.group_of[k], :, t],
                    layer.chance_means[target][-1][k : k + 1],
                ),
            )


def _evidence(
    scores: np.ndarray, redrawn_means: np.ndarray, chance: np.ndarray, chance_means: np.ndarray, **more: Any
) -> Evidence:
    """scores: `[N]` of a concept on the inputs; redrawn_means `[R]`, chance `[P]`: means over those inputs of
    each redrawn and each random concept; chance_means: `[N]`, mean of the random concepts on each input."""
    low, high, by_inputs = interval(scores, redrawn_means, chance_means)
    p = empirical_p(float(scores.mean()), chance)
    return Evidence(
        p, low, high, float(chance.mean()), float(np.quantile(chance, 1 - ALPHA)), by_inputs=by_inputs, **more
    )


def _curves(model: Model, layer: LayerConcepts, plan: Plan, x: Tensor, target: int) -> Iterator[ConceptCurve]:
    at = suffix(model, layer.name).at(x)
    controls = [
        control_curves(model, x, layer.name, chance.first(CONTROLS), target, at=at).median(0).values.tolist()
        for chance in layer.chance
    ]
    for k, ref in enumerate(plan.concepts):
        curves = concept_curves(model, x, layer.name, layer.vectors[k], target, at=at)
        yield ConceptCurve(
            layer=layer.name,
            concept=ref,
            target=target,
            share=curves.share.tolist(),
            erasing=curves.erasing.tolist(),
            insertion=curves.insertion.tolist(),
            control=controls[layer.group_of[k]],
        )


def _direction(layer: LayerConcepts, k: int, plan: Plan) -> ConceptDirection:
    vector, pseudo = layer.vectors[k], layer.pseudo(k)
    gap = vector.emblems[0] - vector.emblems[1]
    others = [
        _cosine(layer.directions[k], other) if j != k else -2.0 for j, other in enumerate(layer.directions)
    ]
    nearest = int(np.argmax(others)) if len(others) > 1 else None
    own, trained = (layer.separability(k, rule) for rule in (mean_difference, logistic))
    return ConceptDirection(
        layer=layer.name,
        concept=plan.concepts[k],
        name=vector.name,
        emblem_plus=vector.emblems[0],
        emblem_minus=vector.emblems[1],
        recognised=vector.recognised,
        length=vector.length,
        length_over_random=vector.length / max(float(pseudo.lengths.median()), 1e-12),
        p_length=empirical_p(vector.length, pseudo.lengths.cpu().numpy()),
        emblem_gap=gap,
        p_gap=empirical_p(gap, pseudo.gaps.cpu().numpy()),
        **_separability(own),
        **_separability(trained, "trained_"),
        examples=vector.positives,
        counter_examples=vector.negatives,
        counter=layer.counters[k],
        counter_name=layer.counter_names[k],
        kind=layer.kinds[k][0],
        counter_kind=layer.kinds[k][1],
        unlike=layer.unlike(k),
        random_share=layer.random_share(k),
        nearest=None if nearest is None else plan.concepts[nearest],
        nearest_cosine=None if nearest is None else others[nearest],
    )


def _separability(result: HeldOut, lead: str = "") -> dict[str, Any]:
    """accuracy, accuracy_low, accuracy_high, told_apart, separability (in words); with `trained_` in front
    for the trained classifier."""
    named = {
        "accuracy": result.accuracy,
        "accuracy_low": result.low,
        "accuracy_high": result.high,
        "told_apart": result.told_apart,
        "separability": result.words,
    }
    return {f"{lead}{name}": value for name, value in named.items()}


def _overall(layer: LayerConcepts, plan: Plan, target: int, tests: int) -> Iterator[tuple[Numbers, Evidence]]:
    values = np.stack(layer.scores[target])  # [N, K]
    redrawn_means = np.mean(layer.redrawn_scores[target], axis=0)  # [K, R]
    chance = layer.chance_sums[target] / len(values)  # [groups, P]
    chance_means = np.stack(layer.chance_means[target])  # [N, K]
    slopes = torch.stack(layer.slopes[target])
    for k, ref in enumerate(plan.concepts):
        mean, deviation = float(values[:, k].mean()), float(values[:, k].std())
        error = deviation / np.sqrt(len(values))
        tcav = tcav_test(
            slopes,
            layer.plus[k],
            layer.minus[k],
            layer.pseudo(k),
            count=max(PERMUTATIONS, draws_for(tests)),
            seed=plan.seed,
        )
        numbers = {
            "layer": layer.name,
            "concept": ref,
            "class": target,
            "n": len(values),
            "mean": mean,
            "sd": deviation,
            "se": error,
            "low": mean - 2 * error,
            "high": mean + 2 * error,
            "tcav": tcav.score,
            "tcav_low": tcav.low,
            "tcav_high": tcav.high,
            "tcav_p": tcav.p,
            "tcav_random": tcav.random_mean,
        }
        yield (
            numbers,
            _evidence(
                values[:, k],
                redrawn_means[k],
                chance[layer.group_of[k]],
                chance_means[:, k],
                inputs=len(values),
                unlike=layer.unlike(k),
            ),
        )


def _adjusted_tcav(overall: Iterator[Numbers]) -> list[ConceptOverall]:
    rows = list(overall)
    adjusted = benjamini_hochberg(np.array([row["tcav_p"] for row in rows]))
    return [ConceptOverall(**row, tcav_p_adjusted=float(p)) for row, p in zip(rows, adjusted, strict=True)]


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def _cosines(directions: Tensor) -> list[list[float]]:
    unit = torch.nn.functional.normalize(directions, dim=1)
    return (unit @ unit.T).tolist()


__all__ = ["Analysis", "ConceptVector", "Plan", "PseudoConcepts", "analyse"]
