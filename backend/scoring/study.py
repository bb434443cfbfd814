"""A whole study from its cells: the same for the server, while it runs and when it is done, and for the shell."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.evaluation_results import (
    CellResult,
    InputScore,
    StudyInput,
    StudyMetric,
    StudyResult,
    StudyRow,
)
from app.core.text import spreadsheet_cell
from backend.scoring.claim import claim_of
from backend.scoring.paragraph import paragraph
from backend.scoring.table import BLOB, UNIFORM, Scores, ranked, table
from backend.scoring.verdicts import RULE, verdicts
from backend.scoring.words import sentence

CONTROLS = {BLOB: "Centre blob", UNIFORM: "Uniform"}
COLUMNS = ("input", "id", "label", "explained", "right", "method", "metric", "value", "low", "high", "note")


@dataclass(frozen=True, eq=False)
class Plan:
    """What a study is about. model, title: key and name of the network. labels: names of the network's classes. what: the inputs in words, "drawn objects"."""

    model: str
    title: str
    digest: str | None
    labels: Sequence[str]
    inputs: Sequence[StudyInput]
    what: str
    rows: Sequence[StudyRow]
    metrics: Sequence[StudyMetric]
    metric_params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: str | int = "predicted"
    seed: int = 0


Cells = Mapping[tuple[int, str], CellResult]


def outcome(plan: Plan, cells: Cells, failed: Mapping[tuple[int, str], str]) -> StudyResult:
    """cells: those that are done, by input number and method; failed: why others never will be."""
    scores = Scores(len(plan.inputs), plan.rows, plan.metrics, cells, _reasons(plan, failed))
    entries = table(scores)
    families = ranked(plan.rows, plan.metrics, entries)
    judged = verdicts(plan.rows, plan.metrics, entries, families)
    count = len({index for index, _ in cells})
    asked = sum(not each.reason for each in plan.inputs)
    partial = len(cells) + len(failed) < asked * sum(not row.reason for row in plan.rows)
    inputs = (
        f"{'one' if count == 1 else count} of {asked} {plan.what}"
        if count == 1 or partial
        else f"{count} {plan.what}"
    )
    versions = next((cell.versions for cell in cells.values()), {})
    return StudyResult(
        model=plan.model,
        model_title=plan.title,
        weights_sha256=plan.digest,
        inputs=_inputs(plan, cells),
        rows=list(plan.rows),
        metrics=list(plan.metrics),
        table=entries,
        families=families,
        sentence=sentence(plan.rows, plan.metrics, entries, families, judged, inputs, partial),
        claim=claim_of(scores),
        passed=[verdict.method for verdict in judged if verdict.passed],
        verdicts=judged,
        rule=RULE,
        paragraph=paragraph(
            model=plan.title,
            digest=plan.digest,
            inputs=f"{len(plan.inputs)} {plan.what}",
            rows=plan.rows,
            metrics=plan.metrics,
            metric_params=next(
                (cell.metric_params for cell in cells.values() if cell.metric_params), plan.metric_params
            ),
            layers={method: cell.layer for (_, method), cell in cells.items() if cell.layer},
            target=plan.target,
            seed=plan.seed,
            versions=versions,
        ),
        upright=next((cell.upright for cell in cells.values()), True),
        failed=len(failed),
        versions=versions,
        seconds=sum(cell.seconds for cell in cells.values()),
    )


def input_scores(
    plan: Plan, cells: Cells, failed: Mapping[tuple[int, str], str], method: str, metric: str
) -> list[InputScore]:
    """Of one method under one metric, input by input."""
    listed = []
    failed = _reasons(plan, failed)
    for index in range(len(plan.inputs)):
        cell = cells.get((index, method))
        score = cell.scores.get(metric) if cell else None
        if score:
            listed.append(InputScore(input=index, **score.model_dump(exclude={"other"})))
        elif (index, method) in failed:
            listed.append(InputScore(input=index, note=failed[index, method], state="failed"))
        else:
            listed.append(InputScore(input=index, state="waiting"))
    return listed


def as_csv(plan: Plan, cells: Cells, failed: Mapping[tuple[int, str], str]) -> str:
    """One line per input, method and metric."""
    failed = _reasons(plan, failed)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in _inputs(plan, cells):
        known = (
            spreadsheet_cell(each.name),
            each.id or "",
            spreadsheet_cell(each.label or ""),
            spreadsheet_cell(each.target or ""),
        )
        right = "" if each.correct is None else int(each.correct)
        for row in plan.rows:
            cell, why = cells.get((each.index, row.method)), failed.get((each.index, row.method), row.reason)
            for metric in plan.metrics:
                score = cell.scores.get(metric.key) if cell else None
                numbers = (
                    (score.value, score.low, score.high, score.note) if score else (None, None, None, why)
                )
                writer.writerow(
                    (*known, right, row.method, metric.key, *("" if n is None else n for n in numbers))
                )
    return buffer.getvalue()


def _reasons(plan: Plan, failed: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], str]:
    """Why maps have no scores and never will: they failed, or their input cannot be measured."""
    left_out = {
        (each.index, row.method): each.reason for each in plan.inputs if each.reason for row in plan.rows
    }
    return {**left_out, **failed}


def _inputs(plan: Plan, cells: Cells) -> list[StudyInput]:
    """With what the cells know of them."""
    by_index: dict[int, CellResult] = {}
    for (index, _), cell in cells.items():
        by_index.setdefault(index, cell)
    inputs = []
    for each in plan.inputs:
        if each.index not in by_index:
            inputs.append(each)
            continue
        cell = by_index[each.index]
        known = {
            "name": each.name
            if each.id
            else cell.name or each.name,  # another study may have called it otherwise
            "label": each.label if cell.label is None else _class(plan, cell.label),
            "target": _class(plan, cell.target),
            "correct": None if cell.label is None else cell.top == cell.label,
            "mask": cell.masked,
        }
        inputs.append(each.model_copy(update=known))
    return inputs


def _class(plan: Plan, index: int) -> str:
    return plan.labels[index] if 0 <= index < len(plan.labels) else str(index)
