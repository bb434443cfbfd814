"""A running backend with toy tasks, driven from synchronous tests on one event loop."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from app.core.settings import Limits, Settings
from backend.api.services import Services
from backend.jobs.client import Client
from tests.backend.databases import database_url

__all__ = ["Backend", "backend", "database_url"]

PLUGINS = ("tests.backend.toys",)


class Backend:
    """Services on their own loop; `run` waits for a coroutine."""

    def __init__(self, folder, **settings):
        self.loop = asyncio.new_event_loop()
        self.settings = Settings(data=folder, workers=settings.pop("workers", 2), **settings)
        self.services = Services(self.settings, plugins=PLUGINS, preload=False)
        __import__(PLUGINS[0])

    def __enter__(self):
        self.run(self.services.start())
        return self

    def __exit__(self, *_):
        self.run(self.services.stop())
        self.loop.close()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @property
    def jobs(self):
        return self.services.jobs

    def submit(self, task, client="me", key=None, priority=0, **payload):
        """Key and row of a new job."""
        key = key or uuid.uuid4().hex
        return key, self.run(
            self.jobs.submit(task, payload, key=key, client=Client(client), priority=priority)
        )

    def finished(self, key, seconds=60):
        row = self.run(self.jobs.wait(key, seconds))
        assert not row.active, row
        return row

    def until(self, condition, seconds=60):
        """Polls an async condition."""

        async def poll():
            while not (found := await condition()):
                await asyncio.sleep(0.02)
            return found

        return self.run(asyncio.wait_for(poll(), seconds))


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    with Backend(
        tmp_path_factory.mktemp("data"), limits=Limits(jobs_per_client=20, jobs_waiting=50)
    ) as backend:
        yield backend
