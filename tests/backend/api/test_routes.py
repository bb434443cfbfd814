"""What every route answers when all is well, and when it is not: the table at the end must name every
route there is."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from PIL import Image

from backend.api.http.strict import StrictRoute
from tests.backend.api.conftest import NOWHERE, Running, explain, finished, send, upload
from tests.backend.api.walk import FREE_TEXT, api_routes, files, tables
from tests.models.media.encoders import image, npy, picture

WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights" / "shapes.safetensors"


def test_limits(client: httpx.Client, server: Running) -> None:
    limits = client.get("/limits").json()
    assert limits["image_bytes"] == server.settings.limits.image_bytes
    assert ".png" in limits["accept"]


def test_catalogue_model_and_compatibility(client: httpx.Client) -> None:
    catalogue = client.get("/catalogue").json()
    assert [model["key"] for model in catalogue["models"]][:2] == ["tiny", "tiny_sound"]
    assert {method["key"] for method in catalogue["methods"]} == {"ramp", "layered", "grad_cam", "fitless"}
    schema = next(method["schema"] for method in catalogue["methods"] if method["key"] == "ramp")
    assert schema["properties"]["n_samples"]["scales_cost"] is True
    model = client.get("/models/tiny").json()
    assert model["labels"] == ["first", "second", "third"]
    assert model["default_layer"] in {layer["name"] for layer in model["layers"]}
    fits = client.get("/models/tiny/compatibility").json()
    assert fits["ramp"]["ok"]
    assert fits["ramp"]["seconds"] > 0
    assert fits["fitless"] == {
        "ok": False,
        "reason": "This method needs a network of another kind; choose another method.",
        "defaults": {},
        "seconds": None,
        "forwards": 0,
        "backwards": 0,
        "runs": 0,
    }
    assert (fits["ramp"]["forwards"], fits["ramp"]["backwards"]) == (4, 0)


def test_same_bytes_same_id(client: httpx.Client) -> None:
    data = image(picture(seed=5))
    first, second = send(client, data, "a.png"), send(client, data, "b.png")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert (first.json()["name"], second.json()["name"]) == ("a.png", "b.png")
    as_spectrogram = send(client, data, "a.png", **{"as": "spectrogram"})
    assert as_spectrogram.status_code == 201
    assert as_spectrogram.json()["modality"] == "spectrogram"
    assert as_spectrogram.json()["id"] != first.json()["id"]


def test_image_input(client: httpx.Client, photo: str) -> None:
    view = client.get(f"/inputs/{photo}").json()
    assert (view["modality"], view["width"], view["height"], view["rate"]) == ("image", 32, 24, None)
    shown = Image.open(io.BytesIO(client.get(f"/inputs/{photo}/preview.png").content))
    assert (np.asarray(shown) == picture()).all()
    for part in ("audio.wav", "spectrogram.npy"):
        assert client.get(f"/inputs/{photo}/{part}").status_code == 404


def test_audio_input_and_ranges(client: httpx.Client, sound: str) -> None:
    view = client.get(f"/inputs/{sound}").json()
    assert (view["modality"], view["seconds"], view["rate"], view["channels"]) == (
        "audio",
        3.0,
        16_000,
        1,
    )
    assert len(view["waveform"]) == 600
    assert view["coughs"] == [], "two tones are no coughs"
    assert view["checks"]
    whole = client.get(f"/inputs/{sound}/audio.wav")
    samples, rate = soundfile.read(io.BytesIO(whole.content))
    assert (len(samples), rate) == (48_000, 16_000)
    part = client.get(f"/inputs/{sound}/audio.wav", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert client.get(f"/inputs/{sound}/audio.wav", headers={"Range": "bytes=99999999-"}).status_code == 416
    many = client.get(
        f"/inputs/{sound}/audio.wav",
        headers={"Range": "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 2000, 2))},
    )
    assert many.status_code in (200, 206, 400, 416)
    assert len(many.content) < 4 * len(whole.content)
    assert client.get(f"/inputs/{sound}/preview.png").status_code == 404


def test_spectrogram_input(client: httpx.Client, grid: str) -> None:
    values = np.load(io.BytesIO(client.get(f"/inputs/{grid}/spectrogram.npy").content))
    assert (values.dtype, values.shape) == (np.float32, (40, 50))
    assert client.get(f"/inputs/{grid}/preview.png").headers["content-type"] == "image/png"


def test_prediction(client: httpx.Client, photo: str) -> None:
    answer = client.post("/predictions", json={"input": photo, "model": "tiny"})
    assert answer.status_code == 200
    body = answer.json()
    assert sum(score["probability"] for score in body["classes"]) == pytest.approx(1.0, abs=1e-5)
    assert body["top"] == body["classes"][0]["index"]
    assert (body["grid"], body["y_axis"]["unit"]) == ([24, 32], "px")
    assert client.get(f"/predictions/{body['id']}").json() == body
    assert np.asarray(Image.open(io.BytesIO(client.get(body["display"]).content))).shape == (24, 32, 3)
    again = client.post("/predictions", json={"input": photo, "model": "tiny"})
    assert again.json()["id"] == body["id"]


def test_prediction_of_sound_has_seconds_and_hertz(client: httpx.Client, sound: str) -> None:
    body = client.post("/predictions", json={"input": sound, "model": "tiny_sound", "start": 0.5}).json()
    assert (body["x_axis"]["unit"], body["y_axis"]["unit"], body["y_axis"]["origin"]) == ("s", "Hz", "lower")
    assert body["window"][0] == 0.5


def test_jobs(client: httpx.Client, photo: str) -> None:
    id = explain(client, photo, seed=13).json()["id"]
    finished(client, id)
    listed = client.get("/jobs").json()
    mine = next(job for job in listed if job["id"] == id)
    assert (mine["kind"], mine["state"], mine["title"]) == ("explanation", "done", "Ramp")
    assert client.get(f"/jobs/{id}").json() == mine
    told = client.get(f"/jobs/{id}/events").text.split("data: ")[-1]
    assert json.loads(told) == mine
    assert {job["kind"] for job in listed} <= {
        "explanation",
        "prediction",
        "model",
        "fetch",
        "concept_analysis",
        "lens",
        "internals",
        "ablation",
        "spot",
        "maximisation",
        "whatif",
        "stress",
        "verification",
        "similar",
        "evaluation",
        "sanity",
        "checks",
    }
    assert client.get("/jobs?limit=0").status_code == 422
    assert client.delete(f"/jobs/{id}").status_code == 204
    assert client.get(f"/jobs/{id}").status_code == 404


def test_deleting_an_input_leaves_no_byte(client: httpx.Client, server: Running) -> None:
    def bytes_left() -> set[str]:
        return {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}

    before = bytes_left()
    id = upload(client, image(picture(40, 50, seed=77)))
    prediction = client.post("/predictions", json={"input": id, "model": "tiny"}).json()["id"]
    explanation = explain(client, id).json()["id"]
    finished(client, explanation)
    assert len(bytes_left()) > len(before)
    assert client.delete(f"/inputs/{id}").status_code == 204
    assert bytes_left() == before
    for path in (
        f"/inputs/{id}",
        f"/inputs/{id}/preview.png",
        f"/predictions/{prediction}",
        f"/explanations/{explanation}",
    ):
        assert client.get(path).status_code == 404


def test_samples_can_be_used_at_once(client: httpx.Client) -> None:
    samples = client.get("/samples").json()
    assert len({sample["key"] for sample in samples}) == len(samples) > 0
    for sample in samples:  # two samples may show the same file to two models
        told = client.get(f"/inputs/{sample['input']}").json()
        assert told["sample"] in {other["key"] for other in samples if other["input"] == sample["input"]}
        assert told["modality"] == sample["modality"]


def test_docs_and_openapi(client: httpx.Client, server: Running) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["servers"] == [{"url": "/api"}]
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text
    for path in schema["paths"]:
        assert f"/api{path}" in page.text
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_an_uploaded_model(client: httpx.Client, photo: str, after: Any) -> None:
    weights = WEIGHTS.read_bytes()
    labels = ["a", "b", "c", "d"]
    sent = {"architecture": "shapes", "labels": json.dumps(labels), "title": "Mine"}
    first = client.post("/models", files={"weights": ("w.safetensors", weights)}, data=sent)
    assert first.status_code == 201, first.text
    key = first.json()["key"]
    assert (first.json()["title"], first.json()["labels"], first.json()["bundled"]) == ("Mine", labels, False)
    assert client.post("/models", files={"weights": ("w.safetensors", weights)}, data=sent).status_code == 200
    assert key in {model["key"] for model in client.get("/catalogue").json()["models"]}
    assert client.post("/predictions", json={"input": photo, "model": key}).json()["model"] == key
    assert finished(client, explain(client, photo, key).json()["id"])["state"] == "done"
    assert client.delete(f"/models/{key}").status_code == 204
    assert after(client.get(f"/models/{key}"))["code"] == "unknown_model"
    assert after(client.delete("/models/tiny"))["code"] == "bundled"


# Every route: what makes it 200, 404 and 422, or why it cannot be.
NO_ARGUMENTS = "takes nothing that could be wrong"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/limits"): {200: "test_limits", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
    ("GET", "/v1/catalogue"): {200: "test_catalogue_model_and_compatibility", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
    ("GET", "/v1/models/{key}"): {200: "test_catalogue_model_and_compatibility", 404: "/models/nope", 422: FREE_TEXT},
    ("GET", "/v1/models/{key}/compatibility"): {200: "test_catalogue_model_and_compatibility", 404: "/models/nope/compatibility", 422: FREE_TEXT},
    ("POST", "/v1/models"): {200: "test_an_uploaded_model", 404: "creates", 422: "test_models_that_are_refused"},
    ("DELETE", "/v1/models/{key}"): {200: "test_an_uploaded_model", 404: "/models/nope", 422: FREE_TEXT},
    ("GET", "/v1/samples"): {200: "test_samples_can_be_used_at_once", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
    ("POST", "/v1/inputs"): {200: "test_same_bytes_same_id", 404: "creates", 422: "test_forms"},
    ("GET", "/v1/inputs/{id}"): {200: "test_image_input", 404: f"/inputs/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/inputs/{id}/preview.png"): {200: "test_image_input", 404: f"/inputs/{NOWHERE}/preview.png", 422: FREE_TEXT},
    ("GET", "/v1/inputs/{id}/audio.wav"): {200: "test_audio_input_and_ranges", 404: f"/inputs/{NOWHERE}/audio.wav", 422: "test_a_region_is_heard"},
    ("GET", "/v1/inputs/{id}/spectrogram.npy"): {200: "test_spectrogram_input", 404: f"/inputs/{NOWHERE}/spectrogram.npy", 422: FREE_TEXT},
    ("DELETE", "/v1/inputs/{id}"): {200: "test_deleting_an_input_leaves_no_byte", 404: f"/inputs/{NOWHERE}", 422: FREE_TEXT},
    ("POST", "/v1/predictions"): {200: "test_prediction", 404: "test_refusals_of_a_prediction", 422: "test_refusals_of_a_prediction"},
    ("GET", "/v1/predictions/{id}"): {200: "test_prediction", 404: f"/predictions/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/predictions/{id}/display.png"): {200: "test_prediction", 404: f"/predictions/{NOWHERE}/display.png", 422: FREE_TEXT},
    ("GET", "/v1/jobs"): {200: "test_jobs", 404: NO_ARGUMENTS, 422: "test_jobs"},
    ("GET", "/v1/jobs/{id}"): {200: "test_jobs", 404: f"/jobs/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/jobs/{id}/events"): {200: "test_jobs", 404: f"/jobs/{NOWHERE}/events", 422: FREE_TEXT},
    ("DELETE", "/v1/jobs/{id}"): {200: "test_jobs", 404: f"/jobs/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/openapi.json"): {200: "test_docs_and_openapi", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
    ("GET", "/v1/docs"): {200: "test_docs_and_openapi", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
    ("GET", "/v1/docs.css"): {200: "test_docs_and_openapi", 404: NO_ARGUMENTS, 422: NO_ARGUMENTS},
}  # fmt: skip


def test_the_table_names_every_route(server: Running) -> None:
    """A new route needs a row in the `TABLE` of the test file of its resource: what makes it 200, 404 and
    422, or why that cannot be."""
    there = {(method, path) for path, route in api_routes(server.app) for method in route.methods}
    assert all(isinstance(route, StrictRoute) for _, route in api_routes(server.app))
    whole = {**TABLE, **tables()}
    assert there == set(whole)
    written = "\n".join(path.read_text() for path in files())
    for row in whole.values():
        assert set(row) == {200, 404, 422}
        for named in row.values():
            assert not named.startswith("test_") or f"def {named}(" in written, named


def test_unknown_and_impossible_ids(client: httpx.Client, after: Any) -> None:
    asked = [(key[0], row[404]) for key, row in {**TABLE, **tables()}.items() if row[404].startswith("/")]
    assert len(asked) > 20
    for method, path in asked:
        assert after(client.request(method, path))["status"] == 404, path
        for odd in ("..%2f..%2fetc%2fpasswd", "%00%ff", "a" * 1000, "%f0%9f%92%a9", "'--"):
            there = path.replace(NOWHERE, odd).replace("nope", odd)
            assert after(client.request(method, there))["status"] in (404, 422), there


def test_refusals_of_a_prediction(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    def post(**body: Any) -> dict[str, Any]:
        return after(client.post("/predictions", json=body))

    assert post(input=NOWHERE, model="tiny")["code"] == "unknown_input"
    assert post(input=photo, model="nope")["code"] == "unknown_model"
    assert post(input=sound, model="tiny")["code"] == "wrong_modality"
    assert post(input=photo)["field"] == "model"
    assert post(input=sound, model="tiny_sound", start=-1.0)["field"] == "start"
    assert post(input=sound, model="tiny_sound", start=999.0)["status"] == 422
    assert post(input=7, model="tiny")["status"] == 422


def test_the_scale_of_an_array_is_recognised_or_asked_for(client: httpx.Client) -> None:
    """The same numbers read in two ways are two inputs."""
    level = np.where(np.arange(64 * 80).reshape(64, 80) % 80 < 20, 1.0, 0.01)
    amplitude = npy((level * np.random.default_rng(5).uniform(0.5, 1, level.shape)).astype(np.float32))
    asked = send(client, amplitude)
    assert (asked.status_code, asked.json()["code"]) == (422, "ambiguous_scale")
    ids = set()
    for scale in ("amplitude", "power"):
        answer = send(client, amplitude, scale=scale)
        assert answer.status_code == 201, answer.text
        assert answer.json()["scale"] == scale
        ids.add(answer.json()["id"])
    assert len(ids) == 2
    assert send(client, amplitude, scale="loud").status_code == 422
    power = send(client, npy(np.where(level > 0.5, 1.0, 1e-6).astype(np.float32)))
    assert power.json()["scale"] == "power"
    assert "power" in " ".join(power.json()["notes"])
