"""Silent, dripping and greedy connections on real sockets: they end, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import uvicorn

from app.web.connections import Register

SHARE, TOTAL = 8, 24
HEADERS, LINGER = 0.5, 0.5
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Site:
    """A server whose `/wait` answers only when told to."""

    def __init__(self, exempt: tuple[str, ...] = ()) -> None:
        self.register = Register(TOTAL, SHARE, HEADERS, exempt, LINGER)
        self.go = threading.Event()
        config = uvicorn.Config(
            self._app,
            port=0,
            http=self.register.protocol(),
            ws="none",
            log_config=None,
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        while scope["path"] == "/wait" and not self.go.is_set():
            await asyncio.sleep(0.02)
        if scope["path"] == "/large":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(200):
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))

    def busy(self) -> int:
        return sum(not one.idle for one in self.register.by_address.get("127.0.0.1", ()))

    def ask(self, path: str = "/", source: str = "127.0.0.1") -> int:
        with closing(self.connect(source)) as one:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return status(one)


def status(one: socket.socket) -> int:
    """Of the next answer; 0 when the connection ends without one."""
    try:
        line = one.recv(4096).split(b" ")
    except ConnectionError:
        return 0
    return int(line[1]) if len(line) > 1 else 0


def is_closed(one: socket.socket) -> bool:
    try:
        while one.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def site() -> Iterator[Site]:
    yield from running(Site())


def running(site: Site) -> Iterator[Site]:
    site.thread.start()
    until(lambda: site.server.started)
    yield site
    site.go.set()
    site.server.should_exit = True
    site.thread.join(10)


def test_eighty_silent_sockets_keep_nobody_out(site: Site) -> None:
    with ExitStack() as stack:
        for number in range(80):
            one = stack.enter_context(closing(site.connect()))
            if number % 2:
                one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            if number % 16 == 0:
                assert site.ask() == 200
        assert site.ask() == 200  # the same address
        assert site.ask(source="127.0.0.2") == 200
        assert sum(map(len, site.register.by_address.values())) <= SHARE + 1
    until(lambda: not site.register.by_address)


def test_many_addresses_share_the_room(site: Site) -> None:
    with ExitStack() as stack:
        for number in range(60):
            stack.enter_context(closing(site.connect(f"127.0.1.{number // 6 + 1}")))
        until(lambda: sum(map(len, site.register.by_address.values())) <= TOTAL)
        assert site.ask(source="127.0.0.9") == 200


def test_headers_have_a_deadline_that_dripping_does_not_put_off(site: Site) -> None:
    with (
        closing(site.connect()) as silent,
        closing(site.connect()) as dripping,
        closing(site.connect()) as second,
    ):
        second.sendall(GET)
        assert status(second) == 200
        began = time.monotonic()
        for letter in GET[:-4]:
            try:
                dripping.sendall(bytes([letter]))
                second.sendall(bytes([letter]))
            except ConnectionError:
                break
            time.sleep(0.1)
        assert time.monotonic() - began < 2.5  # all of it would take longer
        assert status(silent) == 408
        assert is_closed(silent)
        assert is_closed(dripping)
        assert is_closed(second)


def test_a_body_that_nobody_waits_for_is_not_waited_for(site: Site) -> None:
    with closing(site.connect()) as one:
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert status(one) == 200
        for _ in range(40):
            try:
                one.sendall(b"x")
            except ConnectionError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the connection lives as long as bytes drip in")


def test_requests_under_way_are_counted_and_health_is_not(site: Site) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(site.connect())) for _ in range(SHARE)]
        for one in waiting:
            one.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: site.busy() == SHARE)
        with closing(site.connect()) as refused:
            refused.sendall(GET)
            answer = b"".join(iter(lambda: refused.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 2" in answer.lower()
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "busy"
        assert site.ask("/healthz") == site.ask("/readyz") == 200
        assert site.ask(source="127.0.0.2") == 200
        site.go.set()
        assert [status(one) for one in waiting] == [200] * SHARE
    assert site.ask() == 200


@pytest.fixture
def behind_a_proxy() -> Iterator[Site]:
    yield from running(Site(exempt=("127.0.0.1",)))


def test_a_trusted_proxy_has_no_share(behind_a_proxy: Site) -> None:
    with ExitStack() as stack:
        for _ in range(SHARE + 4):
            stack.enter_context(closing(behind_a_proxy.connect())).sendall(
                b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
            )
        until(lambda: behind_a_proxy.busy() == SHARE + 4)
        assert behind_a_proxy.ask() == 200
        behind_a_proxy.go.set()


def test_who_does_not_read_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.connections.STALL_SECONDS", 0.3)
    with closing(site.connect()) as one:
        one.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: site.register.by_address)
        until(lambda: not site.register.by_address)
