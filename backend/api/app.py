"""The API application: routers by resource, the error contract, strict bodies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from app import __version__
from app.core.schemas import Problem
from backend.api import gallery, retention
from backend.api.http import errors
from backend.api.intake import Intake
from backend.api.predicting import Predicting
from backend.api.routes import (
    ablations,
    audit,
    bundles,
    cases,
    catalogue,
    checks,
    concept_analyses,
    concepts,
    docs,
    evaluations,
    explanations,
    hub,
    inputs,
    internals,
    jobs,
    lens,
    models,
    predictions,
    recordings,
    reports,
    samples,
    session,
    similar,
    stress,
    users,
    verifications,
    whatifs,
    worklists,
)

if TYPE_CHECKING:
    from backend.api.services import Services

PREFIX = "/v1"
_PROBLEM = {errors.MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
"""By name, not as a model: that would be compiled anew for every route and status, a fifth of a second at each start."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": errors.PROTOCOL[status][1], "content": _PROBLEM}
    for status in (400, 401, 403, 404, 405, 406, 408, 413, 415, 421, 422, 431, 503)
}


def create_api(services: Services) -> FastAPI:
    """The API application, which the composition mounts at `/api`; routes lie under `/v1`."""
    api = FastAPI(
        title="Evident",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.services = services
    api.state.intake = Intake(services)
    services.preparations.append(partial(concepts.draw_all, services))
    services.preparations.append(partial(gallery.prepare, services, api.state.intake))
    services.duties.append(Predicting(services).run)
    services.sweeps.append(partial(retention.expire, services))
    errors.install(api)
    v1 = APIRouter(prefix=PREFIX, responses=_REFUSALS)
    for module in (
        catalogue,
        models,
        hub,
        samples,
        inputs,
        predictions,
        verifications,
        reports,  # before explanations: `/explanations/report.pdf` is no id
        explanations,
        bundles,
        concepts,
        concept_analyses,
        internals,
        ablations,
        lens,
        checks,
        evaluations,
        recordings,
        whatifs,
        worklists,
        cases,
        stress,
        similar,
        jobs,
        session,
        users,
        audit,
        docs,
    ):
        v1.include_router(module.router)
    api.include_router(v1)
    return api
