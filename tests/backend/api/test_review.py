"""Parts of a review over HTTP: everyday changes, a drawn region as sound, similar cases."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.backend.api.conftest import NOWHERE, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, picture, sndfile, tone


def ended(client: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (job := client.get(path).json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job


def test_stress(client: httpx.Client, photo: str, sound: str) -> None:
    asked = {"input": photo, "model": "tiny", "target": 1}
    answer = client.post("/stress", json=asked)
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    job = ended(client, f"/stress/{id}")
    assert job["state"] == "done", job["error"]
    assert client.post("/stress", json=asked).status_code == 200
    result = job["result"]
    predicted = client.post("/predictions", json={"input": photo, "model": "tiny"}).json()
    score = next(row["probability"] for row in predicted["classes"] if row["index"] == 1)
    assert result["score"] == pytest.approx(score, abs=1e-6)
    assert {cell["key"] for cell in result["strip"]} >= {"codec", "crop", "noise_20db"}
    assert '"state":"done"' in client.get(f"/stress/{id}/events").text
    heard = client.post("/stress", json={"input": sound, "model": "tiny_sound"}).json()
    keys = {cell["key"] for cell in ended(client, f"/stress/{heard['id']}")["result"]["strip"]}
    assert keys >= {"gain_minus_6", "gain_plus_6", "rate_8k", "shift_50ms", "speed_105"}
    assert client.delete(f"/stress/{id}").status_code == 204
    assert client.get(f"/stress/{id}").status_code == 404


def test_refused_stress(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    def post(**body: Any) -> httpx.Response:
        return client.post("/stress", json={"input": photo, "model": "tiny", **body})

    assert after(post(input=NOWHERE))["code"] == "unknown_input"
    assert after(post(model="nope"))["code"] == "unknown_model"
    assert after(post(input=sound))["code"] == "wrong_modality"
    assert after(post(target=3))["field"] == "target"
    assert after(post(method="rise"))["field"] == "method"


def test_a_region_is_heard(client: httpx.Client, sound: str, photo: str, after: Any) -> None:
    """Of a tone of 500 Hz, silence, and 900 Hz: a box round the second tone leaves it, the rest leaves the first."""

    def hear(**query: Any) -> httpx.Response:
        return client.get(f"/inputs/{sound}/audio.wav", params=query)

    def tones(answer: httpx.Response) -> np.ndarray:
        samples, rate = soundfile.read(io.BytesIO(answer.content))
        assert rate == 16_000
        return np.array(
            [
                np.abs(samples[s * rate + 800 : (s + 1) * rate - 800]).max()
                for s in range(len(samples) // rate)
            ]
        )

    box = "1.98,3,700,1100"
    first, _, last = tones(hear(region=box))
    assert last > 0.1 > 100 * first
    first, _, last = tones(hear(region=box, part="rest"))
    assert first > 0.1 > 100 * last
    assert len(tones(hear(region=box, start=1.0, end=3.0))) == 2
    assert (tones(hear(start=2.0)) > 0.1).all()
    assert after(hear(region="own"))["code"] == "no_region"
    client.put(f"/inputs/{sound}/region", json={"boxes": [[1.98, 3, 700, 1100]]})
    assert hear(region="own").content == hear(region=box).content
    client.delete(f"/inputs/{sound}/region")
    for wrong in ("1,2,3", "a,b,c,d", "nan,1,2,3", "2,1,3,4", "", "8,9,100,200"):
        assert hear(region=wrong).status_code == 422
    assert after(hear(region=box, start=2.9, end=1))["field"] == "start"
    assert hear(region=box, part="all").status_code == 422
    assert client.get(f"/inputs/{photo}/audio.wav", params={"region": box}).json()["code"] == "no_sound"


def test_a_long_stretch_with_a_region_is_asked_for_in_parts(client: httpx.Client, after: Any) -> None:
    id = upload(client, sndfile(tone(16.0, rate=8000), rate=8000))
    asked = {"region": "1,2,300,600"}
    assert after(client.get(f"/inputs/{id}/audio.wav", params=asked))["code"] == "part_too_long"
    assert client.get(f"/inputs/{id}/audio.wav", params={**asked, "end": 9}).status_code == 200


def test_what_if_of_the_sound_itself(client: httpx.Client, sound: str, photo: str, after: Any) -> None:
    asked = {"input": sound, "model": "tiny_sound", "start": 0.0, "heard": True, "target": 1}
    box = {"boxes": [[0.2, 0.8, 300, 700]]}
    kept = client.post("/whatifs", json={**asked, **box, "mode": "keep"}).json()["result"]
    grid = client.post("/whatifs", json={**asked, **box, "mode": "keep", "heard": False}).json()["result"]
    assert (kept["heard"], kept["filler"], kept["before"]) == (True, None, grid["before"])
    assert kept["after"] != grid["after"]
    assert len(kept["randoms"]) == 20
    assert "Masked sound" in kept["caveat"]
    assert client.get(kept["sound"]).headers["content-type"] == "audio/wav"
    assert "part=only" in kept["sound"]
    assert after(client.post("/whatifs", json={**asked, **box, "mode": "replace"}))["field"] == "mode"
    assert after(client.post("/whatifs", json={**asked, **box, "filler": "mean"}))["field"] == "filler"
    of_photo = {"input": photo, "model": "tiny", "boxes": [[2, 9, 2, 9]], "heard": True}
    assert after(client.post("/whatifs", json=of_photo))["field"] == "heard"


def alike(client: httpx.Client, who: str = "Ada", **body: Any) -> dict[str, Any]:
    headers = {"Evident-Reviewer": who}
    answer = client.post("/similar", json={"model": "tiny", **body}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    ended(client, f"/similar/{answer.json()['id']}")
    return client.get(f"/similar/{answer.json()['id']}", headers=headers).json()


def by(job: dict[str, Any], way: str = "embedding") -> dict[str, dict[str, Any]]:
    return {part["input"]: part for part in job["result"]["neighbours"] if part["by"] == way}


def test_similar_cases(client: httpx.Client) -> None:
    """A labelled twin in a list is the nearest, named and judged; what a reviewer may not know yet is not searched."""
    pixels = picture(48, 64, seed=4242)
    asked = upload(client, image(pixels))
    twin = upload(client, image(np.clip(pixels.astype(int) + 1, 0, 255).astype(np.uint8)))
    model = client.get("/models/tiny").json()
    body = {"inputs": [twin], "model": "tiny", "title": "Twins", "names": {twin: "twin.png"}}
    says = alike(client, input=asked)["result"]
    assert twin not in {part["input"] for part in says["neighbours"]}
    added = client.post("/cases", json={**body, "labels": {twin: model["labels"][0].upper()}, "blind": True})
    assert added.status_code == 201, added.text
    case = added.json()["cases"][0]["id"]
    assert twin not in by(alike(client, input=asked)), "its label would tell who has not judged it"
    mine = {"Evident-Reviewer": "Ada"}
    client.put(f"/cases/{case}/verdict", json={"stage": "before", "reading": 0}, headers=mine)
    client.post(f"/cases/{case}/reveal", headers=mine)
    job = alike(client, input=asked, n=3)
    assert job["result"]["searched"] == says["searched"] + 1
    for way in ("embedding", "relevance"):
        nearest, *_ = [part for part in job["result"]["neighbours"] if part["by"] == way]
        assert (nearest["input"], nearest["name"], nearest["case"]) == (twin, "twin.png", case)
        assert nearest["right"] is (nearest["model_says"] == model["labels"][0])
        assert nearest["distance"] < 0.1
    other = client.get(f"/similar/{job['id']}", headers={"Evident-Reviewer": "Eve"}).json()
    assert by(other)[twin]["name"] is by(other)[twin]["label"] is None
    assert "twin.png" not in client.get(f"/similar/{job['id']}/events").text
    assert client.delete(f"/cases/{case}").is_success
    assert by(client.get(f"/similar/{job['id']}", headers=mine).json())[twin]["name"] is None
    assert client.delete(f"/inputs/{twin}").status_code == 204, "a search holds nothing"
    assert client.get(f"/similar/{job['id']}").status_code == 404


def test_refused_similar(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    def post(**body: Any) -> httpx.Response:
        return client.post("/similar", json={"input": photo, "model": "tiny", **body})

    assert after(post(input=NOWHERE))["code"] == "unknown_input"
    assert after(post(input=sound))["code"] == "wrong_modality"
    assert after(post(n=0))["field"] == "n"
    assert after(post(target=3))["field"] == "target"
    id = post().json()["id"]
    ended(client, f"/similar/{id}")
    assert client.delete(f"/similar/{id}").status_code == 204


STRESS, REFUSED = "test_stress", "test_refused_stress"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/similar"): {
        200: "test_similar_cases",
        404: "test_refused_similar",
        422: "test_refused_similar",
    },
    ("GET", "/v1/similar/{id}"): {200: "test_similar_cases", 404: f"/similar/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/similar/{id}/events"): {
        200: "test_similar_cases",
        404: f"/similar/{NOWHERE}/events",
        422: FREE_TEXT,
    },
    ("DELETE", "/v1/similar/{id}"): {200: "test_refused_similar", 404: f"/similar/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/stress"): {200: STRESS, 404: REFUSED, 422: REFUSED},
    ("GET", "/v1/stress/{id}"): {200: STRESS, 404: f"/stress/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/stress/{id}/events"): {200: STRESS, 404: f"/stress/{NOWHERE}/events", 422: FREE_TEXT},
    ("DELETE", "/v1/stress/{id}"): {200: STRESS, 404: f"/stress/{NOWHERE}", 422: FREE_TEXT},
}
