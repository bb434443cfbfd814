"""Connections to the database: how SQLite and PostgreSQL are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from backend.store.private import private_file

LOCK_SECONDS = 3.0
"""How long a call waits for a lock or a connection that somebody else holds, before it is refused."""


def open_engine(url: str) -> Engine:
    """SQLite: WAL, so that readers never wait for the writer; transactions are begun by us (pysqlite's own
    begin comes too late).

    Values never enter a message of SQLAlchemy's: it may end in a log.
    """
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        # A server that went away is noticed in seconds, also when nothing says so (a network that swallows
        # packets).
        network = {
            "connect_timeout": 3,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 5000,
        }
        return create_engine(
            url,
            pool_size=8,
            pool_pre_ping=True,
            pool_timeout=LOCK_SECONDS,
            connect_args=network,
            hide_parameters=True,
        )
    if place.database and place.database != ":memory:":
        for suffix in ("", "-wal", "-shm"):  # the other two take the mode of the first
            private_file(Path(place.database + suffix), create=not suffix)
    waiting = {"timeout": LOCK_SECONDS, "check_same_thread": False}
    engine = create_engine(url, connect_args=waiting, pool_size=8, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN"
        )

    return engine
