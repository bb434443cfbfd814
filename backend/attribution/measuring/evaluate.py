"""`evaluate`: the steps common to all metrics: resolve, see whether there is something to measure, run, put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import (
    bad_parameter,
    check_input,
    check_seed,
    check_target,
    plain_numbers,
    pristine,
    resolve_target,
)
from backend.attribution.measuring.again import Again
from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.registry import METRICS
from backend.attribution.measuring.sweep import Sweep
from backend.attribution.measuring.types import Case, Metric, Score
from backend.attribution.methods import METHODS
from backend.attribution.network.cache import steady
from backend.attribution.types import Attribution, Params, Progress, silent
from models.model import Model

EMPTY = "The map is empty: it marks nothing that could be measured."
NOT_FINITE = "The map holds numbers that are not finite."


def evaluate(
    model: Model,
    x: Tensor,
    result: Attribution,
    metric: str = "sparseness",
    mask: np.ndarray | Tensor | None = None,
    seed: int = 0,
    report: Progress = silent,
    **params: Any,
) -> Score:
    """The score of one map.

    x: float32 `[1, C, H, W]`, the input that was explained. result: its map, as `backend.explain` returned it. mask: bool
    `[H, W]` on the display grid, the region where the evidence is known to be. params: fields of the metric's `Params`.

    Returns a Score; where nothing can be computed its value is None and its note says why.
    Raises NotFound (metric), BadParameter.
    """
    return evaluate_all(model, x, result, [metric], mask, {metric: params}, seed, report)[metric]


def evaluate_all(
    model: Model,
    x: Tensor,
    result: Attribution,
    metrics: Sequence[str] | None = None,
    mask: np.ndarray | Tensor | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    report: Progress = silent,
) -> dict[str, Score]:
    """Several scores of one map, by key. They share the scores of altered inputs, so that together they cost less than
    one by one; the values are the same.

    metrics: keys; None takes those that are on by default. params: by key. Raises NotFound, BadParameter.
    """
    chosen = [METRICS[key] for key in (metrics if metrics is not None else defaults())]
    seed = check_seed(seed)
    _check_result(result)
    with steady(model), pristine(model):
        resolved = {m.key: resolve_params(m, model, dict((params or {}).get(m.key, {}))) for m in chosen}
        x = check_input(model, x)
        check_target(model, None if result.target < 0 else result.target)
        if result.values.shape != tuple(x.shape[-2:]):
            raise BadParameter(
                f"The map has {list(result.values.shape)} cells, the input {list(x.shape[-2:])}.",
                field="result",
            )
        target = resolve_target(model, x, None if result.target < 0 else result.target)
        scores: dict[str, Score] = {}

        def pause() -> None:
            report(len(scores), len(chosen))

        sweep = Sweep.of(model, x, target)
        again = Again(model, x, result, target, seed, pause)
        region, reason = _region(mask, result.values.shape)
        case = Case(model, x, result, target, region, seed, sweep, again, pause)
        for each in chosen:
            pause()
            scores[each.key] = _score(each, case, resolved[each.key], reason if "mask" in each.needs else "")
        report(len(chosen), len(chosen))
    return scores


def defaults() -> list[str]:
    """Keys of the metrics that are on unless others are asked for."""
    return [key for key, metric in METRICS.items() if metric.default_on]


def resolve_params(metric: Metric[Any], model: Model, params: dict[str, Any]) -> Params:
    """`params` over the model's defaults over the metric's. Raises BadParameter."""
    try:
        return metric.Params(**{**metric.defaults(model), **plain_numbers(params)})
    except ValidationError as error:
        raise bad_parameter(error, metric.Params) from None


def _score(metric: Metric[Any], case: Case, params: Params, reason: str) -> Score:
    """reason: why the region cannot be used."""
    values, method = case.result.values, case.result.method or None
    try:
        for problem in (
            metric.why_not(case.model, method if method in METHODS else None),
            reason,
            "" if np.isfinite(values).all() else NOT_FINITE,
            "" if values.any() else EMPTY,
        ):
            if problem:
                raise Unmeasured(problem)
        measured = metric.measure(case, params)
    except Unmeasured as error:
        return Score(metric.key, None, direction=metric.better, note=str(error))
    except Incompatible as error:
        return Score(metric.key, None, direction=metric.better, note=error.detail)
    if not np.isfinite(measured.value):
        return Score(
            metric.key, None, direction=metric.better, note="The numbers overflowed: there is no value."
        )
    other = measured.other if measured.other is not None and np.isfinite(measured.other) else None
    return Score(
        metric=metric.key,
        value=float(measured.value),
        interval=_on_scale(measured.interval, metric),
        direction=metric.better,
        note=measured.note,
        curve=measured.curve,
        other=other,
        words=metric.meaning.format(measured.value),
    )


def _on_scale(interval: tuple[float, float] | None, metric: Metric[Any]) -> tuple[float, float] | None:
    """An interval cut at the ends of the metric's scale."""
    if interval is None or not np.isfinite(interval).all():
        return None
    least, most = (
        end if end is not None else np.inf * sign for end, sign in ((metric.low, -1), (metric.high, 1))
    )
    low, high = (float(min(max(end, least), most)) for end in interval)
    return low, high


def _region(mask: np.ndarray | Tensor | None, size: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """The region as bool `[H, W]`, or None and why there is none to measure with."""
    if mask is None:
        return None, "No region is known for this input: draw one, or measure on inputs that have one."
    region = np.asarray(mask.detach().cpu() if isinstance(mask, torch.Tensor) else mask)
    while region.ndim > 2 and region.shape[0] == 1:  # [1, H, W] or [1, 1, H, W], as Quantus takes masks
        region = region[0]
    if region.shape != size:
        return (
            None,
            f"The region has {' x '.join(map(str, region.shape)) or 'no'} cells, the map {size[0]} x {size[1]}: they do not fit.",
        )
    if region.dtype.kind not in "biuf" or not np.isfinite(region).all():
        return None, "The region must be true or false, or finite numbers."
    region = region.astype(bool)
    if not region.any():
        return None, "The region is empty: no relevance can lie inside it."
    if region.all():
        return None, "The region covers the whole input: every map lies inside it."
    return region, ""


def _check_result(result: Attribution) -> None:
    if not isinstance(result, Attribution):
        raise BadParameter(
            "The result must be an Attribution, as backend.explain returns it; for a map of your own: "
            "dataclasses.replace(result, values=...).",
            field="result",
        )
