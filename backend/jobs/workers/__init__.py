"""Engines that run tasks in worker processes: the protocol, an embedded pool, and Dask for several
machines."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from backend.jobs.spool import Spool
from backend.jobs.workers.protocol import Engine, Lost, Stored, WorkerConfig

if TYPE_CHECKING:
    from app.core.settings import Settings

__all__ = [
    "Engine",
    "Lost",
    "Spool",
    "Stored",
    "WorkerConfig",
    "as_environment",
    "create_engine",
    "worker_config",
]


def worker_config(settings: Settings, plugins: tuple[str, ...] = (), preload: bool = True) -> WorkerConfig:
    """What a worker process of these settings is told."""
    limits = settings.limits
    return WorkerConfig(
        data=settings.data.resolve(),
        threads=settings.threads or max(1, (os.cpu_count() or 1) // settings.workers),
        job_seconds=limits.job_seconds,
        job_bytes=limits.job_bytes,
        decode_seconds=limits.decode_seconds,
        decode_bytes=limits.job_bytes,
        environment=as_environment(settings),
        plugins=plugins,
        preload=preload,
    )


def create_engine(settings: Settings, plugins: tuple[str, ...] = (), preload: bool = True) -> Engine:
    """The engine that the settings name."""
    config = worker_config(settings, plugins, preload)
    if settings.engine == "dask":
        from backend.jobs.workers.cluster import DaskEngine

        return DaskEngine(config, settings.scheduler)
    from backend.jobs.workers.pool import LocalEngine

    return LocalEngine(config, settings.workers)


def as_environment(settings: Settings) -> dict[str, str]:
    """Settings as environment variables, without the database URL."""
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"database"})
    values["data"] = str(settings.data.resolve())
    return {
        f"EVIDENT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
