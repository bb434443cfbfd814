"""Looks at the operator's file of models before the server starts, in a process with a worker's limits."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from app.core.errors import ModelRejected
from backend.jobs.workers import worker_config
from backend.jobs.workers.process import set_up_worker
from backend.jobs.workers.protocol import WorkerConfig

if TYPE_CHECKING:
    from app.core.settings import Settings


def check_own_models(settings: Settings) -> list[str]:
    """Keys of the models that the file holds, each built and tried. Raises ModelRejected: one sentence with file and
    line."""
    assert settings.models is not None
    if not settings.models.is_file():
        raise ModelRejected(f"There is no file {settings.models}; give --models a Python file.")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_check, args=(theirs, worker_config(settings)), daemon=True, name="evident-own-models"
    )
    process.start()
    theirs.close()
    try:
        keys, fault = ours.recv()
    except EOFError:
        process.join()
        raise ModelRejected(
            f"{settings.models.name} ended the process that read it (exit code {process.exitcode}); it must only define models."
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if fault:
        raise ModelRejected(fault)
    return list(keys)


def _check(pipe: Connection, config: WorkerConfig) -> None:
    set_up_worker(config, "compute")
    from models import own

    try:
        pipe.send((own.check(), ""))
    except own.OwnFault as fault:
        pipe.send(([], fault.told))
    os._exit(0)  # whatever the file started, threads too, ends here
