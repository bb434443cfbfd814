"""FastAPI dependencies: services, client id, id check; and small answers that several routes share."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from app.core.errors import BadParameter, Forbidden, NotFound
from app.core.text import plain_text
from backend.jobs.client import Client as JobClient
from backend.store import JobRow
from backend.store.users import User

if TYPE_CHECKING:
    from backend.api.services import Services

ID = re.compile(r"[0-9a-f]{64}")
REVIEWER_HEADER, REVIEWER_COOKIE = "evident-reviewer", "evident_reviewer"
REVIEWER, REVIEWER_LETTERS = "Reviewer 1", 40


def _services(request: Request) -> Any:
    return request.app.state.services


def _address(request: Request) -> str:
    return request.client.host[:80] if request.client else "local"


def _client(request: Request) -> JobClient:
    """Whoever starts a job: it counts towards the line of their address, and is written down under their name. Raises
    BadParameter."""
    return JobClient(_address(request), _reviewer(request))


def _reviewer(request: Request) -> str:
    """Who is at the other end: with sign-in on the user; with sign-in off whoever the header
    `Evident-Reviewer` says, else the cookie `evident_reviewer` (percent-encoded UTF-8, at most 40 characters),
    which is a name and no proof. Raises BadParameter."""
    user = _signed_in(request)
    if user is not None:
        return user.name
    if REVIEWER_HEADER in request.headers:
        return said_reviewer(request.headers[REVIEWER_HEADER])
    with suppress(BadParameter):  # links and players of the page cannot send the header
        return said_reviewer(request.cookies.get(REVIEWER_COOKIE, ""))
    return REVIEWER


def _signed_in(request: Request) -> User | None:
    """The user; None where nobody signs in."""
    user: User | None = request.scope.get("state", {}).get("user")
    return user


def _admin(request: Request) -> None:
    """Where nobody signs in everybody is an admin. Raises Forbidden."""
    user = _signed_in(request)
    if user is not None and not user.is_admin:
        raise Forbidden("Only an admin may do this; ask one of them.")


def said_reviewer(quoted: str) -> str:
    """The name in the header. Raises BadParameter."""
    try:
        name = plain_text(unquote_to_bytes(quoted).decode("utf-8"), most=REVIEWER_LETTERS).strip()
    except (UnicodeDecodeError, BadParameter):
        raise BadParameter(
            f"The header Evident-Reviewer is a name of at most {REVIEWER_LETTERS} printable characters, percent-encoded UTF-8.",
            code="bad_reviewer",
            field="Evident-Reviewer",
        ) from None
    return name or REVIEWER


if TYPE_CHECKING:
    Backend = Annotated[Services, Depends(_services)]
else:
    Backend = Annotated[Any, Depends(_services)]
Address = Annotated[str, Depends(_address)]
Client = Annotated[JobClient, Depends(_client)]
Reviewer = Annotated[str, Depends(_reviewer)]
SignedIn = Annotated[User | None, Depends(_signed_in)]
ADMIN = Depends(_admin)
"""For `dependencies=[ADMIN]` of a route."""


async def job_of_kind(services: Services, key: str, kind: str) -> JobRow:
    """The job of this id. Raises NotFound also when it is of another kind."""
    row = await services.jobs.get(key) if ID.fullmatch(key) else None
    if row is None or row.kind != kind:
        raise NotFound(f"There is no such {kind}; it may have been deleted.", code=f"unknown_{kind}")
    return row


async def bytes_of(path: Path | None, what: str) -> bytes:
    """Contents of a small stored file. Raises NotFound when there is none (yet)."""
    try:
        if path is not None:
            return await run_in_threadpool(path.read_bytes)
    except FileNotFoundError:
        pass
    raise NotFound(f"The {what} is not there yet; ask again when the job is done.", code="not_ready")


async def newest(services: Services, key: str, what: str) -> bytes:
    """The array "values" of a job as far as it is known: partial while it runs, whole afterwards. Raises NotFound."""
    try:
        return await bytes_of(await services.jobs.array_path(key, "values"), what)
    except NotFound:
        # It may have ended in between: the partial array is gone then, and the whole one is there.
        return await bytes_of(await services.jobs.array_path(key, "values"), what)


def npy(data: bytes, name: str) -> Response:
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}.npy"'},
    )


def ranged(path: Path, media_type: str) -> FileResponse:
    """A stored file, in ranges when the browser asks for them (audio players do)."""
    return FileResponse(path, media_type=media_type)
