"""The job service: submit, watch, cancel; and the dispatcher that feeds the engine from the table."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core import errors
from app.core.errors import Cancelled, EvidentError, JobFailed, NoSpace, NotFound, StorageUnavailable, where
from app.core.schemas import JobState, Progress
from app.core.settings import Limits
from backend.jobs.errands import Errands
from backend.jobs.queue import LEASE, Queue
from backend.jobs.workers import Engine, Lost, Spool, Stored
from backend.jobs.workers.protocol import Group, group_of
from backend.store import JobRow, Store
from backend.store.blobs import full_disk
from backend.tasks import TASKS, Lane

log = logging.getLogger("evident.jobs")

POLL = 1.0
"""Seconds between looks at the table, for what other processes did; our own changes are signalled at once."""
WATCH = 0.2
"""Seconds between looks at a running job's progress."""
ACCEPT_TRIES = 3
"""How often a result that the table does not take for no known reason is offered to it."""
HEARTBEAT = LEASE / 4


class Jobs:
    """Everything about jobs, for the routes. Never blocks the event loop: SQL runs in the store's threads."""

    def __init__(
        self, store: Store, engine: Engine, spool: Spool, limits: Limits, conditions: str = ""
    ) -> None:
        self.store, self.engine, self.spool = store, engine, spool
        self.queue = Queue(store, limits, conditions)
        self.errands = Errands(engine, spool, limits, self.queue.owner)
        self._running: dict[str, tuple[Group, asyncio.Task[None]]] = {}
        self._unwanted: set[str] = set()
        self._signals: dict[str, set[asyncio.Event]] = {}
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self.stopping = False

    async def start(self) -> None:
        """Requeues the jobs of a dead predecessor, then starts the dispatcher."""
        await self.store.run(self.queue.reclaim)
        await self.sweep()
        self._loops = [asyncio.create_task(self._dispatch()), asyncio.create_task(self._heartbeat())]

    async def stop(self) -> None:
        """Requeues running jobs, so that the next start resumes them at once. Call after stopping the
        engine."""
        self.stopping = True
        followers = [task for _, task in self._running.values()]
        for task in (*self._loops, *followers):
            task.cancel()
        await asyncio.gather(*self._loops, *followers, return_exceptions=True)
        await self.store.run(self.queue.reclaim, include_own=True)

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
        client: str = "",
        priority: int = 0,
        lane: Lane | None = None,
        attachments: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> JobRow:
        """Starts the job of this key, or returns it when it is known (`row.fresh` tells which). Posting twice
        is harmless.

        client: whose job it is, for fairness and limits; "" is the server itself, without limits. priority:
        added to the rank of the kind; larger starts earlier. lane: another than the kind's own, for a job
        known to be short. attachments: blobs that it needs, in `folder`.
        Raises NotFound (kind, input), Busy, NoSpace.
        """
        task = TASKS[kind]
        row = await self.store.run(
            self.queue.submit,
            key,
            kind,
            lane=lane or task.lane,
            rank=task.rank + priority,
            payload=payload,
            title=title,
            client=client,
            attachments=attachments,
            folder=folder,
        )
        if row.state == "done" and not await self.store.run(self._intact, key):
            await self.store.run(self.queue.requeue, key)
            row = replace(await self.get(key), fresh=True)
        if row.fresh:
            self._unwanted.discard(key)
        self._signal(key)
        return await self._with_progress(row)

    async def get(self, key: str) -> JobRow:
        """The job with its live progress. Raises NotFound."""
        return await self._with_progress(await self.store.run(self.queue.get, key))

    async def list(
        self, client: str | None = None, states: tuple[JobState, ...] | None = None, limit: int = 200
    ) -> list[JobRow]:
        """Active ones first, then the newest."""
        rows = await self.store.run(self.queue.listing, client, states, limit)
        return [await self._with_progress(row) for row in rows]

    async def wait(self, key: str, seconds: float) -> JobRow:
        """The job once it has ended, or as it is after `seconds`. Raises NotFound."""
        deadline = time.monotonic() + seconds
        with self._listen(key) as signal:
            while True:
                signal.clear()
                row = await self.get(key)
                remaining = deadline - time.monotonic()
                if not row.active or remaining <= 0:
                    return row
                await _wait_at_most(signal, min(remaining, POLL))

    async def watch(self, key: str) -> AsyncIterator[JobRow]:
        """The job now, and again whenever its state, its place in the line or its progress changes, until it
        has ended. Raises NotFound."""
        last: tuple[JobState, int, Progress] | None = None
        with self._listen(key) as signal:
            while True:
                signal.clear()
                row = await self.get(key)
                if (row.state, row.ahead, row.progress) != last:
                    last = (row.state, row.ahead, row.progress)
                    yield row
                if not row.active:
                    return
                await _wait_at_most(signal, WATCH if row.state == "running" else POLL)

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
            self._signal(key)
        return path

    async def recompute(self, key: str) -> None:
        """A finished job runs again under its key."""
        await self.store.run(self.queue.requeue, key)
        self._signal(key)

    async def cancel(self, key: str) -> JobRow:
        """Stops a waiting job at once and a running one within a few seconds. A job that has ended stays
        as it is. Raises NotFound."""
        row = await self.get(key)
        problem = as_problem(Cancelled("The job was stopped."))
        if row.state == "queued" and not await self.store.run(self.queue.cancel_waiting, key, problem):
            row = await self.get(key)
        if row.state == "running":
            self._unwanted.add(key)
            self._stop(key)
        self._signal(key)
        return await self.get(key)

    def _stop(self, key: str) -> None:
        self.spool.cancel(key)
        self.engine.cancel(key)

    async def delete(self, key: str) -> None:
        """Stops the job if it is active, and removes its row and every byte it left. Raises NotFound."""
        row = await self.cancel(key)
        if row.active:
            await self.wait(key, 10.0)
        await self.store.run(self.queue.delete, key)
        self.spool.remove(key)
        self._signal(key)

    async def forget(self, words: Collection[str], kinds: Collection[str] | None = None) -> None:
        """Deletes every job in whose payload one of these ids stands (of these kinds), and what SQLite's
        log still holds of them."""
        rows = await self.store.run(self.queue.mentioning, words, kinds)
        await asyncio.gather(*(self._delete_if_there(row.key) for row in rows))
        await self.store.run(self.store.scrub)

    async def _delete_if_there(self, key: str) -> None:
        with suppress(NotFound):
            await self.delete(key)

    # The dispatcher

    async def _dispatch(self) -> None:
        """Gives the engine as many jobs as it has room for; the others wait in the table, where order can
        change."""
        while True:
            self._wake.clear()
            try:
                for group in self.engine.capacity:
                    await self._feed(group)
            except Exception as error:
                log.warning(
                    "the dispatcher could not read the job table; it tries again: %s", type(error).__name__
                )
                await asyncio.sleep(POLL)
            await _wait_at_most(self._wake, POLL)

    async def _feed(self, group: Group) -> None:
        while (
            sum(busy_group == group for busy_group, _ in self._running.values()) < self.engine.capacity[group]
        ):
            claimed = await self.store.run(self.queue.claim, group)
            if claimed is None:
                return
            row, lane = claimed
            self._running[row.key] = (group_of(lane), asyncio.create_task(self._follow(row, lane)))  # type: ignore[arg-type]
            self._signal(row.key)

    async def _follow(self, row: JobRow, lane: Any) -> None:
        """Runs one claimed job in the engine and writes its outcome to its row."""
        try:
            try:
                with full_disk():
                    self.spool.open(row.key)
                future = self.engine.submit(row.kind, row.payload, row.key, lane)
                if row.key in self._unwanted:  # stopped after the claim, before there was anything to stop
                    self._stop(row.key)
            except (
                Exception
            ) as error:  # it has not begun: it waits until the disk or the cluster is there again
                log.warning("a job could not be started; it waits: %s", type(error).__name__)
                await asyncio.sleep(POLL)
                await self.store.run(self.queue.give_back, row.key)
                return
            try:
                outcome: Stored | EvidentError | None = await asyncio.wrap_future(future)
            except EvidentError as error:
                outcome = error
            except (Lost, CancelledError):
                if self.stopping:
                    return
                outcome = Cancelled("The job was stopped.") if self.spool.cancelled(row.key) else None
            except Exception as error:
                log.error("the engine failed: %s", where(error))
                outcome = JobFailed("The job failed because of a fault in the program; see the server's log.")
            if outcome is None:
                await self.store.run(self.queue.give_back, row.key)
            else:
                await self._end(row.key, outcome)
        except (
            StorageUnavailable,
            NoSpace,
        ) as fault:  # nobody renews its lease from here on: it will be taken up again
            log.warning(
                "a job could not be given back; it waits for its lease to run out: %s", fault.instance_code
            )
        finally:
            del self._running[row.key]
            self._unwanted.discard(row.key)
            self._wake.set()

    async def _end(self, key: str, outcome: Stored | EvidentError) -> None:
        tries, mistakes = self.spool.starts(key), 0
        while True:
            try:
                if isinstance(outcome, Stored):
                    accepted = await self.store.run(
                        self.queue.finish, key, outcome, tries, self.spool.made(key)
                    )
                else:
                    accepted = await self.store.run(self.queue.fail, key, as_problem(outcome), tries)
                break
            except NotFound:  # its files went, with somebody else's hand: once more
                await self.store.run(self.queue.give_back, key)
                return
            except (
                StorageUnavailable,
                NoSpace,
            ) as fault:  # the result is safe on disk, so keep trying while we live
                log.warning("a result could not be written; trying again: %s", fault.instance_code)
            except Exception as error:  # a mistake of ours does not go away by itself
                mistakes += 1
                log.error("a result could not be accepted: %s", where(error))
                if mistakes > ACCEPT_TRIES:
                    outcome = JobFailed(
                        "The job failed because its result could not be stored; see the server's log."
                    )
            await asyncio.sleep(POLL)
        if accepted or not await self.store.run(
            self.queue.active, [key]
        ):  # else another server has taken it over, and its folder with it
            self.spool.remove(key)
        self._signal(key)

    async def _heartbeat(self) -> None:
        """Renews our leases and requeues the jobs of dead processes."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await self.store.run(self.queue.renew, list(self._running))
                if await self.store.run(self.queue.reclaim):
                    self._wake.set()
            except Exception as error:
                log.warning("no sign of life could be written; trying again: %s", type(error).__name__)

    # Internals

    def _intact(self, key: str) -> bool:
        return all(self.store.blobs.path(sha) is not None for sha in self.queue.blobs(key).values())

    async def _with_progress(self, row: JobRow) -> JobRow:
        if row.state == "running":
            return replace(row, progress=self.spool.progress(row.key))
        if row.state == "queued":
            return replace(row, ahead=await self.store.run(self.queue.ahead, row.key))
        return row

    def _listen(self, key: str) -> _Listening:
        return _Listening(self._signals, key)

    def _signal(self, key: str) -> None:
        for event in self._signals.get(key, ()):
            event.set()
        self._wake.set()


async def _wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most so long. Not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation
    that meets the event being set, and a loop that was told to end goes on for ever (a stop with a job under
    way hung on it)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class _Listening:
    """An event that is set whenever the job changes in this process."""

    def __init__(self, signals: dict[str, set[asyncio.Event]], key: str) -> None:
        self._signals, self._key, self._event = signals, key, asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        self._signals.setdefault(self._key, set()).add(self._event)
        return self._event

    def __exit__(self, *_: object) -> None:
        events = self._signals[self._key]
        events.discard(self._event)
        if not events:
            del self._signals[self._key]


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
