"""The backend put together: store, engine and jobs of one process."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from app.core.errors import EvidentError, JobFailed, NotFound
from app.core.settings import Settings
from backend.jobs.keys import job_key
from backend.jobs.service import Jobs, from_problem
from backend.jobs.workers import Spool, create_engine
from backend.store import Blobs, ModelRow, Store

log = logging.getLogger("evident")

ZOO = ("timm:", "torchvision:")
"""Model keys that are not listed but may be asked for by name."""
CATALOGUE_SECONDS = 120.0


class Services:
    """What the routes are given. Starting it starts the workers; nothing here imports torch."""

    def __init__(self, settings: Settings, plugins: tuple[str, ...] = (), preload: bool = True) -> None:
        """plugins: modules with further tasks, imported by every worker. preload: torch too, and the catalogue behind."""
        self.settings = settings
        self.store = Store(settings.database_url, settings.data)
        self.blobs: Blobs = self.store.blobs
        self.spool = Spool(settings.data.resolve() / "spool")
        self.engine = create_engine(settings, plugins, preload)
        self.jobs = Jobs(self.store, self.engine, self.spool, settings.limits)
        self._known: dict[str, dict[str, Any]] = {}
        self._preload = preload
        self._background: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Opens the store, brings its tables up to date, starts workers and dispatcher; the catalogue is computed behind."""
        self.engine.start()
        await self.store.run(self.store.migrate)
        await self.store.run(self.store.clean)
        await self.jobs.start()
        if self._preload:
            self._background = asyncio.create_task(self._prepare())

    def ready(self) -> bool:
        """Workers answer."""
        return self.engine.ready()

    async def stop(self) -> None:
        """Ends the workers; what they were doing is taken up at the next start."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        self.jobs.stopping = True
        await self.store.run(self.engine.stop)
        await self.jobs.stop()
        self.store.close()

    # What there is

    async def catalogue(self) -> dict[str, Any]:
        """`app.core.schemas.Catalogue` as JSON: bundled models first, then those at hand on this machine, then uploaded ones."""
        base = await self._described({})
        others = [{"model": key, "upload": None} for key in base["more"]]
        others += [_upload(row) for row in await self.store.run(self.store.models)]
        found = [one for payload in others if (one := await self._try(payload)) is not None]
        models = [*base["catalogue"]["models"], *(info for one in found for info in one["catalogue"]["models"])]
        return {**base["catalogue"], "models": models}

    async def model(self, key: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """`app.core.schemas.ModelInfo` of a model, and per method its `app.core.schemas.Fit`. Raises NotFound, WeightsUnavailable, ModelRejected."""
        found = await self._described({})
        if key not in found["fits"]:
            found = await self._described(await self._locate(key))
        return next(info for info in found["catalogue"]["models"] if info["key"] == key), found["fits"][key]

    async def source(self, input_id: str, model_key: str) -> dict[str, Any]:
        """The parts of a job's payload that say on what and by whom: {input, model, upload}. Raises NotFound."""
        row = await self.store.run(self.store.input, input_id)
        found = await self._described({})
        located = {"model": model_key, "upload": None} if model_key in found["fits"] else await self._locate(model_key)
        return {"input": row.as_payload(), **located}

    async def _locate(self, key: str) -> dict[str, Any]:
        if key.startswith(ZOO):
            return {"model": key, "upload": None}
        with suppress(NotFound):
            return _upload(await self.store.run(self.store.model, key))
        known = ", ".join(sorted((await self._described({}))["fits"]))
        raise NotFound(f"There is no model of that name. There are: {known}.", code="unknown_model", field="model")

    async def _described(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The catalogue job's result for the bundled models ({}) or one other; computed once per version of the code."""
        digest = payload["upload"]["digest"] if payload.get("upload") else None
        key = job_key("catalogue", {**payload, "weights": str(self.settings.weights)}, digest)
        if key not in self._known:
            await self.jobs.submit("catalogue", payload, key=key, title="Catalogue")
            row = await self.jobs.wait(key, CATALOGUE_SECONDS)
            if row.error is not None:
                raise from_problem(row.error)
            if row.result is None:
                raise JobFailed("The list of models is still being prepared; try again in a moment.", code="not_ready")
            self._known[key] = row.result
        return self._known[key]

    async def _try(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return await self._described(payload)
        except EvidentError:
            log.warning("a model at hand could not be described and is left out of the catalogue")
            return None

    async def _prepare(self) -> None:
        try:
            await self.catalogue()
        except EvidentError as error:
            log.error("the catalogue could not be computed: %s", error.instance_code)


def _upload(row: ModelRow) -> dict[str, Any]:
    return {"model": row.key, "upload": row.as_payload()}
