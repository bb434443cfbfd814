"""People who visit a server where one signs in: an application without workers, two users, and requests from an address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.settings import Settings
from app.web.main import create_app
from backend.store import Store, users

PASSWORD = "correct horse battery"
METHODS = {
    "output": "about-methods.children",
    "outputs": {"id": "about-methods", "property": "children"},
    "inputs": [{"id": "about-store", "property": "data", "value": 0}],
    "changedPropIds": [],
}
"""What the About page asks for when it opens."""


def asked(app: Any, method: str, path: str, client: str = "192.0.2.7", **options: Any) -> httpx.Response:
    """One request, from an address."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://evident.example") as sender:
            return await sender.request(method, path, **options)

    return asyncio.run(send())


@contextmanager
def people(url: str, data: Path) -> Iterator[Store]:
    with closing(Store(url, data)) as store:
        store.migrate()
        users.add_user(store, "Ann", PASSWORD, "admin")
        users.add_user(store, "Bob", PASSWORD, "reviewer")
        yield store


def settings(data: Path, url: str | None = None, **more: Any) -> Settings:
    standard = {"sign_in": True, "allowed_hosts": ("evident.example", "127.0.0.1")}
    return Settings(_env_file=None, data=data, database=url, workers=1, **{**standard, **more})


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    with people(database_url, tmp_path / "data") as store:
        yield store


@pytest.fixture
def app(store: Store, database_url: str, tmp_path: Path) -> Any:
    """Not started: neither pages nor sessions need a worker."""
    return create_app(settings(tmp_path / "data", database_url))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same on SQLite, for tests that change nothing."""
    data = tmp_path_factory.mktemp("entrance")
    with people(f"sqlite:///{data / 'evident.db'}", data):
        yield create_app(settings(data))


def let_in(app: Any, name: str = "Ann", password: str = PASSWORD, **options: Any) -> httpx.Response:
    return asked(app, "POST", "/api/v1/session", json={"name": name, "password": password}, **options)


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def signed_in(app: Any, name: str = "Ann", **options: Any) -> dict[str, str]:
    answer = let_in(app, name, **options)
    assert answer.status_code == 200, answer.text
    return cookie_of(answer)


def root_of(app: Any) -> FastAPI:
    while not isinstance(app, FastAPI):
        app = app.app
    return app
