"""Routes: evidence reports of maps, cases and worklists, as PDF and as one HTML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from app.core.errors import BadParameter, NotFound
from app.core.text import Name
from backend.api import case_reports, reporting, worklist_reports
from backend.api.http.context import Backend, Reviewer, job_of_kind
from backend.api.http.strict import StrictRoute
from backend.api.routes.bundles import LINK, MOST
from backend.rendering.bundle import Look
from backend.reports.content import Report
from backend.store import JobRow

router = APIRouter(tags=["reports"], route_class=StrictRoute)
Form = Literal["pdf", "html", "json"]
"""json: the manifest alone."""
MEDIA = {"pdf": "application/pdf", "html": "text/html; charset=utf-8", "json": "application/json"}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {}, "text/html": {}, "application/json": {}}}
}
Link = Annotated[
    str, Query(max_length=4096, pattern=LINK, description="Address of the page, printed in the report.")
]
Asked = Annotated[bool, Query(description="Tell also a score that the gate withholds.")]


def _look(
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.7,
    top: Annotated[float, Query(gt=0, le=100)] = 100.0,
    sign: Literal["for", "against", "both"] = "both",
    scale: Literal["own", "shared", "raw"] = "shared",
) -> Look:
    return Look(opacity, top, sign, scale)


Drawn = Annotated[Look, Depends(_look)]


@router.get("/explanations/report.{form}", response_class=Response, responses=FILES)
async def of_maps(
    form: Form,
    ids: Annotated[
        str,
        Query(
            max_length=65 * MOST,
            description="Ids of finished explanations of one input, with commas between.",
        ),
    ],
    services: Backend,
    reviewer: Reviewer,
    look: Drawn,
    link: Link = "",
    name: Annotated[
        Name, Query(description="Name of the file, printed in the report; it is not stored.")
    ] = "",
    asked: Asked = False,
) -> Response:
    """What the model used for one input: its maps with their conditions, the score, the checks, and a manifest that
    can be recomputed and compared; `json` is that manifest alone. The same question gives the same bytes. The HTML file holds
    the sound of the input."""
    wanted = [id for id in dict.fromkeys(ids.split(",")) if id]
    if not wanted:
        raise BadParameter("Name at least one explanation.", field="ids")
    rows = [await _finished(services, id) for id in wanted]
    report = await reporting.comparison(services, rows, look, link, name, asked, form)
    made = await answer(report, form, "evident-report")
    about = str(rows[0].payload["request"]["input"])
    await services.audit(reviewer, "report.make", about, form=form, maps=len(rows))
    return made


async def _finished(services: Backend, id: str) -> JobRow:
    row = await job_of_kind(services, id, "explanation")
    if row.result is None:
        raise NotFound("A map is not there yet; ask again when its job is done.", code="not_ready")
    return row


@router.get("/cases/{id}/report.{form}", response_class=Response, responses=FILES)
async def of_case(
    id: str,
    form: Form,
    services: Backend,
    reviewer: Reviewer,
    look: Drawn,
    link: Link = "",
    asked: Asked = False,
) -> Response:
    """A case with everything that reviewers said of it and the maps that they saw. 409 as long as the model is hidden from the
    reviewer who asks. Where the input was deleted, what is left of the case."""
    report = await case_reports.of_case(services, id, reviewer, look, link, asked, form)
    made = await answer(report, form, "evident-case")
    await services.audit(reviewer, "report.make", id, form=form)
    return made


@router.get("/worklists/{id}/report.{form}", response_class=Response, responses=FILES)
async def of_worklist(
    id: str,
    form: Form,
    services: Backend,
    reviewer: Reviewer,
    look: Drawn,
    link: Link = "",
    pages: Annotated[
        bool, Query(description="A page of each judged case after the table, at most 60.")
    ] = False,
) -> Response:
    """All cases of a list in one table, as the reviewer who asks may know them."""
    report = await worklist_reports.of_worklist(services, id, reviewer, look, link, pages, form)
    made = await answer(report, form, "evident-worklist")
    await services.audit(reviewer, "report.make", id, form=form, cases=len(report.tables[0].rows))
    return made


async def answer(report: Report, form: Form, name: str) -> Response:
    """The file, made in a thread."""
    data = await run_in_threadpool(_made, report, form)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return Response(data, media_type=MEDIA[form], headers=headers)


def _made(report: Report, form: Form) -> bytes:
    if form == "pdf":
        from backend.reports.pdf import pdf

        return pdf(report)
    if form == "html":
        from backend.reports.html import html

        return html(report)
    from backend.reports.manifest import as_json, sealed

    return sealed(as_json(report.manifest))
