"""Hostile requests: each is refused in plain words and leaves the server as it was (the `after` fixture
looks)."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.backend.api.conftest import CANARY, Running, finished, send, upload
from tests.models.media.encoders import (
    container,
    image,
    npy,
    npy_header,
    picture,
    png_bomb,
    png_chunk,
    sndfile,
    tone,
    wav_header,
)

After = Callable[[httpx.Response], dict[str, Any]]
JSON = {"content-type": "application/json"}
WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights" / "shapes.safetensors"


def post_json(client: httpx.Client, body: bytes | str, path: str = "/predictions") -> httpx.Response:
    return client.post(path, content=body, headers=JSON)


# JSON bodies


@pytest.mark.parametrize(("body", "status", "code"), [
    ("", 422, None), ("{", 400, "bad_json"), ("nul", 400, "bad_json"), ("[]", 422, None), ("null", 422, None), ('"x"', 422, None), ("7", 422, None),
    ('{"input": NaN}', 400, "not_finite"), ('{"input": Infinity}', 400, "not_finite"), ('{"input": -Infinity}', 400, "not_finite"),
    ('{"start": 1e999}', 422, "not_finite"), ('{"start": -1e999}', 422, "not_finite"), ('{"start": ' + "9" * 5000 + "}", 422, "not_finite"),
    ('{"input": "\\ud800"}', 422, "bad_text"), ('{"\\udfff": 1}', 422, "bad_text"), (b'{"input": "\xff"}', 400, "bad_json"), (b"\xed\xa0\x80", 400, "bad_json"),
    ('{"input": "a", "input": "b"}', 400, "duplicate_name"), ("[" * 33 + "]" * 33, 422, "too_deep"), ("[" * 100_000, 422, "too_deep"),
    ('{"a":' * 20_000, 422, "too_deep"), ('{"input": "' + "[" * 100 + '"}', 422, None), ('{"input": true, "model": 3}', 422, "bad_parameter"),
    (f'{{"{CANARY}": 1, "input": "x", "model": "y"}}', 422, "unknown_field"), (f'{{"input": "{CANARY}", "model": "{CANARY}"}}', 404, None),
    ('\ufeff{"input": 1}'.encode(), 400, "bad_json"), ('{"input": "\\u0000", "model": "\\u0000"}', 422, "bad_text"), ('{"input": "a\\u0085"}', 422, "bad_text"),
])  # fmt: skip
def test_bodies(body: bytes | str, status: int, code: str | None, client: httpx.Client, after: After) -> None:
    found = after(post_json(client, body))
    assert found["status"] == status, found
    assert code is None or found["code"] == code
    more = after(post_json(client, body, "/explanations"))
    assert more["status"] in (400, 404, 422)


def test_deep_parameters(client: httpx.Client, photo: str, after: After) -> None:
    base = {"input": photo, "model": "tiny", "method": "ramp"}
    for value in (
        CANARY,
        {CANARY: CANARY},
        [CANARY],
        None,
        [[[[[[1]]]]]],
        {"n_samples": {CANARY: 1}},
        {CANARY: 1},
        {"word": CANARY},
        {"n_samples": [CANARY]},
        {"": 1},
    ):
        found = after(client.post("/explanations", json={**base, "params": value}))
        assert found["status"] == 422


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
        None,
    ],
)
def test_content_types(kind: str | None, client: httpx.Client, after: After) -> None:
    headers = {} if kind is None else {"content-type": kind}
    assert (
        after(client.post("/predictions", content=b'{"input": "a", "model": "b"}', headers=headers))["status"]
        == 415
    )
    if kind != "multipart/form-data; boundary=x":
        assert after(client.post("/inputs", content=b"abc", headers=headers))["status"] == 415


def test_methods_and_paths(client: httpx.Client, server: Running, after: After) -> None:
    answer = client.put("/predictions")
    assert after(answer)["status"] == 405
    assert answer.headers["allow"] == "POST"
    for method, path in (
        ("TRACE", "/limits"),
        ("PATCH", "/inputs"),
        ("OPTIONS", "/inputs"),
        ("HEAD", "/limits"),
        ("DELETE", "/limits"),
        ("BREW", "/limits"),
    ):
        answer = client.request(method, path)
        assert answer.status_code == 405
    for path in (
        "/lens",
        "/internals",
        "/evaluations",
        "/cases",
        "/nothing",
        "/inputs/",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//",
        "/inputs/%00",
    ):
        assert after(client.get(path))["status"] in ((422,) if "%00" in path else (404, 405))
    assert after(client.post("/cases", json={}))["status"] == 404


# The stack in front


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8050",
        "",
        "127.0.0.1:80:80",
        "127.0.0.1@evil.example",
        "[::1",
        "[::1]x",
        "LOCALHOST.",
        "2130706433",
        "0.0.0.0",
    ],
)
def test_wrong_hosts(host: str, client: httpx.Client, server: Running, after: After) -> None:
    for path in (f"{server.api}/limits", f"{server.base}/healthz", f"{server.base}/"):
        assert after(client.get(path, headers={"host": host}))["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1234", "127.0.0.1", "[::1]:8050"])
def test_right_hosts(host: str, client: httpx.Client) -> None:
    assert client.get("/limits", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(("headers", "passes"), [
    ({}, True), ({"sec-fetch-site": "same-origin"}, True), ({"sec-fetch-site": "none"}, True), ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site"}, False), ({"sec-fetch-site": "nonsense"}, False), ({"origin": "SELF"}, True), ({"origin": "null"}, False),
    ({"origin": "http://evil.example"}, False), ({"origin": "http://127.0.0.1:1"}, False), ({"origin": "file://"}, False), ({"origin": "http://["}, False),
    ({"origin": "SELF", "sec-fetch-site": "cross-site"}, False), ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, True),
    ({"origin": "\x80\xff"}, False), ({"origin": ""}, False),
])  # fmt: skip
def test_other_sites_cannot_write(
    headers: dict[str, str], passes: bool, client: httpx.Client, server: Running, after: After
) -> None:
    given = {name: value.replace("SELF", server.base).encode("latin-1") for name, value in headers.items()}
    for method, path in (("POST", "/predictions"), ("DELETE", "/jobs/x"), ("POST", "/inputs")):
        found = after(client.request(method, path, headers=given))
        assert (found["code"] == "cross_site") == (not passes)
    assert client.get("/limits", headers=given).status_code == 200


def test_every_answer_carries_the_headers(client: httpx.Client, server: Running) -> None:
    for path in ("/limits", "/nothing", "/docs"):
        found = client.get(path).headers
        assert found["content-security-policy"].startswith("default-src 'none'")
        assert found["cache-control"] == "no-store"
        assert found["x-content-type-options"] == "nosniff"
        assert found["cross-origin-resource-policy"] == "same-origin"
    page = client.get(f"{server.base}/anything").headers
    assert "default-src 'self'" in page["content-security-policy"]
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert "'unsafe-inline'" not in page["content-security-policy"].split("script-src")[1].split(";")[0]


def test_headers_and_addresses_that_are_too_long(client: httpx.Client, after: After) -> None:
    assert after(client.get("/limits", headers={"x-a": CANARY + "a" * 20_000}))["status"] == 431
    assert after(client.get("/limits", headers=[(f"x-{i}", "a") for i in range(200)]))["status"] == 431
    assert after(client.get("/limits?" + "a" * 10_000))["status"] == 414


def test_bodies_that_are_too_long(client: httpx.Client, server: Running, after: After) -> None:
    assert after(client.post("/predictions", content=b" " * 300_000, headers=JSON))["status"] == 413

    def endless() -> Any:
        for _ in range(40):
            yield b" " * 10_000

    assert after(client.post("/predictions", content=endless(), headers=JSON))["status"] == 413
    raw = _raw(
        server,
        b"POST /api/v1/predictions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    )
    assert raw.split()[1] in (b"413", b"400")


def _raw(server: Running, data: bytes, wait: float = 5.0) -> bytes:
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as connection:
        connection.sendall(data)
        return connection.recv(4096)


@pytest.mark.parametrize("data", [
    b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", b"NONSENSE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/inputs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/inputs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    b"GET http://evil.example/api/v1/limits HTTP/1.1\r\nHost: evil.example\r\n\r\n",
])  # fmt: skip
def test_raw_requests(data: bytes, server: Running, after: After) -> None:
    assert _raw(server, data).split()[1] in (b"400", b"421", b"415")


def test_slow_and_vanished_clients(server: Running, client: httpx.Client, after: After) -> None:
    """Half a request each, then gone; nothing is left and others are served."""
    host, port = server.base.removeprefix("http://").split(":")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + image(picture())
    head = b"POST /api/v1/inputs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999\r\n\r\n"
    open_ones = []
    for cut in (10, len(head), len(head) + 50, len(head) + len(body)):
        connection = socket.create_connection((host, int(port)))
        connection.sendall((head + body)[:cut])
        open_ones.append(connection)
    assert client.get("/limits").status_code == 200
    for connection in open_ones:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    deadline = time.monotonic() + 10
    while list((server.data / "blobs" / "tmp").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_body_that_never_ends_is_given_up(
    server: Running, monkeypatch: pytest.MonkeyPatch, after: After
) -> None:
    monkeypatch.setattr("app.web.guard.SMALL_SECONDS", 0.3)
    head = b"POST /api/v1/predictions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    assert _raw(server, head, wait=20).split()[1] == b"408"


def test_an_upload_that_does_not_move_is_given_up(
    server: Running, monkeypatch: pytest.MonkeyPatch, after: After
) -> None:
    monkeypatch.setattr("app.web.guard.SMALL_SECONDS", 0.3)
    head = b"POST /api/v1/inputs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    body = _part("file", image(picture()), "a.png")
    assert _raw(server, head + b"Content-Length: 900000\r\n\r\n" + body, wait=20).split()[1] == b"408"


# Forms


def _form(client: httpx.Client, body: bytes, boundary: str = "x") -> httpx.Response:
    return client.post(
        "/inputs", content=body, headers={"content-type": f"multipart/form-data; boundary={boundary}"}
    )


def _part(name: str, data: bytes, filename: str | None = None) -> bytes:
    extra = f'; filename="{filename}"' if filename is not None else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + data + b"\r\n"


def test_forms(client: httpx.Client, after: After) -> None:
    png = image(picture())
    end = b"--x--\r\n"
    cases = [
        (b"", 400),
        (end, 422),
        (_part("file", png, "a.png"), 400),
        (_part("file", png) + end, 422),
        (_part(CANARY, png, "a") + end, 422),
        (_part("file", png, "a") + _part("file", png, "b") + end, 422),
        (_part("as", b"auto") * 2 + _part("file", png, "a") + end, 422),
        (_part("as", CANARY.encode()) + _part("file", png, "a") + end, 422),
        (_part("as", b"\xff\xfe") + _part("file", png, "a") + end, 422),
        (_part("as", b"a" * 70_000) + _part("file", png, "a") + end, 422),
        (_part("as", b"auto") * 20 + end, 422),
        (b"garbage" * 100, 400),
        (b"--x\r\n\r\n" + png + b"\r\n" + end, 400),
        (b"--x\r\nContent-Disposition: attachment\r\n\r\nx\r\n" + end, 400),
        (b"--x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\nx\r\n" + end, 400),
        (b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\nx\r\n" + end, 400),
        (_part("file", b"", "a") + end, 422),
        (_part("file", b"", "") + end, 422),
        (_part("file", png, "x" * 5000) + end, 400),
        (_part("as", b"file.png", "f") + end, 422),
    ]
    for body, status in cases:
        assert after(_form(client, body))["status"] == status, body[:80]
    assert (
        after(client.post("/inputs", content=b"--x--", headers={"content-type": "multipart/form-data"}))[
            "status"
        ]
        == 400
    )
    assert after(_form(client, b"--x--", boundary="b" * 5000))["status"] in (400, 431)
    # A well-formed one, byte by byte.
    body = _part("as", b"auto") + _part("file", png, "a.png") + end
    answer = client.post(
        "/inputs",
        content=iter([body[i : i + 1] for i in range(len(body))]),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code in (200, 201)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\secret\\cough.wav",
        "a\u202egnp.exe",
        "<img src=x onerror=alert(1)>.png",
        "x" * 3000,
        "\x00\x01\n\r",
        "con.wav",
        "e\u0301.png",
    ],
)
def test_names_are_only_shown(name: str, client: httpx.Client, server: Running) -> None:
    shown = send(client, image(picture(seed=3)), name).json()["name"]
    assert len(shown) <= 120
    assert "/" not in shown
    assert "\\" not in shown
    assert not any(ord(letter) < 32 or letter == "\u202e" for letter in shown)
    assert not (server.data.parent / "etc").exists()


# Files, through the door


def hostile_files() -> dict[str, tuple[bytes, set[int]]]:
    png, wav, array = image(picture()), sndfile(tone()), npy(np.eye(8))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.npy", b"\0" * 10_000_000)
    flac = sndfile(np.random.default_rng(0).normal(size=48_000).astype(np.float32) * 0.1, format="FLAC")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (70000, 70000), }"
    silent_hour = sndfile(np.zeros(8_000 * 3600, np.int16), 8_000, format="FLAC")
    return {
        "empty": (b"", {422}),
        "one byte": (b"\x89", {415}),
        "text": (CANARY.encode() * 100, {415}),
        "gif": (b"GIF89a" + b"\0" * 100, {422}),
        "svg": (f"<svg onload='{CANARY}'/>".encode(), {415}),
        "zip bomb": (archive.getvalue(), {415}),
        "pickle": (pickle.dumps(CANARY), {415}),
        "png cut": (png[: len(png) // 2], {422}),
        "png bomb": (png_bomb(60_000, 60_000), {413}),
        "png bomb below Pillow's own limit": (png_bomb(12_000, 12_000), {413}),
        "png promised but not there": (png_bomb(5_000, 5_000), {422}),
        "jpeg start": (b"\xff\xd8\xff\xe0" + b"\0" * 200, {422}),
        "tiff with endless directory": (b"II*\0\x08\0\0\0" + b"\xff" * 200, {422, 413}),
        "webp liar": (b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\xff" * 100, {422, 413}),
        "wav cut": (wav[:50], {422}),
        "wav 1024 channels": (wav_header(1, 16, 1024, 16_000, b"\1\2" * 4096), {422}),
        "wav nan": (wav_header(3, 32, 1, 16_000, np.full(16_000, np.nan, "<f4").tobytes()), {422}),
        "wav adpcm": (sndfile(tone(), subtype="IMA_ADPCM"), {415}),
        "wav silence": (sndfile(np.zeros(16_000)), {422}),
        "wav too short": (sndfile(tone()[:50]), {422}),
        "flac bomb": (silent_hour, {413}),
        "flac flipped": (flac[:60] + bytes(255 - b for b in flac[60:400]) + flac[400:], {201, 422}),
        "m4a cut": (container(tone(), 16_000, "mp4", "aac")[:500], {422}),
        "playlist as ogg": (b"OggS\0\0OpusHead#EXTM3U\nfile:///etc/passwd\n", {422}),
        "npy shape bomb": (npy_header(header, b"\0" * 64), {413}),
        "npy objects": (_object_npy(), {422}),
        "npy cut": (array[:-3], {422}),
        "npy nan": (npy(np.full((4, 4), np.nan)), {422}),
        "npy constant": (npy(np.ones((4, 4))), {422}),
        "safetensors": (WEIGHTS.read_bytes()[:2000], {415}),
        "too many bytes": (png + b"\0" * (2 * 1024 * 1024), {413}),
        "too many bytes of anything": (b"\0" * (3 * 1024 * 1024), {413}),
    }


def _object_npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([[{"x": 1}] * 3] * 3, dtype=object), allow_pickle=True)
    return out.getvalue()


FILES = hostile_files()


@pytest.mark.parametrize("case", FILES)
def test_hostile_files(case: str, client: httpx.Client, server: Running, after: After) -> None:
    data, statuses = FILES[case]
    before = _blobs(server)
    for name in ("a.png", f"{CANARY}.wav"):
        answer = send(client, data, name)
        assert answer.status_code in statuses | ({200} if 201 in statuses else set()), answer.text
        if answer.status_code >= 400:
            after(answer)
            assert _blobs(server) == before


def _blobs(server: Running) -> set[str]:
    return {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}


def test_flips_through_the_door(client: httpx.Client, after: After) -> None:
    generator = random.Random(5)
    for data in (image(picture(8, 8)), image(picture(8, 8), "JPEG"), sndfile(tone(0.2)), npy(np.eye(4))):
        for _ in range(12):
            flipped = bytearray(data)
            for _ in range(4):
                flipped[generator.randrange(len(flipped))] ^= 1 << generator.randrange(8)
            answer = send(client, bytes(flipped))
            if answer.status_code not in (200, 201):
                assert after(answer)["status"] in (413, 415, 422)


def test_nothing_hidden_survives(client: httpx.Client, server: Running, after: After) -> None:
    """Comments, tags, trailing archives: no derivative, no answer and no stored byte holds them."""
    png = image(picture(seed=9))
    word = CANARY.encode()
    exif = Image.Exif()
    exif[0x010E] = CANARY
    wav = sndfile(tone())
    files = [
        png[:33] + png_chunk(b"tEXt", b"Comment\0" + word) + png[33:] + b"PK\x03\x04" + word,
        image(picture(seed=9), "JPEG", exif=exif, comment=word),
        wav[:12] + b"LIST" + struct.pack("<I", 14 + 4) + b"INFOICMT" + word[:10] + wav[12:],
    ]
    for data in files:
        assert word[:10] in data
        found = client.get(f"/inputs/{upload(client, data)}")
        assert CANARY not in found.text
        kind = "audio.wav" if found.json()["modality"] == "audio" else "preview.png"
        assert word[:10] not in client.get(f"/inputs/{found.json()['id']}/{kind}").content
    for path in (server.data / "blobs").rglob("*"):
        assert not path.is_file() or word[:10] not in path.read_bytes()


def test_the_same_upload_many_times_at_once(client: httpx.Client, server: Running) -> None:
    data = sndfile(tone(2.0, hertz=333))
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{server.api}/inputs", files={"file": ("a", data)}, timeout=60)
            )
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert client.get(f"/inputs/{answers[0].json()['id']}/audio.wav").status_code == 200


def test_the_same_explanation_many_times_at_once(client: httpx.Client, server: Running, photo: str) -> None:
    body = {"input": photo, "model": "tiny", "method": "ramp", "seed": 4242}
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(httpx.post(f"{server.api}/explanations", json=body, timeout=60))
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert finished(client, answers[0].json()["id"])["attempts"] == 1


def test_a_flood_by_one_client_is_told_to_wait(
    client: httpx.Client, server: Running, photo: str, after: After
) -> None:
    ids, refused = [], None
    for seed in range(40):
        body = {
            "input": photo,
            "model": "tiny",
            "method": "ramp",
            "seed": 9000 + seed,
            "params": {"n_samples": 500, "pause": 0.1},
        }
        answer = client.post("/explanations", json=body)
        if answer.status_code == 503:
            refused = answer
            break
        ids.append(answer.json()["id"])
    assert refused is not None
    assert after(refused)["code"] == "busy"
    assert int(refused.headers["retry-after"]) > 0
    assert len(ids) >= server.settings.limits.jobs_per_client
    for id in reversed(ids):
        client.delete(f"/jobs/{id}")


# Models


def _models(
    client: httpx.Client, weights: bytes, name: str = "w.safetensors", **fields: str
) -> httpx.Response:
    sent = {"architecture": "shapes", "labels": "a\nb\nc\nd", **fields}
    return client.post(
        "/models",
        files={"weights": (name, weights)},
        data={key: value for key, value in sent.items() if value != "LEFT OUT"},
    )


class _Runs:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.mark,))


def test_no_model_runs_code(client: httpx.Client, server: Running, tmp_path: Path, after: After) -> None:
    mark = tmp_path / "executed"
    evil = pickle.dumps(_Runs(str(mark)))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", evil)
    length = struct.pack("<Q", len(evil))
    before = _blobs(server)
    for data in (
        evil,
        archive.getvalue(),
        length + evil,
        length + b"{" + evil,
        b"{" + evil,
        WEIGHTS.read_bytes()[:-10] + evil,
    ):
        for name in ("model.pt", "model.pth", "model.pt2", "model.safetensors", "model.bin", "model.ckpt"):
            assert after(_models(client, data, name))["status"] in (415, 422)
    assert not mark.exists()
    assert _blobs(server) == before


def _safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def test_models_that_are_refused(client: httpx.Client, server: Running, after: After) -> None:
    good = WEIGHTS.read_bytes()
    before = _blobs(server)
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases: list[bytes] = [
        good[:-5],
        good[: len(good) // 2],
        good + b"\0" * 7,
        b"",
        b"\0" * 20,
        struct.pack("<Q", 1 << 62) + b"{" + b"x" * 100,
        _safetensors(b"{" + b" " * 2_000_000 + b"}"),
        _safetensors(b"{}"),
        _safetensors(b"{nonsense}"),
        _safetensors(b'{"a":' * 5_000),
        _safetensors(json.dumps({"a": {**one, "data_offsets": [0, 800]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**one, "data_offsets": [8, 0]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**one, "shape": [1 << 60, 1 << 60]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**one, "dtype": "F99"}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": one}).encode(), b"\0" * 8),
        _safetensors(
            json.dumps(
                {str(i): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
            ).encode()
        ),
        _nan_weights(good),
    ]
    for data in cases:
        assert after(_models(client, data))["status"] in (413, 415, 422)
    for fields in (
        {"labels": "a\nb"},
        {"labels": "[1, 2]"},
        {"labels": "[" * 500},
        {"labels": "LEFT OUT"},
        {"labels": "one"},
        {"labels": '["a", "\\ud800"]'},
        {"labels": '["a", "b\\u0000"]'},
        {"title": "a\x00"},
        {"architecture": "resnet18\x00"},
        {"architecture": "LEFT OUT"},
        {"labels": "\n".join(map(str, range(30_000)))},
    ):
        assert after(_models(client, good, **fields))["status"] == 422, fields
    for architecture in (
        "nope",
        "../../etc/passwd",
        f"timm:{CANARY}",
        "timm:",
        "torchvision:nope",
        "timm:hf_hub:evil/model",
        "x" * 5000,
        "os.system",
    ):
        assert after(_models(client, good, architecture=architecture))["status"] in (404, 422), architecture
    assert _blobs(server) == before


def _nan_weights(good: bytes) -> bytes:
    from safetensors.numpy import load, save

    tensors = load(good)
    name = next(iter(tensors))
    tensors[name] = np.full_like(tensors[name], np.nan)
    return save(tensors)
