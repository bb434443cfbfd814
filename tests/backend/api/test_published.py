"""Published networks are fetched on purpose, by POST alone; a GET starts nothing and asks nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.core.errors import WeightsUnavailable
from backend.store.tables import jobs
from tests.backend.api.conftest import PLAIN, Running, served
from tests.backend.api.walk import api_routes

NAMES = (
    "timm:resnet18",
    "torchvision:resnet50",
    "timm:resnet18.a1_in1k",
    "shapes",
    "tiny",
    "striped",
    "0" * 64,
)
PLACES = {"name": "0.png", "number": "0", "filter": "0", "epoch": "0", "index": "0", "form": "html"}
"""What stands in an address where no name of a model, method or job does."""
QUERY = {
    "ids": "0" * 64,
    "explanations": "0" * 64,
    "model": "shapes",
    "method": "lrp",
    "metric": "sparseness",
    "worklist": "0" * 32,
}


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that may not fetch anything, with the real models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        with served(tmp_path_factory.mktemp("offline"), downloads=False) as running:
            yield running


def rows(server: Running) -> dict[str, tuple[str, int]]:
    """Every job that there is, the server's own included: state and how often a worker was asked."""
    store = next(
        route.app for route in server.app.routes if getattr(route, "path", "") == "/api"
    ).state.services.store
    with store.engine.connect() as connection:
        return {row.key: (row.state, row.attempts) for row in connection.execute(select(jobs))}


def settled(server: Running) -> dict[str, tuple[str, int]]:
    """Once what the server does by itself at the start is done."""
    deadline = time.monotonic() + 90
    while any(state in ("queued", "running") for state, _ in rows(server).values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return rows(server)


def test_no_get_starts_anything(offline: Running) -> None:
    """Every GET of the API, with every kind of name in every place."""
    httpx.get(f"{offline.api}/samples", timeout=60, verify=PLAIN)
    httpx.get(f"{offline.api}/concepts/striped/examples/0.png", timeout=60, verify=PLAIN)
    before = settled(offline)
    with httpx.Client(
        base_url=f"{offline.base}/api",
        timeout=60,
        headers={"Sec-Fetch-Site": "cross-site"},
        verify=PLAIN,
    ) as client:
        for path, route in api_routes(offline.app):
            if "GET" not in route.methods:
                continue
            for name in NAMES if "{" in path else NAMES[:1]:
                address = path
                for parameter in route.param_convertors:
                    address = address.replace(f"{{{parameter}}}", PLACES.get(parameter, name))
                answer = client.get(address, params=QUERY)
                assert answer.status_code in (200, 404, 409), (address, answer.text)
    assert settled(offline) == before


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()


def test_a_network_that_was_not_fetched_says_how_to(offline: Running) -> None:
    assert (
        "POST /api/v1/models"
        in refusal(httpx.get(f"{offline.api}/models/timm:resnet18", verify=PLAIN), 404, "not_fetched")[
            "detail"
        ]
    )
    with httpx.Client(base_url=offline.api, timeout=60, verify=PLAIN) as client:
        sample = client.get("/samples").json()[0]["input"]
        asked: dict[str, Any] = {"input": sample, "model": "timm:resnet18"}
        refusal(client.post("/predictions", json=asked), 404, "not_fetched")
        refusal(client.post("/explanations", json={**asked, "method": "ramp"}), 404, "not_fetched")
        analysis = {
            "model": "timm:resnet18",
            "inputs": [sample],
            "concepts": ["striped"],
            "layers": ["layer4"],
        }
        refusal(client.post("/concept-analyses", json=analysis), 404, "not_fetched")
        refusal(client.delete("/models/timm:resnet18"), 404, "not_fetched")


def test_fetching_is_deliberate_and_can_be_forbidden(offline: Running) -> None:
    with httpx.Client(base_url=offline.api, timeout=90, verify=PLAIN) as client:
        answer = client.post("/models", json={"name": "timm:resnet18"})
        deadline = time.monotonic() + 60
        while answer.status_code == 202:  # a busy machine: the same question again is the same job
            assert time.monotonic() < deadline
            answer = client.post("/models", json={"name": "timm:resnet18"})
        detail = refusal(answer, 503, "weights_unavailable")["detail"]
        assert "EVIDENT_DOWNLOADS" in detail
        assert "retry-after" in answer.headers
        refusal(client.get("/models/timm:resnet18"), 404, "not_fetched")
        refusal(
            client.post("/models", json={"name": "timm:resnet18"}, headers={"Sec-Fetch-Site": "cross-site"}),
            403,
            "cross_site",
        )
        for body in (
            {},
            {"name": 7},
            {"name": "shapes"},
            {"name": "timm:../../x"},
            {"name": "https://evil.example/x"},
            {"name": "timm:a\n"},
            {"nam": "x"},
        ):
            assert client.post("/models", json=body).status_code == 422, body
        assert (
            client.post("/models", content=b"{", headers={"content-type": "application/json"}).status_code
            == 400
        )
        assert client.post("/models", json={"name": "timm:" + "a" * 300_000}).status_code == 413
        name = "timm:no_such_network"
        answer = client.post("/models", json={"name": name})
        while answer.status_code == 202:
            answer = client.post("/models", json={"name": name})
        refusal(answer, 404, "unknown_model")


def test_the_hub_is_asked_only_where_somebody_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is reported in bytes while fetching; forbidden or inside any other job nothing is repositories at
    all."""
    import huggingface_hub

    from app.core.settings import Settings
    from models import downloads, hub

    repositories: list[str] = []
    reports: list[tuple[int, int]] = []

    def download(repository: str, filename: str, *, tqdm_class: Any = None, **_: Any) -> str:
        repositories.append(repository)
        if tqdm_class is not None:
            with tqdm_class(total=100, unit="B", name="huggingface_hub.http_get") as bar:
                bar.update(40)
                bar.update(60)
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(httpx, "head", lambda *_, **__: None)
    monkeypatch.setattr(downloads, "get_settings", lambda: Settings(_env_file=None))
    with downloads.reporting(None):
        assert downloads.download("timm/x") is None
    with downloads.reporting(lambda done, total, unit: reports.append((done, total))):
        assert downloads.download("timm/x") is not None
    assert reports == [(40, 100), (100, 100)]
    assert downloads.download("timm/x") is not None  # a program or a command: the library's own bar
    for module in (downloads, hub):
        monkeypatch.setattr(module, "get_settings", lambda: Settings(_env_file=None, downloads=False))
    assert downloads.download("timm/x") is None
    assert repositories == ["timm/x", "timm/x"]
    monkeypatch.setattr(downloads, "cached_file", lambda _: None)
    with pytest.raises(WeightsUnavailable, match="EVIDENT_DOWNLOADS"):
        hub._from_hub(hub.entry_of("timm:resnet18"))
