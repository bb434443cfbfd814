"""Server-sent events over the job service: one stream may follow several jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from app.core.errors import NotFound
from backend.store import JobRow

if TYPE_CHECKING:
    from backend.jobs.service import Jobs

STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""What a route that streams says of its answer."""
PING = 10.0
"""Seconds of silence after which a comment keeps proxies from closing the stream."""


def follow(jobs: Jobs, keys: list[str], view: Callable[[JobRow], str]) -> StreamingResponse:
    """One unnamed event per change of any of the jobs; ends when all have ended."""
    return StreamingResponse(
        _lines(jobs, keys, view), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _lines(jobs: Jobs, keys: list[str], view: Callable[[JobRow], str]) -> AsyncIterator[str]:
    queue: asyncio.Queue[JobRow | None] = asyncio.Queue()
    watchers = [asyncio.create_task(_watch(jobs, key, queue)) for key in keys]
    active = len(watchers)
    try:
        yield "retry: 1000\n\n"
        while active:
            try:
                async with asyncio.timeout(
                    PING
                ):  # not wait_for, which can swallow the cancellation of a stop
                    row = await queue.get()
            except TimeoutError:
                yield ": ping\n\n"
                continue
            if row is None:
                active -= 1
            else:
                yield f"data: {view(row)}\n\n"
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _watch(jobs: Jobs, key: str, queue: asyncio.Queue[JobRow | None]) -> None:
    """Puts every change, then None; a job deleted meanwhile has simply ended."""
    try:
        async for row in jobs.watch(key):
            queue.put_nowait(row)
    except NotFound:
        pass
    finally:
        queue.put_nowait(None)
