"""Routes: cards of models, methods that fit them, uploaded and fetched models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.core.errors import Busy, Conflict, ModelRejected, NotFound
from app.core.schemas import Fit, Job, ModelInfo, ModelRequest
from app.core.settings import MiB
from backend.api import lookup
from backend.api.http.context import ADMIN, Backend, Client, Reviewer
from backend.api.http.errors import from_validation
from backend.api.http.forms import Upload, described, display_name, receive
from backend.api.http.strict import StrictRoute, loads
from backend.api.model_list import ZOO, fetch_key, uploaded
from backend.jobs.client import Client as JobClient
from backend.jobs.keys import canonical, job_key
from backend.jobs.problems import from_problem
from backend.store import JobRow, ModelRow, runs
from backend.store.blobs import Blobs
from models.header import Header, read_header
from models.published import architectures
from models.published.names import MOST as MOST_LABELS
from models.published.names import read_labels, usual_labels
from models.published.recognise import outputs_of, recognise

router = APIRouter(tags=["models"], route_class=StrictRoute)
WAIT, AT_ONCE = 10.0, 0.1
LABELS_BYTES = MiB
_FORM = described(
    "weights",
    what="safetensors",
    others={"application/json": {"schema": ModelRequest.model_json_schema()}},
    texts={
        "architecture": {"type": "string", "description": "a key of the catalogue's `architectures`, `timm:NAME` or `torchvision:NAME`; left out, it is told from the tensors"},
        "labels": {"type": "string", "description": "one label per line, a JSON list or object, or a table (CSV), in the order of the outputs; left out: those the file itself names, ImageNet's for 1,000 outputs, else numbers"},
        "title": {"type": "string"},
    },
)  # fmt: skip


@router.get("/models/{key}")
async def model(key: str, services: Backend) -> ModelInfo:
    """The card: where it comes from, what it answers, its layers, its honest figures."""
    return (await lookup.model(services, key)).info


@router.get("/models/{key}/compatibility")
async def compatibility(key: str, services: Backend) -> dict[str, Fit]:
    """Per method whether it fits, why not, the defaults that depend on the model, and the seconds it will
    take."""
    return await lookup.expected_fits(services, await lookup.model(services, key))


@router.post(
    "/models",
    response_model=None,
    openapi_extra=_FORM,
    responses={201: {"model": ModelInfo}, 200: {"model": ModelInfo}, 202: {"model": Job}},
)
async def upload(
    request: Request, services: Backend, client: Client, reviewer: Reviewer, wait: bool = True
) -> Response:
    """Weights as safetensors for one of our architectures, checked by a worker before they are listed; or, as
    JSON, the name of a published network whose weights are to be fetched. 202 with the address of the model to come
    where that takes longer, or at once with `wait=false`, so that a page can follow a download from its start."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json":
        return await _fetch(await request.body(), services, client, WAIT if wait else AT_ONCE)
    with services.jobs.errands.open() as errand:
        file = await receive(
            request,
            errand.sent,
            services.settings.limits,
            file_field="weights",
            text_fields=("architecture", "labels", "title"),
            families=("model",),
            text_bytes=LABELS_BYTES,
        )
        row = await services.store.run(_row, file, errand.sent)
        if row.key in {model.key for model in await services.store.run(services.store.models)}:
            return _answer((await lookup.model(services, row.key, start=True)).info, 200)
        payload = uploaded(row).as_json()
        key = job_key("model", payload, row.digest)
        await services.jobs.submit(
            "model",
            payload,
            key=key,
            title=f"Check {row.title}",
            client=client,
            attachments={"weights": row.digest},
            folder=errand.sent.folder,
        )
    job = await _checked(services, key)
    if job.error is None:
        facts = {"weights": row.digest, "architecture": row.architecture}
        await services.audit(reviewer, "model.upload", row.key, **facts)
    address = {"Location": f"/api/v1/models/{row.key}"}
    if job.active:
        services.describe_later(row.key, key)
        return _answer(job.as_job(), 202, address)
    if job.error is not None:  # a refused model leaves nothing, its title and labels included
        await services.jobs.forget([row.key], kinds=("model",))
        raise from_problem(job.error)
    try:
        info = (await lookup.model(services, row.key, start=True)).info
    except Busy:  # it was added, and its description waits for a worker
        return _answer(job.as_job(), 202, address)
    source = uploaded(row).model_copy(update={"digest": info.digest})
    services.get_ready(source, info.title)
    return _answer(info, 201, address)


async def _checked(services: Backend, key: str) -> JobRow:
    """The job that looks at an upload, as it is after a while. Raises ModelRejected."""
    try:
        return await services.jobs.wait(key, WAIT)
    except NotFound:  # the same file was sent twice at once, and the other request has heard why
        raise ModelRejected(
            "These weights were refused or deleted just now; send them again to hear why."
        ) from None


async def _fetch(body: bytes, services: Backend, client: JobClient, seconds: float) -> Response:
    """202 with the job while it is being fetched, 201 once it is there, 200 when it was. Raises
    WeightsUnavailable when it cannot be had."""
    try:
        name = ModelRequest.model_validate(loads(body, services.settings.limits.json_depth)).name
    except ValidationError as error:
        raise from_validation(error.errors()) from None
    job = await services.models.fetch(name, client)
    fresh = job.fresh
    job = await services.jobs.wait(job.key, seconds)
    if job.error is not None:
        raise from_problem(job.error)
    if job.result is None:
        return _answer(job.as_job(), 202)
    return _answer(ModelInfo(**job.result["info"]), 201 if fresh else 200)


@router.delete("/models/{key}", status_code=204, dependencies=[ADMIN])
async def remove(key: str, services: Backend, reviewer: Reviewer) -> None:
    """Only uploaded models can be deleted; where people sign in, by an admin."""
    described = await lookup.model(services, key)
    if key.startswith(ZOO) and not described.info.bundled:
        with suppress(NotFound):  # not one of the folder of weights
            await services.jobs.delete(fetch_key(key))
            await services.store.run(runs.forget, services.store, key)
            await services.audit(reviewer, "model.delete", key, weights=described.info.digest)
            return
    if key not in {row.key for row in await services.store.run(services.store.models)}:
        raise Conflict(f"{described.info.title} came with the program and cannot be deleted.", code="bundled")
    await services.store.run(services.store.delete_model, key)
    await services.store.run(runs.forget, services.store, key)
    await services.jobs.forget([key], kinds=("model", "catalogue", "speed"))
    await services.audit(reviewer, "model.delete", key, weights=described.info.digest)


def _row(file: Upload, sent: Blobs) -> ModelRow:
    """The row of an uploaded model; its key is a hash of weights, architecture and labels, so the same upload
    is the same model. Raises ModelRejected, NotFound."""
    path = sent.path(file.sha)
    header = read_header(path) if path is not None else Header({}, {})
    architecture = file.texts.get("architecture", "").strip()
    if not architecture:
        architecture = recognise(header.shapes, file.name).candidates[0].key
    if len(architecture) > 200 or not architecture.isprintable():
        raise ModelRejected(
            "There is no architecture of that name; the catalogue lists them.",
            code="unknown_architecture",
            field="architecture",
        )
    known = architectures().get(architecture.partition(".")[0])
    outputs = outputs_of(known, header.shapes) if known else 0
    text = file.texts.get("labels", "").strip()
    if not text and not 1 <= outputs <= MOST_LABELS:
        raise ModelRejected(
            "How many classes this network has cannot be told from the file; send its labels.",
            code="missing_field",
            field="labels",
        )
    labels = read_labels(text, outputs or None) if text else list(usual_labels(outputs, header.metadata))
    title = (
        display_name(file.texts.get("title", "").replace("/", " "))
        or file.name.removesuffix(".safetensors")
        or "Uploaded model"
    )
    identity = hashlib.sha256(canonical([file.sha, architecture, labels]).encode()).hexdigest()
    return ModelRow(f"upload-{identity[:16]}", title, architecture, labels, file.sha)


def _answer(body: ModelInfo | Job, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        body.model_dump_json(by_alias=True), status, dict(headers or {}), media_type="application/json"
    )
