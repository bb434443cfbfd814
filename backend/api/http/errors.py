"""Error answers as RFC 9457 problem JSON: a stable code and one plain sentence, without sent values, paths or
tracebacks."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from app.core.errors import BadParameter, EvidentError, JobFailed, TooManyAttempts
from app.core.schemas import Problem
from backend.store.faults import fault_of

log = logging.getLogger("evident.api")

MEDIA_TYPE = "application/problem+json"

# Refusals that come from the protocol rather than from the tree in app/core/errors.py: status -> code, title,
# sentence.
PROTOCOL: dict[int, tuple[str, str, str]] = {
    400: (
        "bad_request",
        "The request could not be read",
        "The request is not well formed; check its syntax.",
    ),
    401: ("sign_in", "Sign in first", "Sign in first; nothing was done."),
    403: ("forbidden", "Not allowed", "This request is not allowed."),
    404: ("not_found", "Not found", "There is nothing at this address."),
    405: (
        "method_not_allowed",
        "Method not allowed",
        "This address does not answer to this method; the Allow header lists those it does.",
    ),
    406: ("not_acceptable", "Not acceptable", "The answer is not available in the form asked for."),
    408: ("too_slow", "Too slow", "The request took too long to arrive; try again on a faster connection."),
    413: (
        "too_large",
        "Too large",
        "The request is larger than allowed here; the limits are listed at /api/v1/limits.",
    ),
    414: ("address_too_long", "Address too long", "The address is longer than allowed."),
    415: ("unsupported_type", "Type not accepted", "This content type is not accepted here."),
    416: ("bad_range", "Range not available", "The range asked for lies outside the file."),
    421: (
        "wrong_host",
        "Wrong host",
        "This server does not answer under this name; use the address it was started with.",
    ),
    422: ("invalid_input", "Not valid", "The request could be read but not used."),
    431: ("headers_too_large", "Headers too large", "The headers of the request are larger than allowed."),
    500: (
        "internal_error",
        "Something went wrong",
        "This is a mistake in the program, not in your input; report it with the id of this request.",
    ),
    501: ("not_implemented", "Not available", "This is not available."),
    503: ("busy", "Busy", "The server is busy; try again in a moment."),
}


RETRY_SECONDS = {503: "2", 507: "30"}
"""When it makes sense to try again: a lock is gone in seconds, a disk is emptied by a person."""


def problem(
    status: int,
    *,
    code: str | None = None,
    title: str | None = None,
    detail: str | None = None,
    field: str | None = None,
    request_id: str | None = None,
) -> Problem:
    """A Problem; fields left out are taken from `PROTOCOL` by status."""
    base = PROTOCOL.get(status, PROTOCOL[400 if status < 500 else 500])
    return Problem(
        status=status,
        code=code or base[0],
        title=title or base[1],
        detail=detail or base[2],
        field=field,
        request_id=request_id,
    )


def problem_response(refusal: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(refusal.model_dump()), refusal.status, dict(headers or {}), MEDIA_TYPE)


def from_error(error: EvidentError, request_id: str | None = None) -> Problem:
    return Problem(
        status=error.status,
        code=error.instance_code,
        title=error.title,
        detail=error.detail,
        field=error.field,
        request_id=request_id,
    )


def request_id(request: Request) -> str | None:
    """The id that the guard gave the request; None when the API runs without it."""
    return request.scope.get("state", {}).get("request_id")


def install(api: FastAPI) -> None:
    """Replace every default handler: FastAPI's own echo the input, and answer 500 to NaN and lone
    surrogates."""

    @api.exception_handler(EvidentError)
    async def evident(request: Request, error: EvidentError) -> Response:
        headers = {"Retry-After": RETRY_SECONDS[error.status]} if error.status in RETRY_SECONDS else {}
        if isinstance(error, TooManyAttempts):
            headers = {"Retry-After": str(error.retry_after)}
        if isinstance(
            error, JobFailed
        ):  # the outcome of a job, reported by the route that waited for it; not a fault of the server
            error = _outcome(error)
        return problem_response(from_error(error, request_id(request)), headers)

    @api.exception_handler(OSError)
    async def files(request: Request, error: OSError) -> Response:
        fault = fault_of(error)
        if fault is not None:
            return await evident(request, fault)
        log_bug(error, request.scope)
        return problem_response(problem(500, request_id=request_id(request)))

    @api.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        return problem_response(from_error(from_validation(error.errors()), request_id(request)))

    @api.exception_handler(HTTPException)
    async def protocol(request: Request, error: HTTPException) -> Response:
        return problem_response(problem(error.status_code, request_id=request_id(request)), error.headers)

    @api.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log_bug(error, request.scope)
        return problem_response(problem(500, request_id=request_id(request)))


class BodyRefused(Exception):
    """Raised while a body is being received; the guard answers, whatever the route makes of it."""


class _Outcome(EvidentError):
    code, status, title = "job_failed", 422, "The job failed"


def _outcome(error: JobFailed) -> EvidentError:
    return _Outcome(error.detail, code=error.instance_code, field=error.field)


def log_bug(error: BaseException, scope: Scope) -> None:
    """Logs where a bug happened, once per request; not its message, which may quote what the user sent."""
    state = scope.setdefault("state", {})
    if not state.get("logged") and not isinstance(error, BodyRefused | ClientDisconnect):
        state["logged"] = True
        frames = "".join(traceback.format_tb(error.__traceback__)[-8:])
        log.error("request %s failed: %s\n%s", state.get("request_id"), type(error).__name__, frames)


def from_validation(errors: Any) -> BadParameter:
    """The first complaint of pydantic as a plain sentence, without the value."""
    complaint = min(
        errors, key=lambda error: _ORDER.index(error["type"]) if error["type"] in _ORDER else len(_ORDER)
    )
    place = [part for part in complaint["loc"] if part not in ("body", "query", "path")]
    name = ".".join(str(part) for part in place if isinstance(part, int) or str(part).isidentifier())[:80]
    if complaint["type"] == "extra_forbidden":
        # The unknown name is the user's own text: offered names stand for it.
        return BadParameter(
            "There is a field that is not known here; leave it out or check its spelling.",
            code="unknown_field",
            field=None,
        )
    sentence = _sentence(complaint["type"], complaint.get("ctx") or {})
    return BadParameter(f"{name or 'The body'} {sentence}", field=name or None)


_ORDER = ("json_invalid", "missing")


def _sentence(kind: str, context: Mapping[str, Any]) -> str:
    """The sentence of a pydantic error: words and limits of our own schemas only, never the input."""
    bounds = {
        "greater_than_equal": ("ge", "must be at least {}."),
        "less_than_equal": ("le", "must be at most {}."),
        "greater_than": ("gt", "must be greater than {}."),
        "less_than": ("lt", "must be less than {}."),
        "string_too_long": ("max_length", "may have at most {} characters."),
        "string_too_short": ("min_length", "must have at least {} characters."),
        "too_long": ("max_length", "may have at most {} entries."),
        "too_short": ("min_length", "must have at least {} entries."),
        "literal_error": ("expected", "must be one of {}."),
        "enum": ("expected", "must be one of {}."),
    }
    if kind == "too_short" and context.get("min_length") == 1:
        return "is empty; name at least one."
    if kind in bounds:
        key, text = bounds[kind]
        return text.format(context.get(key))
    plain = {
        "missing": "is missing.",
        "string_type": "must be a text.",
        "bool_type": "must be true or false.",
        "bool_parsing": "must be true or false.",
        "finite_number": "must be a finite number.",
        "dict_type": "must be an object of names and values.",
        "list_type": "must be a list.",
        "model_attributes_type": "must be a JSON object.",
        "string_pattern_mismatch": "does not have the form asked for.",
    }
    if kind.startswith("int"):
        return "must be a whole number."
    if kind.startswith("float"):
        return "must be a number."
    return plain.get(kind, "is not valid.")
