"""The report of a case: what reviewers said beside what the model used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from app import __version__
from app.core.errors import Conflict
from app.core.schemas import Case, ExplanationRequest, Region, Verdict, WhatIfRequest, WhatIfResult
from backend.api import cases, reporting
from backend.jobs.keys import code_version
from backend.rendering.bundle import Look
from backend.reports import claims
from backend.reports.assemble import Source, subject
from backend.reports.content import UNSIGNED, Report
from backend.reports.words import named_class
from backend.store import JobRow

if TYPE_CHECKING:
    from backend.api.services import Services

MOST_MAPS = 12
PREDICTION = {"plausible": "plausible", "not_plausible": "not plausible", "cannot_say": "cannot say"}
EXPLANATION = {"useful": "useful", "misleading": "misleading", "cannot_say": "cannot say"}


async def of_case(
    services: Services, id: str, reviewer: str, look: Look, link: str, asked: bool, form: str
) -> Report:
    """Raises NotFound, and Conflict where the model is still hidden from this reviewer."""
    case = await cases.case_view(services, id, reviewer)
    source = await source_of_case(services, case, look, asked, form == "html")
    return await run_in_threadpool(_told, case, source, link, form)


async def source_of_case(services: Services, case: Case, look: Look, asked: bool, with_sound: bool) -> Source:
    if not case.revealed:
        raise Conflict(
            "The model is still hidden from you in this case: record what you hear or see, have the model shown, then make the report.",
            code="judge_first",
        )
    rows = await _maps(services, case)
    region, label = _region(case.verdicts)
    own: dict[str, Any] = {"region": region, "region_label": label} if region else {}
    found = None
    if case.prediction is not None:
        found = await services.store.run(services.jobs.queue.get, case.prediction.id)
    maps = await reporting.map_sources(services, rows, found)
    if region is not None:
        own["again"] = await _again(services, case, region)
    return await reporting.source_of(
        services,
        case.input,
        case.model,
        maps,
        found,
        name=case.name,
        asked=asked or any(verdict.shown.get("settings", {}).get("asked") for verdict in case.verdicts),
        verdict=[*_verdicts(case)],
        title=f"Case {case.number}{f', {case.name}' if case.name else ''}",
        look=look,
        with_sound=with_sound,
        **own,
    )


async def _maps(services: Services, case: Case) -> list[JobRow]:
    """The finished maps that verdicts were given on; without any, those there are of this input, the latest of each method."""
    shown = [id for verdict in case.verdicts for id in verdict.shown.get("explanations", [])]
    rows = await services.store.run(services.jobs.queue.mentioning, [case.input], ["explanation"])
    ours = {
        row.key: row
        for row in rows
        if row.result is not None and _about(ExplanationRequest(**row.payload["request"]), case)
    }
    if chosen := [ours[id] for id in dict.fromkeys(shown) if id in ours]:
        return chosen[-MOST_MAPS:]
    latest: dict[str, JobRow] = {}
    for row in sorted(ours.values(), key=lambda row: (row.finished or "", row.key)):
        latest[row.payload["request"]["method"]] = row
    return list(latest.values())[:MOST_MAPS]


async def _again(services: Services, case: Case, region: Region) -> list[tuple[WhatIfRequest, WhatIfResult]]:
    """What the model answered to this very region, kept and erased, of the class whose score is told: the latest of both."""
    if case.prediction is None:
        return []
    rows = await services.store.run(services.jobs.queue.mentioning, [case.input], ["whatif"])
    model = await reporting.model_info(services, case.model)
    latest = {}
    for row in sorted(
        (row for row in rows if row.result is not None), key=lambda row: (row.finished or "", row.key)
    ):
        request, result = WhatIfRequest(**row.payload["request"]), WhatIfResult(**(row.result or {}))
        same_weights = model is None or model.digest in (None, result.weights_sha256)
        if same_weights and _asks(request, case, region) and result.target == named_class(case.prediction):
            latest[request.mode] = request, result
    return [latest[mode] for mode in ("keep", "erase") if mode in latest]


def _asks(request: WhatIfRequest, case: Case, region: Region) -> bool:
    """About this region of the window that the case's prediction looked at; of a recording, in the sound itself."""
    assert case.prediction is not None
    window = case.prediction.window
    return (
        (request.input, request.model) == (case.input, case.model)
        and request.heard == (case.modality == "audio")
        and (request.boxes, request.mask) == (region.boxes, region.mask)
        and (request.start is None or window is None or abs(request.start - window[0]) < reporting.SAME_START)
    )


def _about(request: ExplanationRequest, case: Case) -> bool:
    return request.input == case.input and request.model == case.model and request.altered is None


def _region(verdicts: Sequence[Verdict]) -> tuple[Region | None, str]:
    """The last one drawn, and whose it is."""
    for verdict in reversed(verdicts):
        if verdict.region is not None:
            drawn = Region(boxes=[list(box) for box in verdict.region.boxes], mask=verdict.region.mask)
            when = "before" if verdict.stage == "before" else "after"
            return drawn, f"{verdict.reviewer}’s region, drawn {when} seeing the model"
    return None, ""


def _verdicts(case: Case) -> Iterable[tuple[str, str]]:
    """Every verdict in the order in which it was given; none stands for another."""
    for verdict in case.verdicts:
        at = reporting.in_words(verdict.at)
        yield (
            "Reviewer",
            f"{verdict.reviewer}, {'before' if verdict.stage == 'before' else 'after'} seeing the model, {at}",
        )
        if verdict.reading is not None:
            yield "Reading", verdict.reading_label or "cannot say"
        if verdict.prediction is not None:
            yield "Prediction", PREDICTION[verdict.prediction]
        if verdict.explanation is not None:
            yield "Explanation", EXPLANATION[verdict.explanation]
        if verdict.note:
            yield "Note", verdict.note
        yield from _then(verdict, case.labels)


def _then(verdict: Verdict, labels: Sequence[str]) -> Iterable[tuple[str, str]]:
    """What the model had answered when the verdict was given, where it was shown."""
    model: Mapping[str, Any] = verdict.shown.get("model") or {}
    answer, score = model.get("answer"), model.get("score")
    if verdict.stage == "before" or answer in (None, "failed"):
        return
    said = labels[int(answer)] if str(answer).isdecimal() and int(answer) < len(labels) else str(answer)
    index = model.get("score_class")
    of = (
        f", {labels[index]} {score:.2f}"
        if score is not None and isinstance(index, int) and answer != "withheld"
        else ""
    )
    yield "Model then", f"{said}{of}"


def _told(case: Case, source: Source, link: str, form: str) -> Report:
    said = subject(source)
    kind = {"recording": "one recording", "picture": "one picture", "spectrogram": "one spectrogram"}.get(
        said.kind, "one case"
    )
    newest = reporting.newest([*times_of(case, source)])
    manifest = {
        "evident": __version__,
        "code": code_version(),
        "kind": "case",
        "link": link,
        "case": {"number": case.number, "worklist": case.worklist_title},
        "subjects": [claims_of(case, source)],
    }
    return Report(
        title=f"What the model used: {kind}",
        subtitle=f"Evidence report · case {case.number} of “{case.worklist_title}” · results of {newest}",
        state=f"Newest entry in it: {newest}.",
        link=link,
        subjects=[said],
        manifest=manifest,
        verify=f"evident verify report.{form}",
        notes=(UNSIGNED,),
    )


def claims_of(case: Case, source: Source, name: str = "input-1", with_values: bool = True) -> dict[str, Any]:
    return {
        **claims.of_source(source, name, with_values),
        "verdicts": [verdict.model_dump(mode="json") for verdict in case.verdicts],
    }


def times_of(case: Case, source: Source) -> Iterable[str]:
    yield case.created
    yield from (one.record.created for one in source.maps)
    yield from (verdict.at for verdict in case.verdicts)
