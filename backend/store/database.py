"""The database: opening it, bringing its tables up to date, and the rows of inputs and models.

Every call is synchronous and short (well under a millisecond on SQLite); `await store.run(store.input, id)` runs it in the store's own
threads, which is how the web process calls it, so that a lock held by somebody else never stops the event loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from app.core.errors import EvidentError, NotFound
from backend.store import tables
from backend.store.blobs import Blobs
from backend.store.faults import fault_of
from backend.store.rows import ACTIVE, InputRow, ModelRow

LOCK_SECONDS = 3.0
"""How long a call waits for a lock or a connection that somebody else holds, before it is refused."""
MIGRATIONS = Path(__file__).parent / "migrations"
P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Rows and the blobs they refer to."""

    def __init__(self, url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        self.engine = _open(url)
        self._writer = self.engine.execution_options(write=True)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._fault: EvidentError | None = None
        self._fault_time = 0.0
        self._threads = ThreadPoolExecutor(2 if self.is_sqlite else 8, thread_name_prefix="store")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A store call from the event loop. Raises, beside what the call raises, StorageUnavailable and NoSpace."""
        asked = time.monotonic()

        def call() -> T:
            if self._fault is not None and asked < self._fault_time:
                raise self._fault  # it stood in line behind a call that waited in vain, and would wait as long for the same thing
            began = time.monotonic()
            try:
                return function(*args, **kwargs)
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                if time.monotonic() - began > LOCK_SECONDS / 2:
                    self._fault, self._fault_time = fault, time.monotonic()
                raise fault from None

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def migrate(self) -> None:
        """Brings the tables up to date; safe when several processes start at once."""
        if self._up_to_date():
            return
        from alembic import command  # only where there is work: it stays in memory
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with (self.folder / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._writer.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _up_to_date(self) -> bool:
        newest = max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return False
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest.partition("_")[0]

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. On SQLite it takes the write lock at once, so that it never fails half-way for want of it."""
        with self._writer.begin() as connection:
            yield connection

    def insert(self, table: Any) -> Any:
        """An INSERT with `on_conflict_do_nothing / _update`, which both databases have."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    # Inputs

    def put_input(self, row: InputRow) -> InputRow:
        """Idempotent: the first row of an id stays."""
        with self.write() as connection:
            values = {"id": row.id, "modality": row.modality, "meta": row.meta, "created": row.created or time.time()}
            connection.execute(self.insert(tables.inputs).values(values).on_conflict_do_nothing())
            self.refer(connection, f"input:{row.id}", row.blobs)
        return self.input(row.id)

    def input(self, id: str) -> InputRow:
        """Raises NotFound."""
        with self.engine.connect() as connection:
            row = connection.execute(select(tables.inputs).where(tables.inputs.c.id == id)).mappings().first()
            if row is None:
                raise NotFound("There is no such input; upload it again.", code="unknown_input", field="input")
            return InputRow(**row, blobs=self.references(connection, f"input:{id}"))

    def delete_input(self, id: str) -> None:
        """Row and bytes. Raises NotFound."""
        self.input(id)
        self._delete(tables.inputs, tables.inputs.c.id == id, f"input:{id}")

    # Uploaded models

    def put_model(self, row: ModelRow) -> ModelRow:
        """Idempotent. The weights must lie in the blobs under `row.digest`."""
        with self.write() as connection:
            values = {**row.as_payload(), "meta": row.meta, "created": row.created or time.time()}
            connection.execute(self.insert(tables.models).values(values).on_conflict_do_nothing())
            self.refer(connection, f"model:{row.key}", {"weights": row.digest})
        return self.model(row.key)

    def model(self, key: str) -> ModelRow:
        """Raises NotFound."""
        with self.engine.connect() as connection:
            row = connection.execute(select(tables.models).where(tables.models.c.key == key)).mappings().first()
        if row is None:
            raise NotFound("There is no such model; choose one of the catalogue.", code="unknown_model", field="model")
        return ModelRow(**row)

    def models(self) -> list[ModelRow]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(tables.models).order_by(tables.models.c.created)).mappings().all()
        return [ModelRow(**row) for row in rows]

    def delete_model(self, key: str) -> None:
        """Row and weights. Raises NotFound."""
        self.model(key)
        self._delete(tables.models, tables.models.c.key == key, f"model:{key}")

    # Which rows hold which blobs

    def discard(self, sha: str) -> None:
        """Removes a blob unless a row holds it: an upload may be, byte for byte, what was kept of an earlier one."""
        with self.engine.connect() as connection:
            held = self._held(connection, [sha])
        if not held:
            self.blobs.delete(sha)

    def refer(self, connection: Connection, owner: str, blobs: Mapping[str, str]) -> None:
        """Inside a transaction: `owner` now holds these blobs (name -> sha256) beside those it had."""
        for name, sha in blobs.items():
            statement = self.insert(tables.refs).values(owner=owner, name=name, sha=sha)
            connection.execute(statement.on_conflict_do_update(index_elements=["owner", "name"], set_={"sha": sha}))

    def references(self, connection: Connection, owner: str) -> dict[str, str]:
        rows = connection.execute(select(tables.refs.c.name, tables.refs.c.sha).where(tables.refs.c.owner == owner))
        return {row.name: row.sha for row in rows}

    def release(self, connection: Connection, owner: str) -> set[str]:
        """Inside a transaction: `owner` lets go of its blobs. Returns those that nobody holds any more; delete them after the commit."""
        mine = set(self.references(connection, owner).values())
        connection.execute(delete(tables.refs).where(tables.refs.c.owner == owner))
        return mine - self._held(connection, mine)

    def _held(self, connection: Connection, shas: Iterable[str]) -> set[str]:
        return {sha for (sha,) in connection.execute(select(tables.refs.c.sha).where(tables.refs.c.sha.in_(list(shas))))}

    def _delete(self, table: Any, where: Any, owner: str) -> None:
        with self.write() as connection:
            connection.execute(delete(table).where(where))
            loose = self.release(connection, owner)
        for sha in loose:
            self.blobs.delete(sha)

    def clean(self) -> int:
        """Removes blobs that no row holds and no waiting job names, and what interrupted writes left."""
        import json
        import re

        with self.engine.connect() as connection:
            held = {sha for (sha,) in connection.execute(select(tables.refs.c.sha))}
            waiting = connection.execute(select(tables.jobs.c.payload).where(tables.jobs.c.state.in_(ACTIVE))).scalars()
            held |= {sha for payload in waiting for sha in re.findall(r"[0-9a-f]{64}", json.dumps(payload))}
        return self.blobs.clean(held)


def _open(url: str) -> Engine:
    """SQLite: WAL, so that readers never wait for the writer; transactions are begun by us (pysqlite's own begin comes too late)."""
    if make_url(url).get_backend_name() != "sqlite":
        # A server that went away is noticed in seconds, also when nothing says so (a network that swallows packets).
        network = {"connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2, "tcp_user_timeout": 5000}
        return create_engine(url, pool_size=8, pool_pre_ping=True, pool_timeout=LOCK_SECONDS, connect_args=network)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, pool_size=8)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")

    return engine
