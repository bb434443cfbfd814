"""The dispatcher: feeds the engine from the job table, and writes what came of each job to its row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, cast

from app.core.errors import Cancelled, EvidentError, JobFailed, NoSpace, NotFound, StorageUnavailable, where
from backend.jobs.problems import as_problem
from backend.jobs.queue import LEASE, Queue
from backend.jobs.signals import Signals, wait_at_most
from backend.jobs.spool import Spool
from backend.jobs.workers import Engine, Lost, Stored
from backend.jobs.workers.protocol import Group
from backend.store import JobRow, Store
from backend.store.blobs import full_disk
from backend.tasks import Lane

log = logging.getLogger("evident.jobs")

POLL = 1.0
"""Seconds between looks at the table, for what other processes did; our own changes are signalled at once."""
ACCEPT_TRIES = 3
"""How often a result that the table does not take for no known reason is offered to it."""
HEARTBEAT = LEASE / 4
STUDIES = 4
"""Studies that one server conducts at a time."""
Conduct = Callable[[JobRow], Coroutine[Any, Any, Stored]]
"""Does the work of a study by submitting other jobs; stops with Cancelled when the spool asks for it."""


class Dispatcher:
    """Runs the jobs that this process has claimed. Never blocks the event loop."""

    def __init__(self, store: Store, queue: Queue, engine: Engine, spool: Spool, signals: Signals) -> None:
        self.conducts: dict[str, Conduct] = {}
        """By kind: jobs that no worker runs."""
        self.store, self.queue, self.engine, self.spool, self.signals = store, queue, engine, spool, signals
        self._running: dict[str, tuple[Group, asyncio.Task[None]]] = {}
        self._unwanted: dict[str, float | None] = {}
        """When a run was started that is to be stopped; a later run of the same job has another time."""
        self._loops: list[asyncio.Task[None]] = []
        self.stopping = False

    async def start(self) -> None:
        """Requeues the jobs of a dead predecessor, then begins."""
        await self.store.run(self.queue.reclaim)
        self._loops = [asyncio.create_task(self._dispatch()), asyncio.create_task(self._heartbeat())]

    async def stop(self) -> None:
        """Ends the workers and requeues what they ran, so that the next start resumes it at once."""
        self.stopping = True
        self.signals.wake.set()
        await self.store.run(self.engine.stop)
        if self._loops:
            # Not cancelled: a claim under way would go on in its thread, and nobody would give the job back.
            await asyncio.wait([self._loops[0]])
        followers = [task for _, task in self._running.values()]
        for task in (*self._loops, *followers):
            task.cancel()
        await asyncio.gather(*self._loops, *followers, return_exceptions=True)
        await self.store.run(self.queue.reclaim, include_own=True)

    def stop_job(self, row: JobRow) -> None:
        """Asks the engine to stop this run of a job, which may not have reached the engine yet."""
        self._unwanted[row.key] = row.started
        self._stop_run(row.key)

    def _stop_run(self, key: str) -> None:
        self.spool.cancel(key)
        self.engine.cancel(key)

    async def _dispatch(self) -> None:
        """Gives the engine as many jobs as it has room for; the others wait in the table, where order can
        change."""
        while not self.stopping:
            self.signals.wake.clear()
            try:
                for group in self.engine.capacity:
                    await self._feed(group, group)
                await self._feed("compute", "short")  # short work never waits beside a free worker
                await self._feed("study", "study")
            except Exception as error:
                log.warning(
                    "the dispatcher could not read the job table; it tries again: %s", type(error).__name__
                )
                await asyncio.sleep(POLL)
            await wait_at_most(self.signals.wake, POLL)

    async def _feed(self, workers: Group, line: Group) -> None:
        """Gives jobs of one line to workers of one group, until either has no more."""
        while not self.stopping and sum(group == workers for group, _ in self._running.values()) < (
            STUDIES if workers == "study" else self.engine.capacity[workers]
        ):
            claimed = await self.store.run(self.queue.claim, line)
            if claimed is None:
                return
            row, lane = claimed
            runs_in = cast(Lane, lane) if workers == line else "interactive"
            _, earlier = self._running.get(row.key, (workers, None))
            self._running[row.key] = (workers, asyncio.create_task(self._follow(row, runs_in, earlier)))
            self.signals.send(row.key)

    async def _follow(self, row: JobRow, lane: Lane, earlier: asyncio.Task[None] | None) -> None:
        """Runs one claimed job in the engine and writes its outcome to its row. earlier: a run of the same job
        that is being tidied up."""
        try:
            if earlier is not None:
                await asyncio.wait([earlier])
                if not await self.store.run(self.queue.active, [row.key]):  # that one has ended it after all
                    return
            future = await self._begin(row, lane)
            if future is None:
                return
            outcome = await self._outcome(row.key, future)
            if outcome is not None:
                await self._end(row.key, outcome)
            elif not self.stopping:
                await self.store.run(self.queue.give_back, row.key)
        except (
            StorageUnavailable,
            NoSpace,
        ) as fault:  # nobody renews its lease from here on: it will be taken up again
            log.warning(
                "a job could not be given back; it waits for its lease to run out: %s", fault.instance_code
            )
        finally:
            if self._running[row.key][1] is asyncio.current_task():
                del self._running[row.key]
            if self._unwanted.get(row.key) == row.started:
                del self._unwanted[row.key]
            self.signals.wake.set()

    async def _begin(self, row: JobRow, lane: Lane) -> Future[Stored] | None:
        """Hands a job to the engine; None when it could not, and the job waits again."""
        try:
            with full_disk():
                self.spool.open(row.key)
            if lane == "study":
                conduct = self.conducts[row.kind](row)
                return asyncio.run_coroutine_threadsafe(conduct, asyncio.get_running_loop())
            future = self.engine.submit(row.kind, row.payload, row.key, lane)
            # Stopped after the claim, before there was anything to stop:
            if self._unwanted.get(row.key) == row.started:
                self._stop_run(row.key)
            return future
        except Exception as error:  # until the disk or the cluster is there again
            log.warning("a job could not be started; it waits: %s", type(error).__name__)
            await asyncio.sleep(POLL)
            await self.store.run(self.queue.give_back, row.key)
            return None

    async def _outcome(self, key: str, future: Future[Stored]) -> Stored | EvidentError | None:
        """What the engine makes of a job; None when it forgot it."""
        try:
            return await asyncio.wrap_future(future)
        except EvidentError as error:
            return error
        except (Lost, asyncio.CancelledError):
            # The scheduler went away; or the job was stopped before a worker had begun it.
            stopped = not self.stopping and self.spool.cancelled(key)
            return Cancelled("The job was stopped.") if stopped else None
        except Exception as error:
            log.error("the engine failed: %s", where(error))
            return JobFailed("The job failed because of a fault in the program; see the server's log.")

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
        self.signals.send(key)

    async def _heartbeat(self) -> None:
        """Renews our leases and requeues the jobs of dead processes."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await self.store.run(self.queue.renew, list(self._running))
                if await self.store.run(self.queue.reclaim):
                    self.signals.wake.set()
            except Exception as error:
                log.warning("no sign of life could be written; trying again: %s", type(error).__name__)
