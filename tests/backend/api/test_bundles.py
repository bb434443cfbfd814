"""Everything in one zip: what is in it, that it is the same each time, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from backend.api.routes import bundles
from backend.rendering import bundle, captioned
from tests.backend.api.conftest import NOWHERE, explain, finished


def both(client: httpx.Client, photo: str) -> list[str]:
    client.post("/predictions", json={"input": photo, "model": "tiny"})
    ids = [explain(client, photo, seed=seed).json()["id"] for seed in (31, 32)]
    for id in ids:
        finished(client, id)
    return ids


def opened(answer: httpx.Response) -> zipfile.ZipFile:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


def test_a_bundle_holds_maps_numbers_pictures_records_and_says_what_they_are(
    client: httpx.Client, photo: str
) -> None:
    ids = both(client, photo)
    link = "http://127.0.0.1:8050/?model=tiny&look=70,100,both,shared,cividis"
    asked = {"explanations": ",".join(ids), "link": link, "top": 20, "sign": "for"}
    archive = opened(client.get("/bundles", params=asked))
    method = client.get(f"/explanations/{ids[0]}").json()["record"]["method"]
    for number, id in enumerate(ids, 1):
        folder, record = f"{number}_{method}", client.get(f"/explanations/{id}").json()["record"]
        assert archive.read(f"{folder}/map.npy") == client.get(f"/explanations/{id}/values.npy").content
        assert (
            archive.read(f"{folder}/stages/half.npy")
            == client.get(f"/explanations/{id}/stages/half.npy").content
        )
        assert (
            archive.read(f"{folder}/arrays/steps.npy")
            == client.get(f"/explanations/{id}/arrays/steps.npy").content
        )
        assert json.loads(archive.read(f"{folder}/record.json"))["record"] == record
        assert json.loads(archive.read(f"{folder}/prediction.json"))["model"] == "tiny"
        assert Image.open(io.BytesIO(archive.read(f"{folder}/input.png"))).format == "PNG"
        whole = np.asarray(Image.open(io.BytesIO(archive.read(f"{folder}/picture.png"))), float)
        rows, cols = (max(1, 448 // max(record["shape"])) * side for side in record["shape"])
        drawn = whole[captioned.TOP :, captioned.LEFT :][:rows, :cols]
        assert (whole[: captioned.TOP].min(2) < 100).any(), "a title and the conditions"
        assert drawn[-1, -1, 0] > drawn[-1, -1, 2], "the strongest cell speaks for: red"
        assert np.ptp(drawn[0, 0]) <= 1, "what speaks against is not shown: grey"
    rows = list(csv.DictReader(io.StringIO(archive.read("numbers.csv").decode())))
    values = np.load(io.BytesIO(archive.read(f"2_{method}/map.npy")))
    assert float(rows[1]["sum"]) == float(values.astype(np.float64).sum())
    assert rows[1]["map_sha256"] == hashlib.sha256(values.tobytes()).hexdigest()
    readme = archive.read("README.txt").decode()
    assert link in readme
    assert "strongest 20 % of cells, sign for" in readme
    for name in archive.namelist():
        part = name.split("/")[1 if "/" in name else 0]
        assert part in readme or name == "README.txt", name
    assert not any(name.endswith((".wav", ".flac", ".jpg")) for name in archive.namelist())


def test_the_same_question_gives_the_same_bytes(client: httpx.Client, photo: str) -> None:
    ids = both(client, photo)
    first, second = (client.get("/bundles", params={"explanations": ",".join(ids)}).content for _ in range(2))
    assert first == second
    assert {info.date_time for info in zipfile.ZipFile(io.BytesIO(first)).infolist()} == {
        (1980, 1, 1, 0, 0, 0)
    }


def test_refusals_of_a_bundle(client: httpx.Client, photo: str, after: Any, monkeypatch: Any) -> None:
    [id, _] = both(client, photo)
    assert after(client.get(f"/bundles?explanations={NOWHERE}"))["status"] == 404
    assert after(client.get(f"/bundles?explanations={id},{NOWHERE}"))["status"] == 404
    for query in (
        "explanations=",
        "explanations=,",
        "",
        f"explanations={id}&top=0",
        f"explanations={id}&scale=up",
    ):
        assert after(client.get(f"/bundles?{query}"))["status"] == 422, query
    for link in ("javascript:alert(1)", "http://a b", "https://x\nSet-Cookie: a", "http://" + 5000 * "a"):
        assert after(client.get("/bundles", params={"explanations": id, "link": link}))["status"] == 422, link
    too_many = ",".join([NOWHERE] * 33)
    assert after(client.get(f"/bundles?explanations={too_many}"))["status"] == 422
    monkeypatch.setattr(bundles, "MOST_BYTES", 100)
    refusal = after(client.get(f"/bundles?explanations={id}"))
    assert (refusal["status"], refusal["code"]) == (413, "too_large")


def test_a_map_that_is_not_finished_is_not_bundled(client: httpx.Client, photo: str, after: Any) -> None:
    id = explain(client, photo, seed=33, params={"n_samples": 60, "pause": 0.05}).json()["id"]
    refusal = after(client.get(f"/bundles?explanations={id}"))
    client.delete(f"/explanations/{id}")
    assert (refusal["status"], refusal["code"]) == (404, "not_ready")


def test_a_bundle_is_made_while_it_is_sent(tmp_path: Path) -> None:
    made: list[str] = []

    def entry(name: str) -> Any:
        return name, lambda: made.append(name) or name.encode()

    pieces = bundle.zipped(entry(name) for name in ("a", "b"))
    next(pieces)
    assert made == ["a"]
    rest = list(pieces)
    assert made == ["a", "b"]
    assert rest


TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/bundles"): {200: "test_a_bundle_holds_maps_numbers_pictures_records_and_says_what_they_are", 404: f"/bundles?explanations={NOWHERE}", 422: "test_refusals_of_a_bundle"},
}  # fmt: skip
