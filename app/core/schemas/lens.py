"""One input at every layer of a network."""

from __future__ import annotations

from pydantic import Field

from app.core.lens_results import LensResult
from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name


class LensRequest(Request):
    """inputs: the user's own to calibrate on, ten or more, instead of those that come with the program."""

    input: Name
    model: Name
    target: int | None = Field(None, ge=0)
    start: float | None = Field(None, ge=0)
    inputs: list[Name] | None = Field(None, max_length=500)


class Lens(Job):
    """result: while it runs, as far as it is: the layers with their features, then the rest."""

    kind: JobKind = "lens"
    request: LensRequest
    result: LensResult | None = None
