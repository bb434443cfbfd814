"""Explanations over HTTP: from the request to map, stages, picture and sound; progress, stopping, refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from PIL import Image

from backend.api.routes.explanations import SHORT_SECONDS
from tests.backend.api.conftest import NOWHERE, explain, finished
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import picture

WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights" / "shapes.safetensors"


def test_explanation_from_post_to_map(client: httpx.Client, photo: str) -> None:
    first = explain(client, photo, seed=11)
    assert first.status_code == 202
    assert first.json()["request"]["params"] == {"n_samples": 4, "pause": 0.0, "word": "up"}
    id = first.json()["id"]
    explanation = finished(client, id)
    assert explanation["state"] == "done"
    assert explanation["record"]["shape"] == [24, 32]
    assert explanation["record"]["extras"] == {"nan": None}
    again = explain(client, photo, seed=11)
    assert (again.status_code, again.json()["id"]) == (200, id)
    # Defaults spelled out, and 1 for 1.0, are the same request.
    spelled = explain(client, photo, seed=11, params={"n_samples": 4, "pause": 0, "word": "up"})
    assert (spelled.status_code, spelled.json()["id"]) == (200, id)
    values = np.load(io.BytesIO(client.get(f"/explanations/{id}/values.npy").content))
    assert (values.dtype, values.shape) == (np.float32, (24, 32))
    assert (values[0, 0], values[-1, -1]) == (-2.0, 2.0)
    half = np.load(io.BytesIO(client.get(f"/explanations/{id}/stages/half.npy").content))
    assert (half == values[::2, ::2]).all()
    assert client.get(f"/explanations/{id}/stages/quarter.npy").status_code == 404
    assert client.get(f"/explanations/{id}/audio.wav").status_code == 404


def test_what_a_method_kept_is_served(client: httpx.Client, photo: str, after: Any) -> None:
    id = explain(client, photo, seed=12).json()["id"]
    record = finished(client, id)["record"]
    assert record["arrays"] == [{"name": "steps", "dtype": "int64", "shape": [4]}]
    answer = client.get(f"/explanations/{id}/arrays/steps.npy")
    assert answer.headers["content-disposition"] == 'attachment; filename="steps.npy"'
    assert (np.load(io.BytesIO(answer.content)) == np.arange(4)).all()
    assert (
        client.get(f"/explanations/{id}/stages/half.npy").headers["content-disposition"]
        == 'attachment; filename="half.npy"'
    )
    for name in ("values", "stages/half", "half", "..%2fvalues"):
        refusal = after(client.get(f"/explanations/{id}/arrays/{name}.npy"))
        assert refusal["status"] == 404, name
    assert (
        refusal["detail"].startswith("This explanation kept no such array") or refusal["code"] == "not_found"
    )


def test_the_layer_is_filled_in_and_part_of_the_key(client: httpx.Client, photo: str) -> None:
    default = explain(client, photo, method="layered").json()
    assert default["request"]["layer"] == client.get("/models/tiny").json()["default_layer"]
    named = explain(client, photo, method="layered", layer=default["request"]["layer"]).json()
    assert named["id"] == default["id"]
    unused = explain(client, photo, layer="nonsense").json()  # a method without layers ignores it
    assert unused["request"]["layer"] is None


def test_overlay(client: httpx.Client, photo: str) -> None:
    client.post("/predictions", json={"input": photo, "model": "tiny"})
    id = explain(client, photo, seed=12).json()["id"]
    finished(client, id)
    plain = _png(client.get(f"/explanations/{id}/overlay.png?opacity=0&scale=1"))
    grey = picture().astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(plain - grey[..., None]).max() <= 1
    both = _png(client.get(f"/explanations/{id}/overlay.png?opacity=1&scale=3"))
    assert both.shape == (72, 96, 3)
    assert both[0, 0, 2] > both[0, 0, 0]  # against: blue
    assert both[-1, -1, 0] > both[-1, -1, 2]  # for: red
    only = _png(client.get(f"/explanations/{id}/overlay.png?opacity=1&scale=1&sign=for&top=10"))
    assert np.abs(only[:20, :20] - grey[:20, :20, None]).max() <= 1
    for query in ("opacity=2", "top=0", "sign=up", "scale=99", "scale=nan", "opacity=nan", "top=inf"):
        assert client.get(f"/explanations/{id}/overlay.png?{query}").status_code == 422


def _png(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200
    return np.asarray(Image.open(io.BytesIO(answer.content))).astype(float)


def test_overlay_of_sound_has_high_frequencies_on_top(client: httpx.Client, sound: str) -> None:
    id = explain(client, sound, "tiny_sound").json()["id"]
    finished(client, id)
    shown = _png(client.get(f"/explanations/{id}/overlay.png?opacity=1&scale=1"))
    assert (
        shown[0, -1, 0] > shown[0, -1, 2]
    )  # the map is largest at its last row and column, which is drawn on top
    assert shown[-1, 0, 2] > shown[-1, 0, 0]


def test_listening(client: httpx.Client, sound: str) -> None:
    id = explain(client, sound, "tiny_sound", start=0.0).json()["id"]
    record = finished(client, id)["record"]
    for part in ("only", "rest"):
        answer = client.get(f"/explanations/{id}/audio.wav?part={part}&top=20")
        samples, rate = soundfile.read(io.BytesIO(answer.content))
        assert rate == 16_000
        assert len(samples) == round((record["window"][1] - record["window"][0]) * rate)
        assert np.abs(samples).max() > 0.01
    assert client.get(f"/explanations/{id}/audio.wav?part=all").status_code == 422


def test_progress_partial_maps_and_cancelling(client: httpx.Client, photo: str) -> None:
    id = explain(client, photo, params={"n_samples": 2000, "pause": 0.02}).json()["id"]
    states: list[dict[str, Any]] = []
    with client.stream("GET", f"/explanations/{id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                states.append(json.loads(line[6:]))
                if states[-1]["progress"]["partial"] >= 2:
                    break
    assert states[-1]["state"] == "running"
    assert 0 < states[-1]["progress"]["done"] < states[-1]["progress"]["total"] == 2000
    assert states[-1]["progress"]["unit"] == "samples"
    partial = np.load(io.BytesIO(client.get(f"/explanations/{id}/values.npy").content))
    assert 0 < np.abs(partial).max() < 2.0
    assert client.get(f"/explanations/{id}/overlay.png").status_code == 404
    stopped = client.delete(f"/explanations/{id}")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    assert stopped.json()["error"]["code"] == "cancelled"
    assert client.delete(f"/explanations/{id}").status_code == 204
    assert client.get(f"/explanations/{id}").status_code == 404


def test_a_short_map_does_not_wait_behind_a_long_one(client: httpx.Client, photo: str) -> None:
    """The only worker of long work is busy for minutes; what is expected to take a moment is done meanwhile."""
    usual = client.get("/models/tiny/compatibility").json()["ramp"]["seconds"]
    many = int(4 * 3 * SHORT_SECONDS / usual)
    long = explain(client, photo, seed=77, params={"n_samples": many, "pause": 0.5}).json()
    assert long["estimate"] > SHORT_SECONDS
    short = explain(client, photo, seed=78, params={"n_samples": 4}).json()
    assert finished(client, short["id"])["state"] == "done"
    assert client.get(f"/explanations/{long['id']}").json()["state"] in ("queued", "running")
    client.delete(f"/explanations/{long['id']}")


def test_one_stream_for_several(client: httpx.Client, photo: str) -> None:
    ids = [
        explain(client, photo, seed=100 + i, params={"n_samples": 5, "pause": 0.01}).json()["id"]
        for i in range(3)
    ]
    last: dict[str, str] = {}
    with client.stream("GET", f"/explanations/events?ids={','.join(ids)}") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                last[event["id"]] = event["state"]
    assert last == dict.fromkeys(ids, "done")
    assert client.get(f"/explanations/events?ids={ids[0]},{NOWHERE}").status_code == 404
    assert client.get("/explanations/events").status_code == 422


def test_refusals_of_an_explanation(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    cases = [
        (explain(client, NOWHERE), 404, "unknown_input"),
        (explain(client, photo, model="nope"), 404, "unknown_model"),
        (explain(client, photo, method="rampe"), 404, "unknown_method"),
        (explain(client, photo, method="fitless"), 422, "incompatible"),
        (explain(client, sound), 422, "wrong_modality"),
        (explain(client, photo, target=3), 422, "bad_parameter"),
        (explain(client, photo, target=-1), 422, "bad_parameter"),
        (explain(client, photo, method="layered", layer="nowhere"), 422, "bad_parameter"),
        (explain(client, photo, params={"n_sample": 3}), 422, "bad_parameter"),
        (explain(client, photo, params={"n_samples": True}), 422, "bad_parameter"),
        (explain(client, photo, params={"n_samples": "4"}), 422, "bad_parameter"),
        (explain(client, photo, params={"n_samples": 0}), 422, "bad_parameter"),
        (explain(client, photo, params={"word": "sideways"}), 422, "bad_parameter"),
        (explain(client, photo, seed=True), 422, "bad_parameter"),
        (explain(client, photo, extra=1), 422, "unknown_field"),
        (explain(client, photo, params={"n_samples": 1_000_000_000}), 422, "too_expensive"),
    ]
    for answer, status, code in cases:
        problem = after(answer)
        assert (problem["status"], problem["code"]) == (status, code), problem
    assert "ramp" in cases[2][0].json()["detail"]
    assert "n_samples" in cases[8][0].json()["detail"]
    expensive = cases[-1][0].json()
    assert expensive["field"] == "params.n_samples"
    # What would fit does fit, and it is not far from what does not.
    fits = int(expensive["detail"].split("at most ")[1].split(" ")[0].replace(",", ""))
    fine = explain(client, photo, params={"n_samples": fits})
    assert fine.status_code == 202
    client.delete(f"/explanations/{fine.json()['id']}")
    assert explain(client, photo, params={"n_samples": int(fits * 1.01) + 1}).status_code == 422


TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/explanations"): {200: "test_explanation_from_post_to_map", 404: "test_refusals_of_an_explanation", 422: "test_refusals_of_an_explanation"},
    ("GET", "/v1/explanations/events"): {200: "test_one_stream_for_several", 404: f"/explanations/events?ids={NOWHERE}", 422: "test_one_stream_for_several"},
    ("GET", "/v1/explanations/{id}"): {200: "test_explanation_from_post_to_map", 404: f"/explanations/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/explanations/{id}/events"): {200: "test_progress_partial_maps_and_cancelling", 404: f"/explanations/{NOWHERE}/events", 422: FREE_TEXT},
    ("GET", "/v1/explanations/{id}/values.npy"): {200: "test_explanation_from_post_to_map", 404: f"/explanations/{NOWHERE}/values.npy", 422: FREE_TEXT},
    ("GET", "/v1/explanations/{id}/stages/{name}.npy"): {200: "test_explanation_from_post_to_map", 404: f"/explanations/{NOWHERE}/stages/a.npy", 422: FREE_TEXT},
    ("GET", "/v1/explanations/{id}/arrays/{name}.npy"): {200: "test_what_a_method_kept_is_served", 404: f"/explanations/{NOWHERE}/arrays/a.npy", 422: FREE_TEXT},
    ("GET", "/v1/explanations/{id}/overlay.png"): {200: "test_overlay", 404: f"/explanations/{NOWHERE}/overlay.png", 422: "test_overlay"},
    ("GET", "/v1/explanations/{id}/audio.wav"): {200: "test_listening", 404: f"/explanations/{NOWHERE}/audio.wav", 422: "test_listening"},
    ("DELETE", "/v1/explanations/{id}"): {200: "test_progress_partial_maps_and_cancelling", 404: f"/explanations/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
