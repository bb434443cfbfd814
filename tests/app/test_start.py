"""Starting: whatever is in the way is one sentence and exit code 2, never a traceback; stopping by SIGTERM
is exit code 0."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from app.core.errors import BadParameter
from app.core.settings import Limits, get_settings, load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of this test's settings, nor its signal handler, outlives it."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("EVIDENT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EVIDENT_PORT", str(free_port()))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
    signal.signal(signal.SIGTERM, handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence with which a command refuses to start."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert said.startswith("evident: ")
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(("name", "value", "words"), [
    ("EVIDENT_PORT", "none", "port"), ("EVIDENT_WORKERS", "0", "workers"), ("EVIDENT_ENGINE", "ray", "engine"), ("EVIDENT_LIMITS", '{"image_bytes": -1}', "limits.image_bytes"),
    ("EVIDENT_LIMITS", "{", "JSON"), ("EVIDENT_LIMITS", '{"jobs_per_client": 0}', "limits.jobs_per_client"), ("EVIDENT_LIMITS", '{"job_seconds": "NaN"}', "limits.job_seconds"),
    ("EVIDENT_TRUSTED_PROXIES", "nginx", "trusted_proxies"), ("EVIDENT_DATABASE", "nonsense", "EVIDENT_DATABASE"), ("EVIDENT_DATABASE", "oracle://a:SECRET@b/c", "EVIDENT_DATABASE"),
    ("EVIDENT_DATABASE", "postgresql+nothing://a:SECRET@b/c", "EVIDENT_DATABASE"), ("EVIDENT_DATABASE", "postgresql+psycopg://a:SECRET@127.0.0.1:9/c", "does not answer"),
    ("EVIDENT_DATA", "/proc/nowhere", "data folder"), ("EVIDENT_HOST", "0.0.0.0", "EVIDENT_ALLOWED_HOSTS"), ("EVIDENT_ENGINE", "dask", "EVIDENT_SCHEDULER"),
])  # fmt: skip
def test_settings_that_cannot_be_used(
    name: str, value: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = refused(capsys, "serve")
    assert words in said
    assert "SECRET" not in said


def test_no_limit_may_be_zero_negative_or_endless() -> None:
    for name in Limits.model_fields:
        for value in (0, -1, float("inf"), float("nan")):
            with pytest.raises(BadParameter, match=name):
                load_settings(limits={name: value})


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "in use" in refused(capsys, "serve", "--port", str(taken.getsockname()[1]))


def test_a_scheduler_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIDENT_ENGINE", "dask")
    for address in ("tcp://127.0.0.1:9", "nonsense", "tcp://127.0.0.1:99999"):
        monkeypatch.setenv("EVIDENT_SCHEDULER", address)
        assert "No scheduler answers" in refused(capsys, "serve")


def test_the_dashboard_alone_without_a_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert "EVIDENT_API_URL" in refused(capsys, "serve", "--part", "ui")


def test_a_data_folder_that_is_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "data folder" in refused(capsys, "serve", "--data", str(tmp_path / "file"))
    assert "data folder" in refused(capsys, "serve", "--data", str(tmp_path / "file" / "below"))


def _ours(path: Path) -> None:
    from backend.store import Store

    store = Store(f"sqlite:///{path}", path.parent)
    store.migrate()
    store.close()


def _text(path: Path) -> None:
    path.write_bytes(b"this is no database " * 500)


def _torn(path: Path) -> None:
    """A database of ours whose middle was overwritten."""
    _ours(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096] = bytes(b ^ 0xFF for b in data[4096 : len(data) - 4096])
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_text, _torn])
def test_a_damaged_database(damage, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "data").mkdir()
    damage(tmp_path / "data" / "evident.db")
    assert "damaged" in refused(capsys, "serve")


def test_a_locked_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.opening.LOCK_SECONDS", 0.2)
    (tmp_path / "data").mkdir()
    holder = sqlite3.connect(tmp_path / "data" / "evident.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked" in refused(capsys, "serve")
    holder.close()


def test_a_worker_that_cannot_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("backend.jobs.workers.cluster.CONNECT_SECONDS", 0.3)
    assert "No scheduler answers" in refused(
        capsys, "worker", "--scheduler", "tcp://127.0.0.1:9", "--workers", "1"
    )
    assert "workers" in refused(capsys, "worker", "--scheduler", "tcp://127.0.0.1:9", "--workers", "-1")
    for address in ("nonsense", "tcp://127.0.0.1:99999"):
        assert "scheduler" in refused(capsys, "worker", "--with-scheduler", "--scheduler", address)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused(
            capsys, "worker", "--with-scheduler", "--scheduler", f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        )
        assert "in use" in said
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EVIDENT_DATA", str(tmp_path / "file"))
    get_settings.cache_clear()
    assert "data folder" in refused(capsys, "worker", "--scheduler", "tcp://127.0.0.1:9")


@pytest.mark.parametrize("ready", [False, True], ids=["while starting", "once it serves"])
def test_sigterm_is_an_orderly_end(ready: bool, tmp_path: Path) -> None:
    port = free_port()
    env = {**os.environ, "EVIDENT_API_URL": "http://127.0.0.1:9", "EVIDENT_PORT": str(port)}
    command = [sys.executable, "-m", "app", "serve", "--part", "ui"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        assert "starting" in server.stderr.readline()
        deadline = time.monotonic() + 60
        while ready:
            with socket.socket() as probe:
                probe.settimeout(5)
                probe.connect(("127.0.0.1", port))
                probe.sendall(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                try:
                    if probe.recv(10):
                        break
                except TimeoutError:
                    assert time.monotonic() < deadline
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert "Traceback" not in server.stderr.read()
