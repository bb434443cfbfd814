"""A loop that waits for an event ends when it is told to, also when the event is set in the same moment."""

from __future__ import annotations

import asyncio

from backend.jobs.signals import wait_at_most


def test_a_cancellation_that_meets_the_event_is_not_lost() -> None:
    async def scene() -> bool:
        event = asyncio.Event()

        async def loop() -> None:
            while True:
                event.clear()
                await wait_at_most(event, 30.0)

        task = asyncio.create_task(loop())
        await asyncio.sleep(0.01)
        event.set()
        task.cancel()
        await asyncio.wait([task], timeout=2.0)
        ended = task.cancelled()
        task.cancel()
        return ended

    assert asyncio.run(scene())


def test_it_waits_no_longer_than_it_may() -> None:
    async def scene() -> bool:
        event = asyncio.Event()
        await wait_at_most(event, 0.01)
        return event.is_set()

    assert asyncio.run(scene()) is False
