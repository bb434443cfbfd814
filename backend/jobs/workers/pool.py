"""The embedded engine: worker processes beside the web process, each with a pipe and a thread that feeds it.

Why not a pool from a library: ours must lose nothing when any worker is killed at any moment, also while
idle, also between taking a task and saying so. Pools share one channel and its locks between workers:
concurrent.futures and loky lose every task when one worker is killed, and pebble, though a pool per worker
was used, once hung in our kill test. With one pipe per worker, held open by nobody else, the operating system
tells of every death: the pipe ends, the sentinel fires.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from app.core.errors import Cancelled, EvidentError, JobTimeout
from backend.jobs.spool import Spool
from backend.jobs.workers.process import serve, worker_killed
from backend.jobs.workers.protocol import TRIES, Group, Lost, Stored, WorkerConfig, group_of

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from backend.tasks import Lane

GRACE = 2.0
"""Seconds between asking a task to stop and killing its worker."""
BOOT_SECONDS = 60.0
"""A worker that has not answered by then is taken for dead."""
BROKEN_STARTS = 10
"""Times in a row that a worker may die before it has begun a task, until the task is given up."""
LEAVE_SECONDS = 1.5
CHECK_SECONDS = 5.0
"""How often an idle slot looks whether its worker still lives."""


class DiedError(Exception):
    """The worker process ended. `code` is its exit code, negative for a signal."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Item:
    """One submitted task on its way through the engine."""

    task_key: str
    payload: dict[str, Any]
    job_id: str
    lane: Lane
    future: Future[Stored] = field(default_factory=Future)
    cancelled: bool = False

    @property
    def model(self) -> str | None:
        """The model that it is about."""
        return self.payload.get("model")


class Line:
    """Waiting tasks of one group, the first first. A task goes to a free worker that has its network and the
    copies made of it already, if there is one, else to any."""

    def __init__(self) -> None:
        self._items: deque[Item | None] = deque()
        self._free: list[Slot] = []
        self._changed = threading.Condition()

    def put(self, item: Item | None) -> None:
        """None is an end for whoever takes it."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def get(self, slot: Slot, seconds: float) -> Item | None:
        """The slot's next task; None when there is none for so long."""
        with self._changed:
            self._free.append(slot)
            self._changed.wait_for(lambda: self._next(slot) is not None, seconds)
            self._free.remove(slot)
            number = self._next(slot)
            self._changed.notify_all()  # what was left to this slot is anybody's now
            if number is None:
                return None
            item = self._items[number]
            del self._items[number]
            return item

    def _next(self, slot: Slot) -> int | None:
        """Place of the first task that no other free slot is better for."""
        for number, item in enumerate(self._items):
            model = item and item.model
            known_elsewhere = any(model in other.models for other in self._free if other is not slot)
            if model in slot.models or not known_elsewhere:
                return number
        return None


class Worker:
    """One process and our end of its pipe. Raises DiedError whenever the process has ended."""

    def __init__(self, config: WorkerConfig, group: Group) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=serve, args=(theirs, config, group), daemon=True, name=f"evident-{group}"
        )
        self._process.start()
        theirs.close()
        self._dismissed = False

    def receive(self, seconds: float) -> Any:
        """The next message. Raises TimeoutError."""
        ready = wait([self._pipe, self._process.sentinel], seconds)
        if not ready:
            raise TimeoutError
        if self._pipe not in ready:
            raise DiedError(self._code())
        try:
            return self._pipe.recv()
        except (EOFError, OSError):  # it died in mid message
            raise DiedError(self._code()) from None

    def ask(self, call: tuple[Any, ...], seconds: float) -> Stored:
        """Runs one task. Raises its EvidentError, TimeoutError."""
        try:
            self._pipe.send(call)
        except OSError:
            raise DiedError(self._code()) from None
        answer = self.receive(seconds)
        if isinstance(answer, EvidentError):
            raise answer
        return answer

    @property
    def alive(self) -> bool:
        return not wait([self._process.sentinel], 0)

    def kill(self) -> None:
        """Sends SIGKILL; `close` joins the process."""
        with suppress(OSError, ValueError):
            self._process.kill()

    def dismiss(self) -> None:
        """Asks an idle worker to exit by itself, so that its libraries release named semaphores."""
        with suppress(OSError):
            self._pipe.send(None)
            self._dismissed = True

    def close(self) -> None:
        if self._dismissed:
            self._process.join(LEAVE_SECONDS)
        self.kill()
        self._process.join(BOOT_SECONDS)
        self._pipe.close()

    def _code(self) -> int | None:
        self._process.join(1.0)
        return self._process.exitcode


class Slot:
    """A place for one worker, and the thread that feeds it; a worker with which anything went wrong is
    replaced."""

    def __init__(self, group: Group, waiting: Line, config: WorkerConfig, spool: Spool) -> None:
        self.group, self.waiting, self.config, self.spool = group, waiting, config, spool
        self.stopping = False
        self.models: set[str] = set()
        """What its worker has worked with."""
        self._ready = self._warm = False
        self._worker: Worker | None = None
        self._current: Item | None = None
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._serve, daemon=True, name=f"slot-{group}")

    @property
    def ready(self) -> bool:
        """Its worker has answered and lives."""
        worker = self._worker
        return self._ready and worker is not None and worker.alive

    def interrupt(self, item: Item) -> None:
        """Kills the worker if it is busy with this very task."""
        with self._lock:
            if self._current is item and self._worker is not None:
                self._worker.kill()

    def stop(self) -> None:
        with self._lock:
            self.stopping = True
            if self._worker is not None:
                if self._warm and self._current is None:
                    self._worker.dismiss()
                else:
                    self._worker.kill()

    def _serve(self) -> None:
        while not self.stopping:
            with suppress(DiedError):  # a job will find out, and try again
                self._open()
            item = self.waiting.get(self, CHECK_SECONDS)
            if item is not None and item.future.set_running_or_notify_cancel():
                self._finish(item)
        self._discard()

    def _open(self) -> Worker:
        """A worker that is warm. Raises DiedError."""
        if self._worker is not None and not self._worker.alive:
            self._discard()
        if self._worker is None:
            with self._lock:
                if self.stopping:
                    raise DiedError(None)
                self._worker = Worker(self.config, self.group)
            try:
                self._worker.receive(BOOT_SECONDS)  # it answers
                self._ready = True
                self._worker.receive(BOOT_SECONDS)  # it is warm: a task's time does not begin before
                self._warm = True
            except (DiedError, TimeoutError):
                self._discard()
                raise DiedError(None) from None
        return self._worker

    def _discard(self) -> None:
        with self._lock:
            worker, self._worker, self._ready, self._warm = self._worker, None, False, False
            self.models = set()
        if worker is not None:
            worker.close()

    def _finish(self, item: Item) -> None:
        try:
            outcome: Stored | BaseException = self._run(item)
        except BaseException as error:  # a bug must not leave a future open for ever
            outcome = error
            if not isinstance(error, EvidentError):
                self._discard()
        if isinstance(outcome, BaseException):
            item.future.set_exception(outcome)
        else:
            item.future.set_result(outcome)

    def _run(self, item: Item) -> Stored:
        """Starts the task until it ends by itself. Raises EvidentError, Lost."""
        seconds, broken = self.config.seconds(item.lane), 0
        while True:
            begun = self.spool.starts(item.job_id)
            try:
                worker = self._open()
                self._current = item
                if item.model is not None:
                    self.models = {*self.models, item.model}
                return worker.ask((item.task_key, item.payload, item.job_id, item.lane), seconds)
            except TimeoutError:
                self._discard()
                raise too_slow(seconds) from None
            except DiedError as died:
                self._discard()
                if self.stopping:
                    raise Lost from None  # not the user's wish: the job table gives it to the next start
                if item.cancelled:
                    raise Cancelled("The job was stopped.") from None
                if died.code == -signal.SIGXCPU:
                    raise too_slow(seconds) from None
                starts = self.spool.starts(item.job_id)
                broken = broken + 1 if starts == begun else 0
                if starts >= TRIES or broken >= BROKEN_STARTS:
                    raise worker_killed() from None
            finally:
                with self._lock:
                    self._current = None


class LocalEngine:
    """`workers` processes for computing, one more for short work, and one light process for decoding
    foreign bytes."""

    def __init__(self, config: WorkerConfig, workers: int) -> None:
        """workers: 0 leaves computing to others, and only decodes."""
        self.capacity: dict[Group, int] = {"compute": workers, "short": min(1, workers), "decode": 1}
        self._spool = Spool(config.data / "spool")
        self._queues = {group: Line() for group in self.capacity}
        self._slots = [
            Slot(group, self._queues[group], config, self._spool)
            for group, number in self.capacity.items()
            for _ in range(number)
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
        timer = threading.Timer(GRACE, self._interrupt, [item])
        timer.daemon = True
        timer.start()

    def _interrupt(self, item: Item) -> None:
        item.cancelled = True
        for slot in self._slots:
            slot.interrupt(item)

    def ready(self) -> bool:
        """One worker of each kind answers."""
        return all(
            any(slot.ready for slot in self._slots if slot.group == group)
            for group, number in self.capacity.items()
            if number
        )

    def stop(self) -> None:
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            self._queues[slot.group].put(None)
        for slot in self._slots:
            if slot.thread.is_alive():
                slot.thread.join(3.0)


def too_slow(seconds: float) -> JobTimeout:
    """The error of a job that ran past its limit."""
    return JobTimeout(
        f"The job ran past the limit of {seconds:g} seconds; try a smaller input or fewer samples."
    )
