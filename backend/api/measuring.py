"""What a study was asked to do, made complete: inputs with what is known of them, methods that fit, metrics, cost."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from app.core.cost import estimate, scaling
from app.core.errors import BadParameter, NotFound, TooExpensive
from app.core.schemas import EvaluationPrice, EvaluationRequest, Fit, MethodInfo, MetricInfo, ModelInfo
from backend.api import lookup
from backend.api.evidence import sample_entries
from backend.api.gallery import own_file, title_of
from backend.api.parameters import complete_params, duration
from backend.api.regions import region_mask_of
from backend.jobs.accepted import cell_name
from backend.jobs.evaluation import cell_keys
from backend.scoring.study import CONTROLS
from backend.store import InputRow
from backend.store.runs import recent
from backend.tasks.evaluation import EvaluationPayload, PlannedInput, PlannedMethod
from backend.tasks.sets import fitting_set
from models.labelled import THINGS, class_of

if TYPE_CHECKING:
    from backend.api.services import Services

PASSES = 100
"""Passes of a metric that says nothing about its cost, to expect of a first study."""
NAMELESS = "It has no label among this network's classes, and the true class was asked for."
NAMED = 5
"""Inputs that are left out named one by one."""
SHOWN = ("key", "title", "short", "family", "better", "low", "high")


async def planned(body: EvaluationRequest, services: Services) -> EvaluationPayload:
    """Raises NotFound, BadParameter, Incompatible."""
    model = await lookup.model(services, body.model)
    model.require_available()
    network = await services.network(body.model)
    metrics = _chosen("metric", "metrics", body.metrics, await _metrics(services))
    methods = _chosen("method", "methods", body.methods, await _methods(services))
    if isinstance(body.target, int):
        model.require_target(body.target)
        if body.target < 0:
            raise BadParameter("The class must be a whole number from 0.", field="target")
    inputs: list[PlannedInput] = []
    title, count = "", 0
    _require_listed(body)
    if (body.inputs is None) == (body.set is None):
        raise BadParameter("Name either inputs or a set, not both.", field="inputs")
    if body.set is not None:
        chosen = fitting_set(body.set, model.info.modalities, model.info.labels)
        title, count = chosen.title, chosen.count if body.count is None else body.count
        if not chosen.more and count > chosen.count:
            raise BadParameter(f"This set has {chosen.count} inputs.", field="count")
        if body.target == "label" and not chosen.labelled:
            raise BadParameter(
                "The inputs of this set have no labels; explain the predicted class.", field="target"
            )
    else:
        inputs = await _inputs(body, services, model)
        count = len(inputs)
    return EvaluationPayload(
        model=network.model,
        upload=network.upload,
        digest=network.digest,
        identity=model.identity,
        labels=model.info.labels,
        title=model.info.title,
        inputs=inputs,
        set=body.set,
        set_title=title,
        count=count,
        methods=[*_fitted(body, methods, model.fits), *_controls()],
        metrics=[metric.model_dump(include=set(SHOWN)) for metric in metrics],
        metric_params=_metric_params(body, metrics),
        seed=body.seed,
        target=body.target,
        request=body.model_dump(mode="json"),
    )


async def _inputs(
    body: EvaluationRequest, services: Services, model: lookup.KnownModel
) -> list[PlannedInput]:
    ids = body.inputs or []
    if not ids:
        raise BadParameter("A study needs inputs: name at least one.", field="inputs")
    if len(set(ids)) != len(ids):
        raise BadParameter("The list of inputs names one twice; every input counts once.", field="inputs")
    if body.count is not None:
        raise BadParameter("The count is of a set; leave inputs out that are not wanted.", field="count")
    planned: list[PlannedInput] = []
    for number, id in enumerate(ids):
        row = await services.store.run(services.store.input, id)
        model.require_modality(row.modality)
        title, known = await run_in_threadpool(_known, row, model.info, services.settings.inputs)
        label = _class(body.labels[id], model.info.labels) if id in body.labels else known
        reason = NAMELESS if body.target == "label" and label is None else ""
        name = body.names.get(id, "").strip() or title or f"Input {number + 1}"
        try:
            place = await region_mask_of(services, id, body.model)
        except BadParameter as error:  # of the operator's table: which of its masks
            raise BadParameter(f"{name}: {error.detail}", code=error.instance_code, field="inputs") from None
        planned.append(PlannedInput(input={"id": row.id}, name=name, label=label, place=place, reason=reason))
    if all(each.reason for each in planned):
        raise BadParameter(
            "None of these inputs has a label among this network's classes; explain the predicted class.",
            field="target",
        )
    return planned


def _require_listed(body: EvaluationRequest) -> None:
    """Raises BadParameter for a name or a label of what is not measured."""
    listed = set(body.inputs or ())
    for field, known in (("names", body.names), ("labels", body.labels)):
        if not listed.issuperset(known):
            raise BadParameter(
                f"The {field} are of inputs that the study lists; one of these ids is not among `inputs`.",
                field=field,
            )


def _class(label: str, labels: Sequence[str]) -> int:
    """Raises BadParameter for what this network has no class for."""
    index = class_of(label.strip(), labels)
    if index is None:
        near = difflib.get_close_matches(label, labels, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else "name one of the model's classes, or its number from 0."
        )
        raise BadParameter(f"A label is no class of this network; {hint}", field="labels")
    return index


def _known(row: InputRow, info: ModelInfo, folder: Path | None) -> tuple[str, int | None]:
    """Title and true class of a sample, or of a file of the operator's; nothing is known of other inputs."""
    sample = row.meta.get("sample")
    file = own_file(folder, sample)
    if file is not None:
        return title_of(file), file.class_in(info.labels)
    entry = next((each for each in sample_entries() if each["key"] == sample), None)
    if entry is None:
        return "", None
    if entry.get("accepted") and (entry["model"] == info.key or len(info.labels) == THINGS):
        return entry["title"], int(entry["accepted"][0])
    return entry["title"], class_of(entry.get("label") or "", info.labels)


def _fitted(
    body: EvaluationRequest, methods: Sequence[MethodInfo], fits: Mapping[str, Fit]
) -> list[PlannedMethod]:
    """A method that does not fit stays as a row that says why."""
    for name in body.params:
        if name not in body.methods:
            raise BadParameter("There are parameters of a method that is not in the study.", field="params")
    planned = []
    for method in methods:
        fit = fits.get(method.key, Fit(ok=False, reason="This method does not fit this model."))
        params = complete_params(method.schema_, fit, body.params.get(method.key, {})) if fit.ok else {}
        reason = "" if fit.ok else fit.reason
        planned.append(PlannedMethod(key=method.key, title=method.title, params=params, reason=reason))
    return planned


def _controls() -> list[PlannedMethod]:
    return [PlannedMethod(key=key, title=title, control=True) for key, title in CONTROLS.items()]


def _metric_params(body: EvaluationRequest, metrics: Sequence[MetricInfo]) -> dict[str, dict[str, Any]]:
    """What was chosen, checked; defaults depend on the network and are the metric's own."""
    by_key = {metric.key: metric for metric in metrics}
    chosen = {}
    for key, params in body.metric_params.items():
        if key not in by_key:
            raise BadParameter(
                "There are parameters of a metric that is not in the study.", field="metric_params"
            )
        complete = complete_params(by_key[key].schema_, Fit(ok=True), params)
        if params:
            chosen[key] = {name: complete[name] for name in params}
    return chosen


def _chosen(what: str, field: str, keys: Sequence[str], there: Mapping[str, Any]) -> list[Any]:
    if not keys:
        raise BadParameter(f"A study needs at least one {what}.", field=field)
    if len(set(keys)) != len(keys):
        raise BadParameter(f"The list of {field} names one twice.", field=field)
    for key in keys:
        if key not in there:
            near = difflib.get_close_matches(key[:100], there, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(there)}."
            raise NotFound(f"There is no {what} of that name. {hint}", code=f"unknown_{what}", field=field)
    return [there[key] for key in keys]


async def _metrics(services: Services) -> dict[str, MetricInfo]:
    catalogue = await lookup.catalogue(services)
    return {metric.key: metric for metric in catalogue.metrics}


async def _methods(services: Services) -> dict[str, MethodInfo]:
    catalogue = await lookup.catalogue(services)
    return {method.key: method for method in catalogue.methods}


# Cost


async def price(study: EvaluationPayload, services: Services) -> EvaluationPrice:
    """What is not there yet, at the pace of earlier cells, else of the methods alone. Computes nothing."""
    limits = services.settings.limits
    cells, count = len(study.places), len({index for index, _ in study.places})
    per_input = await _seconds_per_input(study, services)
    workers = max(1, services.engine.capacity["compute"])
    if cells > limits.study_cells:
        fitting = limits.study_cells // max(1, cells // count)
        whole = None if per_input is None else per_input * count / workers
        about = "" if whole is None else f", about {duration(whole)}"
        return EvaluationPrice(
            seconds=whole,
            cells=cells,
            known=0,
            fits=False,
            text=f"{_size(study, cells)}{about}; {limits.study_cells:,} are allowed: with these methods at most {fitting:,} inputs fit.",
        )
    states = await services.store.run(services.jobs.queue.states, list(cell_keys(study).values()))
    known = sum(state == "done" for state in states.values())
    left = 1 - known / cells if cells else 0.0
    seconds = None if per_input is None else per_input * count * left / workers
    fits = seconds is None or seconds <= limits.study_seconds
    if not fits and per_input:
        most = math.floor(limits.study_seconds * workers / per_input)
        text = f"{_size(study, cells)}: about {duration(seconds or 0)}, and {duration(limits.study_seconds)} are allowed; at most {most:,} inputs fit."
    elif known == cells:
        text = f"{_size(study, cells)}: all measured before, nothing to wait for."
    else:
        about = "nothing is known yet of how long" if seconds is None else f"about {duration(seconds)}"
        before = f", {known:,} of them measured before" if known else ""
        text = f"{_size(study, cells)}{before}: {about}."
    return EvaluationPrice(seconds=seconds, cells=cells, known=known, fits=fits, text=text)


def require_affordable(cost: EvaluationPrice) -> None:
    """Raises TooExpensive."""
    if not cost.fits:
        raise TooExpensive(cost.text, field="inputs")


def _size(study: EvaluationPayload, cells: int) -> str:
    left_out = [each.name for each in study.inputs if each.reason]
    if not left_out:
        return f"{study.count:,} inputs, {cells:,} maps with controls"
    named = ", ".join(left_out[:NAMED]) + (
        f" and {len(left_out) - NAMED:,} more" if len(left_out) > NAMED else ""
    )
    return (
        f"{study.count - len(left_out):,} of {study.count:,} inputs (no label among this network's classes: {named}), "
        f"{cells:,} maps with controls"
    )


async def _seconds_per_input(study: EvaluationPayload, services: Services) -> float | None:
    """Of all its methods. What cells of the same kind took last, else what the map takes and the metrics' passes."""
    model = await lookup.model(services, study.model)
    fits = await lookup.expected_fits(services, model)
    metrics = await _metrics(services)
    infos = await _methods(services)
    runs = {}
    if study.digest is not None:
        conditions = services.jobs.queue.conditions
        runs = await services.store.run(recent, services.store, study.model, study.digest, conditions)
    keys = [metric["key"] for metric in study.metrics]
    total, anything = 0.0, False
    for method in study.methods:
        if method.reason:
            continue
        past = runs.get(cell_name(method.key, keys, study.metric_params), [])
        if past:
            total, anything = total + median(run.seconds for run in past), True
            continue
        own = 0.0
        if not method.control:
            own = estimate(infos[method.key].schema_, fits[method.key], method.params) or 0.0
        maps, passes = _metric_work([metrics[key] for key in keys if key in metrics], study.metric_params)
        seconds = own * (1 + maps) + passes * _forward_seconds(fits)
        total += seconds
        anything = anything or seconds > 0
    return total if anything else None


def _metric_work(
    metrics: Sequence[MetricInfo], params: Mapping[str, Mapping[str, Any]]
) -> tuple[float, float]:
    """Further maps of a method, and forward passes, that these metrics of one map take, by their counts of samples and
    steps. Metrics with the same parameters explain the same copies, which are counted once. Evidence is removed in two
    ways each time, the second to see whether a ranking flips."""
    maps: dict[str, float] = {}
    passes = 0.0
    for metric in metrics:
        chosen, properties = params.get(metric.key, {}), metric.schema_.get("properties", {})
        counts = [chosen.get(name, properties[name].get("default")) for name in scaling(metric.schema_)]
        if "explain" in metric.needs:
            copies = f"{metric.schema_.get('title')} {sorted(chosen.items())}"
            maps[copies] = math.prod(counts or [1])
        elif counts or "baseline" in metric.needs:
            passes += math.prod(counts or [PASSES]) * (2 if "baseline" in metric.needs else 1)
    return sum(maps.values()), passes


def _forward_seconds(fits: Mapping[str, Fit]) -> float:
    """Of the method that sends most forward passes and no others."""
    plain = [fit for fit in fits.values() if fit.seconds and fit.forwards and not fit.backwards]
    best = max(plain, key=lambda fit: fit.forwards, default=None)
    return best.seconds / best.forwards if best and best.seconds else 0.0
