"""Every database a test should run on: SQLite always, PostgreSQL where it is installed or a server is at hand."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

POSTGRES = os.environ.get("EVIDENT_TEST_POSTGRES")
"""URL of a PostgreSQL server on which a schema may be made, e.g.
postgresql+psycopg://user@localhost/postgres. Without it the tests start one of their own."""
PROGRAMS = "/usr/lib/postgresql"
QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=60",
)
"""Its data are thrown away, and it is spoken to through a socket in its own folder."""
STARTING = 30.0
LIBC = ctypes.CDLL(None)  # looked up here: nothing may be imported between fork and exec
PR_SET_PDEATHSIG = 1
NONE = "no PostgreSQL here: install Debian's package postgresql, or set EVIDENT_TEST_POSTGRES to the URL of a server"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    with postgres_schema() as url:
        yield url


@contextmanager
def postgres_schema() -> Iterator[str]:
    """URL of an empty schema that is dropped afterwards; skips the test where there is no server."""
    server = POSTGRES or started()
    if server is None:
        pytest.skip(NONE)
    schema = f"evident_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield (
            make_url(server)
            .update_query_dict({"options": f"-csearch_path={schema}"})
            .render_as_string(hide_password=False)
        )
    finally:
        with admin.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        admin.dispose()


def programs() -> Path | None:
    """Folder of the newest `initdb` and `postgres` of this machine."""
    versions = Path(PROGRAMS).glob("*/bin/postgres")
    newest = max(
        versions, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0, default=None
    )
    if newest is not None:
        return newest.parent
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


@functools.cache
def started() -> str | None:
    """URL of a server of this test process, in a folder of its own; it ends with the process. None where it cannot be
    had."""
    folder = programs()
    if folder is None or not (folder / "initdb").exists():
        return None
    home = Path(tempfile.mkdtemp(prefix="evident-pg-"))
    user = _user()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    making = [
        folder / "initdb",
        "-D",
        home / "data",
        "-U",
        "evident",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    quiet = {"cwd": home, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run([*making, "--no-sync"], check=False, **quiet, **who).returncode:
        shutil.rmtree(home, ignore_errors=True)
        return None
    options = [part for option in QUICK for part in ("-c", option)]
    command = [folder / "postgres", "-D", home / "data", "-k", home, *options]
    server = subprocess.Popen(command, preexec_fn=_end_with_parent, **quiet, **who)  # noqa: PLW1509
    atexit.register(_stop, server, home)
    url = f"postgresql+psycopg://evident@/postgres?host={home}"
    return url if _answers(url, server) else None


def _user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _end_with_parent() -> None:
    """Also when the tests are killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    engine = create_engine(url)
    deadline = time.monotonic() + STARTING
    while server.poll() is None and time.monotonic() < deadline:
        try:
            engine.connect().close()
            engine.dispose()
            return True
        except OperationalError:
            time.sleep(0.1)
    return False


def _stop(server: subprocess.Popen[bytes], home: Path) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
    shutil.rmtree(home, ignore_errors=True)
