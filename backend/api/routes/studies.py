"""What the routes of every kind of study have in common: state and result, events, stop or delete.

A study is a job with a request of its own and a result that is read as a whole: concept analyses, a network layer by
layer, the filters of a layer, filters switched off, a spot, a picture that excites a filter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Response
from pydantic import BaseModel, ValidationError
from starlette.responses import StreamingResponse

from app.core.errors import NotFound
from backend.api.http.context import Backend, Reviewer, job_of_kind
from backend.api.http.events import STREAM, follow
from backend.api.routes.jobs import stop_or_delete
from backend.store import JobRow

W = TypeVar("W", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


class Study(Generic[W, R]):
    """A kind of job and its schemas: as it travels, what was asked, what came out. Adds `GET PATH/{id}`,
    `GET PATH/{id}/events` and `DELETE PATH/{id}` to a router.

    known: adds to the answer of the first what is there while the job runs. read: False where the first is written apart.
    """

    def __init__(self, kind: str, wire: type[W], request: type[BaseModel], result: type[R]) -> None:
        self.kind, self.wire = kind, wire
        self._request, self._result = request, result

    def parsed(self, result: dict[str, Any] | None) -> R | None:
        """A stored result; None for one in the form of an earlier version, which the same request computes again under
        another key."""
        try:
            return None if result is None else self._result.model_validate(result)
        except ValidationError:
            return None

    def view(self, row: JobRow) -> W:
        """The wire schema of a job's row."""
        request = self._request.model_validate(row.payload["request"], strict=False)
        return self.wire(**row.fields(), request=request, result=self.parsed(row.result))

    def answer(self, row: JobRow, status: int) -> Response:
        return Response(self.view(row).model_dump_json(), status, media_type="application/json")

    async def row(self, id: str, services: Backend) -> JobRow:
        """Raises NotFound also for a job of another kind."""
        return await job_of_kind(services, id, self.kind)

    async def finished(self, id: str, services: Backend) -> R:
        """Its result. Raises NotFound while there is none."""
        return self.result_of(await self.row(id, services))

    def result_of(self, row: JobRow) -> R:
        result = self.parsed(row.result)
        if result is None:
            raise NotFound(
                "This analysis has no result that can be shown; ask again when it is done, or make it again.",
                code="not_ready",
            )
        return result

    def add_to(
        self,
        router: APIRouter,
        path: str,
        known: Callable[[JobRow, Backend, W], Awaitable[W]] | None = None,
        read: bool = True,
    ) -> None:
        async def state(id: str, services: Backend) -> Any:
            row = await self.row(id, services)
            view = self.view(row)
            return view if known is None else await known(row, services, view)

        async def events(id: str, services: Backend) -> Response:
            row = await self.row(id, services)
            return follow(services.jobs, [row.key], lambda row: self.view(row).model_dump_json())

        async def remove(id: str, services: Backend, reviewer: Reviewer) -> Response:
            row = await self.row(id, services)
            if await stop_or_delete(services, row, reviewer) is None:
                return Response(status_code=204)
            return self.answer(await services.jobs.get(row.key), 200)

        if read:
            router.add_api_route(
                f"{path}/{{id}}",
                state,
                response_model=self.wire,
                description="State, progress, and the result once it is done.",
            )
        router.add_api_route(
            f"{path}/{{id}}/events",
            events,
            response_class=StreamingResponse,
            responses=STREAM,
            description="Server-sent events, as for explanations.",
        )
        router.add_api_route(
            f"{path}/{{id}}",
            remove,
            methods=["DELETE"],
            response_model=None,
            responses={200: {"model": self.wire}, 204: {"description": "Deleted"}},
            description="Stops one that waits or runs (200); deletes one that has ended (204).",
        )
