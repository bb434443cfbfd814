"""The database: migrating it, its transactions, and the rows of inputs and models.

Every call is synchronous and short (well under a millisecond on SQLite); `await store.run(store.input, id)`
runs it in the store's own threads, which is how the web process calls it, so that a lock held by somebody
else never stops the event loop.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import (
    Connection,
    delete,
    exists,
    inspect,
    not_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.core.errors import EvidentError, NotFound
from app.core.logs import quiet_libraries
from backend.store import opening, tables
from backend.store.blobs import Blobs
from backend.store.faults import fault_of
from backend.store.private import make_private, private_file
from backend.store.rows import InputRow, ModelRow

MIGRATIONS = Path(__file__).parent / "migrations"
FILING = 7_364_001
"""Key of PostgreSQL's advisory lock for transactions that add or remove blobs; SQLite has one writer
anyway."""
SCRUB_TRIES = 5
P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Rows and the blobs they refer to."""

    def __init__(self, url: str, folder: Path) -> None:
        quiet_libraries()
        make_private(folder)
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        self.engine = opening.open_engine(url)
        self._writer = self.engine.execution_options(write=True)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._fault: EvidentError | None = None
        self._fault_time = 0.0
        self._threads = ThreadPoolExecutor(2 if self.is_sqlite else 8, thread_name_prefix="store")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A store call from the event loop. Raises, beside what the call raises, StorageUnavailable and
        NoSpace."""
        queued_at = time.monotonic()

        def call() -> T:
            if self._fault is not None and queued_at < self._fault_time:
                raise self._fault  # it stood in line behind a call that waited in vain, and would wait as long for the same thing
            started_at = time.monotonic()
            try:
                return function(*args, **kwargs)
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                if time.monotonic() - started_at > opening.LOCK_SECONDS / 2:
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
        with private_file(self.folder / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._writer.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _up_to_date(self) -> bool:
        newest = max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return False
            return (
                connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
                == newest.partition("_")[0]
            )

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. On SQLite it takes the write lock at once, so that it never fails half-way for
        want of it."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def filing(self) -> Iterator[Connection]:
        """A transaction in which blobs come and go with the rows that hold them, one at a time over all
        servers of this database.

        A file is put in its place by the transaction that refers to it, and removed by the one that lets it
        go: whatever no row refers to is therefore nobody's, and no server can delete what another is about to
        use.
        """
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FILING})
            yield connection

    def insert(self, table: Any) -> Any:
        """An INSERT with `on_conflict_do_nothing / _update`, which both databases have."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    # Inputs

    def put_input(self, row: InputRow, made: Path | None = None) -> InputRow:
        """Idempotent: the facts that came first stay. made: the folder in which a worker left the blobs; None
        when they are here.

        Raises NotFound when a blob is missing, NoSpace. After a failure nothing is left.
        """
        values = {
            "id": row.id,
            "modality": row.modality,
            "meta": row.meta,
            "created": row.created or time.time(),
        }
        try:
            with self.filing() as connection:
                connection.execute(self.insert(tables.inputs).values(values).on_conflict_do_nothing())
                self.adopt(row.blobs.values(), made)
                self.hold(connection, f"input:{row.id}", row.blobs)
                return self._input(connection, row.id)
        except BaseException:
            self.discard(row.blobs.values())
            raise

    def input(self, id: str) -> InputRow:
        """Raises NotFound."""
        with self.engine.connect() as connection:
            return self._input(connection, id)

    def _input(self, connection: Connection, id: str) -> InputRow:
        row = connection.execute(select(tables.inputs).where(tables.inputs.c.id == id)).mappings().first()
        if row is None:
            raise NotFound("There is no such input; upload it again.", code="unknown_input", field="input")
        return InputRow(**row, blobs=self.references(connection, f"input:{id}"))

    def require_inputs(self, connection: Connection, ids: Collection[str]) -> None:
        """Inside a transaction: raises NotFound unless all of them are here, so that nothing is written
        about an input that was deleted."""
        matching = select(tables.inputs.c.id).where(tables.inputs.c.id.in_(ids))
        if ids and len(connection.execute(matching).all()) < len(set(ids)):
            raise NotFound("There is no such input; upload it again.", code="unknown_input", field="input")

    def claim_input(self, id: str) -> InputRow:
        """The input without its mark of having been brought by a concept. Raises NotFound."""
        with self.write() as connection:
            row = self._input(connection, id)
            meta = {name: value for name, value in row.meta.items() if name != "brought"}
            connection.execute(update(tables.inputs).where(tables.inputs.c.id == id).values(meta=meta))
            return replace(row, meta=meta)

    def renew_input(self, id: str) -> None:
        """It was uploaded again: its time begins anew."""
        with self.write() as connection:
            connection.execute(
                update(tables.inputs).where(tables.inputs.c.id == id).values(created=time.time())
            )

    def inputs_before(self, moment: float, limit: int, but_of_cases: bool) -> list[str]:
        """Inputs that came before a moment (Unix seconds), oldest first; without bundled samples."""
        columns = tables.inputs.c
        held = exists().where(tables.cases.c.input == columns.id)
        old = select(columns.id, columns.meta).where(columns.created < moment).order_by(columns.created)
        with self.engine.connect() as connection:
            rows = connection.execute(old.where(not_(held)) if but_of_cases else old)
            return list(islice((row.id for row in rows if not row.meta.get("sample")), limit))

    def delete_input(self, id: str) -> None:
        """Row, bytes, the region that was drawn in it, and what models said of it in worklists; what people said there
        stays. Raises NotFound."""
        self.input(id)
        answer = dict.fromkeys(("answer", "score", "score_class", "prediction", "problem"))
        with self.filing() as connection:
            connection.execute(delete(tables.regions).where(tables.regions.c.input == id))
            connection.execute(update(tables.cases).where(tables.cases.c.input == id).values(answer))
            connection.execute(delete(tables.inputs).where(tables.inputs.c.id == id))
            self.hold(connection, f"input:{id}", {})

    # Uploaded models

    def put_model(self, row: ModelRow) -> ModelRow:
        """Idempotent. The weights must lie in the blobs under `row.digest`."""
        with self.filing() as connection:
            self.enlist(connection, row)
        return self.model(row.key)

    def enlist(self, connection: Connection, row: ModelRow) -> None:
        """`put_model` inside a transaction."""
        values = {**vars(row), "created": row.created or time.time()}
        connection.execute(self.insert(tables.models).values(values).on_conflict_do_nothing())
        self.hold(connection, f"model:{row.key}", {"weights": row.digest})

    def lists(self, connection: Connection, key: str) -> bool:
        """Inside a transaction: whether the uploaded model is here."""
        here = select(tables.models.c.key).where(tables.models.c.key == key)
        return connection.execute(here).first() is not None

    def model(self, key: str) -> ModelRow:
        """Raises NotFound."""
        with self.engine.connect() as connection:
            row = (
                connection.execute(select(tables.models).where(tables.models.c.key == key)).mappings().first()
            )
        if row is None:
            raise NotFound(
                "There is no such model; choose one of the catalogue.", code="unknown_model", field="model"
            )
        return ModelRow(**row)

    def models(self) -> list[ModelRow]:
        with self.engine.connect() as connection:
            rows = (
                connection.execute(select(tables.models).order_by(tables.models.c.created)).mappings().all()
            )
        return [ModelRow(**row) for row in rows]

    def delete_model(self, key: str) -> None:
        """Row and weights. Raises NotFound."""
        self.model(key)
        self._delete(tables.models, tables.models.c.key == key, f"model:{key}")

    # Which rows hold which blobs

    def adopt(self, shas: Iterable[str], folder: Path | None) -> None:
        """Inside a filing transaction: moves blobs here from another folder, None for none. Raises NotFound,
        NoSpace."""
        if folder is not None:
            for sha in set(shas):
                self.blobs.adopt(folder, sha)

    def hold(self, connection: Connection, owner: str, blobs: Mapping[str, str]) -> None:
        """Inside a filing transaction: `owner` holds exactly these blobs (name -> sha256); what nobody holds
        any more is deleted.

        Raises NotFound when one of them is not here.
        """
        for sha in blobs.values():
            if sha not in self.blobs:
                raise NotFound(
                    "The stored file is missing; ask for it to be computed or uploaded again.",
                    code="blob_missing",
                )
        former = set(self.references(connection, owner).values())
        connection.execute(delete(tables.refs).where(tables.refs.c.owner == owner))
        for name, sha in blobs.items():
            connection.execute(self.insert(tables.refs).values(owner=owner, name=name, sha=sha))
        self._drop(connection, former - set(blobs.values()))

    def discard(self, shas: Iterable[str]) -> None:
        """After a failure: removes those of the blobs that no row holds. `clean` removes what this cannot."""
        with suppress(Exception), self.filing() as connection:
            self._drop(connection, set(shas))

    def references(self, connection: Connection, owner: str) -> dict[str, str]:
        rows = connection.execute(
            select(tables.refs.c.name, tables.refs.c.sha).where(tables.refs.c.owner == owner)
        )
        return {row.name: row.sha for row in rows}

    def _drop(self, connection: Connection, shas: set[str]) -> int:
        loose = shas - self._referenced(connection, shas)
        for sha in loose:
            self.blobs.delete(sha)
        return len(loose)

    def _referenced(self, connection: Connection, shas: Iterable[str]) -> set[str]:
        return {
            sha
            for (sha,) in connection.execute(
                select(tables.refs.c.sha).where(tables.refs.c.sha.in_(list(shas)))
            )
        }

    def _delete(self, table: Any, where: Any, owner: str) -> None:
        with self.filing() as connection:
            connection.execute(delete(table).where(where))
            self.hold(connection, owner, {})

    def clean(self) -> int:
        """Removes blobs that no row holds (after a killed server) and temporary files of interrupted
        writes."""
        with self.engine.connect() as connection:
            referenced = {sha for (sha,) in connection.execute(select(tables.refs.c.sha))}
        loose = [sha for sha in self.blobs if sha not in referenced]
        removed = self.blobs.clean()
        for start in range(0, len(loose), 500):
            with self.filing() as connection:
                removed += self._drop(connection, set(loose[start : start + 500]))
        return removed

    def scrub(self) -> bool:
        """After a deletion: empties SQLite's write-ahead log, where deleted rows would still lie (freed pages
        are overwritten at once).

        False when a reader or a full disk was in the way: call it again later. PostgreSQL does this by its own vacuum and
        log rotation, in its own time.
        """
        if not self.is_sqlite:
            return True
        for _ in range(SCRUB_TRIES):
            connection = self.engine.raw_connection()
            try:
                if connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                    return True
            except sqlite3.OperationalError:  # what was deleted stays deleted
                return False
            finally:
                connection.close()
            time.sleep(0.05)
        return False
