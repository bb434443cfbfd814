"""Reverse proxy of `/api`, `/healthz` and `/readyz` to a backend elsewhere, streaming both ways: the browser
sees one origin."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Scope

from app.core.errors import StorageUnavailable
from app.core.schemas import Session
from app.core.settings import Settings
from app.web.entrance import Who
from backend.api.access import REQUIRED, named_by_proxy
from backend.store.users import User

# Connection-level headers belong to one hop and are not passed on (RFC 9110, 7.6.1); the length is set anew
# by the server. The origin was checked against our own name by the stack in front of this; the backend goes
# by another. The guard has determined the client: forwarding headers of
# the request end here.
_HOP = {
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "evident-sign-in",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "origin",
    "sec-fetch-site",
}


def forward(root: FastAPI, settings: Settings) -> Who:
    """Add the three routes, and say how the user of a request for a page is known: by asking the backend, which has
    the sessions. The backend's host is fixed by the settings: no part of a request chooses where it goes."""
    import httpx

    if settings.api_url is None:
        raise SystemExit(
            "The dashboard alone needs the backend's address: set EVIDENT_API_URL, e.g. http://127.0.0.1:8051."
        )
    client = httpx.AsyncClient(
        base_url=settings.api_url,
        timeout=httpx.Timeout(660.0, connect=5.0, pool=5.0),
        limits=httpx.Limits(
            max_connections=settings.limits.connections, max_keepalive_connections=20
        ),  # an event stream keeps one
        trust_env=False,
    )

    async def pass_on(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() not in _HOP]
        if request.client:
            headers.append((b"x-forwarded-for", request.client.host.encode()))
        headers.append((b"x-forwarded-proto", request.url.scheme.encode()))
        if settings.sign_in_by == "password":
            headers.append((REQUIRED, b"required"))
        if "accept-encoding" not in request.headers:
            headers.append(
                (b"accept-encoding", b"identity")
            )  # httpx would ask for compression that this client did not ask for
        outgoing = client.build_request(
            request.method,
            httpx.URL(path=request.url.path, query=request.url.query.encode()),
            headers=headers,
            content=request.stream() if request.method in {"POST", "PUT", "PATCH"} else None,
        )
        try:
            answer = await client.send(outgoing, stream=True)
        except httpx.TransportError:
            problem = {
                "type": "about:blank",
                "title": "Busy",
                "status": 503,
                "code": "backend_unreachable",
                "detail": "The computing part does not answer; try again in a moment.",
            }
            return JSONResponse(
                problem, status_code=503, headers={"Retry-After": "5"}, media_type="application/problem+json"
            )
        answer_headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return StreamingResponse(
            answer.aiter_raw(),
            status_code=answer.status_code,
            headers=answer_headers,
            background=BackgroundTask(answer.aclose),
        )

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    for path in ("/api/{rest:path}", "/healthz", "/readyz"):
        root.add_api_route(path, pass_on, methods=methods)

    async def who(scope: Scope, seen: bool = True) -> User | None:
        """seen: has no say here, the backend's own streams are watched there."""
        if settings.sign_in_by == "proxy":
            return named_by_proxy(scope, settings)
        headers = [line for line in scope["headers"] if line[0] == b"cookie"]
        headers += [(b"x-forwarded-proto", scope["scheme"].encode()), (REQUIRED, b"required")]
        try:
            answer = await client.get("/api/v1/session", headers=headers)
            session = Session.model_validate_json(answer.content)
        except (httpx.TransportError, ValueError):
            raise StorageUnavailable(
                "The computing part does not answer; try again in a moment.", code="backend_unreachable"
            ) from None
        known = session.name is not None and session.role is not None
        return User(str(session.name), session.role or "reviewer", session.change_password) if known else None

    return who
