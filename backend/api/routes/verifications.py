"""Routes: what a report claims, recomputed and compared."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.core.errors import EvidentError, NotFound, TooExpensive
from app.core.schemas import ExplanationRequest, Verification, VerificationRequest, VerificationResult
from backend.api import lookup, regions
from backend.api.http.context import Backend, Client
from backend.api.http.forms import described, receive
from backend.api.http.strict import BadSyntax, StrictRoute, loads
from backend.api.parameters import check_cost, complete_params
from backend.api.routes.explanations import layer_of
from backend.api.routes.studies import Study
from backend.jobs.keys import code_version, job_key
from backend.reports import manifest
from backend.reports.manifest import ClaimedMap, ClaimedSubject, Claims
from backend.tasks.payloads import ModelSource, StoredInput
from backend.tasks.verification import VerificationPayload, VerifiedSubject

router = APIRouter(tags=["reports"], route_class=StrictRoute)
STUDY = Study("verification", Verification, VerificationRequest, VerificationResult)
_FORM = described()


@router.post(
    "/verifications",
    response_model=None,
    openapi_extra=_FORM,
    responses={200: {"model": Verification}, 202: {"model": Verification}},
)
async def verify(request: Request, services: Backend, client: Client) -> Response:
    """A report (PDF, HTML, or its manifest as JSON): every prediction and map in it is recomputed from the input that is stored here
    and compared. 202 when this starts the work, 200 when it is known. The report is not signed: this says whether its figures
    are what is computed here, not who made it."""
    limits = services.settings.limits
    with services.jobs.errands.open() as errand:
        file = await receive(
            request, errand.sent, limits, file_field="file", text_fields=(), families=("report",)
        )
        found = await run_in_threadpool(manifest.opened, errand.path(file.sha), limits.report_bytes)
        claims = await run_in_threadpool(parsed, found.text, limits.json_depth)
        subjects = [await _here(services, claimed, limits.job_seconds) for claimed in claims.subjects]
        sha = await run_in_threadpool(errand.sent.put, found.text)
        asked = VerificationRequest(sha256=sha, kind=claims.kind, subjects=len(subjects))
        payload = VerificationPayload(
            manifest=sha,
            code=code_version(),
            sealed=found.sealed,
            shown=found.shown,
            inputs=subjects,
            request=asked.model_dump(mode="json"),
        )
        sent = payload.as_json()
        row = await services.jobs.submit(
            STUDY.kind,
            sent,
            key=job_key(STUDY.kind, sent, _comparing()),
            title="Check a report",
            client=client,
            attachments={"manifest": sha},
            folder=errand.sent.folder,
        )
    return STUDY.answer(row, 202 if row.fresh else 200)


def parsed(text: bytes, depth: int) -> Claims:
    """The manifest, read as strictly as any body. Raises InvalidInput."""
    try:
        return manifest.read(loads(text, depth, lines=True))
    except BadSyntax:
        raise manifest.broken() from None


@lru_cache
def _comparing() -> str:
    """Of the code that compares, which decides what a check says."""
    digest = sha256()
    for path in sorted(Path(manifest.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


async def _here(services: Backend, claimed: ClaimedSubject, seconds: float) -> VerifiedSubject:
    """The input and the model that a subject names, if they are here, and which of its maps may not be computed."""
    try:
        row = await services.store.run(services.store.input, claimed.input.id)
    except NotFound:
        return VerifiedSubject(why=LOST)
    stored = StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs=row.blobs)
    try:
        model = await lookup.model(services, claimed.model.key)
        network = await services.network(claimed.model.key)
        model.require_available()
        model.require_modality(row.modality)
        if claimed.region is not None:
            regions.check_region(claimed.region, row)
    except EvidentError as error:
        return VerifiedSubject(why=f"Model and input cannot be brought together here: {error.detail}")
    source = ModelSource(
        model=network.model, upload=network.upload, digest=claimed.model.sha256 or network.digest
    )
    refused = {}
    for number, one in enumerate(claimed.explanations):
        try:
            await _check(services, one, model, seconds)
        except EvidentError as error:
            refused[str(number)] = f"It cannot be recomputed here: {error.detail}"
    return VerifiedSubject(input=stored, source=source, refused=refused)


LOST = "The input is not on this server any more; upload the same file again, then check the report again."


async def _check(services: Backend, one: ClaimedMap, model: lookup.KnownModel, seconds: float) -> None:
    """As a request for this map would be checked. Raises EvidentError."""
    asked: ExplanationRequest = one.request
    method = await lookup.method(services, asked.method)
    fit = (await lookup.expected_fits(services, model))[asked.method]
    if not fit.ok:
        raise NotFound(fit.reason)
    layer_of(asked.layer, model, method.uses_layer)
    model.require_target(one.record.target)
    params = complete_params(method.schema_, fit, asked.params)
    try:
        check_cost(method.schema_, fit, params, seconds)
    except TooExpensive as error:
        raise NotFound(error.detail) from None


STUDY.add_to(router, "/verifications")
