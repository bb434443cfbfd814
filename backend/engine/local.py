"""The embedded engine: worker processes beside the web process, one pebble pool of a single process per worker.

Why one pool each: in a shared pool a worker killed while it holds the channel's lock stops the others for a minute, and one killed
while idle breaks the whole pool (both measured). Here the damage ends with the slot, which is thrown away and made new.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from app.errors import Cancelled, EvidentError, JobTimeout
from backend.engine.protocol import TRIES, Group, Stored, WorkerConfig, group_of
from backend.engine.spool import Spool
from backend.engine.worker import execute, ping, settle, warm, worker_killed

if TYPE_CHECKING:
    from backend.tasks import Lane

GRACE = 2.0
"""Seconds between asking a task to stop and killing its worker."""
BROKEN_STARTS = 6
"""Times in a row that a worker may die before it has begun its task, until the task is given up."""


@dataclass(eq=False)
class Item:
    """One submitted task on its way through the engine."""

    task_key: str
    payload: dict[str, Any]
    job_id: str
    lane: Lane
    future: Future[Stored] = field(default_factory=Future)
    running: Future[Stored] | None = None
    cancelled: bool = False


class Slot:
    """One worker process and the thread that feeds it. Replaces the process whenever anything went wrong with it."""

    def __init__(self, group: Group, waiting: queue.SimpleQueue[Item | None], config: WorkerConfig, spool: Spool) -> None:
        self.group, self.waiting, self.config, self.spool = group, waiting, config, spool
        self.ready = threading.Event()
        self.stopping = False
        self._pool: ProcessPool | None = None
        self.thread = threading.Thread(target=self._serve, daemon=True, name=f"slot-{group}")

    def _serve(self) -> None:
        self._open()
        while (item := self.waiting.get()) is not None:
            if item.future.set_running_or_notify_cancel():
                self._finish(item)

    def _open(self) -> ProcessPool:
        """The pool, made when there is none, its process already starting."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPool(max_workers=1, initializer=settle, initargs=(self.config, self.group), context=context)
            with suppress(RuntimeError):
                self._pool.schedule(ping).add_done_callback(self._answered)
                if self.group == "compute" and self.config.preload:
                    self._pool.schedule(warm, args=(self.config.threads,))
        return self._pool

    def _answered(self, future: Future[int]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.ready.set()

    def discard(self) -> None:
        """Ends the process. Joining may take pebble a moment, so it happens aside."""
        pool, self._pool = self._pool, None
        self.ready.clear()
        if pool is not None:
            pool.stop()
            threading.Thread(target=_join, args=(pool,), daemon=True).start()

    def _finish(self, item: Item) -> None:
        try:
            item.future.set_result(self._run(item))
        except EvidentError as error:
            item.future.set_exception(error)
        except Exception as error:  # a bug here must not leave a future open for ever
            item.future.set_exception(error)
            self.discard()

    def _run(self, item: Item) -> Stored:
        """Starts the task until it ends by itself. Raises EvidentError."""
        broken = 0
        while True:
            begun = self.spool.starts(item.job_id)
            try:
                item.running = self._open().schedule(
                    execute,
                    args=(self.config, item.task_key, item.payload, item.job_id, item.lane),
                    timeout=self.config.seconds(item.lane),
                )
                if item.cancelled:
                    raise CancelledError
                return item.running.result()
            except CancelledError:
                self.discard()
                raise Cancelled("The job was stopped.") from None
            except TimeoutError:
                self.discard()
                raise too_slow(self.config.seconds(item.lane)) from None
            except (ProcessExpired, BrokenProcessPool, RuntimeError) as error:
                self.discard()
                if self.stopping or item.cancelled:
                    raise Cancelled("The job was stopped.") from None
                if getattr(error, "exitcode", None) == -signal.SIGXCPU:
                    raise too_slow(self.config.seconds(item.lane)) from None
                starts = self.spool.starts(item.job_id)
                broken = broken + 1 if starts == begun else 0
                if starts >= TRIES or broken >= BROKEN_STARTS:
                    raise worker_killed() from None


class LocalEngine:
    """`workers` processes for computing and one light process for decoding foreign bytes."""

    def __init__(self, config: WorkerConfig, workers: int) -> None:
        self.capacity: dict[Group, int] = {"compute": workers, "decode": 1}
        self._spool = Spool(config.data / "spool")
        self._queues: dict[Group, queue.SimpleQueue[Item | None]] = {group: queue.SimpleQueue() for group in self.capacity}
        self._slots = [
            Slot(group, self._queues[group], config, self._spool) for group, number in self.capacity.items() for _ in range(number)
        ]
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        for slot in self._slots:
            slot.thread.start()

    def submit(self, task_key: str, payload: dict[str, Any], job_id: str, lane: Lane) -> Future[Stored]:
        item = Item(task_key, payload, job_id, lane)
        with self._lock:
            self._items[job_id] = item
        item.future.add_done_callback(lambda _: self._forget(item))
        self._queues[group_of(lane)].put(item)
        return item.future

    def _forget(self, item: Item) -> None:
        with self._lock:
            if self._items.get(item.job_id) is item:
                del self._items[item.job_id]

    def cancel(self, job_id: str) -> None:
        with self._lock:
            item = self._items.get(job_id)
        if item is None or item.future.cancel():
            return
        self._spool.cancel(job_id)
        timer = threading.Timer(GRACE, self._kill, [item])
        timer.daemon = True
        timer.start()

    def _kill(self, item: Item) -> None:
        item.cancelled = True
        if not item.future.done() and item.running is not None:
            item.running.cancel()

    def ready(self) -> bool:
        """One worker of each kind answers."""
        return all(
            any(slot.ready.is_set() for slot in self._slots if slot.group == group) for group, number in self.capacity.items() if number
        )

    def stop(self) -> None:
        for slot in self._slots:
            slot.stopping = True
            slot.discard()
        for slot in self._slots:
            self._queues[slot.group].put(None)
        for slot in self._slots:
            if slot.thread.is_alive():
                slot.thread.join(3.0)


def _join(pool: ProcessPool) -> None:
    with suppress(Exception):
        pool.join()


def too_slow(seconds: float) -> JobTimeout:
    """The error of a job that ran past its limit."""
    return JobTimeout(f"The job ran past the limit of {seconds:g} seconds; try a smaller input or fewer samples.")
