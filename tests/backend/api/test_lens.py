"""The lens over HTTP: a job like others, its first part readable while it runs, one file per layer."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest

from tests.backend.api.conftest import NOWHERE, PLAIN, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, picture


def _ended(client: httpx.Client, id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := client.get(f"/lens/{id}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def own(server: Any) -> list[str]:
    with httpx.Client(base_url=server.api, timeout=60, verify=PLAIN) as client:
        return [upload(client, image(picture(40, 50, seed=900 + number))) for number in range(12)]


def test_a_lens_is_a_job_with_a_file_per_layer(client: httpx.Client, photo: str, own: list[str]) -> None:
    body = {"input": photo, "model": "tiny", "target": 1, "inputs": own}
    answer = client.post("/lens", json=body)
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    found = _ended(client, id)
    assert found["state"] == "done", found["error"]
    assert client.post("/lens", json=body).status_code == 200
    result = found["result"]
    assert [layer["name"] for layer in result["layers"]] == ["1", "4"]
    assert result["layers"][-1]["kind"] == "head"
    assert result["calibration"] == {
        "title": "12 inputs of your own",
        "count": 12,
        "held_out": 3,
        "accuracy": None,
    }
    first = result["layers"][0]
    array = np.load(io.BytesIO(client.get(f"/lens/{id}/layers/1.npy").content))
    assert array.shape == (2 + len(first["features"]), 24, 32)
    logit = next(part["logit"] for part in first["classes"] if part["index"] == 1)
    assert array[1].mean() + first["constant"] == pytest.approx(logit, abs=1e-4)
    every = np.load(io.BytesIO(client.get(f"/lens/{id}/layers/1/features.npy").content))
    assert (every.shape, every.dtype) == ((len(first["shares"]), 24, 32), np.uint8)
    assert client.get(f"/lens/{id}/layers/4/features.npy").json()["code"] == "unknown_layer"
    stream = client.get(f"/lens/{id}/events").text
    assert '"state":"done"' in stream
    assert client.get(f"/lens/{id}/layers/4.npy").json()["code"] == "unknown_layer"
    assert client.get(f"/jobs/{id}").json()["kind"] == "lens"
    assert client.delete(f"/lens/{id}").status_code == 204
    assert client.get(f"/lens/{id}").status_code == 404


def test_deleting_a_calibration_input_takes_the_lens_along(client: httpx.Client, photo: str) -> None:
    mine = [upload(client, image(picture(40, 50, seed=800 + number))) for number in range(10)]
    id = client.post("/lens", json={"input": photo, "model": "tiny", "inputs": mine}).json()["id"]
    assert client.delete(f"/inputs/{mine[3]}").json()["code"] == "in_use"
    assert client.delete(f"/inputs/{mine[3]}", params={"with": "all"}).status_code == 204
    assert client.get(f"/lens/{id}").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"target": 3}, 422, "bad_parameter"),
        ({"model": "nothing"}, 404, "unknown_model"),
        ({"model": "tiny_sound"}, 422, "wrong_modality"),
        ({"inputs": ["x"] * 20}, 422, "bad_parameter"),
        ({"input": "0" * 64}, 404, "unknown_input"),
        ({"layer": "1"}, 422, "unknown_field"),
    ],
)
def test_lens_refusals(
    client: httpx.Client, photo: str, after: Any, change: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/lens", json={"input": photo, "model": "tiny", **change})
    assert (answer.status_code, after(answer)["code"]) == (status, code)


USED = "test_a_lens_is_a_job_with_a_file_per_layer"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/lens"): {200: USED, 404: "test_lens_refusals", 422: "test_lens_refusals"},
    ("GET", "/v1/lens/{id}"): {200: USED, 404: f"/lens/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/lens/{id}/events"): {200: USED, 404: f"/lens/{NOWHERE}/events", 422: FREE_TEXT},
    ("GET", "/v1/lens/{id}/layers/{name}.npy"): {200: USED, 404: f"/lens/{NOWHERE}/layers/x.npy", 422: FREE_TEXT},
    ("GET", "/v1/lens/{id}/layers/{name}/features.npy"): {200: USED, 404: f"/lens/{NOWHERE}/layers/x/features.npy", 422: FREE_TEXT},
    ("DELETE", "/v1/lens/{id}"): {200: USED, 404: f"/lens/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
