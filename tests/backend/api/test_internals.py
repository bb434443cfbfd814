"""Routes about filters: analyses, filters switched off, spots, pictures that excite a filter."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest

from backend.api.routes.internals import cut_sound
from tests.backend.api.conftest import NOWHERE, PLAIN, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, picture, sndfile, tone


def load(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


def ended(client: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        job = client.get(path).json()
        if job["state"] not in ("queued", "running"):
            assert job["error"] is None, job
            return job
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def photos(server: Any) -> list[str]:
    with httpx.Client(base_url=server.api, timeout=60, verify=PLAIN) as client:
        return [upload(client, image(picture(30, 40, seed=700 + number))) for number in range(12)]


def test_filters_of_a_layer(client: httpx.Client, photos: list[str]) -> None:
    body = {"model": "tiny", "layer": "1", "inputs": photos, "labels": [0, 1] * 6}
    first = client.post("/internals", json=body)
    assert first.status_code == 202, first.text
    id = first.json()["id"]
    job = ended(client, f"/internals/{id}")
    result = job["result"]
    assert [one["index"] for one in result["filters"]] == [0, 1, 2, 3]
    assert result["calibration"]["count"] == 12
    assert result["classes_from"] == "labels"
    assert [one["label"] for one in result["examples"]] == [0, 1] * 6
    assert result["filters"][0]["auc"][2] is None
    assert sorted(result["order"]) == [0, 1, 2, 3]
    assert load(client.get(f"/internals/{id}/correlation.npy")).shape == (4, 4)
    assert load(client.get(f"/internals/{id}/kernels.npy")).shape == (4, 3, 3, 3)
    patches = load(client.get(f"/internals/{id}/patches.npy"))
    assert patches.dtype == np.uint8
    assert patches.shape == (4, 4, *result["patch"], 3)
    assert client.get(f"/internals/{id}/partial.npy").status_code == 204
    assert client.get(f"/internals/{id}/patches/0/0.wav").json()["code"] == "no_sound"
    assert client.post("/internals", json=body).status_code == 200
    events = client.get(f"/internals/{id}/events").text
    assert '"state":"done"' in events
    assert client.delete(f"/internals/{id}").status_code == 204
    assert client.get(f"/internals/{id}").status_code == 404


def test_patches_can_be_heard(client: httpx.Client) -> None:
    sounds = [
        upload(client, sndfile((0.2 + number / 40) * tone(1.0, hertz=300 + 150 * number)))
        for number in range(10)
    ]
    body = {"model": "tiny_sound", "layer": "1", "inputs": sounds}
    id = client.post("/internals", json=body).json()["id"]
    result = ended(client, f"/internals/{id}")["result"]
    filter = next(one for one in result["filters"] if not one["dead"])
    start, end = filter["strongest"][0]["seconds"]
    assert 0 <= start < end
    assert filter["tuning"]["words"]
    answer = client.get(f"/internals/{id}/patches/{filter['index']}/0.wav")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content[:4] == b"RIFF"
    for path in ("99/0.wav", "0/9.wav"):
        assert client.get(f"/internals/{id}/patches/{path}").json()["code"] == "no_sound"


def test_a_patch_is_cut_at_its_seconds_and_widened_to_what_can_be_heard() -> None:
    clip = np.arange(2000, dtype=np.int16)  # its first sample is second 2 of the recording
    short = cut_sound(clip, 1000, 2.0, (2.5, 2.6))
    assert len(short) == 400
    assert short[200] * 32768 == pytest.approx(550)
    assert (short[0], short[-1]) == (0, 0)
    whole = cut_sound(clip, 1000, 2.0, (2.3, 3.3))
    assert len(whole) == 1000
    assert whole[500] * 32768 == pytest.approx(800)
    assert len(cut_sound(clip, 1000, 2.0, (3.9, 4.0))) == 250  # nothing behind the end


def test_filters_switched_off(client: httpx.Client, photo: str) -> None:
    body = {"input": photo, "model": "tiny", "layer": "1", "filters": [2, 0, 2], "replacement": "zero"}
    answer = client.post("/ablations", json=body)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    result = job["result"]
    assert result["filters"] == [0, 2]
    assert [one["index"] for one in result["before"]] == [one["index"] for one in result["after"]]
    assert load(client.get(f"/ablations/{job['id']}/maps.npy")).shape == (2, 24, 32)
    assert client.get(f"/ablations/{job['id']}").json()["result"] == result
    assert '"state":"done"' in client.get(f"/ablations/{job['id']}/events").text
    assert client.delete(f"/ablations/{job['id']}").status_code == 204


def test_filters_behind_a_spot(client: httpx.Client, photo: str) -> None:
    body = {"input": photo, "model": "tiny", "layer": "1", "x": 0.99, "y": 0.0, "target": 1}
    answer = client.post("/spots", json=body)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    result = job["result"]
    assert result["cell"] == [0, 31]
    assert result["box"] == pytest.approx([31 / 32, 0, 1, 1 / 24])
    assert client.get(f"/spots/{job['id']}").json()["result"] == result
    assert '"state":"done"' in client.get(f"/spots/{job['id']}/events").text
    assert client.delete(f"/spots/{job['id']}").status_code == 204


def test_refusals_about_filters(client: httpx.Client, photo: str, photos: list[str], after: Any) -> None:
    def post(path: str, **body: Any) -> dict[str, Any]:
        return after(client.post(path, json={"model": "tiny", "layer": "1", **body}))

    assert post("/internals", model="nope")["code"] == "unknown_model"
    assert post("/internals", layer="nope")["field"] == "layer"
    assert post("/internals", inputs=photos[:9])["field"] == "inputs"
    assert "At least 10" in post("/internals", inputs=photos[:9])["detail"]
    assert post("/internals", inputs=[NOWHERE, *photos])["status"] == 404
    assert "twice" in post("/internals", inputs=[photos[0], *photos])["detail"]
    assert "one for each" in post("/internals", inputs=photos, labels=[0])["detail"]
    assert post("/internals", inputs=photos, labels=[3] * 12)["field"] == "labels"
    assert post("/internals", labels=[0] * 12)["field"] == "labels"
    assert post("/ablations", input=NOWHERE, filters=[0])["status"] == 404
    assert "filters 0 to 3" in post("/ablations", input=photo, filters=[4])["detail"]
    assert "name at least one" in post("/ablations", input=photo, filters=[])["detail"]
    assert post("/ablations", input=photo, filters=[0], target=3)["field"] == "target"
    assert post("/ablations", input=photo, filters=[0], replacement="half")["status"] == 422
    assert post("/spots", input=NOWHERE, x=0.5, y=0.5)["status"] == 404
    assert post("/spots", input=photo, x=1.5, y=0.5)["status"] == 422
    assert post("/maximisations", filter=4)["field"] == "filter"
    assert post("/maximisations", model="nope", filter=0)["code"] == "unknown_model"


def test_a_picture_that_excites_a_filter(client: httpx.Client) -> None:
    first = client.post("/maximisations", json={"model": "tiny", "layer": "1", "filter": 1, "seed": 4711})
    assert first.status_code == 202, first.text
    id = first.json()["id"]
    result = ended(client, f"/maximisations/{id}")["result"]
    assert result["after"] > result["before"]
    assert load(client.get(f"/maximisations/{id}/picture.npy")).shape == (24, 32, 3)
    assert '"state":"done"' in client.get(f"/maximisations/{id}/events").text
    assert client.delete(f"/maximisations/{id}").status_code == 204


LOOKED = "test_filters_of_a_layer"
HEARD = "test_patches_can_be_heard"
OFF = "test_filters_switched_off"
SPOT = "test_filters_behind_a_spot"
EXCITED = "test_a_picture_that_excites_a_filter"
REFUSED = "test_refusals_about_filters"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/internals"): {200: LOOKED, 404: REFUSED, 422: REFUSED},
    **{
        ("GET", f"/v1/internals/{{id}}{rest}"): {200: LOOKED, 404: f"/internals/{NOWHERE}{rest}", 422: FREE_TEXT}
        for rest in ("", "/events", "/correlation.npy", "/kernels.npy", "/patches.npy")
    },
    ("GET", "/v1/internals/{id}/partial.npy"): {200: "only while it runs; the table is the task's partial array", 404: LOOKED, 422: FREE_TEXT},
    ("GET", "/v1/internals/{id}/patches/{filter}/{number}.wav"): {200: HEARD, 404: HEARD, 422: "numbers in the path: anything else is 422"},
    ("DELETE", "/v1/internals/{id}"): {200: LOOKED, 404: f"/internals/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/ablations"): {200: OFF, 404: REFUSED, 422: REFUSED},
    **{
        ("GET", f"/v1/ablations/{{id}}{rest}"): {200: OFF, 404: f"/ablations/{NOWHERE}{rest}", 422: FREE_TEXT}
        for rest in ("", "/events", "/maps.npy")
    },
    ("DELETE", "/v1/ablations/{id}"): {200: OFF, 404: f"/ablations/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/spots"): {200: SPOT, 404: REFUSED, 422: REFUSED},
    **{
        ("GET", f"/v1/spots/{{id}}{rest}"): {200: SPOT, 404: f"/spots/{NOWHERE}{rest}", 422: FREE_TEXT}
        for rest in ("", "/events")
    },
    ("DELETE", "/v1/spots/{id}"): {200: SPOT, 404: f"/spots/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/maximisations"): {200: EXCITED, 404: REFUSED, 422: REFUSED},
    **{
        ("GET", f"/v1/maximisations/{{id}}{rest}"): {200: EXCITED, 404: f"/maximisations/{NOWHERE}{rest}", 422: FREE_TEXT}
        for rest in ("", "/events", "/picture.npy")
    },
    ("DELETE", "/v1/maximisations/{id}"): {200: EXCITED, 404: f"/maximisations/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
