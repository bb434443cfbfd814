"""Security middleware in front of both applications: hosts, origins, request sizes, deadlines, response
headers.

`localhost` is no boundary: any page in any tab can send requests to it. The Host list stops DNS rebinding,
the Sec-Fetch-Site and Origin rule stops other sites from posting, the CSP and its companions stop what gets
in from getting further.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Container, Sequence
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import BadParameter, InvalidInput
from app.core.settings import MiB, Settings
from app.core.text import decoded
from app.web.clients import TrustedProxies
from app.web.dash_requests import DashRequests
from backend.api.http.errors import BodyRefused, install, log_bug, problem, problem_response

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER_BYTES, HEADER_COUNT, ADDRESS_BYTES = 16 * 1024, 100, 8 * 1024
FORM_OVERHEAD = 64 * 1024
"""Boundaries, part headers and text fields around an uploaded file."""
LABELS_BYTES = MiB
"""Names of classes: 25,000 at most."""
PAGE_BYTES = 4 * MiB
"""Bodies of the dashboard's own callbacks, which carry its state along."""
SMALL_SECONDS, UPLOAD_SECONDS = 20.0, 600.0
SLOWEST = 8 * 1024
"""Bytes per second below which an upload is not waited for, after `SMALL_SECONDS`."""

Hashes = Callable[[], Sequence[str]]
_REASONS = {
    403: (
        "cross_site",
        "Requests from other sites are not accepted; open the dashboard itself and try again.",
    ),
    422: (
        "bad_text",
        "The address holds a control character or is not UTF-8; send printable characters only.",
    ),
}
"""Code and sentence of refusals that the status alone explains badly."""


def check_exposure(settings: Settings) -> None:
    """Refuses to listen beyond this machine unless allowed host names are set and people sign in, and to
    believe in a user's name that anybody could have written. Raises InvalidInput."""
    named = "allowed_hosts" in settings.model_fields_set and len(settings.allowed_hosts) > 0
    if not settings.is_loopback and not named:
        raise InvalidInput(
            "Listening beyond this machine needs the names it may be reached by: set EVIDENT_ALLOWED_HOSTS, "
            "e.g. '[\"evident.example.org\"]'.",
            code="exposed",
            field="host",
        )
    if any("*" in host for host in settings.allowed_hosts):
        raise InvalidInput(
            "EVIDENT_ALLOWED_HOSTS takes whole names only, no * patterns.",
            code="exposed",
            field="allowed_hosts",
        )
    if not settings.is_loopback and settings.sign_in_by == "off":
        raise InvalidInput(
            "Listening beyond this machine needs sign-in: leave EVIDENT_SIGN_IN out, or let a proxy name its "
            "users (EVIDENT_USER_HEADER and EVIDENT_TRUSTED_PROXIES).",
            code="exposed",
            field="sign_in",
        )
    if settings.sign_in_by == "proxy" and not settings.trusted_proxies:
        raise InvalidInput(
            "EVIDENT_USER_HEADER is believed from a trusted proxy only: say which addresses it has with "
            "EVIDENT_TRUSTED_PROXIES.",
            code="exposed",
            field="trusted_proxies",
        )


def protect(
    root: ASGIApp,
    settings: Settings,
    csp_hashes: Hashes | None = None,
    callbacks: Container[str] | None = None,
    entrance: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The application the server runs. csp_hashes: hashes of the dashboard's inline scripts. callbacks:
    outputs that have a callback. entrance: puts in front of an application what lets in whoever may."""
    if isinstance(root, FastAPI):
        install(root)
    packed = GZipMiddleware(
        entrance(DashRequests(root, callbacks)),
        minimum_size=1024,
        compresslevel=6,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream"),
    )
    return Guard(packed, settings, csp_hashes or (lambda: ()))


class _TooLarge(BodyRefused):
    """The body passed its limit while it was being received."""


class _TooSlow(BodyRefused):
    """The body did not arrive in time."""


class Guard:
    """Pure ASGI, so that nothing is buffered and server-sent events stream through."""

    def __init__(self, app: ASGIApp, settings: Settings, csp_hashes: Hashes) -> None:
        self.app, self.settings, self._hashes = app, settings, csp_hashes
        limits = settings.limits
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._uploads = {
            "/api/v1/inputs": max(limits.image_bytes, limits.audio_bytes, limits.array_bytes) + FORM_OVERHEAD,
            "/api/v1/models": limits.model_bytes + LABELS_BYTES + FORM_OVERHEAD,
            "/api/v1/hub/recognise": limits.model_header_bytes + FORM_OVERHEAD,
            "/api/v1/hub/labels": LABELS_BYTES,
            "/api/v1/verifications": limits.report_bytes + FORM_OVERHEAD,
            "/api/v1/concepts/import": limits.audio_bytes + FORM_OVERHEAD,
        }
        self._large = {
            "/api/v1/evaluations": limits.study_bytes,
            "/api/v1/evaluations/price": limits.study_bytes,
            "/api/v1/evaluations/labels": limits.table_bytes,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        self._believe(scope)
        identifier = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = identifier
        refused = self._refuse(scope)
        if scope["type"] == "websocket":
            if refused is not None:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send, identifier)
        if refused is not None:
            await exchange.answer(refused)
        else:
            await exchange.run()

    def _believe(self, scope: Scope) -> None:
        """What a trusted proxy says of its client is taken over: address, https, user. The user's header of
        anybody else is taken out, so that whoever finds it behind this may believe it."""
        headers, peer = Headers(scope=scope), scope["client"][0] if scope.get("client") else ""
        trusted = peer in self._proxies
        if scope.get("client"):
            scope["client"] = (self._proxies.client(peer, headers)[:80], scope["client"][1])
        if trusted and headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "https":
            scope["scheme"] = "https"
        named = self.settings.user_header
        if named is not None and not (trusted and len(headers.getlist(named)) == 1):
            scope["headers"] = [line for line in scope["headers"] if line[0].lower() != named.encode()]

    def _refuse(self, scope: Scope) -> int | None:
        """The status to refuse with before anything is read, or None."""
        raw = scope["headers"]
        if len(raw) > HEADER_COUNT or sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES:
            return 431
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > ADDRESS_BYTES:
            return 414
        try:
            decoded(scope.get("raw_path") or b"")
            decoded(scope.get("query_string", b""))
        except BadParameter:
            return 422
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or not self._is_allowed_host(host[0]):
            return 421
        if (scope["type"] == "websocket" or scope["method"] not in SAFE) and not _same_origin(
            headers, host[0]
        ):
            return 403
        length = headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            return 400
        if length is not None and int(length[:20]) > self.body_limit(scope):
            return 413
        return None

    def _is_allowed_host(self, host: str) -> bool:
        """`name`, `name:port` or `[::1]:port`. A name listed without a port is accepted under any:
        forwarded ports differ."""
        host = host.lower()
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":")[0]
        suffix = host[len(name) :]
        return host in self._hosts or (
            name in self._hosts and (not suffix or (suffix[0] == ":" and suffix[1:].isdigit()))
        )

    def body_limit(self, scope: Scope) -> int:
        path = scope["path"]
        if path in self._uploads and Headers(scope=scope).get("content-type", "").startswith("multipart/"):
            return self._uploads[path]
        if path in self._large:
            return self._large[path]
        return self.settings.limits.json_bytes if path.startswith("/api/") else PAGE_BYTES

    def deadline(self, scope: Scope) -> float:
        return UPLOAD_SECONDS if scope["path"] in {*self._uploads, *self._large} else SMALL_SECONDS

    def headers(self, scope: Scope, status: int) -> dict[str, str]:
        """Security and cache headers of every answer."""
        is_api = scope["path"].startswith("/api/")
        headers = {
            "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
            if is_api
            else self._page_policy(),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
        }
        if is_api or not self.settings.frame_ancestors:  # this older header knows no list of origins
            headers["x-frame-options"] = "DENY"
        if is_api:
            headers["cache-control"] = "no-store"
        elif scope["path"].startswith("/assets/"):
            # Their address names their contents (frontend/ui/assets.py); what is not there may come.
            headers["cache-control"] = "public, max-age=31536000, immutable" if status < 400 else "no-store"
        return headers

    def _page_policy(self) -> str:
        # Asked for every time: Dash adds inline scripts of its own when it serves its first page.
        scripts = " ".join(["'self'", *self._hashes()])
        # Mantine and plotly write style attributes and style elements at run time.
        frames = " ".join(self.settings.frame_ancestors) or "'none'"
        return (
            f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
            "media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
            f"base-uri 'self'; form-action 'self'; frame-ancestors {frames}"
        )


class _Exchange:
    """One request: counts and times its body, adds headers to its answer, turns exceptions into problems."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send, identifier: str) -> None:
        self.guard, self.scope, self._receive, self._send, self.identifier = (
            guard,
            scope,
            receive,
            send,
            identifier,
        )
        self.started = False
        self.refusal: int | None = None
        self._count, self._limit = 0, guard.body_limit(scope)
        self._began, self._complete = time.monotonic(), False

    async def run(self) -> None:
        try:
            await self.guard.app(self.scope, self.receive, self.send)
        except (BodyRefused, ClientDisconnect):
            pass
        except Exception as error:
            if self.refusal is None:
                log_bug(error, self.scope)
                self.refusal = 500
        if self.refusal is not None and not self.started:
            await self.answer(self.refusal)

    async def receive(self) -> Message:
        if self.refusal in (408, 413):
            return {"type": "http.disconnect"}
        try:
            message = await self._in_time()
        except TimeoutError:
            self.refusal = 408
            raise _TooSlow from None
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            if self._count > self._limit:
                self.refusal = 413
                raise _TooLarge
            if not message.get("more_body", False):
                self._complete = True  # what follows is only the wait for a disconnect
        return message

    async def _in_time(self) -> Message:
        if self._complete:
            return await self._receive()
        allowed = min(SMALL_SECONDS + self._count / SLOWEST, self.guard.deadline(self.scope))
        return await asyncio.wait_for(self._receive(), max(0.0, self._began + allowed - time.monotonic()))

    async def send(self, message: Message) -> None:
        if self.refusal in (408, 413) and not self.started:
            return  # whatever the application makes of the broken body, the answer is the reason it broke
        if message["type"] == "http.response.start":
            if self.started:
                raise RuntimeError("a second answer to one request")
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in self.guard.headers(self.scope, message["status"]).items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.identifier
        await self._send(message)

    async def answer(self, status: int) -> None:
        """A refusal made here."""
        code, detail = _REASONS.get(status, (None, None))
        self.refusal = None
        headers = {"connection": "close"} if status in (408, 413) else {}
        response = problem_response(
            problem(status, code=code, detail=detail, request_id=self.identifier), headers
        )
        await response(self.scope, self._receive, self.send)


def _same_origin(headers: Headers, host: str) -> bool:
    """Browsers say where a request comes from (Sec-Fetch-Site, else Origin); programs say neither and are
    no confused deputies."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
