"""Requests generated from the API's own description, valid and invalid: never a server error, every refusal a problem."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from tests.backend.api.conftest import Running
from tests.backend.api.walk import tables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode

EXAMPLES = int(os.environ.get("EVIDENT_GENERATED", "8"))
"""Requests per route and mode; set EVIDENT_GENERATED to look harder."""
SESSION = requests.Session()
CASES = [
    (*key, mode)
    for key, row in sorted(tables().items())
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # A route that only takes an id cannot be asked wrongly, and is asked with impossible ids in test_routes.py.
    if not key[1].startswith(("/v1/docs", "/v1/openapi")) and (mode is GenerationMode.POSITIVE or row[422].startswith("test_"))
]


@pytest.fixture(scope="module")
def schema(server: Running) -> Any:
    return schemathesis.openapi.from_dict(httpx.get(f"{server.api}/openapi.json").json())


@pytest.mark.parametrize(("method", "path", "mode"), CASES, ids=[f"{method} {path} {mode.value}" for method, path, mode in CASES])
def test_generated_requests(
    method: str, path: str, mode: GenerationMode, schema: Any, server: Running, after: Callable[[httpx.Response], Any]
) -> None:
    strategy = schema[path][method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case: Any) -> None:
        answer = case.call(base_url=f"{server.base}/api", timeout=30, session=SESSION)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert set(answer.json()) == {"type", "title", "status", "code", "detail", "field", "request_id"}

    check()
