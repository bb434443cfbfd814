"""Services of one server process: store, engine, jobs, and the list of models."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from app.core.errors import EvidentError, NotFound, where
from app.core.settings import Settings
from backend.api.model_list import Description, ModelList
from backend.jobs.evaluation import Evaluations
from backend.jobs.keys import conditions, job_key
from backend.jobs.service import Jobs
from backend.jobs.workers import Spool, create_engine
from backend.store import Blobs, Store, attempts, audit, users
from backend.store.rows import ACTIVE
from backend.tasks.payloads import ModelSource

log = logging.getLogger("evident")

QUIET_SECONDS = 3.0
"""A chosen model is measured so long after it was chosen at the earliest."""
SWEEP_SECONDS = 60.0
CLEAN_EVERY = 15
"""Sweeps between two looks through all blobs."""


class Services:
    """The object behind all routes. Starting it starts the workers; it imports no torch."""

    def __init__(self, settings: Settings, plugins: tuple[str, ...] = (), preload: bool = True) -> None:
        """plugins: modules with further tasks, imported by every worker. preload: workers import torch at the
        start and the catalogue is computed in the background."""
        self.settings = settings
        self.store = Store(settings.database_url, settings.data)
        self.blobs: Blobs = self.store.blobs
        self.spool = Spool(settings.data.resolve() / "spool")
        self.engine = create_engine(settings, plugins, preload)
        self.jobs = Jobs(self.store, self.engine, self.spool, settings.limits, conditions(settings))
        self.evaluations = Evaluations(self.jobs)
        self.hashing = asyncio.Semaphore(2)
        """A password takes 19 MiB and a core while it is looked at."""
        self.models = ModelList(settings, self.store, self.jobs)
        self.catalogue, self.methods, self.model = (
            self.models.catalogue,
            self.models.methods,
            self.models.model,
        )
        self.source, self.network = self.models.source, self.models.network
        self.known_models: dict[str, tuple[Description, Any]] = {}
        """`lookup.KnownModel` by key, with the description it was made of: a network with a thousand labels takes
        milliseconds to validate and to hash."""
        self._preload = preload
        self._measured: set[str] = set()
        self._chosen: dict[str, tuple[float, dict[str, Any], str]] = {}
        self.preparations: list[Callable[[], Awaitable[None]]] = []
        """Called once the catalogue is there: work whose results read-only requests expect."""
        self.sweeps: list[Callable[[], Awaitable[Any]]] = []
        """Called every minute."""
        self.duties: list[Callable[[], Awaitable[None]]] = []
        """What goes on in the background as long as the server runs."""
        self.new_cases = asyncio.Event()
        """Set when a worklist has grown."""
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens the store, migrates its tables, starts workers and dispatcher. The catalogue is computed in
        the background."""
        self.engine.start()
        await self.store.run(self.store.migrate)
        await self.store.run(self.store.clean)
        await self.jobs.start()
        self._background = [asyncio.create_task(self._sweep())]
        if self._preload:
            duties: tuple[Callable[[], Awaitable[None]], ...] = (
                partial(self.models.keep, self.preparations),
                self._measure,
                *self.duties,
            )
            self._background += [asyncio.ensure_future(duty()) for duty in duties]

    def ready(self) -> bool:
        """Whether the workers answer."""
        return self.engine.ready()

    async def stop(self) -> None:
        """Ends the workers; their jobs are resumed at the next start."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.jobs.stop()
        self.store.close()

    async def _sweep(self) -> None:
        """Every minute: removes files of killed servers and workers, inputs whose time is over, ended sessions and
        attempts to sign in, and scrubs what a deletion could not."""
        for number in itertools.count(1):
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.jobs.sweep()
                for sweep in self.sweeps:
                    await sweep()
                await self.store.run(users.forget_ended, self.store, users.Lifetime.of(self.settings))
                await self.store.run(attempts.forget, self.store)
                await self.store.run(self.store.scrub)
                if number % CLEAN_EVERY == 0:
                    await self.store.run(self.store.clean)
            except Exception as error:
                log.error("the data folder could not be swept; trying again: %s", where(error))

    async def audit(self, who: str, action: str, object: str, **facts: Any) -> None:
        """Writes down who did what to which object. facts: versions, digests and counts; never contents or
        names of files. Raises StorageUnavailable, NoSpace."""
        await self.store.run(audit.record, self.store, who, action, object, facts)

    def describe_later(self, key: str, job: str) -> None:
        """Has an uploaded model described once the job that checks it has ended."""
        task = asyncio.create_task(self.models.describe_checked(key, job))
        self._background.append(task)
        task.add_done_callback(self._background.remove)

    # How fast a model runs here

    def get_ready(self, source: ModelSource, title: str) -> None:
        """Has it measured how fast a model runs here, once per start, when nobody waits for anything: it takes a
        worker for seconds, and maps are asked for right after the prediction. The worker then has the network and
        the copies of it ready for what is asked next."""
        key = self._speed_key(source.model, source.digest)
        if self._preload and key not in self._measured:
            payload = ModelSource(model=source.model, upload=source.upload, digest=source.digest).as_json()
            self._chosen[key] = time.monotonic(), payload, f"Measure {title}"

    async def _measure(self) -> None:
        """Starts what `get_ready` left to do. Never fails for the sake of it."""
        while True:
            await asyncio.sleep(QUIET_SECONDS / 4)
            with suppress(EvidentError):
                before = time.monotonic() - QUIET_SECONDS
                ready = [key for key, (chosen, *_) in self._chosen.items() if chosen <= before]
                if not ready or await self.jobs.list(states=ACTIVE, limit=1):
                    continue
                key = ready[-1]
                _, payload, title = self._chosen.pop(key)
                self._measured.add(key)
                row = await self.jobs.submit("speed", payload, key=key, title=title)
                if row.state == "done" and not row.fresh:  # at an earlier start, by another worker
                    await self.jobs.recompute(key)

    async def speed(self, key: str, digest: str) -> dict[str, float]:
        """Expected seconds by method, as `get_ready` measured them; empty before it has."""
        with suppress(NotFound):
            row = await self.store.run(self.jobs.queue.get, self._speed_key(key, digest))
            seconds: dict[str, float] = (row.result or {}).get("seconds", {})
            return seconds
        return {}

    def _speed_key(self, key: str, digest: str | None) -> str:
        return job_key("speed", {"model": key, "conditions": self.jobs.queue.conditions}, digest)
