"""Is the server alive; can it work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from backend.api.http.errors import problem, problem_response

if TYPE_CHECKING:
    from backend.api.services import Services


def health_router(services: Services) -> APIRouter:
    """`/healthz` and `/readyz`, outside the API's prefix."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", response_model=None)
    async def readyz() -> dict[str, Any] | Response:
        """Workers answer and the store can be written."""
        checks = {"workers": services.ready(), "store": await _writable(services)}
        if all(checks.values()):
            return {"status": "ready", "checks": checks}
        missing = " and ".join(name for name, fine in checks.items() if not fine)
        found = problem(503, code="not_ready", title="Not ready", detail=f"Not ready yet: {missing}.")
        return problem_response(found, {"Retry-After": "1"})

    return router


async def _writable(services: Services) -> bool:
    def probe() -> None:
        with services.store.write() as connection:
            connection.execute(text("SELECT 1"))
        mark = services.blobs.temporary / ".ready"
        mark.write_bytes(b"")
        mark.unlink(missing_ok=True)

    try:
        await services.store.run(probe)
    except Exception:  # whatever the disk or the database says, the answer is "no"
        return False
    return True
