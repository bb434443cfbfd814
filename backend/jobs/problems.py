"""The errors of jobs as their rows store them, and back."""

from __future__ import annotations

from typing import Any

from app.core import errors
from app.core.errors import EvidentError, JobFailed


def as_problem(error: EvidentError) -> dict[str, Any]:
    """The error as a dict of `app.core.schemas.Problem`, as a row stores it."""
    return {
        "title": error.title,
        "status": error.status,
        "code": error.instance_code,
        "detail": error.detail,
        "field": error.field,
    }


def from_problem(problem: dict[str, Any]) -> EvidentError:
    """The error of a stored problem; its class is found by title, since the code may be refined."""
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EvidentError)
    ]
    kind = next((kind for kind in classes if kind.title == problem["title"]), JobFailed)
    return kind(problem["detail"], code=problem["code"], field=problem["field"])
