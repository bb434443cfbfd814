"""Work that takes a while: its kind, state and progress."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from app.core.schemas.base import Problem

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
JobKind = Literal[
    "decode",
    "prediction",
    "explanation",
    "model",
    "fetch",
    "catalogue",
    "speed",
    "judgement",
    "concept_examples",
    "concept_analysis",
    "internals",
    "ablation",
    "spot",
    "maximisation",
    "lens",
    "whatif",
    "stress",
    "verification",
    "similar",
    "checks",
    "sanity",
    "pack",
    "unpack",
    "evaluation",
    "cell",
]


class Progress(BaseModel):
    done: int = 0
    total: int = 0
    unit: str = "steps"
    seconds: float = 0.0
    remaining: float | None = None
    partial: int = 0
    """Grows by one whenever a new partial map is ready at `values.npy`."""


class Job(BaseModel):
    """Every job the same way; `GET /jobs/{id}` answers 200 also for a failed one, with `error.code`."""

    id: str
    kind: JobKind
    state: JobState
    title: str = ""
    progress: Progress = Progress()
    error: Problem | None = None
    attempts: int = 0
    ahead: int = 0
    """While it waits: jobs that come before it, running ones included."""
    created: str
    started: str | None = None
    """When a worker took it last; between `started` and `finished` it also loads the model and the input."""
    finished: str | None = None
