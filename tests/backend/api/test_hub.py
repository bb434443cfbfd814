"""Published networks by name, and weights that say by themselves what they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import save

import models
from backend.api.routes import models as routes
from tests.backend.api.conftest import Running

After = Callable[[httpx.Response], dict[str, Any]]

SMALL = "timm:test_resnet"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/hub"): {200: "test_a_search_needs_no_net_and_starts_nothing", 404: "nothing found is an answer", 422: "test_strange_searches"},
    ("POST", "/v1/hub/recognise"): {200: "test_a_header_is_recognised_before_the_file_is_sent", 404: "names nothing", 422: "test_hostile_headers"},
    ("POST", "/v1/hub/labels"): {200: "test_labels_are_read_before_they_are_sent", 404: "names nothing", 422: "test_labels_are_read_before_they_are_sent"},
}  # fmt: skip


@pytest.fixture
def asked(client: httpx.Client) -> Iterator[httpx.Client]:
    """A client; every model that a test adds goes again."""
    yield client
    for model in client.get("/catalogue").json()["models"]:
        if model["key"].startswith("upload-"):
            client.delete(f"/models/{model['key']}")


def weights(classes: int = 3, key: str = SMALL) -> dict[str, torch.Tensor]:
    return {name: t.contiguous() for name, t in models.architecture(key, classes)[0].state_dict().items()}


def header(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    data = save(tensors)
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def send(client: httpx.Client, data: bytes, name: str = "mine.safetensors", **fields: str) -> httpx.Response:
    return client.post("/models", files={"weights": (name, data)}, data=fields)


def added(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The model that an upload became, also where the machine is busy."""
    assert answer.status_code in (201, 202), answer.text
    place = answer.headers["location"].removeprefix("/api/v1")
    deadline = time.monotonic() + 120
    while (model := client.get(place)).status_code in (404, 503):
        assert time.monotonic() < deadline, model.text
        time.sleep(0.1)
    return model.json()


def test_a_search_needs_no_net_and_starts_nothing(client: httpx.Client) -> None:
    answer = client.get("/hub", params={"query": "resnet18", "limit": 3}).json()
    assert answer["names"][0]["key"] in ("timm:resnet18", "torchvision:resnet18")
    assert len(answer["names"]) == 3 <= answer["found"] < answer["total"]
    first = next(name for name in answer["names"] if name["key"] == "timm:resnet18")
    assert first["address"] == "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
    assert (first["input"], first["classes"], first["here"]) == ([3, 224, 224], 1000, False)
    assert client.get("/hub", params={"query": "resnett18"}).json()["nearest"] == "timm:resnet18"
    assert client.get("/hub").json()["names"]


@pytest.mark.parametrize(
    "query", ["x" * 101, "a\x00b", "\u202e", "limit=0", *[f"{mark}" * 9 for mark in ".*[(\\%"]]
)
def test_strange_searches(client: httpx.Client, after: After, query: str) -> None:
    answer = client.get("/hub", params={"query": query, **({"limit": 0} if query == "limit=0" else {})})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        after(answer)
    else:
        assert answer.json()["found"] == 0


def test_a_header_is_recognised_before_the_file_is_sent(client: httpx.Client) -> None:
    answer = client.post("/hub/recognise", params={"name": "x.safetensors"}, json=header(weights(7))).json()
    assert SMALL in [entry["key"] for entry in answer["candidates"]]
    assert (answer["outputs"], answer["labels_from"], answer["labels"][6]) == (7, "numbers", "class 6")
    named = {**header(weights(2)), "__metadata__": {"labels": '["ill", "well"]'}}
    answer = client.post("/hub/recognise", json=named).json()
    assert (answer["labels"], answer["labels_from"]) == (["ill", "well"], "file")
    answer = client.post("/hub/recognise", json=header(weights(1000))).json()
    assert (answer["labels"][207], answer["labels_from"]) == ("golden retriever", "imagenet")


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"{", b"null", b"7", b"{}", b'{"a": {"shape": [1, -1]}}', b'{"a": {"shape": [1.5]}}', b'{"a": {"shape": "x"}}', b'{"a": 7}',
        b'{"a": {"shape": [' + b"9" * 39 + b"]}}", b'{"a": {"shape": [true]}}', b'{"fc.weight": {"shape": []}, "fc.bias": {"shape": []}}',
        b'{"a": {"shape": ' + b"[" * 3000 + b"]" * 3000 + b"}}", b'{"a\\u0000": {"shape": [1]}}', b'{"__metadata__": 7}',
        b'{"__metadata__": {"labels": "[[[[["}, "a": {"shape": [1]}}',
        json.dumps({f"t{i}": {"shape": [1]} for i in range(12_000)}).encode(), b'{"' + b"x" * 2_000_000 + b'": 1}',
    ],
)  # fmt: skip
def test_hostile_headers(client: httpx.Client, after: After, body: bytes) -> None:
    answer = client.post("/hub/recognise", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 413, 422)
    after(answer)


def test_labels_are_read_before_they_are_sent(client: httpx.Client, after: After) -> None:
    def read(text: bytes, kind: str = "text/plain", **query: Any) -> httpx.Response:
        return client.post("/hub/labels", content=text, headers={"content-type": kind}, params=query)

    assert read(b"id,label\n1,dog\n0,cat\n", outputs=2).json() == {"labels": ["cat", "dog"]}
    for answer, status in (
        (read(b"cat\ndog", outputs=3), 422),
        (read(b"cat\ncat"), 422),
        (read(b"\xff\xfe"), 422),
        (read(b"cat\x00\ndog"), 422),
        (read(b'"' * 5000 + b",\n,"), 422),
        (read(b"cat\ndog", "application/json"), 415),
        (read(b"cat\ndog", outputs=0), 422),
        (read(b"x\n" * 900_000), 413),
    ):
        assert answer.status_code == status, answer.text
        after(answer)


def test_a_file_alone_is_enough(asked: httpx.Client) -> None:
    """Architecture and labels are told from it; both are said on its card, with what is not known."""
    data = save(weights(3), {"labels": '["cat", "dog", "hen"]'})
    model = added(asked, send(asked, data, "timm_test_resnet.safetensors"))
    assert (model["labels"], model["card"]["architecture"]) == (["cat", "dog", "hen"], SMALL)
    assert (model["source"], model["licence"], len(model["digest"])) == ("uploaded", "", 64)
    assert model["parameters"] == sum(
        t.numel() for n, t in weights(3).items() if "running" not in n and "num_b" not in n
    )
    assert model["key"] in [info["key"] for info in asked.get("/catalogue").json()["models"]]


def test_an_upload_that_is_not_waited_for_is_described_all_the_same(
    asked: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "WAIT", 0.0)
    answer = send(asked, save(weights(4)), labels="cat\ndog\nhen\nowl")
    assert answer.status_code == 202
    assert added(asked, answer)["labels"] == ["cat", "dog", "hen", "owl"]


def test_labels_of_an_upload_may_be_a_table_and_must_fit(asked: httpx.Client, after: After) -> None:
    data = save(weights(3))
    for labels, words in (("cat\ndog", "3 outputs"), ("cat\ncat\ndog", "2 times")):
        answer = send(asked, data, labels=labels)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
            422,
            "bad_labels",
            "labels",
        )
        assert words in after(answer)["detail"]
    model = added(asked, send(asked, data, labels="id,label\n2,hen\n0,cat\n1,dog", title="Birds"))
    assert (model["title"], model["labels"]) == ("Birds", ["cat", "dog", "hen"])


def test_a_file_of_no_known_network_is_refused_with_the_nearest(
    asked: httpx.Client, server: Running, after: After
) -> None:
    tensors = weights(1000, "timm:resnet18")
    del tensors["layer2.0.conv1.weight"]
    before = {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}
    answer = send(asked, save(tensors))
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_architecture")
    assert "resnet18" in after(answer)["detail"] or "resnet34" in answer.json()["detail"]
    answer = send(asked, save(tensors), architecture="timm:resnet18")
    assert "layer2.0.conv1.weight is missing" in after(answer)["detail"]
    assert {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()} == before


def test_a_header_that_lies_about_its_tensors_is_refused(asked: httpx.Client, after: After) -> None:
    """Recognised by its names and shapes, but the numbers are not there."""
    data = save(weights(3))
    length = int.from_bytes(data[:8], "little")
    for broken in (data[: 8 + length], data[:-100], data[: 8 + length] + b"\0" * 64):
        answer = send(asked, broken)
        assert answer.status_code == 422, answer.text
        after(answer)
