"""Checks of a finished map, and of a method on a model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.core.check_results import ChecksResult, SanityResult
from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name


class SanityRequest(Request):
    model: Name
    method: Name
    layer: Name | None = None
    params: dict[str, Any] = Field({})


class Sanity(Job):
    kind: JobKind = "sanity"
    request: SanityRequest
    result: SanityResult | None = None


class ChecksRequest(Request):
    """explanation: id of a map that is done."""

    explanation: Name


class Checks(Job):
    kind: JobKind = "checks"
    request: ChecksRequest
    result: ChecksResult | None = None
