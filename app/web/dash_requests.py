"""ASGI middleware: Dash answers a malformed callback or a missing file with a bare 500; this answers with
problem JSON instead."""

from __future__ import annotations

import logging
from collections.abc import Container
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import EvidentError
from backend.api.http.errors import problem, problem_response
from backend.api.http.strict import loads

log = logging.getLogger("evident.api")

CALLBACK = "/_dash-update-component"
DEPTH = 200
"""Nesting allowed in a callback body: the dashboard sends parts of its page as state."""


class DashRequests:
    """Checks callback bodies before Dash sees them. callbacks: their outputs; None allows any."""

    def __init__(self, app: ASGIApp, callbacks: Container[str] | None) -> None:
        self.app, self.callbacks = app, callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        identifier = scope.get("state", {}).get("request_id")
        if scope["path"] == CALLBACK and scope["method"] == "POST":
            body = await _read_body(receive)
            if body is None:
                return
            if not self._is_callback(body):
                refusal = problem(
                    400,
                    detail="This is not a request of the dashboard; reload the page.",
                    request_id=identifier,
                )
                await problem_response(refusal)(scope, receive, send)
                return
            receive = _replaying(body, receive)
        await self.app(scope, receive, _Translated(scope, send, identifier))

    def _is_callback(self, body: bytes) -> bool:
        try:
            request: Any = loads(body, DEPTH)
        except EvidentError:
            return False
        if not isinstance(request, dict) or not isinstance(request.get("output"), str):
            return False
        lists = all(isinstance(request.get(name, []), list) for name in ("inputs", "state", "changedPropIds"))
        entries = (
            [part for name in ("inputs", "state") for part in request.get(name, [])] if lists else [None]
        )
        well_formed = (
            "outputs" in request
            and "inputs" in request
            and all(isinstance(part, dict | list) for part in entries)
        )
        return well_formed and (self.callbacks is None or request["output"] in self.callbacks)


class _Translated:
    """Passes the answer on and replaces a bare server error by a problem: 404 for missing files, else 500."""

    def __init__(self, scope: Scope, send: Send, identifier: str | None) -> None:
        self.scope, self.send, self.identifier = scope, send, identifier
        self.replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 500:
            kinds = [value for name, value in message.get("headers", []) if name.lower() == b"content-type"]
            self.replaced = kinds != [b"application/problem+json"]
            if self.replaced:
                await problem_response(self._problem())(self.scope, _nothing, self.send)
        if not self.replaced:
            await self.send(message)

    def _problem(self) -> Any:
        if self.scope["path"].startswith("/_dash-component-suites/"):
            return problem(404, request_id=self.identifier)
        log.error("request %s failed in the dashboard", self.identifier)
        return problem(500, request_id=self.identifier)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _read_body(receive: Receive) -> bytes | None:
    """The body (the guard bounds it), or None when the client went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body again, then the messages that follow it."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
