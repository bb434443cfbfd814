"""Requests generated from the API's own description, and from hostile texts on every database: never a
server error, every refusal a problem."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.backend.api.conftest import CANARY, PLAIN, Running
from tests.backend.api.walk import tables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode

EXAMPLES = int(os.environ.get("EVIDENT_GENERATED", "8"))
"""Requests per route and mode; set EVIDENT_GENERATED to look harder."""
SESSION = requests.Session()
ROUTES = [key for key in sorted(tables()) if not key[1].startswith(("/v1/docs", "/v1/openapi"))]
CASES = [
    (*key, mode)
    for key in ROUTES
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # A route that only takes an id cannot be asked wrongly by its description; `test_any_text_at_every_door`
    # asks it.
    if mode is GenerationMode.POSITIVE or tables()[key][422].startswith("test_")
]


def generated(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def door(request: pytest.FixtureRequest) -> Running:
    return request.getfixturevalue("server" if request.param == "sqlite" else "postgres_server")


@pytest.fixture(scope="module")
def schema(server: Running) -> Any:
    return schemathesis.openapi.from_dict(
        httpx.get(f"{server.api}/openapi.json", timeout=60, verify=PLAIN).json()
    )


def check(answer: Any, door: Running) -> None:
    """No fault of ours, and nothing of what was sent in a refusal. 503 is for work that waits, never for a
    text."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400:
        assert "application/problem+json" in str(answer.headers["content-type"])
        assert set(answer.json()) == {"type", "title", "status", "code", "detail", "field", "request_id"}
        assert str(door.data) not in answer.text
        assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "mode"), CASES, ids=[f"{method} {path} {mode.value}" for method, path, mode in CASES]
)
def test_generated_requests(
    method: str, path: str, mode: GenerationMode, schema: Any, server: Running
) -> None:
    # What another database could do differently is asked with hostile texts, below.
    @generated(EXAMPLES)
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        check(case.call(base_url=f"{server.base}/api", timeout=30, session=SESSION), server)

    ask()
    assert "failed" not in "\n".join(server.logged)


LETTERS = st.sampled_from(
    [
        "\x00",
        "\x01",
        "\n",
        "\x7f",
        "\x85",
        "\ud800",
        "\udfff",
        "\ufffe",
        "e\u0301",
        "\u202e",
        "💩",
        "'",
        "%",
        "/",
        "..",
        ";--",
        "a",
        "0",
    ]
)
HOSTILE = st.lists(LETTERS, min_size=1, max_size=12).map("".join) | st.sampled_from(
    [f"{CANARY}\x00", "a" * 5000, "timm:\x00", "upload-\ud800"]
)


def in_address(text: str) -> str:
    """Percent-encoded, halves of characters as the bytes that no UTF-8 holds."""
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(key) for key in ROUTES])
def test_any_text_at_every_door(method: str, path: str, schema: Any, door: Running) -> None:
    """NUL, control characters and halves of characters in the address, the query, bodies and forms of
    every route."""
    operation = schema.raw_schema["paths"][path][method.lower()]
    parameters = operation.get("parameters", [])
    bodies = operation.get("requestBody", {}).get("content", {})

    @generated(max(2, EXAMPLES // 2))
    @given(text=HOSTILE)
    def ask(text: str) -> None:
        address = path
        for parameter in parameters:
            address = address.replace(f"{{{parameter['name']}}}", in_address(text))
        query = "&".join(
            f"{parameter['name']}={in_address(text)}"
            for parameter in parameters
            if parameter["in"] == "query"
        )
        url = f"{door.base}/api{address}{'?' + query if query else ''}"
        with httpx.Client(timeout=30, verify=PLAIN) as client:
            check(client.request(method, url), door)
            for kind in bodies:
                check(client.request(method, url, **_body(kind, text, schema, bodies[kind])), door)

    ask()
    assert "failed" not in "\n".join(door.logged)


def _body(kind: str, text: str, schema: Any, content: dict[str, Any]) -> dict[str, Any]:
    """The text in every field that may hold one."""
    described = content["schema"]
    if "$ref" in described:
        described = schema.raw_schema["components"]["schemas"][described["$ref"].rpartition("/")[2]]
    fields = described.get("properties", {})
    if kind == "application/json":
        return {
            "content": json.dumps({name: _filled(part, text) for name, part in fields.items()}),
            "headers": {"content-type": kind},
        }
    raw = text.encode("utf-8", "surrogatepass")
    parts = [
        b'--x\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (name.encode(), b'; filename="%b"' % raw.replace(b'"', b"") if "format" in part else b"", raw)
        for name, part in fields.items()
    ]
    return {
        "content": b"".join(parts) + b"--x--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=x"},
    }


def _filled(part: dict[str, Any], text: str) -> Any:
    if part.get("type") == "array":
        return [{"input": text} if "$ref" in part.get("items", {}) else text]
    if part.get("type") == "object":
        return {text: text}
    return text
