"""Kinds of jobs, one file each: what a worker does for one request.

A task runs in a worker process, never in the web process. The web process still reads `lane` from the
registry and builds payloads, so **a task's file imports torch, models and media libraries inside `compute`**,
not at the top (a test checks it).

Jobs travel as JSON. `Task.run` is the one place where a payload becomes the type that its task declares, and a
result becomes JSON again.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from app.core.errors import Conflict
from app.core.registry import Registry
from backend.tasks.payloads import Payload

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs

Lane = Literal["interactive", "batch", "short", "decode", "study"]
P = TypeVar("P", bound=Payload)
R = TypeVar("R")
log = logging.getLogger("evident.worker")


class Report(Protocol):
    """Called between chunks of work: tells the user how far it is, and stops the task when the user asked
    for that."""

    def __call__(
        self, done: int, total: int, partial: np.ndarray | None = None, *, unit: str | None = None
    ) -> None:
        """done, total: units of work. partial: the map so far, float32 [H, W]. Raises
        app.core.errors.Cancelled when stopped."""


@dataclass(frozen=True, eq=False)
class Outcome(Generic[R]):
    """What a task hands back. arrays: kept as `.npy`. files: any other bytes (PNG, WAV) by name."""

    result: R
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Task(ABC, Generic[P, R]):
    """One kind of job, from a payload of type P to a result of type R (a pydantic model). Errors a user can
    cause are raised from app.core.errors; anything else is a bug and fails the job with an id."""

    key: ClassVar[str]
    Payload: type[P]
    lane: ClassVar[Lane] = "batch"
    """`decode`: a light process under tight limits, for foreign bytes. `short`: a worker of its own for what
    takes a second or two and is waited for. `interactive` goes before `batch`; both share the workers."""
    rank: ClassVar[int] = 0
    """Waiting jobs with a larger rank (plus the priority given at submission) start first."""

    @abstractmethod
    def compute(self, payload: P, files: Blobs, report: Report) -> Outcome[R]:
        """files: the content-addressed store."""

    def run(self, payload: Mapping[str, Any], files: Blobs, report: Report) -> Outcome[dict[str, Any]]:
        """`compute` from JSON to JSON. Raises what it raises; Conflict for a payload of another version that
        cannot be read."""
        outcome = self.compute(self._read(payload), files, report)
        assert isinstance(outcome.result, BaseModel)
        return Outcome(finite(outcome.result.model_dump(by_alias=True)), outcome.arrays, outcome.files)

    def _read(self, payload: Mapping[str, Any]) -> P:
        try:
            return self.Payload.model_validate(payload)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            log.error("a payload of %s cannot be read: %s", self.key, [item["loc"] for item in problems])
            raise Conflict(
                "This was asked for by another version of the program; ask for it again.",
                code="other_version",
            ) from None


def finite(value: Any) -> Any:
    """JSON has no NaN and no numpy: numbers become Python's, what is not finite becomes null."""
    import numpy as np

    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


TASKS: Registry[Task[Any, Any]] = Registry("task", "backend.tasks")
register = TASKS.register
