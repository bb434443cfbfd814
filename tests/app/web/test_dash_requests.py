"""The dashboard behind the same stack: its own routes keep the error contract too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from app.core.settings import Settings
from app.web.main import create_app
from frontend.ui import assets


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> ASGIApp:
    return create_app(Settings(_env_file=None, data=tmp_path_factory.mktemp("pages")))


def ask(app: ASGIApp, method: str, path: str, **more: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8050") as client:
            return await client.request(method, path, **more)

    return asyncio.run(call())


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"7", b"{}", b'{"output": "x.y"}', b'{"output": 1, "inputs": 2}', b"[" * 100_000, b'{"output": "\\ud800"}', b'{"a": NaN}',
    b'{"output": "x.y", "outputs": {}, "inputs": [], "changedPropIds": []}', b'{"output": "x.y", "outputs": {}, "inputs": [1, 2], "changedPropIds": "no"}',
])  # fmt: skip
def test_malformed_callbacks(body: bytes, app: ASGIApp) -> None:
    answer = ask(
        app, "POST", "/_dash-update-component", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"]


def test_well_formed_callbacks_get_through(app: ASGIApp) -> None:
    """Every callback the page declares, with inputs that make no sense: never a bare error."""
    declared = [
        one for one in ask(app, "GET", "/_dash-dependencies").json() if not one["clientside_function"]
    ]
    assert declared
    for one in declared:
        body = {
            "output": one["output"],
            "outputs": {"id": "x", "property": "y"},
            "inputs": [{**part, "value": None} for part in one["inputs"]],
            "changedPropIds": [],
        }
        answer = ask(
            app,
            "POST",
            "/_dash-update-component",
            content=json.dumps(body),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code != 400, one
        assert answer.status_code < 400 or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/_dash-component-suites/x/y.js",
        "/_dash-component-suites/dash/../../x",
        "/assets/../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/pyproject.toml",
        "/assets/nothing.js",
        assets.url("../../../etc/passwd"),
        assets.url("%2e%2e/%2e%2e/pyproject.toml"),
        assets.url("nothing.js"),
    ],
)
def test_files_that_are_not_there(path: str, app: ASGIApp) -> None:
    answer = ask(app, "GET", path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_the_page_has_a_policy_without_inline_scripts(app: ASGIApp) -> None:
    page = ask(app, "GET", "/", headers={"accept-encoding": "gzip"})
    assert page.status_code == 200
    scripts = page.headers["content-security-policy"].split("script-src")[1].split(";")[0]
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in scripts
    assert "http" not in scripts
    assert "http://" not in page.text.replace("http://127.0.0.1", "")
    assert "https://" not in page.text


@pytest.mark.parametrize(
    "path", ["/", "/_dash-layout", "/_dash-update-component", "/healthz", "/api/v1/limits", "/nothing"]
)
def test_every_route_is_behind_the_stack(path: str, app: ASGIApp) -> None:
    assert ask(app, "GET", path, headers={"host": "evil.example"}).status_code == 421
    assert ask(app, "POST", path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert ask(app, "POST", path, content=b"x" * 5_000_000).status_code == 413
    assert ask(app, "GET", path, headers={"x-long": "a" * 20_000}).status_code == 431
    for name in ("x-content-type-options", "content-security-policy", "x-request-id", "referrer-policy"):
        assert name in ask(app, "GET", path).headers


def test_a_page_cannot_be_opened_over_a_socket_from_elsewhere(app: ASGIApp) -> None:
    """Web sockets know no same-origin rule: the stack must."""
    for headers in (
        [(b"host", b"evil.example")],
        [(b"host", b"127.0.0.1:8050"), (b"origin", b"http://evil.example")],
    ):
        sent: list[dict[str, Any]] = []

        async def send(message: Any, sent: list[dict[str, Any]] = sent) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        scope = {
            "type": "websocket",
            "path": "/_dash-ws",
            "raw_path": b"/_dash-ws",
            "query_string": b"",
            "headers": headers,
        }
        asyncio.run(app(scope, receive, send))
        assert sent == [{"type": "websocket.close", "code": 1008}]
