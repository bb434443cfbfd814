"""Who waits for a job hears of its changes in this process at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Signals:
    """Events by job. `wake` is set by every change of any job: the dispatcher listens to it."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._events: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job changes."""
        event = asyncio.Event()
        self._events.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._events[key].discard(event)
            if not self._events[key]:
                del self._events[key]

    def send(self, key: str) -> None:
        """The job has changed."""
        for event in self._events.get(key, ()):
            event.set()
        self.wake.set()


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most so long. Not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation
    that meets the event being set, and a loop that was told to end goes on for ever (a stop with a job under
    way hung on it)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
