"""Rows of the tables as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.core.schemas import Job, JobState, Modality, Problem, Progress

ACTIVE: tuple[JobState, ...] = ("queued", "running")


@dataclass(frozen=True)
class InputRow:
    """A decoded input. blobs: `canonical` is what tasks read (`.npy`: uint8 [H, W, 3], float32 waveform,
    float32 [F, T])."""

    id: str
    modality: Modality
    meta: dict[str, Any]
    blobs: Mapping[str, str]
    created: float = 0.0


@dataclass(frozen=True)
class ModelRow:
    """An uploaded model. digest: sha256 of the weights file and the name of its blob."""

    key: str
    title: str
    architecture: str
    labels: list[str]
    digest: str
    meta: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0


@dataclass(frozen=True)
class JobRow:
    """A job. progress: live while it runs. ahead: jobs that come before it while it waits."""

    key: str
    kind: str
    state: JobState
    title: str
    client: str
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: int
    results: int
    created: float
    started: float | None
    finished: float | None
    progress: Progress = field(default_factory=Progress)
    ahead: int = 0
    fresh: bool = False
    """True when the submission that returned this row started the work (202 rather than 200)."""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def fields(self) -> dict[str, Any]:
        """The fields of `app.core.schemas.Job`; schemas that extend it (Explanation) add theirs."""
        return {
            "id": self.key,
            "kind": self.kind,
            "state": self.state,
            "title": self.title,
            "progress": self.progress,
            "error": Problem(**self.error) if self.error else None,
            "attempts": self.attempts,
            "ahead": self.ahead,
            "created": iso(self.created),
            "started": iso(self.started) if self.started else None,
            "finished": iso(self.finished) if self.finished else None,
        }

    def as_job(self) -> Job:
        return Job(**self.fields())


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
