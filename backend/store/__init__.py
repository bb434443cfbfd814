"""The store: SQL rows (SQLite in WAL mode, or PostgreSQL by URL) and a content-addressed folder of blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.store.blobs import Blobs
    from backend.store.database import Store
    from backend.store.rows import InputRow, JobRow, ModelRow

__all__ = ["Blobs", "InputRow", "JobRow", "ModelRow", "Store"]

_HOMES = {"Blobs": "blobs", "Store": "database", "InputRow": "rows", "JobRow": "rows", "ModelRow": "rows"}


def __getattr__(name: str) -> Any:
    """Workers touch blobs only: SQLAlchemy stays out of them, which halves the time until a new one
    answers."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"backend.store.{_HOMES[name]}"), name)
    raise AttributeError(name)
