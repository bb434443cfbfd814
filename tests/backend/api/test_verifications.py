"""Checking a report: truth is told the same, and every change of a figure, a hash, a picture or the file is told or refused."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from backend.reports import manifest
from tests.backend.api.conftest import NOWHERE, upload
from tests.backend.api.reports import manifest_of
from tests.backend.api.test_reports import heard, maps, report
from tests.models.media.encoders import image, picture


def sent(client: httpx.Client, data: bytes, name: str = "report.html") -> httpx.Response:
    return client.post("/verifications", files={"file": (name, data)})


def outcome(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = sent(client, data)
    assert answer.status_code in (200, 202), answer.text
    deadline = time.monotonic() + 60
    while (job := client.get(f"/verifications/{answer.json()['id']}").json())["state"] in (
        "queued",
        "running",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert job["state"] == "done", job
    return job["result"]


def resealed(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """As somebody would who changes a report on purpose: the manifest is changed, and the file sealed again."""
    claims = manifest_of(data)
    old = manifest.as_json({**claims, "file_sha256": claims["file_sha256"]})
    assert old in data
    changed = copy.deepcopy(claims)
    change(changed)
    changed["file_sha256"] = manifest.ZEROS
    return manifest.sealed(data.replace(old, manifest.as_json(changed)))


def states(result: dict[str, Any]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for item in result["items"]:
        assert item["words"].endswith(".")
        told.setdefault(item["what"], set()).add(item["state"])
    return told


@pytest.mark.parametrize("form", ["html", "pdf", "json"])
def test_a_true_report_is_the_same_to_the_last_bit(client: httpx.Client, photo: str, form: str) -> None:
    result = outcome(client, report(client, form, maps(client, photo)))
    assert result["state"] == "same", result
    assert states(result) == {
        "file": {"identical"},
        "text": {"identical"},
        "prediction": {"identical"},
        "map": {"identical"},
    }
    assert any("not signed" in note for note in result["notes"])


def test_sound_with_a_region_is_the_same(client: httpx.Client, sound: str) -> None:
    ids = heard(client, sound)
    assert client.put(f"/inputs/{sound}/region", json={"boxes": [[2.2, 2.9, 200, 3000]]}).status_code == 200
    data = report(client, "html", ids)
    client.delete(f"/inputs/{sound}/region")
    assert b"of the support; an even map would have" in data
    assert outcome(client, data)["state"] == "same"


def _score(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["prediction"]["result"]["classes"][0]["probability"] += 0.01


def _score_and_hash(claims: dict[str, Any]) -> None:
    _score(claims)
    said = claims["subjects"][0]["prediction"]
    text = json.dumps(said["result"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    said["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _map_hash(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["explanations"][0]["record"]["values_sha256"] = NOWHERE


def _map_and_hash(claims: dict[str, Any]) -> None:
    one = claims["subjects"][0]["explanations"][0]
    values = manifest.unpacked(one["values"], one["record"]["shape"]).copy()
    values[0, 0] += 0.5
    one["values"] = manifest.packed(values)
    one["record"]["values_sha256"] = hashlib.sha256(values.tobytes()).hexdigest()


def _label(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["explanations"][0]["record"]["target_label"] = "healthy"


def _seed(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["explanations"][0]["record"]["seed"] = 7


def _text(claims: dict[str, Any]) -> None:
    claims["subjects"][0]["shown"]["score"] = "healthy 0.99"


@pytest.mark.parametrize("change", [_score, _score_and_hash, _map_hash, _map_and_hash, _label, _seed, _text])
def test_a_changed_figure_is_told_though_the_file_is_sealed_again(
    client: httpx.Client, photo: str, change: Callable[[dict[str, Any]], None]
) -> None:
    result = outcome(client, resealed(report(client, "html", maps(client, photo)), change))
    assert result["state"] == "different", result
    assert states(result)["file"] == {"identical"}


def test_other_weights_and_a_lost_input_cannot_be_recomputed(client: httpx.Client) -> None:
    photo = upload(client, image(picture(seed=91)))
    data = report(client, "html", maps(client, photo))

    def swapped(claims: dict[str, Any]) -> None:
        claims["subjects"][0]["model"]["sha256"] = NOWHERE

    result = outcome(client, resealed(data, swapped))
    assert result["state"] == "incomplete"
    assert "weights here are not those of the report" in str(result["items"])
    assert client.delete(f"/inputs/{photo}").status_code == 204
    result = outcome(client, data)
    assert result["state"] == "incomplete"
    assert "upload the same file again" in str(result["items"])


def test_a_page_that_says_otherwise_than_its_manifest_is_told(client: httpx.Client, photo: str) -> None:
    data = report(client, "html", maps(client, photo))
    before = manifest_of(data)["subjects"][0]["shown"]["score"].encode()
    forged = data.replace(b">" + before + b"<", b">not ill 0.99<", 1)
    assert forged != data
    told = {item["what"]: item["state"] for item in outcome(client, forged)["items"][:2]}
    assert told == {"file": "different", "text": "different"}
    bare = forged.replace(manifest_of(forged)["file_sha256"].encode(), manifest.ZEROS.encode())
    again = outcome(client, manifest.sealed(bare))
    assert {item["what"]: item["state"] for item in again["items"][:2]} == {
        "file": "identical",
        "text": "different",
    }
    assert again["state"] == "different"


def test_any_changed_byte_of_a_pdf_is_told(client: httpx.Client, photo: str) -> None:
    data = bytearray(report(client, "pdf", maps(client, photo)))
    data[len(data) // 3] ^= 1
    result = outcome(client, bytes(data))
    assert (result["state"], result["items"][0]["state"]) == ("different", "different")


def test_hostile_reports_are_refused(client: httpx.Client, photo: str, after: Any) -> None:
    data = report(client, "html", maps(client, photo))
    head = b"<!doctype html>\n"
    for name, bad, status in (
        ("pickle", pickle.dumps({"a": 1}), 415),
        ("nothing", b"", 415),
        ("no manifest", head + b"<p>report</p>", 422),
        ("two manifests", data + data, 422),
        ("deep", head + manifest.MARK + b"," + b'"a":' + 5000 * b"[" + 5000 * b"]" + b"}", 422),
        ("broken", head + manifest.MARK + b',"subjects":[', 422),
        ("no number", head + manifest.MARK + b',"subjects":[NaN]}', 422),
        ("other shape", head + manifest.MARK + b',"subjects":{"a":1}}', 422),
        ("digits", head + manifest.MARK + b',"subjects":[' + 5000 * b"9" + b"]}", 422),
        ("zip", b"PK\x03\x04" + data, 415),
        ("manifest cut off", data[: data.index(manifest.MARK) + 2000], 422),
        ("large manifest", manifest.MARK + b',"subjects":["' + 33 * 2**20 * b"a" + b'"]}', 413),
        ("large", head + 66 * 2**20 * b" ", 413),
    ):
        assert after(sent(client, bad))["status"] == status, name

    later = data.replace(manifest.MARK, b'{"format":"evident-report-2"')
    assert after(sent(client, later))["code"] == "other_version"
    printed = report(client, "pdf", maps(client, photo))
    assert after(sent(client, printed[: printed.index(manifest.MARK) + 2000]))["code"] == "bad_manifest"
    behind = printed[: printed.index(b"\n", printed.index(manifest.MARK)) + 1]
    assert outcome(client, behind)["items"][0]["state"] == "different", "cut off behind its manifest"
    script = outcome(client, data.replace(b"</body>", b"<script>fetch('//x')</script></body>"))
    assert (script["state"], script["items"][0]["words"]) == (
        "different",
        "The file was changed after it was made: its checksum does not hold.",
    )

    def bomb(claims: dict[str, Any]) -> None:
        one = claims["subjects"][0]["explanations"][0]
        import zlib
        from base64 import b64encode

        text = b64encode(zlib.compress(bytes(50 * 2**20), 9)).decode()
        one["values"] = [text[at : at + 60000] for at in range(0, len(text), 60000)]

    assert outcome(client, resealed(data, bomb))["state"] == "different"

    def mask(claims: dict[str, Any]) -> None:
        claims["subjects"][0]["region"] = {"mask": {"size": [10**5, 10**5], "counts": [0, 10**10]}}

    assert after(sent(client, resealed(data, mask)))["code"] == "bad_manifest"

    def endless(claims: dict[str, Any]) -> None:
        claims["subjects"][0]["explanations"][0]["request"]["params"] = {"n_samples": 10**9}

    result = outcome(client, resealed(data, endless))
    assert result["state"] == "incomplete", result


def test_refusals_of_a_verification(client: httpx.Client, after: Any) -> None:
    assert after(client.post("/verifications", json={}))["status"] == 415
    assert after(client.post("/verifications", files={"other": ("a", b"%PDF-1")}))["status"] == 422
    assert after(client.get(f"/verifications/{NOWHERE}"))["status"] == 404


GONE = f"/verifications/{NOWHERE}"
SENDS = "an upload names nothing that could be missing"
TRUE = "test_a_true_report_is_the_same_to_the_last_bit"
ID = "any text is a possible id, and an impossible one is 404"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/verifications"): {200: TRUE, 404: SENDS, 422: "test_refusals_of_a_verification"},
    ("GET", "/v1/verifications/{id}"): {200: TRUE, 404: GONE, 422: ID},
    ("GET", "/v1/verifications/{id}/events"): {200: TRUE, 404: f"{GONE}/events", 422: ID},
    ("DELETE", "/v1/verifications/{id}"): {200: TRUE, 404: GONE, 422: ID},
}  # fmt: skip
