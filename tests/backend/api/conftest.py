"""One real server for all tests of the API: sockets, workers, store; and the check that every hostile case
is followed by."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import ssl
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from app.core.settings import Limits, Settings
from app.web.guard import protect
from backend.api import create_api, health_router
from backend.api.services import Services
from backend.store.tables import jobs
from tests.backend.databases import postgres_schema
from tests.models.media.encoders import image, npy, picture, sndfile, tone

CANARY = "CANARY7f3a"
"""A word that hostile inputs carry and that must appear in no answer and no log line."""
NOWHERE = "0" * 64
"""An id of nothing."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""No server here speaks TLS; without this every client of a test reads all certificates of the world first."""
PATIENCE = 600.0
"""Seconds until a server counts as hanging: all tests of a session fail with its server, however busy the machine."""


@dataclass
class Running:
    """A server with everything the tests look at afterwards."""

    base: str
    data: Path
    settings: Settings
    app: FastAPI
    services: Services
    logged: list[str] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"{self.base}/api/v1"


class _Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.levelname} {self.format(record)}")


def build(
    settings: Settings, plugins: tuple[str, ...] = ("tests.backend.api.workshop",)
) -> tuple[FastAPI, Services]:
    services = Services(settings, plugins=plugins)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        await services.start()
        yield
        await services.stop()

    root = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    root.include_router(health_router(services))
    root.mount("/api", create_api(services))
    return root, services


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same server on PostgreSQL, where there is one."""
    with postgres_schema() as url, served(tmp_path_factory.mktemp("api-postgres"), database=url) as running:
        yield running


@contextmanager
def served(folder: Path, **more: Any) -> Iterator[Running]:
    """A server on a port of its own, ready. more: settings."""
    # Small limits make the tests of limits quick; one worker keeps the order of jobs certain.
    limits = Limits(
        audio_seconds=30.0,
        image_bytes=2 * 1024 * 1024,
        audio_bytes=2 * 1024 * 1024,
        array_bytes=2 * 1024 * 1024,
        job_seconds=60.0,
    )
    settings = Settings(_env_file=None, data=folder / "data", workers=1, **{"limits": limits, **more})
    root, services = build(settings)
    lines: list[str] = []
    listener = _Listener(lines)
    for name in ("evident", "uvicorn.error", "python_multipart"):
        logging.getLogger(name).addHandler(listener)
    config = uvicorn.Config(
        protect(root, settings),
        port=0,
        http="h11",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()), daemon=True)
    thread.start()
    _until(lambda: running.started)
    base = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=base, timeout=60, verify=PLAIN) as asking:
        _until(lambda: asking.get("/readyz").status_code == 200)
        _until(lambda: asking.get("/api/v1/catalogue").status_code == 200)
    store = next(
        route.app for route in root.routes if getattr(route, "path", "") == "/api"
    ).state.services.store
    _until(lambda: not _at_work(store))
    try:
        yield Running(base, folder / "data", settings, root, services, lines)
    finally:
        running.should_exit = True
        thread.join(20)


def _at_work(store: Any) -> bool:
    """Whether the server is still doing what it does by itself at the start."""
    with store.engine.connect() as connection:
        kinds = connection.execute(select(jobs.c.kind, jobs.c.state)).all()
    return "concept_examples" not in {kind for kind, _ in kinds} or any(
        state in ("queued", "running") for _, state in kinds
    )


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "the server did not get ready"
        time.sleep(0.1)


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.api, timeout=60, verify=PLAIN) as found:
        yield found


@pytest.fixture
def after(server: Running) -> Iterator[Callable[[httpx.Response], dict[str, Any]]]:
    """Checks a refusal, and after the test that the server is none the worse: ready, nothing left over,
    nothing leaked."""
    first = len(server.logged)

    def refusal(answer: httpx.Response) -> dict[str, Any]:
        assert 400 <= answer.status_code < 600
        assert answer.status_code not in (500, 501, 502, 504), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        found = answer.json()
        assert found["status"] == answer.status_code
        assert found["code"]
        assert found["detail"]
        assert found["request_id"] == answer.headers["x-request-id"]
        for word in (CANARY, str(server.data), "Traceback", "/site-packages/", ".py"):
            assert word not in answer.text
        return found

    yield refusal
    assert httpx.get(f"{server.base}/readyz", verify=PLAIN).status_code == 200
    assert not list((server.data / "blobs" / "tmp").iterdir())
    said = "\n".join(server.logged[first:])
    assert CANARY not in said
    assert "failed" not in said, said


def archive(examples: list[dict[str, Any]], files: dict[str, bytes]) -> bytes:
    """A concept in a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(
            "concept.json", json.dumps({"format": "evident-concept-1", "name": "x", "examples": examples})
        )
        for name, data in files.items():
            zipped.writestr(name, data)
    return buffer.getvalue()


def send(client: httpx.Client, data: bytes, name: str = "file.bin", **fields: str) -> httpx.Response:
    return client.post("/inputs", files={"file": (name, data)}, data=fields)


def upload(client: httpx.Client, data: bytes, **fields: str) -> str:
    answer = send(client, data, **fields)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


@pytest.fixture
def photo(client: httpx.Client, request: pytest.FixtureRequest) -> str:
    """The same pixels for every test, as a file of its own: what a test asks is a job that no other test of
    this server has asked before it."""
    words = PngInfo()
    words.add_text("Comment", request.node.nodeid)
    return upload(client, image(picture(), pnginfo=words))


@pytest.fixture
def sound(client: httpx.Client, request: pytest.FixtureRequest) -> str:
    samples = np.concatenate([tone(1.0), 0.001 * tone(1.0), tone(1.0, hertz=900)])
    return upload(client, sndfile(samples, comment=request.node.nodeid))


@pytest.fixture
def grid(client: httpx.Client, request: pytest.FixtureRequest) -> str:
    draw = np.random.default_rng(list(request.node.nodeid.encode()))
    return upload(client, npy(draw.uniform(-60, 0, size=(40, 50)).astype(np.float32)))


def explain(
    client: httpx.Client, input: str, model: str = "tiny", method: str = "ramp", **more: Any
) -> httpx.Response:
    return client.post("/explanations", json={"input": input, "model": model, "method": method, **more})


def finished(client: httpx.Client, id: str) -> dict[str, Any]:
    """The explanation once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        explanation = client.get(f"/explanations/{id}").json()
        if explanation["state"] not in ("queued", "running"):
            return explanation
        assert time.monotonic() < deadline
        time.sleep(0.05)
