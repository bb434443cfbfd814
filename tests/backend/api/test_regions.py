"""Inputs altered in a region, and the user's own regions: what they answer, what they refuse, what is left of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.api.regions import region_mask_of
from tests.backend.api.conftest import NOWHERE, Running, explain, finished, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, npy, picture

BOX = [8.0, 20.0, 4.0, 30.0]
"""Of a picture of 48 x 64 pixels (`[x0, x1, y0, y1]`)."""


@pytest.fixture
def photo(client: httpx.Client) -> Iterator[str]:
    """Of its own, without a region before and after."""
    id = upload(client, image(picture(48, 64, seed=900)))
    yield id
    client.delete(f"/inputs/{id}/region")


def black_and_white(mask: np.ndarray) -> bytes:
    return image(np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255)


def size(client: httpx.Client, id: str) -> tuple[int, int]:
    told = client.get(f"/inputs/{id}").json()
    return told["height"], told["width"]


def test_a_region_is_kept_and_forgotten(client: httpx.Client, photo: str) -> None:
    nothing = {"input": photo, "boxes": [], "mask": None, "share": None}
    assert client.get(f"/inputs/{photo}/region").json() == nothing
    stored = client.put(f"/inputs/{photo}/region", json={"boxes": [BOX]})
    assert stored.status_code == 200, stored.text
    assert client.get(f"/inputs/{photo}/region").json() == stored.json()
    assert stored.json()["boxes"] == [BOX]
    mask = np.zeros(size(client, photo), bool)
    mask[2:9, 5:7] = True
    drawn = client.put(f"/inputs/{photo}/region", files={"mask": ("m.png", black_and_white(mask))})
    assert drawn.status_code == 200, drawn.text
    runs = drawn.json()["mask"]
    down = np.repeat(np.arange(len(runs["counts"])) % 2, runs["counts"])
    assert (mask == down.reshape(mask.shape[::-1]).T).all()
    assert drawn.json()["share"] == pytest.approx(mask.mean())
    assert drawn.json()["boxes"] == []  # in place of the one before
    assert client.put(f"/inputs/{photo}/region", json={"mask": runs}).json() == drawn.json()
    assert client.delete(f"/inputs/{photo}/region").status_code == 204
    assert client.delete(f"/inputs/{photo}/region").status_code == 404
    assert client.get(f"/inputs/{photo}/region").json() == nothing


def test_what_is_transparent_in_a_mask_is_outside(client: httpx.Client, photo: str) -> None:
    """As a layer of a drawing program: white where it was painted, nothing elsewhere, whatever colour nothing has."""
    layer = np.full((*size(client, photo), 4), 255, np.uint8)
    layer[4:, :, 3] = 0
    data = io.BytesIO()
    Image.fromarray(layer).save(data, "PNG")
    drawn = client.put(f"/inputs/{photo}/region", files={"mask": ("m.png", data.getvalue())}).json()
    assert drawn["share"] == pytest.approx(4 / len(layer))


def test_a_mask_of_ones_is_a_mask(client: httpx.Client, photo: str) -> None:
    """Label pictures hold 0 and 1."""
    mask = np.zeros((*size(client, photo), 3), np.uint8)
    mask[:5] = 1
    drawn = client.put(f"/inputs/{photo}/region", files={"mask": ("m.png", image(mask))}).json()
    assert drawn["share"] == pytest.approx(5 / len(mask))
    data = io.BytesIO()
    Image.fromarray(mask[..., 0].astype(np.uint16)).save(data, "PNG")
    deep = client.put(f"/inputs/{photo}/region", files={"mask": ("m.png", data.getvalue())})
    assert deep.json()["share"] == pytest.approx(5 / len(mask)), "16 bits, of which one is used"


def test_refused_regions(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    height, width = size(client, photo)

    def put(id: str = photo, **body: Any) -> dict[str, Any]:
        return after(client.put(f"/inputs/{id}/region", json=body))

    def draw(data: bytes, id: str = photo) -> dict[str, Any]:
        return after(client.put(f"/inputs/{id}/region", files={"mask": ("m.png", data)}))

    assert put(NOWHERE, boxes=[BOX])["code"] == "unknown_input"
    assert "one of the two" in put()["detail"]
    assert "one of the two" in put(boxes=[BOX], mask={"size": [height, width], "counts": [1, 1]})["detail"]
    assert put(boxes=[[width + 1, width + 5, 0, 4]])["code"] == "box_outside"
    assert put(boxes=[[0, width, 0, height]])["code"] == "box_whole"
    assert "left below right" in put(boxes=[[5, 5, 0, 4]])["detail"]
    assert put(boxes=[[0, 1, 2]])["status"] == 422
    assert put(boxes=[["a", 1, 2, 3]])["field"].startswith("boxes")
    assert put(boxes=[BOX], more=1)["status"] == 422
    nan = b'{"boxes": [[NaN, 1, 2, 3]]}'
    sent = client.put(f"/inputs/{photo}/region", content=nan, headers={"content-type": "application/json"})
    assert after(sent)["code"] == "not_finite"
    assert after(client.put(f"/inputs/{photo}/region", json=[1]))["status"] == 422
    assert put(mask={"size": [height, width + 1], "counts": [1, 1]})["code"] == "mask_size"
    assert "sum" in put(mask={"size": [height, width], "counts": [1, 1]})["detail"]
    assert "sum" in put(mask={"size": [height, width], "counts": [height * width + 5, -5]})["detail"]
    assert draw(black_and_white(np.zeros((height, width), bool)))["code"] == "mask_empty"
    assert draw(black_and_white(np.ones((height, width), bool)))["code"] == "mask_whole"
    other = draw(black_and_white(np.eye(7, dtype=bool)))
    assert other["code"] == "mask_size"
    assert f"7 x 7 pixels and the picture {width} x {height}" in other["detail"]
    assert draw(b"\x89PNG\r\n\x1a\nbroken")["status"] == 422
    assert draw(npy(np.zeros((40, 50), np.float32)))["status"] == 422
    assert "Masks are for pictures" in draw(black_and_white(np.eye(9, dtype=bool)), sound)["detail"]
    assert put(sound, boxes=[[50, 60, 100, 200]])["code"] == "box_outside"
    assert client.get(f"/inputs/{photo}/region").json()["boxes"] == []  # none of all that was kept


def test_a_region_goes_with_its_input(client: httpx.Client, server: Running) -> None:
    id = upload(client, image(picture(seed=77)))
    secret = [11.1234567, 20.7654321, 4.0, 30.0]
    assert client.put(f"/inputs/{id}/region", json={"boxes": [secret]}).status_code == 200
    assert client.post("/whatifs", json={"input": id, "model": "tiny", "boxes": [secret]}).status_code == 200
    held = [path for path in server.data.rglob("*") if path.is_file() and b"11.1234567" in path.read_bytes()]
    assert held
    assert client.delete(f"/inputs/{id}").status_code == 204
    held = [path for path in server.data.rglob("*") if path.is_file() and b"11.1234567" in path.read_bytes()]
    assert held == []
    again = upload(client, image(picture(seed=77)))
    assert again == id
    assert client.get(f"/inputs/{id}/region").json()["boxes"] == []


def test_the_region_that_counts(client: httpx.Client, server: Running, photo: str) -> None:
    def counted(id: str, model: str) -> Any:
        return asyncio.run(region_mask_of(server.services, id, model))

    assert counted(photo, "tiny") is None
    client.put(f"/inputs/{photo}/region", json={"boxes": [BOX]})
    assert counted(photo, "tiny").boxes == [BOX]
    client.delete(f"/inputs/{photo}/region")
    shown = next(one for one in client.get("/samples").json() if one["evidence"].get("mask"))
    known = client.get(f"/samples/{shown['key']}/evidence").json()["regions"][0]
    assert counted(shown["input"], shown["model"]).mask.model_dump(mode="json") == known["mask"]
    assert counted(shown["input"], "tiny") is None  # it may look for something else
    client.put(f"/inputs/{shown['input']}/region", json={"boxes": [[1, 9, 2, 8]]})
    assert counted(shown["input"], shown["model"]).boxes == [[1, 9, 2, 8]]
    client.delete(f"/inputs/{shown['input']}/region")


def test_what_if(client: httpx.Client, photo: str, sound: str) -> None:
    answer = client.post("/whatifs", json={"input": photo, "model": "tiny", "boxes": [BOX], "filler": "mean"})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    result = job["result"]
    assert len(result["randoms"]) == 20
    assert 0 <= result["stronger_than"] <= 20
    assert f"stronger than {result['stronger_than']} of 20" in result["words"]
    assert "not" in result["caveat"] or "unlike" in result["caveat"]
    assert client.get(f"/whatifs/{job['id']}").json()["result"] == result
    assert '"state":"done"' in client.get(f"/whatifs/{job['id']}/events").text
    assert client.delete(f"/whatifs/{job['id']}").status_code == 204
    predicted = client.post("/predictions", json={"input": photo, "model": "tiny"}).json()
    assert result["before"] == pytest.approx(predicted["classes"][0]["probability"], abs=1e-6)
    box = [[0.1, 0.6, 0, 4000]]
    asked = {"input": sound, "model": "tiny_sound", "boxes": box, "mode": "keep", "target": 1, "start": 0.0}
    told = client.post("/whatifs", json=asked).json()
    assert told["state"] == "done", told["error"]
    heard = told["result"]
    assert (heard["filler"], heard["mode"], heard["target_label"]) == ("silence", "keep", "second")
    assert heard["words"].startswith("Keeping only this region")


def test_refused_what_ifs(client: httpx.Client, photo: str, sound: str, after: Any) -> None:
    def post(**body: Any) -> httpx.Response:
        return client.post("/whatifs", json={"input": photo, "model": "tiny", "boxes": [BOX], **body})

    assert after(post(input=NOWHERE))["code"] == "unknown_input"
    assert after(post(model="nope"))["code"] == "unknown_model"
    assert after(post(input=sound))["code"] == "wrong_modality"
    assert after(post(boxes=[]))["field"] == "boxes"
    assert after(post(target=3))["field"] == "target"
    assert after(post(mode="melt"))["field"] == "mode"
    assert after(post(filler="custard"))["field"] == "filler"
    thin = post(boxes=[[0.0, 0.001, 0.0, 0.001]]).json()
    assert (thin["state"], thin["error"]["code"]) == ("failed", "region_outside")
    silent = post(filler="silence").json()
    assert (silent["state"], silent["error"]["field"]) == ("failed", "filler")


def test_maps_of_the_altered_input(client: httpx.Client, photo: str, after: Any) -> None:
    wish = {"boxes": [BOX], "mode": "keep", "filler": "mean"}
    plain, other = explain(client, photo).json(), explain(client, photo, altered=wish).json()
    assert plain["id"] != other["id"]
    told = finished(client, other["id"])
    assert told["state"] == "done", told
    assert told["request"]["altered"]["mode"] == "keep"
    assert any("filled with mean" in note for note in told["record"]["notes"])
    assert not any("filled" in note for note in finished(client, plain["id"])["record"]["notes"])
    assert after(explain(client, photo, altered={"boxes": []}))["field"] == "boxes"
    assert finished(client, explain(client, photo, altered={**wish, "filler": "silence"}).json()["id"])[
        "error"
    ]


KEPT = "test_a_region_is_kept_and_forgotten"
REFUSED = "test_refused_regions"
ASKED = "test_what_if"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("PUT", "/v1/inputs/{id}/region"): {200: KEPT, 404: REFUSED, 422: REFUSED},
    ("GET", "/v1/inputs/{id}/region"): {200: KEPT, 404: f"/inputs/{NOWHERE}/region", 422: FREE_TEXT},
    ("DELETE", "/v1/inputs/{id}/region"): {200: KEPT, 404: f"/inputs/{NOWHERE}/region", 422: FREE_TEXT},
    ("POST", "/v1/whatifs"): {200: ASKED, 404: "test_refused_what_ifs", 422: "test_refused_what_ifs"},
    ("GET", "/v1/whatifs/{id}"): {200: ASKED, 404: f"/whatifs/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/whatifs/{id}/events"): {200: ASKED, 404: f"/whatifs/{NOWHERE}/events", 422: FREE_TEXT},
    ("DELETE", "/v1/whatifs/{id}"): {200: ASKED, 404: f"/whatifs/{NOWHERE}", 422: FREE_TEXT},
}
