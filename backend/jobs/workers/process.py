"""The worker process: its set-up, and running one task in it."""

from __future__ import annotations

import importlib
import logging
import os
import resource
import signal
import threading
import traceback
import uuid
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

from app.core.errors import Cancelled, EvidentError, JobFailed, OutOfMemory, WorkerKilled
from app.core.logs import quiet_libraries
from app.core.openmp import wait_briefly
from app.core.settings import get_settings
from backend.attribution.internals import layer_store, lens_store
from backend.attribution.network import plan_store
from backend.attribution.network.runtime import give_back
from backend.jobs.keys import code_version
from backend.jobs.spool import Spool
from backend.jobs.workers.protocol import TRIES, Group, Stored, WorkerConfig
from backend.store.blobs import Blobs, full_disk
from backend.store.faults import fault_of

log = logging.getLogger("evident.worker")
IDLE = 3.0
"""Seconds without a task after which a worker lets go of memory."""


def set_up_worker(config: WorkerConfig, group: Group) -> None:
    """Signals and process settings of a local worker, once per process, before any heavy import."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; the web process decides what it means
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # a worker has nothing to tidy up: SIGTERM ends it also inside a C call
    die_with_parent()
    set_up_process(config, group)


def set_up_process(config: WorkerConfig, group: Group) -> None:
    """Threads, settings, memory limit and plugins of a worker process."""
    os.umask(0o077)
    quiet_libraries()
    wait_briefly()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(config.threads)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's: its threads spin between LIME's small fits
    os.environ.pop(
        "EVIDENT_DATABASE", None
    )  # a password may be in it, and no task has business with the tables
    adopt(config.environment)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(config.data / "cache" / "numba"))
    if group == "decode":
        resource.setrlimit(resource.RLIMIT_AS, (config.decode_bytes, config.decode_bytes))
    else:
        # Not the address space: torch and CUDA reserve far more than they ever touch.
        resource.setrlimit(resource.RLIMIT_DATA, (config.job_bytes, config.job_bytes))
        plan_store.keep_in(config.data / "cache" / "plans")
        lens_store.keep_in(config.data / "cache" / "lenses", code_version)
        layer_store.keep_in(config.data / "cache" / "layers", code_version)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for plugin in config.plugins:
        importlib.import_module(plugin)


def adopt(environment: Mapping[str, str]) -> None:
    """Makes `get_settings()` here what it is in the server."""
    os.environ.update(environment)
    get_settings.cache_clear()


def die_with_parent() -> None:
    """A killed web process leaves no workers behind. (PR_SET_PDEATHSIG would fire when the *thread* that
    started us ends.)"""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def serve(pipe: Connection, config: WorkerConfig, group: Group) -> None:
    """Main loop of a local worker: sends `ready` and `warm`, then answers each call with `Stored` or an
    EvidentError until the pipe ends."""
    set_up_worker(config, group)
    pipe.send("ready")
    if group != "decode" and config.preload:
        _preload(config.threads)
    pipe.send("warm")
    while True:
        try:
            if not pipe.poll(IDLE):
                give_back()  # what the engine keeps for its next pass
            call = pipe.recv()
        except EOFError:
            return
        if call is None:
            return
        task_key, payload, job_id, lane = call
        try:
            answer: Stored | EvidentError = execute(config, task_key, payload, job_id, lane)
        except EvidentError as error:
            answer = error
        pipe.send(answer)


def _preload(threads: int) -> None:
    """Imports libraries and methods, and runs autograd once, so that the first explanation need not wait."""
    import torch

    from backend.attribution.methods import METHODS

    torch.set_num_threads(threads)
    list(METHODS)
    x = torch.ones(1, requires_grad=True)
    torch.autograd.grad(x * x, x, torch.ones(1))


_one_at_a_time = threading.Lock()
_set_up_for: dict[str, dict[str, str]] = {}
"""Data folder -> the server's settings that this process last worked under."""


def execute_remote(
    config: WorkerConfig, task_key: str, payload: dict[str, Any], job_id: str, lane: str
) -> Stored:
    """`execute` in a worker of a cluster: set up at its first task, one task at a time (hooks are not
    thread-safe)."""
    with _one_at_a_time:
        if str(config.data) not in _set_up_for:
            set_up_process(config, "compute")
        elif _set_up_for[str(config.data)] != config.environment:  # the server was started again
            for name in _set_up_for[str(config.data)]:
                os.environ.pop(name, None)
            adopt(config.environment)
        _set_up_for[str(config.data)] = dict(config.environment)
        return execute(config, task_key, payload, job_id, lane)


def execute(config: WorkerConfig, task_key: str, payload: dict[str, Any], job_id: str, lane: str) -> Stored:
    """Runs one task and files what it made. Raises only EvidentError."""
    from backend.tasks import TASKS

    with full_disk():
        spool, blobs = Spool(config.data / "spool"), Blobs(config.data / "blobs")
        starts = spool.begin(job_id)
    if starts > TRIES:
        raise worker_killed()
    if lane == "decode":
        _limit_cpu(config.decode_seconds)
    try:
        report = spool.reporter(job_id)
        outcome = TASKS[task_key].run(payload, blobs, report)
        made = Blobs(spool.made(job_id))
        shas = {name: made.put_array(array) for name, array in outcome.arrays.items()}
        shas |= {name: made.put(data) for name, data in outcome.files.items()}
        return Stored(outcome.result, shas)
    except EvidentError:
        raise
    except Exception as error:
        if spool.cancelled(job_id):
            raise Cancelled("The job was stopped.") from None
        raise explain_failure(error) from None


def _limit_cpu(seconds: float) -> None:
    """CPU seconds from now; the kernel ends the process when they are spent, also inside a C call."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def worker_killed() -> WorkerKilled:
    return WorkerKilled(
        f"The worker died {TRIES} times on this job, so it was given up; try a smaller input or fewer samples."
    )


def explain_failure(error: Exception) -> EvidentError:
    """Running out of memory or of disk is told in plain words; anything else is a bug, logged under an id
    without the message (it may quote data)."""
    fault = fault_of(error)
    if fault is not None:
        return fault
    text = str(error).lower()
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "cannot allocate memory" in text
    ):
        return OutOfMemory(
            "The job needed more memory than a worker may use; try a smaller input, a smaller model or fewer samples."
        )
    number = uuid.uuid4().hex[:12]
    log.error(
        "job failed %s: %s\n%s",
        number,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    return JobFailed(
        f"The job failed because of a fault in the program; it is in the worker's log under {number}."
    )
