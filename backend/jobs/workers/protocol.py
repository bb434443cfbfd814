"""The protocol of engines: tasks in, futures out, whatever happens to the workers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from backend.tasks import Lane

Group = Literal["compute", "short", "decode", "study"]
"""Workers come in three kinds, so that long work never holds up short work; `interactive` and `batch`
tasks share the first. A `study` needs no worker: the server conducts it, job by job."""

TRIES = 3
"""A task whose worker dies is started again at most twice."""


def group_of(lane: Lane) -> Group:
    return lane if lane in ("decode", "short", "study") else "compute"


@dataclass(frozen=True)
class Stored:
    """An outcome whose arrays and files lie in the job's spool (`made`), so that only this small value
    crosses between processes."""

    result: dict[str, Any]
    blobs: dict[str, str] = field(default_factory=dict)
    """name -> sha256. Arrays keep their name, files too: tasks must not use one name for both."""


@dataclass(frozen=True)
class WorkerConfig:
    """Configuration of a worker process; it is pickled."""

    data: Path
    threads: int = 1
    job_seconds: float = 600.0
    job_bytes: int = 4 * 1024**3
    decode_seconds: float = 30.0
    decode_bytes: int = 4 * 1024**3
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that make `get_settings()` in the worker what it is here."""
    plugins: tuple[str, ...] = ()
    """Modules imported before the first task, which may register tasks of their own."""
    preload: bool = True
    """Import torch as soon as a computing worker has started, so that the first explanation does not wait
    for it."""

    def seconds(self, lane: Lane) -> float:
        return self.decode_seconds if lane == "decode" else self.job_seconds


class Lost(Exception):
    """The engine forgot the task (its scheduler went away); the job table did not: submit it again."""


class Engine(Protocol):
    """Every future ends with `Stored`, an EvidentError or `Lost`; a killed worker is replaced and its task
    started again (`TRIES`)."""

    @property
    def capacity(self) -> Mapping[Group, int]:
        """How many tasks run at once; more may be submitted and wait."""

    def start(self) -> None:
        """Starts the workers without waiting for them."""

    def submit(self, task_key: str, payload: dict[str, Any], job_id: str, lane: Lane) -> Future[Stored]:
        """Raises nothing; errors travel in the future."""

    def cancel(self, job_id: str) -> None:
        """Asks first, kills the worker after a grace. The future ends with Cancelled."""

    def ready(self) -> bool:
        """Whether workers answer."""

    def stop(self) -> None:
        """Ends all workers within a few seconds; no process is left."""
