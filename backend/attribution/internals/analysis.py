"""All about the filters of one layer, over a calibration set: what `app.core.internals_results` says, step by step, with
what is known so far after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from app.core.internals_results import (
    CalibrationSet,
    Example,
    Filter,
    FilterGroup,
    InternalsResult,
    LayerLikeness,
    Removal,
    Twin,
)
from backend.attribution.concepts.work import work_behind, work_of
from backend.attribution.internals import correlation as how
from backend.attribution.internals.calibration import Calibration, calibration_of
from backend.attribution.internals.choice import Chosen, Classes, classes_of, inputs_of, spread
from backend.attribution.internals.examples import Examples, examples_of
from backend.attribution.internals.importance import (
    DRAWS,
    Curves,
    Effects,
    effects,
    removal,
    steps_of,
    taylor,
)
from backend.attribution.internals.layer_store import read_layers, remember
from backend.attribution.internals.pooled import FEWEST, Pooled, check_layer, few_inputs, pooled
from backend.attribution.internals.rankings import STEPS, agreement, captum_rankings
from backend.attribution.internals.stages import Stages
from backend.attribution.internals.tuning import Convolution, convolution_of, tuning
from backend.attribution.network.cache import steady
from backend.attribution.types import Progress, silent
from models.model import Model

RANKED = 256
"""Filters whose ablation is measured; of more, those that Taylor's estimate puts first."""
INPUTS = 64
"""Inputs over which ablation is measured, fewer where that would be too much work."""
FEWEST_RANKED = 16
WORK = 600e9
"""Multiplications that measuring ablation may take: half a minute or so on two cores."""
CAPTUM_INPUTS = 8
CAPTUM_WORK = 100e9


@dataclass(frozen=True, eq=False)
class Internals:
    """result without versions; arrays: `correlation` float32 `[C, C]`, `mean_map` float32 `[C, h, w]`, `patches` uint8
    `[C, 4, ph, pw(, 3)]`, `kernels` float32 `[C, c, kh, kw]` and `sounds` int16 `[examples, n]` where there are any."""

    result: InternalsResult
    arrays: dict[str, np.ndarray]


def internals(
    model: Model, layer: str, calibration: Calibration, *, seed: int = 0, report: Progress = silent
) -> Internals:
    """The partial array is float32 `[C, C + 2]`: correlation, then importance so far, then Taylor's estimate.
    Raises what `pooled` raises."""
    started = time.perf_counter()
    check_layer(model, layer)
    if len(calibration) < FEWEST:
        raise few_inputs(len(calibration))
    with steady(model):
        run = _Analysis(model, layer, calibration, seed, report)
        return run.finished(started)


def look_inside(
    model: Model,
    layer: str,
    inputs: Calibration | Tensor | Sequence[Any] | None = None,
    *,
    seed: int = 0,
    report: Progress = silent,
) -> Internals:
    """`internals` over inputs as `calibration_of` takes them: None takes ours; prepared ones `[N, C, H, W]`; or at least
    ten of what `model.prepare` takes."""
    return internals(model, layer, calibration_of(model, inputs), seed=seed, report=report)


class _Analysis:
    """One run, its parts in the order of asking."""

    def __init__(
        self, model: Model, layer: str, calibration: Calibration, seed: int, report: Progress
    ) -> None:
        self.model, self.layer, self.calibration, self.seed = model, layer, calibration, seed
        whole, behind = work_of(model), work_behind(model, layer)
        self.chosen = inputs_of(calibration, whole)
        filters = next(one.shape[0] for one in model.layers if one.name == layer)
        self.count = max(1, min(filters, RANKED))
        fitting = int(WORK // max(1, self.count * behind))
        self.inputs = max(FEWEST_RANKED, min(INPUTS, fitting))
        self.explained = max(2, min(CAPTUM_INPUTS, int(CAPTUM_WORK // max(1, 6 * STEPS * whole))))
        n = min(self.inputs, len(self.chosen))
        curve = (2 + DRAWS) * len(steps_of(filters))
        self.work = Stages(
            report,
            {
                "pooled": len(self.chosen) * whole,
                "examples": 20 * whole + 2e9,
                "taylor": 3 * n * whole,
                "alone": n * (self.count * behind + whole),
                "groups": n * (filters / 4 * behind + whole),
                "removal": n * (curve * behind + whole),
                "captum": self.explained * 6 * STEPS * whole,
            },
        )
        self.notes: list[str] = []

    def finished(self, started: float) -> Internals:
        seen = self._pooled()
        classes = classes_of(self.chosen.labels, seen.logits, self.model.labels)
        matrix = how.correlation(seen.means)
        grouped = how.clustering(matrix, seen.living)
        self.work.correlated(matrix)
        self.work.tell("pooled", 1.0)
        convolution = convolution_of(self.model, self.layer)
        examples = examples_of(self.model, self.chosen, seen, lambda done: self.work.tell("examples", done))
        measured = self._measured(seen, grouped.clusters)
        filters = _filters(seen, classes, matrix, grouped.clusters, measured, examples)
        if convolution is not None and convolution.first:
            words = tuning(convolution.weights, examples.y_axis, examples.x_axis)
            filters = [
                one.model_copy(update={"tuning": said}) for one, said in zip(filters, words, strict=True)
            ]
        result = InternalsResult(
            model=self.model.key,
            weights_sha256=self.model.digest,
            layer=self.layer,
            kind=next(one.kind for one in self.model.layers if one.name == self.layer),
            calibration=CalibrationSet(title=self.calibration.title, count=len(self.chosen)),
            labels=[self.model.labels[number] for number in classes.shown],
            classes=classes.shown,
            classes_from="labels" if classes.labelled else "predictions",
            auc_reason=classes.reason,
            filters=filters,
            order=grouped.order,
            clusters=grouped.clusters,
            groups=measured.groups(classes.shown),
            redundancy=how.redundancy(matrix, seen.living),
            effective_dimension=how.effective_dimension(matrix, seen.living),
            dead=seen.dead,
            ranked=len(measured.ranked),
            inputs_ranked=measured.inputs,
            cka=LayerLikeness(layers=list(seen.others), matrix=how.cka_matrix(list(seen.others.values()))),
            removal=_removal(measured.curves, measured.curve_inputs, held_out=measured.curve_held_out),
            agreement=agreement(
                {"ablation": measured.importance, "taylor": measured.taylor, **measured.captum}
            ),
            examples=self._listed(),
            patch=examples.shape,
            kernels=None if convolution is None else list(convolution.weights.shape),
            sounds=examples.sounds,
            seed=self.seed,
            seconds=time.perf_counter() - started,
            notes=self.notes,
        )
        return Internals(result, _arrays(seen, matrix, convolution, examples))

    def _listed(self) -> list[Example]:
        labels: Sequence[int | None] = self.chosen.labels or [None] * len(self.chosen)
        return [
            Example(source=source, title=name, label=label)
            for source, name, label in zip(self.chosen.sources, self.chosen.names, labels, strict=True)
        ]

    def _pooled(self) -> Pooled:
        done = 0

        def step(inputs: int, means: Callable[[], np.ndarray]) -> None:
            nonlocal done
            done += inputs
            if done >= FEWEST and self.work.due():
                self.work.correlated(how.correlation(means()))
            self.work.tell("pooled", 0.99 * done / len(self.chosen))

        if len(self.chosen) < len(self.calibration):
            self.notes.append(
                f"Measured on {len(self.chosen)} of {len(self.calibration)} inputs: the network is too heavy for all of them."
            )
        others = list(dict.fromkeys([*read_layers(self.model), self.layer]))
        seen = pooled(self.model, self.layer, self.chosen, step, others)
        remember(self.model, self.calibration, self.chosen.rows, seen)
        return seen

    def _measured(self, seen: Pooled, clusters: list[list[int]]) -> _Measured:
        fitted, held = self._two_sets()
        first = taylor(self.model, self.layer, fitted, seen.mean_map)
        first[seen.dead] = 0.0
        self.work.table[:, -1] = first
        self.work.tell("taylor", 1.0)
        order = sorted(seen.living, key=lambda k: -first[k])
        ranked = sorted(order[:RANKED])
        if len(ranked) < len(seen.living):
            self.notes.append(
                f"Ablation was measured for the {len(ranked)} of {len(seen.living)} filters that Taylor's estimate puts first."
            )
        alone = self._effects("alone", fitted, seen, [[k] for k in ranked], ranked)
        importance = np.full(len(first), np.nan)
        importance[seen.dead], importance[ranked] = 0.0, alone.kl
        self.work.table[:, -2] = importance
        together = [members for members in clusters if len(members) > 1]
        jointly = self._effects("groups", fitted, seen, together, None) if together else None
        ranking = sorted(seen.living, key=lambda k: (-np.nan_to_num(importance[k], nan=-1.0), -first[k]))
        curves = removal(
            self.model,
            self.layer,
            held,
            seen.mean_map,
            ranking,
            self.seed,
            lambda done: self.work.tell(
                "removal", done / (len(held) * (2 + DRAWS) * len(steps_of(len(ranking))))
            ),
        )
        captum = captum_rankings(
            self.model,
            self.layer,
            fitted.some(spread(len(fitted), self.explained)),
            lambda done: self.work.tell("captum", done / self.explained),
        )
        return _Measured(
            ranked,
            importance,
            first,
            alone,
            together,
            jointly,
            curves,
            len(fitted),
            len(held),
            held is not fitted,
            captum,
        )

    def _two_sets(self) -> tuple[Chosen, Chosen]:
        """Inputs that filters are ranked on, and others that the ranking is checked on; the same where there are not
        enough."""
        held = np.flatnonzero(self.chosen.held_out).tolist()
        fitted = np.flatnonzero(~self.chosen.held_out).tolist()
        if min(len(held), len(fitted)) < FEWEST:
            both = self.chosen.some(spread(len(self.chosen), self.inputs))
            self.notes.append(
                "The ranking is checked on the inputs that it was made on: there are too few for two sets."
            )
            return both, both
        return (
            self.chosen.some([fitted[place] for place in spread(len(fitted), self.inputs)]),
            self.chosen.some([held[place] for place in spread(len(held), self.inputs)]),
        )

    def _effects(
        self, stage: str, inputs: Chosen, seen: Pooled, sets: list[list[int]], ranked: list[int] | None
    ) -> Effects:
        def reached(done: int, so_far: Callable[[], Effects]) -> None:
            if ranked is not None and self.work.due():
                self.work.table[ranked, -2] = so_far().kl
            self.work.tell(stage, done / (len(inputs) * len(sets)))

        return effects(self.model, self.layer, inputs, seen.mean_map, sets, reached)


@dataclass(frozen=True, eq=False)
class _Measured:
    """What taking filters out did. importance: float64 `[C]`, 0 for dead filters, NaN where it was not measured."""

    ranked: list[int]
    importance: np.ndarray
    taylor: np.ndarray
    alone: Effects
    together: list[list[int]]
    jointly: Effects | None
    curves: Curves
    inputs: int
    curve_inputs: int
    curve_held_out: bool
    captum: dict[str, np.ndarray]

    def groups(self, shown: list[int]) -> list[FilterGroup]:
        if self.jointly is None:
            return []
        return [
            FilterGroup(
                filters=members,
                importance=float(self.jointly.kl[row]),
                drops=self.jointly.drops[row, shown].tolist(),
            )
            for row, members in enumerate(self.together)
        ]


def _filters(
    seen: Pooled,
    classes: Classes,
    matrix: np.ndarray,
    clusters: list[list[int]],
    measured: _Measured,
    examples: Examples,
) -> list[Filter]:
    count = len(matrix)
    cluster = {k: number for number, members in enumerate(clusters) for k in members}
    twin = how.twins(matrix, seen.living)
    means = [_means(seen.means, classes.member(number)) for number in classes.shown]
    aucs = [
        how.auc(seen.means, classes.member(number)) if classes.told_apart(number) else None
        for number in classes.shown
    ]
    by_class = how.correlation(seen.means, other=seen.logits[:, classes.shown])
    drops = dict(zip(measured.ranked, measured.alone.drops[:, classes.shown].tolist(), strict=True))
    dead = set(seen.dead)
    return [
        Filter(
            index=k,
            dead=k in dead,
            mean=[None if mean is None else float(mean[k]) for mean in means],
            auc=None if classes.reason else [None if values is None else float(values[k]) for values in aucs],
            correlation=by_class[k].tolist(),
            importance=None if np.isnan(measured.importance[k]) else float(measured.importance[k]),
            drops=[0.0] * len(classes.shown) if k in dead else drops.get(k),
            cluster=cluster.get(k),
            twin=Twin(filter=twin[k][0], r=twin[k][1]) if k in twin else None,
            taylor=float(measured.taylor[k]),
            conductance=float(measured.captum["conductance"][k]),
            internal_influence=float(measured.captum["internal_influence"][k]),
            layer_activation=float(measured.captum["layer_activation"][k]),
            strongest=examples.strongest[k],
        )
        for k in range(count)
    ]


def _means(pooled_means: np.ndarray, member: np.ndarray) -> np.ndarray | None:
    mean: np.ndarray | None = pooled_means[member].mean(axis=0) if member.any() else None
    return mean


def _removal(curves: Curves, inputs: int, *, held_out: bool) -> Removal:
    low, high = np.percentile(curves.random, [5, 95], axis=0)
    return Removal(
        counts=curves.counts,
        descending=curves.descending.tolist(),
        ascending=curves.ascending.tolist(),
        random=curves.random.mean(axis=0).tolist(),
        random_low=low.tolist(),
        random_high=high.tolist(),
        draws=len(curves.random),
        inputs=inputs,
        held_out=held_out,
    )


def _arrays(
    seen: Pooled, matrix: np.ndarray, convolution: Convolution | None, examples: Examples
) -> dict[str, np.ndarray]:
    arrays = {"correlation": matrix.astype(np.float32), "mean_map": seen.mean_map.cpu().numpy()}
    if convolution is not None:
        arrays["kernels"] = convolution.weights
    if examples.patches is not None:
        arrays["patches"] = examples.patches
    if examples.clips is not None:
        arrays["sounds"] = examples.clips
    return arrays
