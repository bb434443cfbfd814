"""State: SQL rows (SQLite in WAL mode, or PostgreSQL by URL) and a content-addressed folder of blobs."""

from backend.store.blobs import Blobs
from backend.store.database import Store
from backend.store.rows import InputRow, JobRow, ModelRow

__all__ = ["Blobs", "InputRow", "JobRow", "ModelRow", "Store"]
