"""Workers on other machines: the same protocol over Dask distributed. They need the data folder as a shared
folder (the spool, the blobs).

Foreign bytes are still decoded beside the web process, in a light process under limits of its own. Start
workers with a nanny and one thread each (`evident worker`), and use TLS where the network is not yours alone:
whoever reaches a scheduler can run code on its workers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.errors import BadParameter, Cancelled, EvidentError, JobFailed
from app.core.openmp import WAITING
from backend.jobs.spool import Spool
from backend.jobs.workers.pool import GRACE, LocalEngine, too_slow
from backend.jobs.workers.process import execute_remote, worker_killed
from backend.jobs.workers.protocol import Group, Lost, Stored, WorkerConfig

if TYPE_CHECKING:
    from distributed import Client

    from app.core.settings import Settings
    from backend.tasks import Lane

log = logging.getLogger("evident.engine")

LOOK = 0.2
"""Seconds between looks at what runs: Dask itself knows no time-out and does not stop a task that has
begun."""
CONNECT_SECONDS = 5.0


@dataclass(eq=False)
class Item:
    """One task on the cluster."""

    job_id: str
    seconds: float
    remote: Any
    future: Future[Stored] = field(default_factory=Future)
    begun: float | None = None
    starts: int = 0
    deadline: float | None = None
    """When to kill, after a cancellation."""


class DaskEngine:
    """Submits to a scheduler; a thread watches for time-outs, cancellations and workers that come and go."""

    def __init__(self, config: WorkerConfig, scheduler: str | None) -> None:
        if not scheduler:
            raise ValueError(
                "The engine dask needs the address of its scheduler: set EVIDENT_SCHEDULER, for example tcp://host:8786."
            )
        self.config, self._address = config, scheduler
        self._spool = Spool(config.data / "spool")
        self._decoding = LocalEngine(config, workers=0)
        self._client: Client | None = None
        self._workers = 0
        self._lost = False
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="dask-watch")

    @property
    def capacity(self) -> Mapping[Group, int]:
        # One worker is left free for short work where there are several; tasks are handed over only when a
        # worker is free for them.
        busy = self._workers
        return {
            "compute": max(min(1, busy), busy - 1),
            "short": min(1, busy),
            "decode": self._decoding.capacity["decode"],
        }

    def start(self) -> None:
        self._decoding.start()
        self._watcher.start()

    def ready(self) -> bool:
        return self._workers > 0 and self._decoding.ready()

    def submit(self, task_key: str, payload: dict[str, Any], job_id: str, lane: Lane) -> Future[Stored]:
        if lane == "decode":
            return self._decoding.submit(task_key, payload, job_id, lane)
        client = self._client
        if client is None or self._lost:
            lost: Future[Stored] = Future()
            lost.set_exception(Lost())
            return lost
        remote = client.submit(execute_remote, self.config, task_key, payload, job_id, lane, pure=False)
        item = Item(job_id, self.config.seconds(lane), remote)
        item.future.set_running_or_notify_cancel()
        with self._lock:
            self._items[job_id] = item
        remote.add_done_callback(lambda ended: self._finish(item, ended))
        return item.future

    def _finish(self, item: Item, remote: Any) -> None:
        from distributed import KilledWorker

        try:
            outcome: Stored | BaseException = remote.result()
        except EvidentError as error:
            outcome = error
        except KilledWorker:
            outcome = worker_killed()
        except BaseException as error:  # cancelled by us, or lost with the scheduler, or a bug in between
            outcome = error
        if remote.cancelled():
            self._end_future(item, Cancelled("The job was stopped.") if item.deadline else None)
        elif isinstance(outcome, Stored | EvidentError):
            self._end_future(item, outcome)
        else:
            log.error("the cluster failed: %s", type(outcome).__name__)
            self._end_future(
                item, JobFailed("The job failed because the workers could not run it; see the server's log.")
            )

    def _end_future(self, item: Item, outcome: Stored | EvidentError | None) -> None:
        """Ends the future once, with the outcome; None means Lost."""
        with self._lock:
            self._items.pop(item.job_id, None)
            if item.future.done():
                return
            if outcome is None:
                item.future.set_exception(Lost())
            elif isinstance(outcome, Stored):
                item.future.set_result(outcome)
            else:
                item.future.set_exception(outcome)

    def cancel(self, job_id: str) -> None:
        self._decoding.cancel(job_id)
        with self._lock:
            item = self._items.get(job_id)
        if item is None:
            return
        self._spool.cancel(job_id)
        item.deadline = time.monotonic() + (GRACE if self._spool.starts(job_id) else 0.0)

    def stop(self) -> None:
        """Asks running tasks to stop; the cluster itself runs on."""
        self._stopped.set()
        for item in list(self._items.values()):
            self._spool.cancel(item.job_id)
        self._decoding.stop()
        if self._watcher.is_alive():
            self._watcher.join(CONNECT_SECONDS)
        if self._client is not None:
            with suppress(Exception):
                self._client.close(timeout=2)

    # The watching thread

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK):
            try:
                client = self._connected()
                self._workers = len(client.nthreads())
                for item in list(self._items.values()):
                    self._look(client, item)
                if self._lost:
                    log.warning("the scheduler answers again")
                self._lost = False
            except Exception as error:
                if not self._lost:
                    log.warning(
                        "the scheduler does not answer; trying again until it does: %s", type(error).__name__
                    )
                self._lost = True
                self._disconnect()

    def _disconnect(self) -> None:
        """Drops the connection to a scheduler that is gone. Its tasks end as Lost and go back to the job
        table."""
        self._workers = 0
        client, self._client = self._client, None
        for item in list(self._items.values()):
            self._end_future(item, None)
        if client is not None:
            with suppress(Exception):
                client.close(timeout=1)

    def _connected(self) -> Client:
        if self._client is None:
            from distributed import Client

            self._client = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
        if (
            self._client.status != "running"
        ):  # it noticed that its scheduler went away, and tries for itself; a new one is surer
            raise ConnectionError
        return self._client

    def _look(self, client: Client, item: Item) -> None:
        now = time.monotonic()
        starts = self._spool.starts(item.job_id)
        if starts > item.starts:  # every start has its own time
            item.begun, item.starts = now, starts
        if item.deadline is not None and now >= item.deadline:
            self._kill(client, item, Cancelled("The job was stopped."))
        elif item.begun is not None and now - item.begun > item.seconds:
            self._kill(client, item, too_slow(item.seconds))

    def _kill(self, client: Client, item: Item, error: EvidentError) -> None:
        """Takes the task back, then restarts the worker that is busy with it."""
        busy = [address for address, keys in client.processing().items() if item.remote.key in keys]
        self._end_future(item, error)
        item.remote.cancel(force=True)
        if busy and item.begun is not None:
            try:
                client.restart_workers(busy, timeout=10, raise_for_error=False)
            except ValueError:
                log.warning("a worker without a nanny cannot be restarted; its task runs on")


def run_workers(address: str, workers: int, settings: Settings, with_scheduler: bool = False) -> int:
    """Serves a scheduler until SIGTERM or Ctrl-C; 0. Each worker is a process of its own with one thread,
    kept alive by a nanny.

    with_scheduler: run the scheduler here too, on the port of `address`. Raises BadParameter when no
    scheduler answers.
    """
    return asyncio.run(_serve_workers(address, workers, settings, with_scheduler))


async def _serve_workers(address: str, workers: int, settings: Settings, with_scheduler: bool) -> int:
    os.umask(0o077)  # the data folder is its owner's alone
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = {**WAITING, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    folder = settings.data.resolve() / "cache" / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        if with_scheduler:
            address = await _own_scheduler(stack, address)
        await _answers(address)
        # Memory is limited per job inside the worker, which ends in a clean error; a nanny's limit would kill
        # it.
        options: dict[str, Any] = {
            "nthreads": 1,
            "memory_limit": 0,
            "local_directory": str(folder),
            "env": environment,
        }
        # One more than asked for, which the engine leaves free for short work.
        await asyncio.gather(*(_keep_a_worker(address, options, stopped) for _ in range(workers + 1)))
    return 0


async def _keep_a_worker(address: str, options: dict[str, Any], stopped: asyncio.Event) -> None:
    """Keeps one nanny with its worker running, also across a restart of the scheduler, which ends Dask's
    own."""
    from distributed import Nanny

    while not stopped.is_set():
        try:
            async with Nanny(address, **options) as nanny:
                while nanny.status.name in ("running", "init") and not stopped.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK):
                            await stopped.wait()
        except Exception as error:
            log.warning(
                "a worker could not be kept with the scheduler; trying again: %s", type(error).__name__
            )
        while not stopped.is_set():
            try:
                await _answers(address)
                break
            except BadParameter:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await stopped.wait()


async def _own_scheduler(stack: AsyncExitStack, address: str) -> str:
    """Starts a scheduler and returns its address. Raises BadParameter."""
    from distributed import Scheduler

    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise BadParameter(
            "The scheduler's address must end in a port, e.g. tcp://127.0.0.1:8786.", field="scheduler"
        )
    try:
        scheduler = await stack.enter_async_context(Scheduler(host=host, port=int(port), dashboard=False))
    except (OSError, RuntimeError, ValueError):  # Dask wraps what happened to the socket
        raise BadParameter(
            f"The scheduler cannot listen there: port {port} is in use, or this machine has no such address.",
            field="scheduler",
        ) from None
    return str(scheduler.address)


async def _answers(address: str) -> None:
    from distributed.comm.core import connect

    try:
        await (await connect(address, timeout=CONNECT_SECONDS)).close()
    except (OSError, TimeoutError, ValueError):
        raise BadParameter(
            "No scheduler answers at that address; start it first, or check --scheduler.", field="scheduler"
        ) from None
