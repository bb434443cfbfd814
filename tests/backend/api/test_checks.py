"""Checks over HTTP: of a finished map, and of a method on a model, which is asked once whatever the input."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest

from tests.backend.api.conftest import NOWHERE, PLAIN, explain, finished, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, picture


def ended(client: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := client.get(path).json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def done(server: Any) -> str:
    """A finished map."""
    with httpx.Client(base_url=server.api, timeout=60, verify=PLAIN) as client:
        id = explain(client, upload(client, image(picture(40, 50, seed=3100))), target=1).json()["id"]
        assert finished(client, id)["state"] == "done"
        return str(id)


def test_a_finished_map_is_checked(client: httpx.Client, done: str) -> None:
    answer = client.post("/checks", json={"explanation": done})
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    found = ended(client, f"/checks/{id}")
    assert found["state"] == "done", found["error"]
    assert client.post("/checks", json={"explanation": done}).json()["id"] == id
    result = found["result"]
    values = np.load(io.BytesIO(client.get(f"/explanations/{done}/values.npy").content))
    stable = np.load(io.BytesIO(client.get(f"/checks/{id}/stable.npy").content))
    assert (stable.shape, stable.dtype) == (values.shape, np.uint8)
    mass = np.abs(values)
    assert result["stability"]["share"] == pytest.approx(mass[stable == 1].sum() / mass.sum(), abs=1e-6)
    border = next(region for region in result["shortcut"]["regions"] if region["key"] == "border")
    inside = np.ones(values.shape, bool)
    inside[1:-1, 1:-1] = False
    assert border["area"] == pytest.approx(inside.mean())
    assert border["share"] == pytest.approx(
        np.maximum(values, 0)[inside].sum() / np.maximum(values, 0).sum(), abs=1e-6
    )
    curves = result["curves"]
    assert curves["deletion"][0] == pytest.approx(curves["insertion"][-1])
    assert len(curves["x"]) == len(curves["deletion"]) == len(curves["random_low"])
    assert result["sanity"] is None
    assert '"state":"done"' in client.get(f"/checks/{id}/events").text
    assert client.delete(f"/checks/{id}").status_code == 204
    assert client.get(f"/checks/{id}").status_code == 404


def test_a_method_is_checked_once_whatever_the_input(client: httpx.Client, done: str) -> None:
    answer = client.post("/sanity", json={"model": "tiny", "method": "ramp"})
    assert answer.status_code in (200, 202), answer.text
    id = answer.json()["id"]
    found = ended(client, f"/sanity/{id}")
    assert found["state"] == "done", found["error"]
    # a ramp is the same whatever the weights and the class
    assert (found["result"]["state"], found["result"]["words"]) == (
        "fail",
        "looks the same with random weights: 1.00 alike",
    )
    assert client.post("/sanity", json={"model": "tiny", "method": "ramp", "params": {}}).json()["id"] == id
    assert '"state":"done"' in client.get(f"/sanity/{id}/events").text
    checks = client.post("/checks", json={"explanation": done}).json()["id"]
    assert ended(client, f"/checks/{checks}")["result"]["sanity"] == found["result"]
    assert client.delete(f"/sanity/{id}").status_code == 204


def test_refusals(client: httpx.Client, photo: str, after: Any) -> None:
    slow = explain(client, photo, seed=3101, params={"n_samples": 100, "pause": 0.1}).json()["id"]
    early = client.post("/checks", json={"explanation": slow})
    assert (early.status_code, after(early)["code"]) == (409, "not_done")
    client.delete(f"/explanations/{slow}")
    for id in (NOWHERE, "x"):
        answer = client.post("/checks", json={"explanation": id})
        assert (answer.status_code, after(answer)["code"]) == (404, "unknown_explanation")
    assert client.post("/checks", json={}).status_code == 422
    assert client.get(f"/checks/{NOWHERE}/stable.npy").status_code == 404


def test_a_map_that_is_deleted_while_its_check_is_accepted(
    client: httpx.Client, server: Any, photo: str, after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = explain(client, photo, target=1).json()["id"]
    finished(client, id)
    blobs = server.services.jobs.queue.blobs

    def meanwhile(key: str) -> dict[str, str]:
        if key == id:
            server.services.jobs.queue.delete(key)
        return blobs(key)

    monkeypatch.setattr(server.services.jobs.queue, "blobs", meanwhile)
    answer = client.post("/checks", json={"explanation": id})
    assert (answer.status_code, after(answer)["code"]) == (404, "unknown_explanation")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "nothing"}, 404, "unknown_model"),
        ({"method": "nothing"}, 404, "unknown_method"),
        ({"params": {"nothing": 1}}, 422, "bad_parameter"),
        ({"input": "x"}, 422, "unknown_field"),
    ],
)
def test_refused_methods(
    client: httpx.Client, after: Any, change: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/sanity", json={"model": "tiny", "method": "ramp", **change})
    assert (answer.status_code, after(answer)["code"]) == (status, code)


USED, ASKED, REFUSED = (
    "test_a_finished_map_is_checked",
    "test_a_method_is_checked_once_whatever_the_input",
    "test_refusals",
)
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/checks"): {200: USED, 404: REFUSED, 422: REFUSED},
    ("GET", "/v1/checks/{id}"): {200: USED, 404: f"/checks/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/checks/{id}/events"): {200: USED, 404: f"/checks/{NOWHERE}/events", 422: FREE_TEXT},
    ("GET", "/v1/checks/{id}/stable.npy"): {200: USED, 404: f"/checks/{NOWHERE}/stable.npy", 422: FREE_TEXT},
    ("DELETE", "/v1/checks/{id}"): {200: USED, 404: f"/checks/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/sanity"): {200: ASKED, 404: "test_refused_methods", 422: "test_refused_methods"},
    ("GET", "/v1/sanity/{id}"): {200: ASKED, 404: f"/sanity/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/sanity/{id}/events"): {200: ASKED, 404: f"/sanity/{NOWHERE}/events", 422: FREE_TEXT},
    ("DELETE", "/v1/sanity/{id}"): {200: ASKED, 404: f"/sanity/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
