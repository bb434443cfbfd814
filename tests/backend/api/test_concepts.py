"""Concepts over HTTP, with the real engine and a bundled model: make, use, carry elsewhere, refuse."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from app.core.settings import Settings
from app.web.guard import protect
from models.synthetic.concepts import CONCEPTS
from tests.backend.api.conftest import PLAIN, _until, build


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(_env_file=None, data=tmp_path_factory.mktemp("concepts") / "data", workers=1)
    root, _ = build(settings, plugins=())
    server = uvicorn.Server(
        uvicorn.Config(
            protect(root, settings), port=0, http="h11", log_config=None, timeout_graceful_shutdown=2
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    _until(lambda: server.started)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    _until(lambda: httpx.get(f"{base}/api/v1/catalogue", timeout=60, verify=PLAIN).status_code == 200)
    with httpx.Client(base_url=f"{base}/api/v1", timeout=60, verify=PLAIN) as client:
        yield client
    server.should_exit = True
    thread.join(20)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def upload(api: httpx.Client, array: np.ndarray) -> str:
    answer = api.post("/inputs", files={"file": ("x.png", png(array))})
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def striped_inputs(api: httpx.Client) -> list[str]:
    return [upload(api, one) for one in CONCEPTS["striped"].make(12, seed=9)]


@pytest.fixture(scope="module")
def mine(api: httpx.Client, striped_inputs: list[str]) -> dict[str, Any]:
    answer = api.post(
        "/concepts", json={"name": "My stripes", "examples": [{"input": one} for one in striped_inputs]}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def done(api: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while True:
        found = api.get(path).json()
        if found["state"] not in ("queued", "running"):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.1)


def problem(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return str(answer.json()["detail"])


def test_built_in_concepts_are_listed_with_pictures_and_sounds(api: httpx.Client) -> None:
    found = {one["id"]: one for one in api.get("/concepts").json()}
    assert set(CONCEPTS) <= set(found)
    assert Image.open(io.BytesIO(api.get("/concepts/striped/examples/0.png").content)).size == (96, 96)
    wav = api.get("/concepts/hum/examples/3.wav")
    assert wav.headers["content-type"] == "audio/wav"
    assert wav.content.startswith(b"RIFF")
    problem(api.get("/concepts/striped/examples/0.wav"), 404, "unknown_example")
    problem(api.get("/concepts/striped/examples/x.gif"), 404, "unknown_example")
    problem(api.get("/concepts/nothing"), 404, "unknown_concept")


def test_a_concept_of_ones_own_is_used_like_a_built_in_one(
    api: httpx.Client, mine: dict[str, Any], striped_inputs: list[str]
) -> None:
    assert mine["count"] == 12
    assert mine["usable"]
    request = {
        "model": "shapes",
        "inputs": striped_inputs[:2],
        "concepts": ["striped", mine["ref"], "red"],
        "layers": ["relu2"],
        "classes": [0, 2],
        "n_random": 20,
    }
    answer = api.post("/concept-analyses", json=request)
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    found = done(api, f"/concept-analyses/{id}")
    assert found["state"] == "done", found["error"]
    assert api.post("/concept-analyses", json=request).status_code == 200
    result = found["result"]
    assert len(result["rows"]) == 2 * 3 * 2
    table = np.load(io.BytesIO(api.get(f"/concept-analyses/{id}/table.npy").content))
    for place, ref in enumerate(request["concepts"]):
        means = [row["score"] for row in result["rows"] if row["concept"] == ref]
        assert table[0, place] == pytest.approx(np.mean(means), rel=1e-5)
    assert result["names"] == {"striped": "Striped", mine["ref"]: "My stripes", "red": "Red"}
    stripes = [row for row in result["directions"] if row["concept"] != "red"]
    assert all(row["recognised"] and row["accuracy"] > 0.75 for row in stripes)
    assert all(
        row["told_apart"] and row["separability"].startswith("Told apart") and row["accuracy_low"] > 0.5
        for row in stripes
    )
    assert (result["plan"]["n_random"], result["plan"]["tests"]) == (
        20 * 3 * 2,
        3 * 2,
    )  # twenty per test, although fewer were asked for
    assert {row["verdict"] for row in result["rows"] + result["overall"]} <= {
        "counts",
        "undecided",
        "not_more_than_chance",
    }
    assert set(result["verdicts"]) == {"striped", mine["ref"], "red"}
    assert {row["counter_name"] for row in result["directions"]} == {
        "Drawn pictures"
    }  # of the kind of the user's drawings too
    assert all(row["p"] <= row["p_adjusted"] for row in result["rows"])
    assert (
        result["cosines"]["relu2"][0][1] > 0.8
    )  # the user's stripes and the built-in ones point the same way
    maps = np.load(io.BytesIO(api.get(f"/concept-analyses/{id}/maps/1/relu2.npy").content))
    assert maps.shape[0] == 3
    assert 0 <= maps.min() <= maps.max() <= 1
    lines = api.get(f"/concept-analyses/{id}/rows.csv").text.splitlines()
    assert len(lines) == 1 + len(result["rows"])
    assert lines[0].startswith("input,layer,concept,class,label,score")
    assert lines[0].endswith("verdict,because")


def test_the_method_takes_the_reference_too(
    api: httpx.Client, mine: dict[str, Any], striped_inputs: list[str]
) -> None:
    body = {
        "input": striped_inputs[0],
        "model": "shapes",
        "method": "visual_tcav",
        "params": {"concept": mine["ref"]},
    }
    found = done(api, f"/explanations/{api.post('/explanations', json=body).json()['id']}")
    assert found["state"] == "done", found["error"]
    assert found["record"]["extras"]["concept"] == "My stripes"
    missing = done(
        api,
        f"/explanations/{api.post('/explanations', json={**body, 'params': {'concept': '0' * 64}}).json()['id']}",
    )
    assert (missing["state"], missing["error"]["code"]) == ("failed", "unknown_concept")


def test_examples_can_be_boxes_and_go_with_their_input(api: httpx.Client) -> None:
    whole = np.concatenate([CONCEPTS["red"].make(1, seed=5)[0], CONCEPTS["blue"].make(1, seed=5)[0]], axis=1)
    id = upload(api, whole)
    left = {"input": id, "box": [0, 0, 96, 96]}
    made = api.post("/concepts", json={"name": "Left half", "examples": [left, left]}).json()
    assert (made["count"], made["boxes"], made["usable"]) == (1, 1, False)
    strip = np.asarray(
        Image.open(io.BytesIO(api.get(f"/concepts/{made['id']}/examples/0.png").content)), dtype=float
    )
    assert strip[..., 0].mean() > strip[..., 2].mean() + 50
    body = {
        "input": upload(api, whole),
        "model": "shapes",
        "method": "visual_tcav",
        "params": {"concept": made["ref"]},
    }
    found = done(api, f"/explanations/{api.post('/explanations', json=body).json()['id']}")
    assert found["error"]["code"] == "too_few_examples"
    problem(api.delete(f"/inputs/{id}"), 409, "in_use")
    assert api.get(f"/concepts/{made['id']}").json()["count"] == 1
    assert api.delete(f"/inputs/{id}", params={"with": "all"}).status_code == 204
    problem(api.get(f"/concepts/{made['id']}"), 404, "unknown_concept")


def test_rename_take_out_add_and_delete(api: httpx.Client, striped_inputs: list[str]) -> None:
    made = api.post(
        "/concepts", json={"name": "A", "examples": [{"input": one} for one in striped_inputs[:11]]}
    ).json()
    renamed = api.put(f"/concepts/{made['id']}", json={"name": "B"}).json()
    assert renamed["name"] == "B"
    smaller = api.put(f"/concepts/{made['id']}", json={"remove": [0, 3]}).json()
    assert (smaller["count"], smaller["usable"]) == (9, False)
    assert smaller["ref"] != renamed["ref"]
    larger = api.post(
        f"/concepts/{made['id']}/examples", json={"examples": [{"input": one} for one in striped_inputs]}
    ).json()
    assert larger["count"] == 12
    problem(api.put(f"/concepts/{made['id']}", json={"remove": [99]}), 422, "bad_parameter")
    assert api.delete(f"/concepts/{made['id']}").status_code == 204
    problem(api.get(f"/concepts/{made['id']}"), 404, "unknown_concept")
    problem(api.delete("/concepts/striped"), 409, "bundled")


def test_exported_and_imported_it_is_the_same_concept(api: httpx.Client, mine: dict[str, Any]) -> None:
    archive = api.get(f"/concepts/{mine['id']}/export.zip").content
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert "concept.json" in names
    assert sum(name.endswith(".png") for name in names) == 12
    back = api.post("/concepts/import", files={"file": ("c.zip", archive)})
    assert back.status_code == 201, back.text
    assert back.json()["ref"] == mine["ref"]
    assert back.json()["id"] != mine["id"]


ONE_PIXEL = png(np.zeros((8, 8, 3), np.uint8))


def bundle(manifest: Any, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("concept.json", json.dumps(manifest))
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (
            b"not a zip at all, but long enough to be looked at by anybody who wants to know what it is",
            415,
            "unsupported_type",
        ),
        (b"PK\x03\x04" + b"\0" * 100, 422, "not_a_concept"),
        (bundle([1, 2]), 422, "not_a_concept"),
        (
            bundle({"format": "evident-concept-1", "name": "x", "examples": [{"file": "../../etc/passwd"}]}),
            422,
            "not_a_concept",
        ),
        (
            bundle(
                {
                    "format": "evident-concept-1",
                    "name": "x",
                    "examples": [{"file": "a", "box": ["NaN", 1, 2, 3]}],
                },
                a=b"x",
            ),
            422,
            "not_a_concept",
        ),
        (
            bundle(
                {"format": "evident-concept-1", "name": "x", "examples": [{"file": "a"}]},
                a=b"\0" * 60_000_000,
            ),
            413,
            "too_large",
        ),
        (
            bundle({"format": "evident-concept-1", "name": "x", "examples": [{"file": "a"}] * 501}, a=b"x"),
            413,
            "too_many_examples",
        ),
        (
            bundle(
                {"format": "evident-concept-1", "name": "half \ud800", "examples": [{"file": "a"}]},
                a=ONE_PIXEL,
            ),
            422,
            "bad_text",
        ),
        (
            bundle(
                {"format": "evident-concept-1", "name": "nul \x00", "examples": [{"file": "a"}]}, a=ONE_PIXEL
            ),
            422,
            "bad_text",
        ),
        (
            bundle(
                {"format": "evident-concept-1", "name": "x" * 81, "examples": [{"file": "a"}]}, a=ONE_PIXEL
            ),
            422,
            "bad_text",
        ),
        (
            bundle(
                {"format": "evident-concept-1", "name": "x", "examples": [{"file": "a"}]},
                a=b"GIF89a rest of it",
            ),
            422,
            "not_decodable",
        ),
    ],
)
def test_hostile_bundles_are_refused_in_plain_words(
    api: httpx.Client, data: bytes, status: int, code: str
) -> None:
    problem(api.post("/concepts/import", files={"file": ("c.zip", data)}), status, code)


def test_refusals(api: httpx.Client, striped_inputs: list[str]) -> None:
    one = {"input": striped_inputs[0]}
    problem(
        api.post("/concepts", json={"name": "x", "examples": [{"input": "0" * 64}]}), 404, "unknown_input"
    )
    problem(
        api.post("/concepts", json={"name": "x", "examples": [{**one, "box": [50, 0, 10, 90]}]}),
        422,
        "bad_box",
    )
    base = {"model": "shapes", "inputs": [striped_inputs[0]], "concepts": ["striped"], "layers": ["relu5"]}
    assert "layer" in problem(
        api.post("/concept-analyses", json={**base, "layers": ["fc"]}), 422, "bad_parameter"
    )
    problem(api.post("/concept-analyses", json={**base, "classes": [77]}), 422, "bad_parameter")
    problem(
        api.post("/concept-analyses", json={**base, "concepts": ["striped", "striped"]}), 422, "bad_parameter"
    )
    wrong = done(
        api,
        f"/concept-analyses/{api.post('/concept-analyses', json={**base, 'concepts': ['hum']}).json()['id']}",
    )
    assert wrong["error"]["code"] == "wrong_modality"
    same = done(
        api,
        f"/concept-analyses/{api.post('/concept-analyses', json={**base, 'negatives': 'striped'}).json()['id']}",
    )
    assert same["error"]["code"] == "identical_sets"


# Every route of this resource: what makes it 200, 404 and 422, or why it cannot be (walked by
# test_routes.py).
NOWHERE = "0" * 64
CREATES = "creates"
FREE_TEXT = "any text is a possible id, and an impossible one is 404"
USED = "test_a_concept_of_ones_own_is_used_like_a_built_in_one"
CHANGED = "test_rename_take_out_add_and_delete"
SHOWN = "test_built_in_concepts_are_listed_with_pictures_and_sounds"
CARRIED = "test_exported_and_imported_it_is_the_same_concept"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/concepts"): {200: SHOWN, 404: "takes nothing that could be wrong", 422: "takes nothing that could be wrong"},
    ("POST", "/v1/concepts"): {200: CHANGED, 404: "test_refusals", 422: "test_refusals"},
    ("POST", "/v1/concepts/import"): {200: CARRIED, 404: CREATES, 422: "test_hostile_bundles_are_refused_in_plain_words"},
    ("GET", "/v1/concepts/{id}"): {200: CHANGED, 404: f"/concepts/{NOWHERE}", 422: FREE_TEXT},
    ("PUT", "/v1/concepts/{id}"): {200: CHANGED, 404: FREE_TEXT, 422: CHANGED},
    ("POST", "/v1/concepts/{id}/examples"): {200: CHANGED, 404: FREE_TEXT, 422: "test_refusals"},
    ("DELETE", "/v1/concepts/{id}"): {200: CHANGED, 404: f"/concepts/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/concepts/{id}/examples/{name}"): {200: SHOWN, 404: f"/concepts/{NOWHERE}/examples/0.png", 422: FREE_TEXT},
    ("GET", "/v1/concepts/{id}/export.zip"): {200: CARRIED, 404: f"/concepts/{NOWHERE}/export.zip", 422: FREE_TEXT},
    ("POST", "/v1/concept-analyses"): {200: USED, 404: "test_refusals", 422: "test_refusals"},
    ("GET", "/v1/concept-analyses/{id}"): {200: USED, 404: f"/concept-analyses/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/concept-analyses/{id}/events"): {
        200: "the same stream as test_one_stream_for_several", 404: f"/concept-analyses/{NOWHERE}/events", 422: FREE_TEXT,
    },
    ("GET", "/v1/concept-analyses/{id}/table.npy"): {
        200: USED, 404: f"/concept-analyses/{NOWHERE}/table.npy", 422: FREE_TEXT,
    },
    ("GET", "/v1/concept-analyses/{id}/maps/{number}/{layer}.npy"): {200: USED, 404: f"/concept-analyses/{NOWHERE}/maps/0/x.npy", 422: FREE_TEXT},
    ("GET", "/v1/concept-analyses/{id}/rows.csv"): {200: USED, 404: f"/concept-analyses/{NOWHERE}/rows.csv", 422: FREE_TEXT},
    ("DELETE", "/v1/concept-analyses/{id}"): {200: "as test_jobs", 404: f"/concept-analyses/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
