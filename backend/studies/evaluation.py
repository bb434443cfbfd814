"""A study of explanations without a server: the same cells, in several processes, kept on disk one by one."""

from __future__ import annotations

import csv
import hashlib
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
from app.core.errors import BadParameter, EvidentError, InvalidInput, NotFound
from app.core.evaluation_results import CellResult, StudyInput, StudyMetric, StudyResult, StudyRow
from app.core.schemas import Region
from backend.attribution.explain import resolve_params
from backend.attribution.measuring.evaluate import resolve_params as resolve_metric_params
from backend.attribution.measuring.registry import METRICS
from backend.attribution.methods import METHODS
from backend.jobs.keys import job_key
from backend.scoring.study import CONTROLS, Plan, as_csv, outcome
from backend.tasks.evaluation import CellPayload, Target, measure
from backend.tasks.sets import Sample, fitting_set, set_of
from models.media.sniff import FAMILY, HEAD, sniff
from models.model import Model
from models.regions import packed

LABELS = "labels.csv"
THINGS = 1000
BOX = ("box_x0", "box_x1", "box_y0", "box_y1")
CELLS = "cells"
"""Folder of what is done, below the study's."""


@dataclass(frozen=True)
class Source:
    """One input: a file with what labels.csv says of it, or number `number` of a bundled set. label: class number."""

    name: str
    file: Path | None = None
    label: int | None = None
    box: tuple[float, float, float, float] | None = None
    mask: Path | None = None
    set: str | None = None
    number: int = 0

    def sample(self) -> Sample:
        """Raises what reading a file raises."""
        if self.set is not None:
            return set_of(self.set).make(self.number)
        region = None
        if self.mask is not None:
            region = Region(mask=packed(_mask(self.mask)))
        elif self.box is not None:
            region = Region(boxes=[list(self.box)])
        return Sample(self.name, self.file, self.label, region)

    def identity(self) -> list[Any]:
        """What its scores depend on."""
        if self.set is not None:
            return [self.set, self.number]
        digests = [_sha(path) if path is not None else None for path in (self.file, self.mask)]
        return [*digests, self.box, self.label]


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
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_alone, initargs=(workers,)) as pool:
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


def _alone(workers: int) -> None:
    """A worker's share of the cores."""
    import os

    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


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


# Inputs


def bundled_sources(key: str, count: int | None, model: Model) -> tuple[list[Source], str]:
    """Of a bundled set, and what they are. Raises NotFound, Incompatible, BadParameter."""
    chosen = fitting_set(key, model.input.modalities, model.labels)
    n = chosen.count if count is None else count
    if n < 1 or (n > chosen.count and not chosen.more):
        raise BadParameter(f"This set has {chosen.count} inputs.", field="count")
    return [Source(chosen.name(i), set=key, number=i) for i in range(n)], chosen.title.lower()


def folder_sources(folder: Path, labels: Path | None, model: Model, count: int | None = None) -> list[Source]:
    """The files of a folder. labels: a table with the column `file` and any of `label`, `imagenet_index`, `box_x0`,
    `box_y0`, `box_x1`, `box_y1` (pixels), `mask`; None takes the folder's labels.csv, and without one the name of
    the folder that a file lies in. Raises NotFound, InvalidInput, which name the line."""
    if not folder.is_dir():
        raise NotFound("There is no such folder; give --inputs a folder of files.", field="inputs")
    if labels is not None and not labels.is_file():
        raise NotFound("There is no such table; give --labels a CSV file.", field="labels")
    table = labels or folder / LABELS
    found = _listed(table, folder, model) if table.is_file() else _plain(folder, model)
    if len({source.file for source in found}) != len(found):
        raise InvalidInput("The table names a file twice; every input counts once.", field="labels")
    if not found:
        raise InvalidInput(
            "No file there can be an input: put pictures, recordings or .npy tables into the folder.",
            field="inputs",
        )
    return found[:count]


def _plain(folder: Path, model: Model) -> list[Source]:
    files = sorted(path for path in (*folder.glob("*"), *folder.glob("*/*")) if _readable(path))
    return [
        Source(str(path.relative_to(folder)), path, class_of(path.parent.name, model.labels))
        for path in files
    ]


def _listed(table: Path, folder: Path, model: Model) -> list[Source]:
    try:
        lines = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InvalidInput(
            "The table cannot be read; save it as UTF-8 text with commas.", field="labels"
        ) from None
    if lines and "file" not in lines[0]:
        raise InvalidInput("The table needs a first line with the column `file`.", field="labels")
    return [_line(line, number, table, folder, model) for number, line in enumerate(lines, 2)]


def _line(line: Mapping[str, str | None], number: int, table: Path, folder: Path, model: Model) -> Source:
    def cell(name: str) -> str:
        return (line.get(name) or "").strip()

    def path(name: str) -> Path | None:
        """Named from the table, the inputs' folder, or the folder either lies in."""
        places = (table.parent, folder, table.parent.parent, folder.parent)
        found = next((place / cell(name) for place in places if (place / cell(name)).is_file()), None)
        if cell(name) and found is None:
            raise InvalidInput(
                f"{table.name}, line {number}: there is no such {name}; name it from the table's folder on.",
                field="labels",
            )
        return found

    file = path("file")
    if file is None:
        raise InvalidInput(f"{table.name}, line {number}: it names no file.", field="labels")
    index = cell("imagenet_index")
    label = class_of(cell("label"), model.labels)
    if index.isdigit() and len(model.labels) == THINGS and int(index) < THINGS:
        label = int(index)
    return Source(cell("file"), file, label, _box(cell, f"{table.name}, line {number}"), path("mask"))


def _box(cell: Callable[[str], str], where: str) -> tuple[float, float, float, float] | None:
    texts = [cell(name) for name in BOX]
    if not any(texts):
        return None
    try:
        left, right, low, high = map(float, texts)
    except ValueError:
        raise InvalidInput(f"{where}: a box is four numbers, {', '.join(BOX)}.", field="labels") from None
    if not (left < right and low < high):
        raise InvalidInput(f"{where}: the box has no area.", field="labels")
    return left, right, low, high


def class_of(label: str, labels: Sequence[str]) -> int | None:
    """Which class a label names: by its name, capitals aside, or by its number."""
    names = [name.casefold() for name in labels]
    if label.casefold() in names:
        return names.index(label.casefold())
    return int(label) if label.isascii() and label.isdigit() and int(label) < len(labels) else None


def _readable(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return FAMILY[sniff(file.read(HEAD))] in ("image", "audio", "array")
    except (OSError, EvidentError):
        return False


def _mask(file: Path) -> np.ndarray:
    """bool `[H, W]` of a black and white picture."""
    from app.core.settings import get_settings
    from models.media import decode

    grey = decode(file.read_bytes(), get_settings().limits, "auto").canonical.max(axis=2)
    return np.asarray(grey > grey.max() / 2)


@lru_cache(100_000)
def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(result: StudyResult, scores: str, out: Path) -> None:
    """table.md, scores.csv, study.json and the plots."""
    from backend.studies.evaluation_report import as_markdown, plot_ranks, plot_scores

    (out / "scores.csv").write_text(scores)
    (out / "study.json").write_text(json.dumps(result.model_dump(), indent=1) + "\n")
    (out / "table.md").write_text(as_markdown(result))
    plot_scores(result, out / "scores.png")
    plot_ranks(result, out / "ranks.png")
