"""Running tasks in worker processes: one small protocol, an embedded pool, and Dask for more than one machine."""

from backend.engine.protocol import Engine, Lost, Stored, WorkerConfig, create_engine
from backend.engine.spool import Spool

__all__ = ["Engine", "Lost", "Spool", "Stored", "WorkerConfig", "create_engine"]
