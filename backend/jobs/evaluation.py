"""Studies: the server asks for their cells a few at a time, so that other jobs go between, and joins what they found.

A study is a row of the job table like any other: claimed, leased, taken over when its server dies, stopped and deleted
in the same way. Only no worker runs it. Its cells are jobs keyed by their content, so that a study that is taken up again
asks for those that are missing, and another study finds them there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from app.core.errors import Busy, Cancelled, NotFound
from app.core.evaluation_results import CellResult, StudyInput, StudyMetric, StudyResult, StudyRow
from backend.jobs.cell_line import CellLine, Place
from backend.jobs.job_rows import CELL
from backend.jobs.keys import job_key
from backend.jobs.workers.protocol import Stored
from backend.scoring.study import Plan, outcome
from backend.store import JobRow
from backend.store.rows import ACTIVE
from backend.tasks import finite
from backend.tasks.evaluation import CellPayload, EvaluationPayload
from backend.tasks.payloads import StoredInput

if TYPE_CHECKING:
    from backend.jobs.service import Jobs

EVALUATION = "evaluation"
LOOK = 0.5
"""Seconds between two looks whether the study was stopped."""
PATIENCE = 600.0
"""Seconds after which a cell that has not ended is looked at anew."""
REMEMBERED = 8
"""Tables of studies kept in memory, for whoever asks again before another cell is done."""


def study_of(row: JobRow) -> EvaluationPayload:
    return EvaluationPayload.model_validate(row.payload)


def cell_keys(study: EvaluationPayload) -> dict[Place, str]:
    """Keys of all cells, input by input."""
    metrics = sorted(metric["key"] for metric in study.metrics)
    usual = {
        "metrics": metrics,
        "metric_params": study.metric_params,
        "seed": study.seed,
        "target": study.target,
    }
    params = {method.key: method.params for method in study.methods}
    keys: dict[Place, str] = {}
    for index, method in study.places:
        if study.set is not None:
            about: dict[str, Any] = {"set": study.set, "number": index}
        else:
            each = study.inputs[index]
            about = each.model_dump(mode="json", include={"input", "start", "label", "place"})
        request = {**usual, **about, "method": method, "params": params[method]}
        keys[index, method] = job_key(CELL, request, study.identity)
    return keys


def plan_of(study: EvaluationPayload) -> Plan:
    """What the study is about, for `backend.scoring`."""
    inputs = [
        StudyInput(
            id=each.input["id"] if each.input else None,
            index=index,
            name=each.name,
            label=None if each.label is None else study.labels[each.label],
            reason=each.reason,
        )
        for index, each in enumerate(study.inputs)
    ] or [StudyInput(index=i, name=f"{study.set_title} {i + 1}") for i in range(study.count)]
    rows = [
        StudyRow(
            method=method.key,
            title=method.title,
            control=method.control,
            reason=method.reason,
            params=method.params,
        )
        for method in study.methods
    ]
    return Plan(
        model=study.model,
        title=study.title or study.model,
        digest=study.digest,
        labels=study.labels,
        inputs=inputs,
        what=study.set_title.lower() or "inputs",
        rows=rows,
        metrics=[StudyMetric(**metric) for metric in study.metrics],
        metric_params=study.metric_params,
        target=study.target,
        seed=study.seed,
    )


Cells = dict[Place, CellResult]
Failed = dict[Place, str]


class Evaluations:
    """Conducts studies, and reads what their cells found so far."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        jobs.dispatcher.conducts[EVALUATION] = self.conduct
        self._tables: OrderedDict[tuple[str, int], StudyResult] = OrderedDict()

    async def conduct(self, row: JobRow) -> Stored:
        """The study from where it is to its end. Raises Cancelled, NotFound (an input is gone)."""
        jobs, study = self.jobs, study_of(row)
        keys = await asyncio.to_thread(cell_keys, study)
        states = await jobs.store.run(jobs.queue.states, keys.values())
        missing = [place for place, key in keys.items() if states.get(key) != "done"]
        report = jobs.spool.reporter(row.key, "cells")
        ended = len(keys) - len(missing)

        def advance(by: int) -> None:
            nonlocal ended
            ended += by
            report(ended, len(keys))
            jobs.signals.send(row.key)

        advance(0)
        line = CellLine(missing)
        asking: set[asyncio.Task[Place]] = set()
        try:
            while True:
                # A cluster's workers come and go; there may be none yet.
                while (place := line.next(max(1, jobs.engine.capacity["compute"]))) is not None:
                    asking.add(asyncio.create_task(self._ask(study, keys, place)))
                if not asking:
                    break
                finished, asking = await asyncio.wait(
                    asking, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED
                )
                for task in finished:
                    line.ended(task.result())
                advance(len(finished))
                if jobs.spool.cancelled(row.key):
                    raise Cancelled("The study was stopped; what was measured is kept.")
        except Cancelled:
            await self._stop_cells(asking, keys, states)
            raise
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        result = await self._outcome(study, keys)
        return Stored(finite(result.model_dump()))

    async def _ask(self, study: EvaluationPayload, keys: dict[Place, str], place: Place) -> Place:
        """Asks for one cell, and waits until it has ended; returns its place."""
        payload = (await self._payload(study, place)).as_json()
        while True:
            try:
                await self.jobs.submit(CELL, payload, key=keys[place], title="Part of a study")
                cell = await self.jobs.wait(keys[place], PATIENCE)
            except (Busy, NotFound):  # deleted with another study in between
                await asyncio.sleep(LOOK)
                await self._require_input(study, place)
                continue
            if not cell.active and cell.state != "cancelled":  # else another study that had asked was stopped
                return place

    async def _payload(self, study: EvaluationPayload, place: Place) -> CellPayload:
        index, key = place
        method = next(method for method in study.methods if method.key == key)
        stored: StoredInput | None = None
        known: dict[str, Any] = {}
        if study.set is None:
            each = study.inputs[index]
            row = await self._require_input(study, place)
            stored = StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs=row.blobs)
            known = {"start": each.start, "label": each.label, "name": each.name, "place": each.place}
        return CellPayload(
            model=study.model,
            upload=study.upload,
            digest=study.digest,
            input=stored,
            set=study.set,
            number=index,
            method=key,
            params=method.params,
            metrics=[metric["key"] for metric in study.metrics],
            metric_params=study.metric_params,
            seed=study.seed,
            target=study.target,
            **known,
        )

    async def _require_input(self, study: EvaluationPayload, place: Place) -> Any:
        """The row of a stored input. Raises NotFound."""
        if study.set is not None:
            return None
        reference = study.inputs[place[0]].input
        assert reference is not None
        return await self.jobs.store.run(self.jobs.store.input, reference["id"])

    async def _stop_cells(
        self, asking: set[asyncio.Task[Place]], keys: dict[Place, str], before: dict[str, str]
    ) -> None:
        """Cells under way, unless they were before the study asked; another study that wants one asks again."""
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        states = await self.jobs.store.run(self.jobs.queue.states, keys.values())
        for key in (
            key for key, state in states.items() if state in ACTIVE and before.get(key) not in ACTIVE
        ):
            with suppress(NotFound):
                await self.jobs.cancel(key)

    # What is known

    async def result(self, row: JobRow) -> StudyResult | None:
        """Of a study that is done, or as far as it is; None for one in the form of an earlier version."""
        if row.result is not None:
            try:
                return StudyResult.model_validate(row.result)
            except ValidationError:
                return None
        study = study_of(row)
        keys = await asyncio.to_thread(cell_keys, study)
        states = await self.jobs.store.run(self.jobs.queue.states, keys.values())
        ended = sum(state not in ACTIVE for state in states.values())
        if (row.key, ended) not in self._tables:
            self._tables[row.key, ended] = await self._outcome(study, keys)
            while len(self._tables) > REMEMBERED:
                self._tables.popitem(last=False)
        return self._tables[row.key, ended]

    async def cells(self, study: EvaluationPayload, keys: dict[Place, str]) -> tuple[Cells, Failed]:
        """Those that are done, and why others are not."""
        found = await self.jobs.store.run(self.jobs.queue.outcomes, keys.values())
        return await asyncio.to_thread(_read, keys, found)

    async def has_failed(self, study: EvaluationPayload) -> bool:
        """Whether a cell of it ended without scores."""
        keys = await asyncio.to_thread(cell_keys, study)
        states = await self.jobs.store.run(self.jobs.queue.states, keys.values())
        return "failed" in states.values()

    async def _outcome(self, study: EvaluationPayload, keys: dict[Place, str]) -> StudyResult:
        cells, failed = await self.cells(study, keys)
        return await asyncio.to_thread(outcome, plan_of(study), cells, failed)

    async def delete_unused_cells(self) -> None:
        """Cells that belong to no study that there is."""
        queue = self.jobs.queue
        rows = await self.jobs.store.run(queue.listing, None, None, 1_000_000, [EVALUATION])
        unused = await self.jobs.store.run(queue.keys_of_kind, CELL)
        for row in rows:
            unused -= set((await asyncio.to_thread(cell_keys, study_of(row))).values())
        for key in unused:
            with suppress(NotFound):
                await self.jobs.delete(key)


def _read(keys: dict[Place, str], found: dict[str, Any]) -> tuple[Cells, Failed]:
    cells: Cells = {}
    failed: Failed = {}
    for place, key in keys.items():
        result, error = found.get(key, (None, None))
        if result is not None:
            with suppress(ValidationError):
                cells[place] = CellResult.model_validate(result)
        elif error is not None and error["code"] != "cancelled":
            failed[place] = error["detail"]
    return cells, failed
