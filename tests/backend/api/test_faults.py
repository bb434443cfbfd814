"""The database is locked or away, the disk full or read-only: 503 or 507 in plain words for every route
that writes, and by itself again."""

from __future__ import annotations

import errno
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from safetensors.numpy import save
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from backend.store.faults import fault_of
from tests.backend.api.conftest import PLAIN, Running, archive, upload
from tests.backend.api.walk import tables
from tests.models.media.encoders import image, picture

NOWHERE = "0" * 64
LOCKED = sqlite3.OperationalError("database is locked")
FULL = sqlite3.OperationalError("database or disk is full")


@pytest.fixture
def store(server: Running) -> Any:
    return next(
        route.app for route in server.app.routes if getattr(route, "path", "") == "/api"
    ).state.services.store


@contextmanager
def no_database(store: Any, error: Exception, writes_only: bool) -> Iterator[None]:
    """Every transaction (that writes) fails as it does when the database is locked, full or away."""

    def refuse(connection: Any) -> None:
        if not writes_only or connection.get_execution_options().get("write"):
            raise OperationalError("BEGIN", {}, error)

    event.listen(store.engine, "begin", refuse, insert=True)
    try:
        yield
    finally:
        event.remove(store.engine, "begin", refuse)


@contextmanager
def no_disk(number: int) -> Iterator[None]:
    """No temporary file can be made: every blob begins as one."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, "CANARY7f3a")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", refuse)
        patch.setattr(tempfile, "TemporaryFile", refuse)
        yield


def writing(
    client: httpx.Client, photo: str, seed: int
) -> dict[tuple[str, str], Callable[[], httpx.Response]]:
    """Every route that writes, with a request that would succeed, or reach the database to find out that
    there is no such thing."""
    new = image(picture(seed=seed))
    at_layer = {"model": "tiny", "layer": "0"}
    example = {"input": photo}
    bundle = archive([{"file": "a"}], {"a": image(picture(seed=seed + 1))})
    model = {
        "files": {"weights": ("a.safetensors", save({}))},
        "data": {"architecture": "resnet18", "labels": "a\nb"},
    }
    return {
        ("POST", "/v1/inputs"): lambda: client.post("/inputs", files={"file": ("a.png", new)}),
        ("DELETE", "/v1/inputs/{id}"): lambda: client.delete(f"/inputs/{NOWHERE}"),
        ("POST", "/v1/models"): lambda: client.post("/models", **model),
        ("DELETE", "/v1/models/{key}"): lambda: client.delete("/models/upload-0"),
        ("POST", "/v1/predictions"): lambda: client.post(
            "/predictions", json={"input": photo, "model": "tiny"}
        ),
        ("POST", "/v1/explanations"): lambda: client.post(
            "/explanations", json={"input": photo, "model": "tiny", "method": "ramp", "seed": seed}
        ),
        ("DELETE", "/v1/explanations/{id}"): lambda: client.delete(f"/explanations/{NOWHERE}"),
        ("POST", "/v1/concepts"): lambda: client.post("/concepts", json={"name": "x", "examples": [example]}),
        ("POST", "/v1/concepts/import"): lambda: client.post(
            "/concepts/import", files={"file": ("c.zip", bundle)}
        ),
        ("PUT", "/v1/concepts/{id}"): lambda: client.put(f"/concepts/{NOWHERE}", json={"name": "y"}),
        ("DELETE", "/v1/concepts/{id}"): lambda: client.delete(f"/concepts/{NOWHERE}"),
        ("POST", "/v1/concepts/{id}/examples"): lambda: client.post(
            f"/concepts/{NOWHERE}/examples", json={"examples": [example]}
        ),
        ("POST", "/v1/concept-analyses"): lambda: client.post(
            "/concept-analyses",
            json={
                "model": "tiny",
                "inputs": [photo],
                "concepts": ["striped"],
                "layers": ["0"],
                "negatives": "random",
                "seed": seed,
            },
        ),
        ("DELETE", "/v1/concept-analyses/{id}"): lambda: client.delete(f"/concept-analyses/{NOWHERE}"),
        ("POST", "/v1/lens"): lambda: client.post(
            "/lens", json={"input": photo, "model": "tiny", "target": seed % 2}
        ),
        ("POST", "/v1/internals"): lambda: client.post("/internals", json={**at_layer, "seed": seed}),
        ("POST", "/v1/ablations"): lambda: client.post(
            "/ablations", json={**at_layer, "input": photo, "filters": [0], "target": seed % 2}
        ),
        ("POST", "/v1/spots"): lambda: client.post(
            "/spots", json={**at_layer, "input": photo, "x": 0.5, "y": 1 / (1 + seed)}
        ),
        ("POST", "/v1/maximisations"): lambda: client.post(
            "/maximisations", json={**at_layer, "filter": 0, "seed": seed}
        ),
        ("POST", "/v1/whatifs"): lambda: client.post(
            "/whatifs", json={"input": photo, "model": "tiny", "boxes": [[2, 9, 2, 9]], "seed": seed}
        ),
        ("POST", "/v1/cases"): lambda: client.post("/cases", json={"inputs": [photo], "model": "tiny"}),
        ("PUT", "/v1/cases/{id}/verdict"): lambda: client.put(
            f"/cases/{NOWHERE}/verdict", json={"stage": "before", "reading": 0}
        ),
        ("POST", "/v1/cases/{id}/reveal"): lambda: client.post(f"/cases/{NOWHERE}/reveal"),
        ("POST", "/v1/cases/{id}/events"): lambda: client.post(
            f"/cases/{NOWHERE}/events", json={"kind": "listened"}
        ),
        ("DELETE", "/v1/cases/{id}"): lambda: client.delete(f"/cases/{NOWHERE}"),
        ("DELETE", "/v1/worklists/{id}"): lambda: client.delete(f"/worklists/{NOWHERE}"),
        ("PATCH", "/v1/worklists/{id}"): lambda: client.patch(f"/worklists/{NOWHERE}", json={"title": "x"}),
        ("POST", "/v1/verifications"): lambda: client.post(
            "/verifications",
            files={"file": ("r.json", f'{{"format":"evident-report-1","evident":"{seed}","subjects":[]}}')},
        ),
        ("POST", "/v1/similar"): lambda: client.post(
            "/similar", json={"input": photo, "model": "tiny", "target": seed % 2}
        ),
        ("POST", "/v1/stress"): lambda: client.post(
            "/stress", json={"input": photo, "model": "tiny", "target": seed % 2}
        ),
        ("PUT", "/v1/inputs/{id}/region"): lambda: client.put(
            f"/inputs/{photo}/region", json={"boxes": [[2, 9, 2, 9]]}
        ),
        ("DELETE", "/v1/inputs/{id}/region"): lambda: client.delete(f"/inputs/{NOWHERE}/region"),
        ("POST", "/v1/checks"): lambda: client.post("/checks", json={"explanation": NOWHERE}),
        ("POST", "/v1/sanity"): lambda: client.post(
            "/sanity", json={"model": "tiny", "method": "ramp", "params": {"n_samples": 1 + seed}}
        ),
        **{
            ("DELETE", f"/v1/{kind}/{{id}}"): lambda kind=kind: client.delete(f"/{kind}/{NOWHERE}")
            for kind in (
                "lens",
                "internals",
                "ablations",
                "spots",
                "maximisations",
                "whatifs",
                "stress",
                "verifications",
                "similar",
                "checks",
                "sanity",
                "evaluations",
            )
        },
        ("POST", "/v1/evaluations"): lambda: client.post(
            "/evaluations",
            json={
                "model": "tiny",
                "inputs": [photo],
                "methods": ["ramp"],
                "metrics": ["sparseness"],
                "seed": seed,
            },
        ),
        ("DELETE", "/v1/jobs/{id}"): lambda: client.delete(f"/jobs/{NOWHERE}"),
        ("DELETE", "/v1/session"): lambda: client.delete("/session"),
    }


def test_every_route_that_writes_is_here(client: httpx.Client) -> None:
    only_read = {
        ("POST", "/v1/hub/recognise"),
        ("POST", "/v1/hub/labels"),
        ("POST", "/v1/evaluations/price"),
        ("POST", "/v1/evaluations/labels"),
    }  # what they are sent, and keep nothing
    only_read |= {  # refused where nobody signs in, see tests/app/web/test_entrance.py
        ("POST", "/v1/session"),
        ("PUT", "/v1/session/password"),
        ("POST", "/v1/users"),
        ("PATCH", "/v1/users/{name}"),
        ("DELETE", "/v1/users/{name}"),
        ("POST", "/v1/users/{name}/password"),
        ("DELETE", "/v1/users/{name}/sessions"),
    }
    assert set(writing(client, NOWHERE, 0)) == {key for key in tables() if key[0] != "GET"} - only_read


@pytest.mark.parametrize(
    ("error", "writes_only", "status", "code"),
    [
        (LOCKED, True, 503, "database_unavailable"),
        (LOCKED, False, 503, "database_unavailable"),
        (FULL, True, 507, "no_space"),
    ],
    ids=["locked", "away", "full"],
)
def test_a_database_that_cannot_be_used(
    error: Exception,
    writes_only: bool,
    status: int,
    code: str,
    client: httpx.Client,
    photo: str,
    store: Any,
    server: Running,
    after: Any,
) -> None:
    seed = 100 + status + writes_only
    with no_database(store, error, writes_only):
        for key, ask in writing(client, photo, seed).items():
            answer = ask()
            # What is not there is found out by reading, and a form that is refused is refused before anything
            # is written.
            if writes_only and answer.status_code in (404, 422):
                continue
            found = after(answer)
            assert (found["status"], found["code"]) == (status, code), (key, found)
            assert float(answer.headers["retry-after"]) > 0
            assert "BEGIN" not in answer.text
        ready = httpx.get(f"{server.base}/readyz", verify=PLAIN)
        assert ready.status_code == 503
        assert ready.json()["detail"] == "Not ready: database."
        assert httpx.get(f"{server.base}/healthz", verify=PLAIN).status_code == 200
    again(client, photo, seed, server)


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "no_space"),
        (errno.EDQUOT, 507, "no_space"),
        (errno.EROFS, 503, "data_folder_unavailable"),
    ],
)
def test_a_disk_that_cannot_be_written(
    number: int, status: int, code: str, client: httpx.Client, photo: str, server: Running, after: Any
) -> None:
    seed = 300 + number
    written = {
        ("POST", "/v1/inputs"),
        ("POST", "/v1/models"),
        ("POST", "/v1/concepts"),
        ("POST", "/v1/concepts/import"),
    }
    with no_disk(number):
        for key, ask in writing(client, photo, seed).items():
            answer = ask()
            if key in written:
                found = after(answer)
                assert (found["status"], found["code"]) == (status, code), (key, found)
                assert float(answer.headers["retry-after"]) > 0
            assert answer.status_code not in (500, 501, 502, 504), key
        assert httpx.get(f"{server.base}/readyz", verify=PLAIN).json()["detail"] == "Not ready: data folder."
    again(client, photo, seed, server)


def again(client: httpx.Client, photo: str, seed: int, server: Running) -> None:
    """Once the fault is gone, without a restart: the same requests succeed. What was asked under the fault
    may still wait in line, so that a request has to wait for room."""
    assert httpx.get(f"{server.base}/readyz", verify=PLAIN).status_code == 200
    for key, ask in writing(client, photo, seed).items():
        answer = ask()
        deadline = time.monotonic() + 60
        while answer.status_code == 503 and answer.json()["code"] == "busy" and time.monotonic() < deadline:
            time.sleep(0.2)
            answer = ask()
        assert answer.status_code in (
            (200, 201, 202)
            if key[1] in ("/v1/inputs", "/v1/predictions", "/v1/explanations", "/v1/concepts")
            else (200, 201, 202, 204, 404, 422)
        ), (key, answer.text)
    upload(client, image(picture(seed=seed + 1)))


def test_calls_in_line_behind_a_lock_share_its_fate(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty calls while another process holds the lock are all refused after one wait, not after twenty."""
    import asyncio

    from app.core.errors import StorageUnavailable
    from backend.store import Store, opening

    wait = 0.5
    monkeypatch.setattr(opening, "LOCK_SECONDS", wait)
    store = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "data")
    store.migrate()
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    def write() -> None:
        with store.write():
            pass

    async def scene() -> list[Any]:
        return await asyncio.gather(*(store.run(write) for _ in range(20)), return_exceptions=True)

    began = time.monotonic()
    refused = asyncio.run(scene())
    waited = time.monotonic() - began
    assert {type(error) for error in refused} == {StorageUnavailable}
    assert waited < 10 * wait  # one after the other it would be twice as long or more
    holder.execute("ROLLBACK")
    asyncio.run(store.run(write))
    store.close()


def test_readiness_names_the_locked_database_and_nothing_else(
    server: Running, client: httpx.Client, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits for the database holds the threads of the store; the folder is looked at beside them."""
    monkeypatch.setattr("backend.api.routes.health.PATIENCE", 0.3)
    free = threading.Event()
    for _ in range(store._threads._max_workers):
        store._threads.submit(free.wait, 20)
    try:
        answer = httpx.get(f"{server.base}/readyz", verify=PLAIN)
    finally:
        free.set()
    assert answer.status_code == 503
    assert answer.json()["detail"] == "Not ready: database."


def test_a_log_that_cannot_be_emptied_now_is_left_for_later(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk SQLite cannot begin a checkpoint; the deletion before it is done nevertheless."""

    class Full:
        def cursor(self) -> None:
            raise FULL

        def close(self) -> None:
            pass

    with monkeypatch.context() as patch:
        patch.setattr(store.engine, "raw_connection", Full)
        assert store.scrub() is False
    assert store.scrub()


def test_what_is_a_fault_and_what_is_a_bug() -> None:
    """By code, not by words: a mistake of ours must not hide behind a full disk."""
    for number, status in ((errno.ENOSPC, 507), (errno.EROFS, 503), (errno.EIO, 503)):
        found = fault_of(OSError(number, "x"))
        assert found is not None
        assert found.status == status
    for bug in (
        FileNotFoundError(errno.ENOENT, "x"),
        ValueError("disk is full"),
        OperationalError.__mro__[1]("q", {}, ValueError("x")),
    ):
        assert fault_of(bug) is None, bug
    damaged = fault_of(OperationalError("q", {}, sqlite3.DatabaseError("database disk image is malformed")))
    assert damaged is not None
    assert damaged.instance_code == "database_damaged"
