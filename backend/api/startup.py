"""Checks before a backend starts: data folder, database, scheduler. Each failure is one sentence, without a
traceback or a password."""

from __future__ import annotations

import importlib.util
import socket
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import exc, text
from sqlalchemy.engine import make_url

from app.core.errors import Conflict, InvalidInput
from app.core.settings import Settings
from backend.store import Store, audit
from backend.store.users import add_user, any_users, one_time_password

ANSWER_SECONDS = 5.0


def check_start(settings: Settings) -> None:
    """Raises InvalidInput."""
    check_folder(settings.data)
    if settings.engine == "dask":
        _check_scheduler(settings.scheduler)
    _check_database(settings)


def check_folder(folder: Path) -> None:
    """The data folder can be made and written. Raises InvalidInput."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError:
        raise InvalidInput(
            "The data folder cannot be written: choose another with --data or EVIDENT_DATA, or give this user the right to write there.",
            code="data_folder",
            field="data",
        ) from None


def _check_database(settings: Settings) -> None:
    try:
        backend = make_url(settings.database_url).get_backend_name()
    except exc.ArgumentError:
        raise _wrong_url() from None
    if backend not in ("sqlite", "postgresql"):
        raise _wrong_url()
    try:
        with closing(Store(settings.database_url, settings.data)) as store:
            store.migrate()
            nobody = settings.sign_in_by == "password" and not any_users(store)
            if nobody and settings.first_admin:
                _make_first_admin(store, settings.first_admin)
                nobody = False
            if store.is_sqlite:
                with store.engine.connect() as connection:
                    if connection.execute(text("PRAGMA quick_check(1)")).scalar() != "ok":
                        raise _damaged()
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError):
        raise _wrong_url() from None
    except (exc.OperationalError, exc.InterfaceError):
        if backend == "sqlite":
            raise InvalidInput(
                "The database cannot be opened: another program holds it locked, or its file cannot be written.",
                code="database",
                field="database",
            ) from None
        raise InvalidInput(
            "The database does not answer, or does not know the name, password or database of EVIDENT_DATABASE.",
            code="database",
            field="database",
        ) from None
    except exc.DatabaseError:
        raise _damaged() from None
    except OSError:
        raise InvalidInput(
            "The data folder cannot be written; choose another with --data or EVIDENT_DATA.", field="data"
        ) from None
    if nobody:
        raise InvalidInput(
            "People sign in where the server listens beyond this machine, and there are no users yet: add one with "
            "evident users add NAME --role admin (with the same EVIDENT_DATA and EVIDENT_DATABASE), or name the first "
            "with EVIDENT_FIRST_ADMIN.",
            code="no_users",
            field="host",
        )


def _make_first_admin(store: Store, name: str) -> None:
    """Says the one-time password on stderr, which is the log of a service. Raises BadParameter."""
    password = one_time_password()
    try:
        add_user(store, name, password, "admin", one_time=True)
    except Conflict:  # another server made the same one a moment ago, and said its password
        return
    audit.record(store, "first start", "user.add", name, {"role": "admin", "one_time": True})
    sys.stderr.write(
        f"There was nobody who may sign in. Sign in as {name} with the one-time password {password} and choose your own.\n"
    )
    sys.stderr.flush()


def _wrong_url() -> InvalidInput:
    return InvalidInput(
        "EVIDENT_DATABASE is not the address of a database that can be used here; it looks like "
        "postgresql+psycopg://NAME:PASSWORD@HOST/DATABASE (and needs evident-xai[postgres]), or is left out for SQLite.",
        code="database",
        field="database",
    )


def _damaged() -> InvalidInput:
    return InvalidInput(
        "The database is damaged, or is no database of this program: restore a copy of evident.db in the data folder, or move it away to "
        "begin with an empty one.",
        code="database_damaged",
        field="database",
    )


def _check_scheduler(address: str | None) -> None:
    if not address:
        raise InvalidInput(
            "The engine dask needs the address of its scheduler: set EVIDENT_SCHEDULER, e.g. tcp://127.0.0.1:8786.",
            field="scheduler",
        )
    if importlib.util.find_spec("distributed") is None:
        raise InvalidInput(
            "The engine dask needs the package distributed: install evident-xai[cluster].", field="engine"
        )
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError):
        raise InvalidInput(
            "No scheduler answers at the address of EVIDENT_SCHEDULER; start it first (evident worker --with-scheduler), or check the address.",
            code="scheduler",
            field="scheduler",
        ) from None
