"""Kinds of jobs, one file each: what a worker does for one request.

A task runs in a worker process, never in the web process. The web process still reads `lane` from the
registry, so **a task's file imports torch, models and media libraries inside `run`**, not at the top (a test
checks it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from app.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs

Lane = Literal["interactive", "batch", "short", "decode"]


class Report(Protocol):
    """Called between chunks of work: tells the user how far it is, and stops the task when the user asked
    for that."""

    def __call__(
        self, done: int, total: int, partial: np.ndarray | None = None, *, unit: str | None = None
    ) -> None:
        """done, total: units of work. partial: the map so far, float32 [H, W]. Raises
        app.core.errors.Cancelled when stopped."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a task hands back. result: JSON-able. arrays: kept as `.npy`. files: any other bytes (PNG, WAV)
    by name."""

    result: dict[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Task(ABC):
    """One kind of job. Errors a user can cause are raised from app.core.errors; anything else is a bug and
    fails the job with an id."""

    key: ClassVar[str]
    lane: ClassVar[Lane] = "batch"
    """`decode`: a light process under tight limits, for foreign bytes. `short`: a worker of its own for what
    takes a second or two and is waited for. `interactive` goes before `batch`; both share the workers."""
    rank: ClassVar[int] = 0
    """Waiting jobs with a larger rank (plus the priority given at submission) start first."""

    @abstractmethod
    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        """payload: what was submitted, JSON-able. files: the content-addressed store."""


TASKS: Registry[Task] = Registry("task", "backend.tasks")
register = TASKS.register
