"""Routes: liveness and readiness."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from backend.api.http.errors import problem, problem_response

if TYPE_CHECKING:
    from backend.api.services import Services


PATIENCE = 2.0
"""Seconds after which a database or folder that has not answered counts as unavailable."""


def health_router(services: Services) -> APIRouter:
    """`/healthz` and `/readyz`, outside the API's prefix."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", response_model=None)
    async def readyz() -> dict[str, Any] | Response:
        """Workers answer, the database and the data folder can be written; names what does not."""
        database, folder = await asyncio.gather(
            _writable(services.store.run(_write_row, services)),
            _writable(asyncio.to_thread(_write_file, services)),  # not behind those who wait for the database
        )
        checks = {"workers": services.ready(), "database": database, "data folder": folder}
        if all(checks.values()):
            return {"status": "ready", "checks": checks}
        missing = " and ".join(name for name, ok in checks.items() if not ok)
        refusal = problem(503, code="not_ready", title="Not ready", detail=f"Not ready: {missing}.")
        return problem_response(refusal, {"Retry-After": "1"})

    return router


async def _writable(writing: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await writing
    except Exception:  # whatever the disk or the database says, the answer is "no"
        return False
    return True


def _write_row(services: Services) -> None:
    with services.store.write() as connection:
        connection.execute(text("SELECT 1"))


def _write_file(services: Services) -> None:
    with tempfile.TemporaryFile(dir=services.blobs.temporary) as file:
        file.write(b"ready")
        file.flush()
