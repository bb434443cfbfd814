"""FastAPI dependencies: services, client id, id check; and small answers that several routes share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from app.core.errors import NotFound
from backend.store import JobRow

if TYPE_CHECKING:
    from backend.api.services import Services

ID = re.compile(r"[0-9a-f]{64}")


def _services(request: Request) -> Any:
    return request.app.state.services


def _client(request: Request) -> str:
    """The client whose queue a job counts towards: its address, as there are no accounts yet."""
    return request.client.host[:80] if request.client else "local"


if TYPE_CHECKING:
    Backend = Annotated[Services, Depends(_services)]
else:
    Backend = Annotated[Any, Depends(_services)]
Client = Annotated[str, Depends(_client)]


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


def npy(data: bytes, name: str) -> Response:
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}.npy"'},
    )


def ranged(path: Path, media_type: str) -> FileResponse:
    """A stored file, in ranges when the browser asks for them (audio players do)."""
    return FileResponse(path, media_type=media_type)
