"""Running tasks in worker processes: one small protocol, an embedded pool, and Dask for more than one machine."""

from backend.jobs.spool import Spool
from backend.jobs.workers.protocol import Engine, Lost, Stored, WorkerConfig, create_engine

__all__ = ["Engine", "Lost", "Spool", "Stored", "WorkerConfig", "create_engine"]
