"""Route: several finished maps with all that belongs to them, as one zip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.core.errors import BadParameter, NotFound, TooLarge
from app.core.schemas import ExplanationRequest, Record
from app.core.settings import MiB
from backend.api import lookup
from backend.api.http.context import Backend, job_of_kind
from backend.api.http.strict import StrictRoute
from backend.rendering.bundle import Look, Part, entries, zipped
from backend.store import JobRow

router = APIRouter(tags=["explanations"], route_class=StrictRoute)
MOST = 32
MOST_BYTES = 512 * MiB
LINK = r"^(https?://[\x21-\x7e]+)?$"


@router.get(
    "/bundles",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
async def bundle(
    explanations: Annotated[
        str,
        Query(
            max_length=65 * MOST, description="Ids of finished explanations with commas between, at most 32."
        ),
    ],
    services: Backend,
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.7,
    top: Annotated[float, Query(gt=0, le=100)] = 100.0,
    sign: Literal["for", "against", "both"] = "both",
    scale: Literal["own", "shared", "raw"] = "shared",
    link: Annotated[
        str, Query(max_length=4096, pattern=LINK, description="Address of the page, for the README.")
    ] = "",
) -> Response:
    """Maps, numbers, pictures, records and a README as a zip, made while it is sent. The same question gives the same
    bytes. The recording or photograph itself is not part of it."""
    ids = [id for id in dict.fromkeys(explanations.split(",")) if id]
    if not ids:
        raise BadParameter("Name at least one explanation.", field="explanations")
    rows = [await job_of_kind(services, id, "explanation") for id in ids]
    parts = [await _part(row, services) for row in rows]
    size = await run_in_threadpool(_size, parts)
    if size > MOST_BYTES:
        raise TooLarge(
            f"These maps hold {size / MiB:.0f} MiB together, more than {MOST_BYTES // MiB}; ask for fewer at once."
        )
    pieces = zipped(entries(parts, Look(opacity, top, sign, scale), link))
    headers = {"Content-Disposition": 'attachment; filename="evident.zip"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _size(parts: Sequence[Part]) -> int:
    try:
        return sum(path.stat().st_size for part in parts for path in part.paths)
    except FileNotFoundError:  # deleted since
        raise NotFound("A map is no longer there; run it again.", code="not_ready") from None


async def _part(row: JobRow, services: Backend) -> Part:
    """The files of a finished explanation. Raises NotFound."""
    values = await services.jobs.file_path(row.key, "values") if row.result is not None else None
    if row.result is None or values is None:
        raise NotFound("A map is not there yet; ask again when its job is done.", code="not_ready")
    record = Record(**row.result)
    files: dict[str, Path | None] = {}
    for kind, listed in (("stages", record.stages), ("arrays", record.arrays)):
        for info in listed:
            files[f"{kind}/{info.name}.npy"] = await services.jobs.file_path(row.key, f"{kind}/{info.name}")
    request = row.payload["request"]
    prediction = await _prediction(request, services)
    grid = None
    if prediction is not None:
        grid = await services.jobs.file_path(prediction.key, "display")
        files["input.png"] = await services.jobs.file_path(prediction.key, "display.png")
    return Part(
        key=record.method,
        request=ExplanationRequest(**request).model_dump(mode="json"),
        record=record,
        values=values,
        grid=grid,
        files={name: path for name, path in files.items() if path is not None},
        prediction=prediction.result if prediction else None,
    )


async def _prediction(request: dict[str, object], services: Backend) -> JobRow | None:
    """The finished prediction on the same window of the same input, if there is one."""
    asked = {name: request[name] for name in ("input", "model", "start")}
    try:
        model = await lookup.model(services, str(request["model"]))
        row = await services.jobs.get(await lookup.prediction_key(services, asked, model))
    except NotFound:
        return None
    return row if row.result is not None else None
