"""The dashboard alone passes `/api` on: bodies both ways, no hop headers, a plain sentence when nobody
answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.core.settings import Settings
from app.web.proxy import forward
from tests.serving import serving


@pytest.fixture(scope="module")
def behind() -> Iterator[str]:
    backend = FastAPI()

    @backend.api_route("/api/v1/echo", methods=["GET", "POST", "DELETE"])
    async def echo(request: Request) -> JSONResponse:
        body = await request.body()
        seen = {
            "method": request.method,
            "query": request.url.query,
            "bytes": len(body),
            "headers": dict(request.headers),
        }
        return JSONResponse(seen, 207, headers={"X-Own": "yes"})

    with serving(backend) as address:
        yield address


def ask(api_url: str, method: str, path: str, **options: object) -> httpx.Response:
    root = FastAPI()
    forward(root, Settings(_env_file=None, api_url=api_url))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(root), base_url="http://dashboard.example"
        ) as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(send())


def test_requests_pass_with_body_query_and_status(behind: str) -> None:
    answer = ask(
        behind,
        "POST",
        "/api/v1/echo?a=1&b=%20",
        content=b"x" * 3_000_000,
        headers={"Origin": "http://dashboard.example", "X-Mine": "kept"},
    )
    assert answer.status_code == 207
    assert answer.headers["x-own"] == "yes"
    seen = answer.json()
    assert (seen["method"], seen["query"], seen["bytes"]) == ("POST", "a=1&b=%20", 3_000_000)
    assert seen["headers"]["x-mine"] == "kept"
    assert "origin" not in seen["headers"]
    assert seen["headers"]["host"].startswith("127.0.0.1:")


def test_nothing_is_compressed_that_was_not_asked_for(behind: str) -> None:
    root = FastAPI()
    forward(root, Settings(_env_file=None, api_url=behind))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(root), base_url="http://dashboard.example"
        ) as client:
            request = client.build_request("GET", "/api/v1/echo")
            del request.headers["accept-encoding"]
            return await client.send(request)

    assert asyncio.run(send()).json()["headers"]["accept-encoding"] == "identity"


def test_a_backend_that_does_not_answer_is_a_sentence() -> None:
    answer = ask("http://127.0.0.1:9", "GET", "/api/v1/echo")
    assert (answer.status_code, answer.json()["code"]) == (503, "backend_unreachable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"


def test_the_dashboard_alone_needs_an_address() -> None:
    with pytest.raises(SystemExit, match="EVIDENT_API_URL"):
        forward(FastAPI(), Settings(_env_file=None))
