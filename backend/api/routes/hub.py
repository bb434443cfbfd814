"""Routes: search among published networks; what a file of weights or of labels holds, before it is sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from starlette.concurrency import run_in_threadpool

from app.core.errors import ModelRejected, UnsupportedType
from app.core.schemas import Candidate, LabelList, PublishedName, PublishedNames, Recognition
from app.core.text import plain_text
from backend.api.http.context import Backend
from backend.api.http.forms import display_name
from backend.api.http.strict import StrictRoute
from models.downloads import address
from models.header import parse_header
from models.published import search
from models.published.names import IMAGENET, numbered, read_labels, usual_labels
from models.published.names import MOST as MOST_LABELS
from models.published.recognise import recognise

router = APIRouter(tags=["models"], route_class=StrictRoute)
MOST = 200
_TEXT = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {
                "schema": {
                    "type": "string",
                    "description": "one label per line, a JSON list or object, or a table (CSV)",
                }
            }
        },
    }
}


@router.get("/hub")
async def published(
    services: Backend,
    query: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> PublishedNames:
    """Networks of timm and torchvision whose name or family holds every word of `query`; an empty query gets the
    usual ones. Offline: from a list that came with the program."""
    query = plain_text(query, field="query")
    found = await run_in_threadpool(search.search, query)
    here = await services.models.published_here()
    return PublishedNames(
        total=search.count(),
        found=len(found),
        downloads=services.settings.downloads,
        nearest=search.nearest(query) if query and not found else None,
        names=[
            PublishedName(
                key=name.key,
                family=name.family,
                parameters=name.parameters,
                download_bytes=name.size,
                input=name.shape,
                classes=name.classes,
                licence=name.licence,
                address=address(name.hub) if name.hub else "",
                reason=name.reason,
                here=name.key in here,
            )
            for name in found[:limit]
        ],
    )


@router.post("/hub/recognise")
async def recognised(
    header: Annotated[
        dict[str, Any],
        Body(description="The JSON header of a safetensors file; of each tensor only `shape` is read"),
    ],
    name: Annotated[
        str, Query(max_length=200, description="The file's name, which may hold the architecture's")
    ] = "",
) -> Recognition:
    """The architectures that fit the tensors of a file, before the file itself is sent. Nothing is kept."""
    return await run_in_threadpool(_recognise, header, display_name(plain_text(name, field="name")))


def _recognise(raw: dict[str, Any], name: str) -> Recognition:
    header = parse_header(raw)
    known = recognise(header.shapes, name)
    labels = usual_labels(known.outputs, header.metadata)
    return Recognition(
        tensors=known.tensors,
        outputs=known.outputs,
        candidates=[
            Candidate(
                key=entry.key,
                family=entry.family,
                parameters=entry.parameters(known.outputs),
                input=entry.shape,
            )
            for entry in known.candidates
        ],
        labels=list(labels),
        labels_from="numbers"
        if labels == numbered(known.outputs)
        else "imagenet"
        if known.outputs == IMAGENET and labels == usual_labels(IMAGENET)
        else "file",
    )


@router.post("/hub/labels", openapi_extra=_TEXT)
async def labels(
    request: Request, outputs: Annotated[int | None, Query(ge=1, le=MOST_LABELS)] = None
) -> LabelList:
    """Names of classes in the order of the outputs, read from the text of a file. Nothing is kept. outputs: of the
    network, where it is known."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "text/plain":
        raise UnsupportedType("Send the labels as text/plain.", field="labels")
    try:
        text = (await request.body()).decode("utf-8")
    except UnicodeDecodeError:
        raise ModelRejected(
            "The file of labels is not UTF-8 text.", code="bad_labels", field="labels"
        ) from None
    return LabelList(labels=await run_in_threadpool(read_labels, text, outputs))
