"""A study of explanations without a server: the same cells, in several processes, kept on disk one by one."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import models
from app.core.errors import EvidentError, InvalidInput
from app.core.evaluation_results import CellResult, StudyInput, StudyMetric, StudyResult, StudyRow
from backend.attribution.explain import resolve_params
from backend.attribution.measuring.evaluate import resolve_params as resolve_metric_params
from backend.attribution.measuring.registry import METRICS
from backend.attribution.methods import METHODS
from backend.attribution.network.runtime import share_cores
from backend.jobs.keys import job_key
from backend.scoring.study import CONTROLS, Plan, as_csv, outcome
from backend.studies.inputs import Source
from backend.tasks.evaluation import CellPayload, Target, measure
from models.model import Model

CELLS = "cells"
"""Folder of what is done, below the study's."""


@dataclass(frozen=True)
class Study:
    """What is measured. workers: processes. layer: of methods that use one."""

    model: str
    weights: Path | None
    sources: Sequence[Source]
    methods: Sequence[str]
    metrics: Sequence[str]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metric_params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: Target = "predicted"
    seed: int = 0
    what: str = "inputs"


def evaluate_study(
    study: Study, out: Path, workers: int = 1, report: Callable[[int, int], None] = lambda done, total: None
) -> tuple[StudyResult, str]:
    """Runs what is not done yet, and returns the outcome and its CSV. out: where cells are kept; the same study goes on
    from them. Raises NotFound, BadParameter, InvalidInput."""
    model = models.load(study.model, weights=study.weights)
    plan = _plan(study, model)
    rows = [row for row in plan.rows if not row.reason]
    keys = {
        (index, row.method): _key(study, source, row, model)
        for index, source in enumerate(study.sources)
        for row in rows
    }
    folder = out / CELLS
    folder.mkdir(parents=True, exist_ok=True)
    missing: dict[int, list[tuple[StudyRow, str]]] = {}
    for (index, method), key in keys.items():
        if not (folder / f"{key}.json").is_file():
            row = next(row for row in rows if row.method == method)
            missing.setdefault(index, []).append((row, key))
    done = len(keys) - sum(map(len, missing.values()))
    report(done, len(keys))
    failed: dict[tuple[int, str], str] = {}
    for index, method, problem in _run(study, missing, folder, workers):
        if problem:
            failed[index, method] = problem
        done += 1
        report(done, len(keys))
    cells = {
        place: cell for place, key in keys.items() if (cell := _read(folder / f"{key}.json")) is not None
    }
    return outcome(plan, cells, failed), as_csv(plan, cells, failed)


def _plan(study: Study, model: Model) -> Plan:
    if not study.sources:
        raise InvalidInput("There is nothing to measure on: no input was found.", field="inputs")
    rows = []
    for key in study.methods:
        method = METHODS[key]
        fit = method.is_compatible(model)
        chosen = dict(study.params.get(key, {}))
        params = resolve_params(method, model, chosen).model_dump(mode="json") if fit.ok else {}
        rows.append(
            StudyRow(method=key, title=method.title, reason="" if fit.ok else fit.reason, params=params)
        )
    rows += [StudyRow(method=key, title=title, control=True) for key, title in CONTROLS.items()]
    for key in study.metrics:
        resolve_metric_params(METRICS[key], model, dict(study.metric_params.get(key, {})))
    return Plan(
        model=model.key,
        title=model.spec.title,
        digest=model.digest,
        labels=model.labels,
        inputs=[StudyInput(index=i, name=source.name) for i, source in enumerate(study.sources)],
        what=study.what,
        rows=rows,
        metrics=[
            StudyMetric(
                key=key,
                title=METRICS[key].title,
                short=METRICS[key].short,
                family=METRICS[key].family,
                better=METRICS[key].better,
                low=METRICS[key].low,
                high=METRICS[key].high,
            )
            for key in study.metrics
        ],
        metric_params=study.metric_params,
        target=study.target,
        seed=study.seed,
    )


def _key(study: Study, source: Source, row: StudyRow, model: Model) -> str:
    request = {
        "input": source.identity(),
        "method": row.method,
        "params": row.params,
        "metrics": sorted(study.metrics),
        "metric_params": study.metric_params,
        "target": study.target,
        "seed": study.seed,
    }
    return job_key("cell", request, model.digest)


# Running


def _run(
    study: Study, missing: Mapping[int, list[tuple[StudyRow, str]]], folder: Path, workers: int
) -> Iterator[tuple[int, str, str]]:
    """Input, method and, where it failed, why; as they end."""
    if workers <= 1 or len(missing) <= 1:
        for index, rows in missing.items():
            for method, problem in _measured(study, index, rows, folder):
                yield index, method, problem
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=share_cores, initargs=(workers,)) as pool:
        futures = {
            pool.submit(_measured_all, study, index, rows, folder): index for index, rows in missing.items()
        }
        try:
            for future in as_completed(futures):
                for method, problem in future.result():
                    yield futures[future], method, problem
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _measured_all(
    study: Study, index: int, rows: list[tuple[StudyRow, str]], folder: Path
) -> list[tuple[str, str]]:
    return list(_measured(study, index, rows, folder))


def _measured(
    study: Study, index: int, rows: list[tuple[StudyRow, str]], folder: Path
) -> Iterator[tuple[str, str]]:
    """Methods on one input; each cell is on disk before the next begins."""
    model = _loaded(study.model, study.weights)
    for row, key in rows:
        payload = CellPayload(
            model=study.model,
            method=row.method,
            params=row.params,
            metrics=list(study.metrics),
            metric_params={name: dict(params) for name, params in study.metric_params.items()},
            seed=study.seed,
            target=study.target,
        )
        try:
            made = measure(model, study.sources[index].sample(), payload, _silent)
        except EvidentError as error:
            yield row.method, error.detail
            continue
        np.save(folder / f"{key}.npy", made.arrays["values"], allow_pickle=False)
        temporary = folder / f"{key}.part"
        temporary.write_text(made.result.model_dump_json())
        temporary.replace(folder / f"{key}.json")
        yield row.method, ""


@lru_cache(1)
def _loaded(key: str, weights: Path | None) -> Model:
    return models.load(key, weights=weights)


def _silent(done: int, total: int, partial: Any = None, *, unit: str | None = None) -> None:
    pass


def _read(file: Path) -> CellResult | None:
    try:
        return CellResult.model_validate_json(file.read_text())
    except (OSError, ValueError):
        return None


def write(result: StudyResult, scores: str, out: Path) -> None:
    """table.md, scores.csv, study.json and the plots."""
    from backend.studies.evaluation_report import as_markdown, plot_ranks, plot_scores

    (out / "scores.csv").write_text(scores)
    (out / "study.json").write_text(json.dumps(result.model_dump(), indent=1) + "\n")
    (out / "table.md").write_text(as_markdown(result))
    plot_scores(result, out / "scores.png")
    plot_ranks(result, out / "ranks.png")
