"""Worklists: cases join a list, are judged, and are told to one reviewer. What a reviewer may not know yet is left out here, by
the server, not by the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping

from app.core.errors import BadParameter, Conflict, NotFound
from app.core.schemas import (
    Case,
    CaseEventRequest,
    CasePicture,
    CasesAdded,
    CasesPage,
    CasesRequest,
    CaseSummary,
    Counts,
    FitForUse,
    Prediction,
    Verdict,
    VerdictRequest,
    Worklist,
)
from app.core.schemas.cases import NOTE_LETTERS
from backend.api import history, lookup
from backend.api.case_deletion import may_delete
from backend.api.http.context import ID, bytes_of
from backend.api.regions import check_region
from backend.api.regions import view as region_view
from backend.store import cases as rows
from backend.store import review
from backend.store.cases import FAILED, UNDECIDED, WITHHELD, NewCase, WorklistRow
from backend.store.review import CaseRow, OneCase, Wanted
from backend.store.rows import iso
from backend.store.users import User

if TYPE_CHECKING:
    from backend.api.services import Services

DETAIL_BYTES = 16 * 1024
"""Of what a page may say about the screen, or of an event."""


# Lists


async def add(services: Services, body: CasesRequest, reviewer: str, user: User | None = None) -> CasesAdded:
    """Raises NotFound (model, list, input), Incompatible, BadParameter, Conflict, TooLarge."""
    _check_inputs(body, services.settings.limits.worklist_cases)
    model = await lookup.model(services, body.model)
    model.require_available()
    for row in await _stored(services, body.inputs):
        model.require_modality(row)
    listed = await _list_for(services, body, model, user)
    new = [NewCase(id, body.names.get(id, ""), body.labels.get(id)) for id in body.inputs]
    most = services.settings.limits.worklist_cases
    ids, added = await services.store.run(rows.add_cases, services.store, listed.id, new, reviewer, most)
    if added:
        services.new_cases.set()
        await services.audit(reviewer, "case.create", listed.id, cases=added, model=model.info.key)
    there = await services.store.run(review.by_ids, services.store, listed.id, reviewer, ids)
    return CasesAdded(
        worklist=await worklist_view(services, listed, reviewer, user),
        cases=[summary(there[id]) for id in ids if id in there],
        added=added,
    )


def _check_inputs(body: CasesRequest, most: int) -> None:
    if not body.inputs:
        raise BadParameter("A worklist needs inputs: name at least one.", field="inputs")
    if len(body.inputs) > most:
        raise BadParameter(
            f"A worklist holds at most {most:,} cases; send {most:,} inputs or fewer.",
            code="too_many_inputs",
            field="inputs",
        )
    for field, told in (("names", body.names), ("labels", body.labels)):
        if not told.keys() <= set(body.inputs):
            raise BadParameter(f"There are {field} of an input that is not among the inputs.", field=field)


async def _stored(services: Services, ids: Sequence[str]) -> set[Any]:
    """Modalities of these inputs. Raises NotFound when one is not here."""
    unique = set(ids)
    if not all(ID.fullmatch(id) for id in unique):
        raise unknown_input()
    modalities = await services.store.run(rows.modalities, services.store, unique)
    if len(modalities) < len(unique):
        raise unknown_input()
    return set(modalities.values())


def unknown_input() -> NotFound:
    return NotFound(
        "One of the inputs is not here; upload it again, then add it to the list.",
        code="unknown_input",
        field="inputs",
    )


async def _list_for(
    services: Services, body: CasesRequest, model: lookup.KnownModel, user: User | None
) -> WorklistRow:
    """The list with this id, or of this title and model, or a new one."""
    if body.worklist is not None:
        listed = await services.store.run(rows.worklist, services.store, body.worklist)
        if listed.model != model.info.key:
            raise Conflict(
                f"This list is judged by {listed.model_title}; use that model, or make another list.",
                code="other_model",
                field="model",
            )
        if body.title is not None and body.title != listed.title:
            raise BadParameter("Name the list by its id or by a title, not both.", field="title")
    else:
        title = (body.title or "").strip() or await services.store.run(rows.free_title, services.store)
        wanted = WorklistRow(
            id="",
            title=title,
            model=model.info.key,
            model_title=model.info.title,
            labels=model.info.labels,
            blind=body.blind is not False,
            maker=None if user is None else user.name,
        )
        listed = await services.store.run(rows.open_worklist, services.store, wanted)
    if body.blind is not None and body.blind != listed.blind:
        raise Conflict(
            f"This list is read with the model {'hidden' if listed.blind else 'shown'}; leave that as it is, or make another list.",
            code="other_mode",
            field="blind",
        )
    return listed


async def worklists_view(services: Services, reviewer: str, user: User | None = None) -> list[Worklist]:
    """Newest first."""
    listed = await services.store.run(rows.all_worklists, services.store)
    counts = await services.store.run(review.counts, services.store, reviewer)
    predicted = await services.store.run(review.predicted, services.store)
    return [_worklist(row, counts.get(row.id, {}), predicted.get(row.id, 0), user) for row in listed]


async def worklist_view(
    services: Services, row: WorklistRow, reviewer: str, user: User | None = None
) -> Worklist:
    counts = await services.store.run(review.counts, services.store, reviewer, row.id)
    predicted = await services.store.run(review.predicted, services.store, row.id)
    return _worklist(row, counts.get(row.id, {}), predicted.get(row.id, 0), user)


def _worklist(row: WorklistRow, counts: Mapping[str, int], predicted: int, user: User | None) -> Worklist:
    total = sum(counts.values())
    return Worklist(
        **{**vars(row), "created": iso(row.created)},
        deletable=may_delete(row, user),
        counts=Counts(**counts, total=total),
        predicted=predicted,
        total=total,
    )


async def worklist_of(services: Services, id: str) -> WorklistRow:
    """Raises NotFound."""
    return await services.store.run(rows.worklist, services.store, id)


# Cases


async def page(services: Services, worklist: str, reviewer: str, wanted: Wanted) -> CasesPage:
    """Raises NotFound, BadParameter."""
    listed = await worklist_of(services, worklist)
    _check_verdict_filter(wanted.verdict, listed.labels)
    if wanted.lowest is not None and wanted.highest is not None and wanted.lowest > wanted.highest:
        raise BadParameter("score_from is above score_to; swap them.", field="score_from")
    part = await services.store.run(review.page, services.store, listed.id, reviewer, wanted)
    return CasesPage(
        cases=[summary(row) for row in part.rows],
        total=part.total,
        unscored=part.unscored,
        counts=Counts(**part.counts, total=sum(part.counts.values())),
    )


def _check_verdict_filter(verdict: str | None, labels: Sequence[str]) -> None:
    words = (review.CANNOT_SAY, "plausible", "not_plausible", "useful", "misleading")
    if verdict is None or verdict in words or verdict in map(str, range(len(labels))):
        return
    raise BadParameter(
        f"verdict is a class from 0 to {len(labels) - 1}, or one of {', '.join(words)}.", field="verdict"
    )


def summary(row: CaseRow) -> CaseSummary:
    """A row of `backend.store.review` as the list shows it."""
    says, labels = row["answer"], row["labels"]
    named = says if says in (None, UNDECIDED, WITHHELD) else None if says == FAILED else labels[int(says)]
    scored = row["score_class"] is not None and row["score"] is not None
    return CaseSummary(
        id=row["id"],
        number=row["number"],
        input=row["input"],
        name=row["name"],
        modality=row["modality"],
        seconds=row["seconds"],
        waveform=row["waveform"] or [],
        label=row["label"],
        state=row["state"],
        revealed=bool(row["revealed"]),
        reading=reading_value(row["reading"]),
        model_says=named,
        score=row["score"],
        score_of=labels[row["score_class"]] if scored else None,
        problem=row["problem"],
        gone=row["modality"] is None,
    )


def reading_value(stored: str | None) -> Any:
    """A class as a number again."""
    return int(stored) if stored is not None and stored.isdecimal() else stored


async def case_view(services: Services, id: str, reviewer: str) -> Case:
    """All that this reviewer may know of a case. Raises NotFound."""
    seen: OneCase = await services.store.run(review.one, services.store, id, reviewer)
    listed = await worklist_of(services, seen.row["worklist"])
    told = [_verdict(row, listed.labels, seen.row["input"], reviewer) for row in seen.verdicts]
    prediction = await _prediction(services, seen.predicted)
    return Case(
        **dict(summary(seen.row)),
        worklist=listed.id,
        worklist_title=listed.title,
        model=listed.model,
        model_title=listed.model_title,
        labels=listed.labels,
        blind=listed.blind,
        created=iso(seen.row["created"]),
        fit=None
        if prediction is None
        else FitForUse(**prediction.gate.model_dump(), checks=prediction.quality),
        picture=None
        if prediction is None
        else CasePicture(y_axis=prediction.y_axis, x_axis=prediction.x_axis, path=f"/cases/{id}/picture.png"),
        prediction=prediction if seen.row["prediction"] is not None else None,
        verdicts=told,
        history=history.entries(told, seen.events),
        previous=seen.previous,
        next=seen.next,
    )


async def picture(services: Services, id: str, reviewer: str) -> bytes:
    """PNG of what the model is given; told before its answer is. Raises NotFound, also while it is not there."""
    seen: OneCase = await services.store.run(review.one, services.store, id, reviewer)
    path = None if seen.predicted is None else await services.jobs.file_path(seen.predicted, "display.png")
    return await bytes_of(path, "picture")


async def _prediction(services: Services, key: str | None) -> Prediction | None:
    """None while it is not there."""
    if key is None:
        return None
    try:
        row = await services.store.run(services.jobs.queue.get, key)
    except NotFound:
        return None
    if row.result is None:
        return None
    return Prediction(
        **{**row.result, "id": row.key, "state": "done", "display": f"/predictions/{row.key}/display.png"}
    )


def _verdict(row: RowMapping, labels: Sequence[str], input: str, asking: str) -> Verdict:
    reading = reading_value(row["reading"])
    return Verdict(
        id=row["id"],
        at=iso(row["created"]),
        reviewer=row["reviewer"],
        own=row["reviewer"] == asking,
        stage=row["stage"],
        reading=reading,
        reading_label=labels[reading] if isinstance(reading, int) else None,
        prediction=row["prediction"],
        explanation=row["explanation"],
        note=row["note"],
        region=None if row["region"] is None else region_view(input, row["region"]),
        shown=row["shown"],
    )


# What reviewers say and do


async def judge(services: Services, id: str, body: VerdictRequest, reviewer: str) -> Case:
    """Raises NotFound, BadParameter, Conflict, TooLarge."""
    seen = await services.store.run(review.one, services.store, id, reviewer)
    labels = seen.row["labels"]
    _check_verdict(body, labels)
    if body.region is not None and seen.row["modality"] is not None:
        check_region(body.region, await services.store.run(services.store.input, seen.row["input"]))
    verdict = {
        "stage": body.stage,
        "reading": None if body.reading is None else str(body.reading),
        "prediction": body.prediction,
        "explanation": body.explanation,
        "note": body.note,
        "region": None if body.region is None else body.region.model_dump(mode="json"),
        "shown": body.shown.model_dump(mode="json"),
    }
    await services.store.run(rows.add_verdict, services.store, id, reviewer, verdict)
    await services.audit(reviewer, "verdict.record", id, stage=body.stage)
    return await case_view(services, id, reviewer)


def _check_verdict(body: VerdictRequest, labels: Sequence[str]) -> None:
    if isinstance(body.reading, int) and body.reading >= len(labels):
        raise BadParameter(
            f"The reading must be a class from 0 to {len(labels) - 1}, or cannot_say.",
            code="unknown_class",
            field="reading",
        )
    if len(body.note) > NOTE_LETTERS:
        raise BadParameter(
            f"A note has at most {NOTE_LETTERS:,} characters; shorten it.", code="note_too_long", field="note"
        )
    if body.stage == "before" and (body.prediction is not None or body.explanation is not None):
        raise BadParameter(
            "Before the model is shown there is no prediction or explanation to judge: send the reading alone.",
            field="stage",
        )
    if body.reading is None and body.prediction is None and body.explanation is None and not body.note:
        raise BadParameter(
            "An empty verdict says nothing: send a reading, a word on the prediction or the explanation, or a note.",
            code="empty_verdict",
            field="reading",
        )
    _check_size(body.shown.settings, "shown.settings")


def _check_size(detail: Mapping[str, Any], field: str) -> None:
    if len(json.dumps(detail).encode()) > DETAIL_BYTES:
        raise BadParameter(f"This part has more than {DETAIL_BYTES // 1024} KiB; send less.", field=field)


async def reveal(services: Services, id: str, reviewer: str) -> Case:
    """Raises NotFound, Conflict."""
    if await services.store.run(rows.reveal, services.store, id, reviewer):
        services.new_cases.set()  # should it not be answered yet, it comes first now
        await services.audit(reviewer, "model.reveal", id)
    return await case_view(services, id, reviewer)


async def note_event(services: Services, id: str, body: CaseEventRequest, reviewer: str) -> Case:
    """Raises NotFound, BadParameter, TooLarge."""
    _check_size(body.detail, "detail")
    await services.store.run(rows.add_event, services.store, id, reviewer, body.kind, body.detail)
    return await case_view(services, id, reviewer)
