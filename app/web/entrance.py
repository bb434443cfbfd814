"""ASGI middleware: where people sign in, nothing is answered to somebody unknown but what stands in a short list.

It stands directly in front of the application, behind the guard, so that the dashboard's own requests pass it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import EvidentError, Forbidden
from app.core.settings import Settings, SignIn
from backend.api.access import REQUIRED, not_signed_in
from backend.api.http.errors import from_error, problem_response
from backend.store.users import User

SIGN_IN = "/sign-in"
STILL_SECONDS = 2.0
"""Between two looks at whether the reader of an event stream is still signed in."""
OPEN = frozenset({"/healthz", "/readyz", "/api/v1/session"})
"""What everybody may ask: whether the server lives, and to be let in."""
ONE_TIME = OPEN | {"/api/v1/session/password"}
"""What may be asked by whoever has yet to choose a password of their own."""


class Who(Protocol):
    """The user of a request. seen: whether it is a sign of life. Raises StorageUnavailable."""

    async def __call__(self, scope: Scope, seen: bool = True) -> User | None: ...


class Entrance:
    """who: the user of a request. open_to_all: further paths for everybody: the page to sign in and what it
    is drawn with. passed_on: prefix of what another server judges for itself."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        who: Who,
        open_to_all: Collection[str] = (),
        passed_on: str | None = None,
    ) -> None:
        self.app, self.settings, self._who = app, settings, who
        self._open, self._passed_on = OPEN | set(open_to_all), passed_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        by = self._sign_in(scope) if scope["type"] in ("http", "websocket") else "off"
        if by == "off" or (self._passed_on and scope["path"].startswith(self._passed_on)):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["sign_in"] = by
        try:
            user = await self._who(scope)
        except EvidentError as error:
            await self._refuse(error, scope, receive, send)
            return
        if user is not None:
            state["user"] = user
        is_open = scope["type"] == "http" and scope["path"] in self._open
        if user is not None and user.one_time and not is_open and scope["path"] not in ONE_TIME:
            await self._choose_first(scope, receive, send)
        elif user is not None and by == "password":
            await self._while_signed_in(scope, receive, send)
        elif user is not None or is_open:
            await self.app(scope, receive, send)
        elif by == "password" and SIGN_IN in self._open and _is_page(scope):
            await RedirectResponse(_to_sign_in(scope), 303)(scope, receive, send)
        else:
            await self._refuse(not_signed_in(self.settings), scope, receive, send)

    def _sign_in(self, scope: Scope) -> SignIn:
        """A dashboard in front may ask for more than this server's own settings do, never for less."""
        by = self.settings.sign_in_by
        asked = any(name == REQUIRED for name, _ in scope["headers"])
        return "password" if by == "off" and asked else by

    async def _choose_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The page to sign in asks for another password."""
        if SIGN_IN in self._open and _is_page(scope):
            await RedirectResponse(_to_sign_in(scope), 303)(scope, receive, send)
            return
        due = "This password was for the first sign-in: choose one of your own before anything else."
        await self._refuse(Forbidden(due, code="choose_password"), scope, receive, send)

    async def _while_signed_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An event stream has no end of its own: it ends with the session, whoever ended that and in which process."""
        answering, watch = asyncio.current_task(), None
        assert answering is not None

        async def watched(message: Message) -> None:
            nonlocal watch
            if message["type"] == "http.response.start" and _is_stream(message):
                watch = asyncio.create_task(self._end_with_session(scope, answering))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            if watch is None or not watch.done() or watch.cancelled():
                raise  # by somebody else: the server stops
            answering.uncancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if watch is not None:
                watch.cancel()

    async def _end_with_session(self, scope: Scope, answering: asyncio.Task[object]) -> None:
        while True:
            await asyncio.sleep(STILL_SECONDS)
            with suppress(EvidentError):  # the database is away: asked again
                if await self._who(scope, seen=False) is None:
                    answering.cancel()
                    return

    async def _refuse(self, error: EvidentError, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {401: {"WWW-Authenticate": "Session"}, 403: {}}.get(error.status, {"Retry-After": "2"})
        answer = problem_response(from_error(error, scope["state"].get("request_id")), headers)
        await answer(scope, receive, send)


def _is_stream(start: Message) -> bool:
    return Headers(raw=start.get("headers", [])).get("content-type", "").startswith("text/event-stream")


def _is_page(scope: Scope) -> bool:
    """Somebody opens an address in a browser."""
    path, accepted = scope["path"], Headers(scope=scope).get("accept", "")
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in accepted
        and not path.startswith(("/api/", "/assets/", "/_dash"))
    )


def _to_sign_in(scope: Scope) -> str:
    """The page to sign in, which knows where to go on. A path of this server, never another's address."""
    asked = quote(scope["path"], safe="/") + (
        "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    )
    return SIGN_IN if asked == "/" else f"{SIGN_IN}?next={quote(asked, safe='')}"
