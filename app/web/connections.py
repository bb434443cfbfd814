"""Connection limits that uvicorn lacks: a deadline for headers, a share for each address, and idle
connections that give way to new ones.

A connection without a whole request is *idle*. Idle ones are cheap, and nobody is refused because of them:
where an address holds more than its share (or all addresses more than there is room for), the oldest idle one
is closed to make room for the new one. Requests under way are counted when their headers are there; one too
many is answered with 503, unless it asks for the health of the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEALTH = frozenset({"/healthz", "/readyz"})
LINGER_SECONDS = 5.0
"""Seconds to wait for the rest of a body after its request was answered."""
STALL_SECONDS = 60.0
"""Seconds after which a client that reads nothing of its answer is cut off."""


@dataclass
class Register:
    """The open connections of one server, by address, oldest first.

    total, share: requests under way in all and of one address, and open connections of either. exempt:
    addresses without a share (trusted proxies speak for many). header_seconds: from the beginning of a
    connection, or of a further request on it, to the end of its headers.
    """

    total: int
    share: int
    header_seconds: float
    exempt: Container[str] = ()
    linger_seconds: float = LINGER_SECONDS
    by_address: dict[str, dict[BoundedProtocol, None]] = field(default_factory=dict)

    def protocol(self) -> type[H11Protocol]:
        """For `uvicorn.Config(http=...)`."""
        return type("Bounded", (BoundedProtocol,), {"register": self})

    def add(self, newcomer: BoundedProtocol) -> None:
        """Closes the oldest idle connection where there are too many."""
        same = self.by_address.setdefault(newcomer.address, {})
        same[newcomer] = None
        if len(same) > self.share and newcomer.address not in self.exempt:
            self._close_idle(newcomer.address, newcomer)
        elif sum(map(len, self.by_address.values())) > self.total:
            largest_first = sorted(self.by_address, key=lambda address: -len(self.by_address[address]))
            next((address for address in largest_first if self._close_idle(address, newcomer)), None)

    def remove(self, connection: BoundedProtocol) -> None:
        same = self.by_address.get(connection.address, {})
        same.pop(connection, None)
        if not same:
            self.by_address.pop(connection.address, None)

    def is_full(self, asking: BoundedProtocol) -> bool:
        """Whether the request of this connection is one too many."""
        under_way = self._busy(asking.address)
        return (under_way > self.share and asking.address not in self.exempt) or sum(
            map(self._busy, self.by_address)
        ) > self.total

    def _busy(self, address: str) -> int:
        return sum(not connection.idle for connection in self.by_address.get(address, ()))

    def _close_idle(self, address: str, newcomer: BoundedProtocol) -> bool:
        oldest = next(
            (
                connection
                for connection in self.by_address[address]
                if connection.idle and connection is not newcomer
            ),
            None,
        )
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.transport.abort()
        return True


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with deadlines for slow clients outside of an exchange; the guard times those."""

    register: Register
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def idle(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app, self.limit_concurrency = self._admit(self.app), None
        self.register.add(self)
        self._set_deadline(self.register.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        self._clear_stall()
        self.register.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._choose_deadline()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._clear_stall()

    def _clear_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._choose_deadline()

    def _choose_deadline(self) -> None:
        """Sets the deadline of the connection's present state."""
        if self.transport.is_closing() or not self.idle:
            self._set_deadline(None)
        elif (
            self.conn.their_state is h11.SEND_BODY
        ):  # answered; what is still coming is read and thrown away, for a while
            self._set_deadline(self.register.linger_seconds)
        elif self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._set_deadline(self.register.header_seconds)
        else:
            self._set_deadline(None)

    def _set_deadline(self, seconds: float | None) -> None:
        """Starts the deadline, or clears it (None); bytes that drip in do not postpone a running one."""
        if seconds is None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE:
            self._answer_late()
        self.transport.close()

    def _answer_late(self) -> None:
        body = json.dumps(
            _problem(
                408,
                "too_slow",
                "Too slow",
                "The request took too long to arrive; try again on a faster connection.",
            )
        )
        headers = [
            ("content-type", "application/problem+json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=408, headers=headers),
            h11.Data(data=body.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")

    def _admit(self, app: Any) -> Any:
        """The application, wrapped: it answers 503 when there is no room for one more request."""

        async def bounded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] not in HEALTH and self.register.is_full(self):
                await _refuse(send)
            else:
                await app(scope, receive, send)

        return bounded


async def _refuse(send: Any) -> None:
    body = json.dumps(
        _problem(503, "busy", "Busy", "Too many requests are under way; try again in a moment.")
    ).encode()
    headers = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "retry-after": "2",
        "connection": "close",
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 503, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _problem(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "field": None,
        "request_id": None,
    }
