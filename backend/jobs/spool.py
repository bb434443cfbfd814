"""The spool: a folder per running job through which worker and web process communicate, under any engine.

    <data>/spool/<job>/progress.json   {done, total, unit, seconds, remaining, partial}, replaced atomically
                       partial.npy     the map so far, replaced atomically
                       cancel          its existence asks the task to stop
                       starts          one byte per start of a worker
                       made/           the arrays and files of the result, until the server adopts them
                       sent/           bytes of a request, for an errand (see errands.py)

Plain files, so that workers on other machines can share the folder. The folder is removed with its job: a
refused, stopped or killed job leaves no byte.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import Cancelled

if TYPE_CHECKING:
    import numpy as np

    from app.core.schemas import Progress

EVERY = 0.1
"""Seconds between two writes of progress."""
PARTIAL_EVERY = 0.3


class Spool:
    """Both ends of the spool. `job` is a hex key, never a name from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _of(self, job: str) -> Path:
        return self.folder / job

    # The web process's end

    def open(self, job: str) -> None:
        """An empty folder for a job that is about to start."""
        shutil.rmtree(self._of(job), ignore_errors=True)
        self._of(job).mkdir(mode=0o700, exist_ok=True)

    def sent(self, job: str) -> Path:
        """Folder of the bytes that a request sent."""
        return self._of(job) / "sent"

    def made(self, job: str) -> Path:
        """Folder in which a worker leaves the blobs of its result."""
        return self._of(job) / "made"

    def progress(self, job: str) -> Progress:
        """How far the job is; zeros before the first report."""
        from app.core.schemas import (
            Progress,
        )  # the web process has it at hand; a worker need not build all wire schemas to start

        try:
            return Progress(**json.loads((self._of(job) / "progress.json").read_bytes()))
        except (OSError, ValueError):
            return Progress()

    def partial(self, job: str) -> Path | None:
        path = self._of(job) / "partial.npy"
        return path if path.exists() else None

    def cancel(self, job: str) -> None:
        with suppress(OSError):
            (self._of(job) / "cancel").touch(mode=0o600)

    def starts(self, job: str) -> int:
        """How often a worker began this job since `open`."""
        try:
            return (self._of(job) / "starts").stat().st_size
        except OSError:
            return 0

    def remove(self, job: str) -> None:
        shutil.rmtree(self._of(job), ignore_errors=True)

    def clean(self, keep: Callable[[Collection[str]], Collection[str]]) -> int:
        """Removes folders of jobs that no longer run; returns how many. keep: returns those that still run;
        it is called after listing the folder, so that a job that begins meanwhile is safe."""
        names = {path.name for path in self.folder.iterdir()}
        stale = names - set(keep(names))
        for name in stale:
            self.remove(name)
        return len(stale)

    # The worker's end

    def begin(self, job: str) -> int:
        """Counts a start and empties `made`; returns the number of starts, this one included."""
        self._of(job).mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self.made(job), ignore_errors=True)
        with (self._of(job) / "starts").open("ab") as file:
            file.write(b".")
        return self.starts(job)

    def cancelled(self, job: str) -> bool:
        """Whether the job was cancelled, or its folder removed."""
        return (self._of(job) / "cancel").exists() or not self._of(job).exists()

    def reporter(self, job: str, unit: str = "steps") -> Reporter:
        return Reporter(self, job, unit)

    def publish(self, job: str, progress: dict[str, Any]) -> None:
        _replace(self._of(job) / "progress.json", json.dumps(progress).encode())

    def publish_partial(self, job: str, partial: np.ndarray) -> None:
        import io

        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.asarray(partial, dtype=np.float32), allow_pickle=False)
        _replace(self._of(job) / "partial.npy", buffer.getvalue())


class Reporter:
    """The `report` of a running task: throttled, so that a method may call it as often as it likes."""

    def __init__(self, spool: Spool, job: str, unit: str) -> None:
        self._spool, self._job, self._unit = spool, job, unit
        self._began = time.monotonic()
        self._pace: tuple[float, int, int] | None = None
        self._written = self._drawn = float("-inf")
        self._partials = 0

    def __call__(
        self, done: int, total: int, partial: np.ndarray | None = None, *, unit: str | None = None
    ) -> None:
        """Raises Cancelled when the job was stopped."""
        self._unit = unit or self._unit
        now = time.monotonic()
        if self._pace is None or total != self._pace[2] or done < self._pace[1]:
            self._pace = (now, done, total) if done else None
        if now - self._written < EVERY and done < total:
            return
        self._written = now
        if self._spool.cancelled(self._job):
            raise Cancelled("The job was stopped.")
        with suppress(
            OSError
        ):  # progress is a courtesy: a full disk or a removed folder must not fail the work itself
            if partial is not None and now - self._drawn >= PARTIAL_EVERY:
                self._spool.publish_partial(self._job, partial)
                self._drawn = now
                self._partials += 1
            self._spool.publish(self._job, self._progress(done, total, now))

    def _progress(self, done: int, total: int, now: float) -> dict[str, Any]:
        remaining = self._remaining(done, total, now)
        return {
            "done": int(done),
            "total": int(total),
            "unit": self._unit,
            "seconds": round(now - self._began, 3),
            "remaining": remaining if remaining is None else round(remaining, 3),
            "partial": self._partials,
        }

    def _remaining(self, done: int, total: int, now: float) -> float | None:
        """Seconds left at the pace since the first report: loading the model and preparing the passes come
        before it, and do not come again. None before there is a pace."""
        if self._pace is None or done <= self._pace[1]:
            return None
        since, first, _ = self._pace
        return (now - since) * (total - done) / (done - first)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
