"""The job service: submit, watch, cancel. What is waiting is run by the dispatcher."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core.errors import Cancelled, NotFound
from app.core.schemas import JobState, Progress
from app.core.settings import Limits
from backend.jobs.client import SERVER, Client
from backend.jobs.dispatcher import POLL, Dispatcher
from backend.jobs.errands import Errands
from backend.jobs.problems import as_problem, from_problem
from backend.jobs.queue import Queue
from backend.jobs.signals import Signals, wait_at_most
from backend.jobs.workers import Engine, Spool
from backend.store import JobRow, Store
from backend.tasks import TASKS, Lane

WATCH = 0.2
"""Seconds between looks at a running job's progress."""


class Jobs:
    """Everything about jobs, for the routes. Never blocks the event loop: SQL runs in the store's threads."""

    def __init__(
        self, store: Store, engine: Engine, spool: Spool, limits: Limits, conditions: str = ""
    ) -> None:
        self.store, self.engine, self.spool = store, engine, spool
        self.queue = Queue(store, limits, conditions)
        self.errands = Errands(engine, spool, limits, self.queue.owner)
        self.signals = Signals()
        self.dispatcher = Dispatcher(store, self.queue, engine, spool, self.signals)

    async def start(self) -> None:
        """Requeues the jobs of a dead predecessor, then starts the dispatcher."""
        await self.sweep()
        await self.dispatcher.start()

    async def stop(self) -> None:
        """Ends the workers; their jobs are resumed at the next start."""
        await self.dispatcher.stop()

    async def sweep(self) -> None:
        """Removes spool folders of killed servers and workers, never those of living servers."""
        await self.store.run(
            self.spool.clean, lambda names: self.errands.living(names) | self.queue.active(names)
        )

    # For the routes

    async def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        key: str,
        title: str = "",
        client: Client = SERVER,
        priority: int = 0,
        lane: Lane | None = None,
        attachments: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> JobRow:
        """Starts the job of this key, or returns it when it is known (`row.fresh` tells which). Posting twice
        is harmless.

        client: whose job it is: what somebody starts is written down in the log. priority: added to the rank of the kind; larger starts earlier. lane: another than the kind's own, for a job
        known to be short. attachments: blobs that it needs, in `folder`.
        Raises NotFound (kind, input), Busy, NoSpace.
        """
        if kind in self.dispatcher.conducts:
            line, rank = "study", 0
        else:
            line, rank = lane or TASKS[kind].lane, TASKS[kind].rank
        row = await self.store.run(
            self.queue.submit,
            key,
            kind,
            lane=line,
            rank=rank + priority,
            payload=payload,
            title=title,
            client=client,
            attachments=attachments,
            folder=folder,
        )
        if row.state == "done" and not await self.store.run(self._intact, key):
            await self.store.run(self.queue.requeue, key, client)
            row = replace(await self.get(key), fresh=True)
        if row.fresh:
            self.signals.send(key)
        return await self._with_progress(row)

    async def get(self, key: str) -> JobRow:
        """The job with its live progress. Raises NotFound."""
        return await self._with_progress(await self.store.run(self.queue.get, key))

    async def list(
        self,
        client: str | None = None,
        states: tuple[JobState, ...] | None = None,
        limit: int = 200,
        kinds: Collection[str] | None = None,
    ) -> list[JobRow]:
        """Active ones first, then the newest."""
        rows = await self.store.run(self.queue.listing, client, states, limit, kinds)
        return [await self._with_progress(row) for row in rows]

    async def wait(self, key: str, seconds: float) -> JobRow:
        """The job once it has ended, or as it is after `seconds`. Raises NotFound."""
        deadline = time.monotonic() + seconds
        with self.signals.listen(key) as signal:
            while True:
                signal.clear()
                row = await self.get(key)
                remaining = deadline - time.monotonic()
                if not row.active or remaining <= 0:
                    return row
                await wait_at_most(signal, min(remaining, POLL))

    async def watch(self, key: str) -> AsyncIterator[JobRow]:
        """The job now, and again whenever its state, its place in the line or its progress changes, until it
        has ended. Raises NotFound."""
        last: tuple[JobState, int, Progress] | None = None
        with self.signals.listen(key) as signal:
            while True:
                signal.clear()
                row = await self.get(key)
                if (row.state, row.ahead, row.progress) != last:
                    last = (row.state, row.ahead, row.progress)
                    yield row
                if not row.active:
                    return
                await wait_at_most(signal, WATCH if row.state == "running" else POLL)

    async def result(self, key: str) -> dict[str, Any]:
        """The result of a job that is done. Raises NotFound (not known, not done), or the error it failed
        with."""
        row = await self.get(key)
        if row.error is not None:
            raise from_problem(row.error)
        if row.result is None:
            raise NotFound("The job has no result yet; wait until it is done.", code="not_done")
        return row.result

    async def array_path(self, key: str, name: str) -> Path | None:
        """An array as a `.npy` file; the partial map under "values" while the job runs. None when there is
        none.

        A lost or damaged array is computed again: the job goes back to `queued` and None is returned.
        """
        row = await self.get(key)
        if row.active:
            return self.spool.partial(key) if name == "values" else None
        return await self.file_path(key, name)

    async def file_path(self, key: str, name: str) -> Path | None:
        """A file that a finished job left, by name. None when there is none; lost or damaged ones as for
        `array_path`."""
        sha = (await self.store.run(self.queue.blobs, key)).get(name)
        if sha is None:
            return None
        path = await self.store.run(self.store.blobs.path, sha)
        if path is None and await self.store.run(self.queue.requeue, key):
            self.signals.send(key)
        return path

    async def recompute(self, key: str, client: Client = SERVER) -> None:
        """A finished job runs again under its key."""
        await self.store.run(self.queue.requeue, key, client)
        self.signals.send(key)

    async def cancel(self, key: str) -> JobRow:
        """Stops a waiting job at once and a running one within a few seconds. A job that has ended stays
        as it is. Raises NotFound."""
        row = await self.get(key)
        problem = as_problem(Cancelled("The job was stopped."))
        if row.state == "queued" and not await self.store.run(self.queue.cancel_waiting, key, problem):
            row = await self.get(key)
        if row.state == "running":
            self.dispatcher.stop_job(row)
        self.signals.send(key)
        return await self.get(key)

    async def delete(self, key: str) -> None:
        """Stops the job if it is active, and removes its row and every byte it left. Raises NotFound."""
        row = await self.cancel(key)
        if row.active:
            await self.wait(key, 10.0)
        await self.store.run(self.queue.delete, key)
        self.spool.remove(key)
        self.signals.send(key)

    async def forget(self, words: Collection[str], kinds: Collection[str] | None = None) -> None:
        """Deletes every job in whose payload one of these ids stands (of these kinds), and what SQLite's
        log still holds of them."""
        rows = await self.store.run(self.queue.mentioning, words, kinds)
        await asyncio.gather(*(self._delete_if_there(row.key) for row in rows))
        await self.store.run(self.store.scrub)

    async def _delete_if_there(self, key: str) -> None:
        with suppress(NotFound):
            await self.delete(key)

    # Internals

    def _intact(self, key: str) -> bool:
        return all(self.store.blobs.path(sha) is not None for sha in self.queue.blobs(key).values())

    async def _with_progress(self, row: JobRow) -> JobRow:
        if row.state == "running":
            return replace(row, progress=self.spool.progress(row.key))
        if row.state == "queued":
            return replace(row, ahead=await self.store.run(self.queue.ahead, row.key))
        return row
