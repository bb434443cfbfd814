"""Checking a report: what it claims beside what is recomputed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name

ItemState = Literal["identical", "equal", "different", "impossible"]
"""The same bits; the same within the tolerance that is stated; not the same; could not be recomputed."""


class VerifiedItem(BaseModel):
    """One claim. subject: name of its section in the report, "" for the file itself. max_abs: largest difference of a number;
    rank_correlation: Spearman's, of maps."""

    subject: str
    what: Literal["file", "text", "input", "prediction", "map"]
    title: str
    state: ItemState
    words: str
    max_abs: float | None = None
    rank_correlation: float | None = None


class VerificationResult(BaseModel):
    """state: `same` when every claim was recomputed and holds; `different` when one does not; `incomplete` when none is
    contradicted but some could not be recomputed."""

    state: Literal["same", "different", "incomplete"]
    words: str
    items: list[VerifiedItem]
    notes: list[str] = []
    versions: dict[str, str] = {}
    seconds: float = 0.0


class VerificationRequest(Request):
    """sha256: of the manifest that is checked."""

    sha256: Name
    kind: Name = ""
    subjects: int = Field(0, ge=0)


class Verification(Job):
    kind: JobKind = "verification"
    request: VerificationRequest
    result: VerificationResult | None = None
