"""Hostile requests: each is refused in plain words and leaves the server as it was (the `after` fixture
looks)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.backend.api.conftest import CANARY, Running, send
from tests.models.media.encoders import (
    image,
    picture,
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
    problem = after(post_json(client, body))
    assert problem["status"] == status, problem
    assert code is None or problem["code"] == code
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
        problem = after(client.post("/explanations", json={**base, "params": value}))
        assert problem["status"] == 422


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
        "/nothing",
        "/inputs/",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//",
        "/inputs/%00",
    ):
        assert after(client.get(path))["status"] in ((422,) if "%00" in path else (404, 405))


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
    raw = {name: value.replace("SELF", server.base).encode("latin-1") for name, value in headers.items()}
    for method, path in (("POST", "/predictions"), ("DELETE", "/jobs/x"), ("POST", "/inputs")):
        problem = after(client.request(method, path, headers=raw))
        assert (problem["code"] == "cross_site") == (not passes)
    assert client.get("/limits", headers=raw).status_code == 200


def test_every_answer_carries_the_headers(client: httpx.Client, server: Running) -> None:
    for path in ("/limits", "/nothing", "/docs"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
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
