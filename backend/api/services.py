"""Services of one server process: store, engine, jobs, and the catalogue."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from app.core.errors import EvidentError, JobFailed, NotFound, where
from app.core.settings import Settings
from backend.jobs.evaluation import Evaluations
from backend.jobs.keys import WEIGHTS, canonical, conditions, files_in, job_key, python_files
from backend.jobs.problems import from_problem
from backend.jobs.service import Jobs
from backend.jobs.workers import Spool, create_engine
from backend.store import Blobs, JobRow, ModelRow, Store
from backend.store.rows import ACTIVE
from backend.tasks.catalogue import CataloguePayload
from backend.tasks.fetch import FetchPayload
from backend.tasks.payloads import ModelOnInput, ModelSource, StoredInput, Upload

log = logging.getLogger("evident")

Description = tuple[dict[str, Any], dict[str, dict[str, Any]]]
"""A model and how each method fits it, as JSON."""
ZOO = ("timm:", "torchvision:")
"""Model keys that are not listed but may be asked for by name."""
CATALOGUE_SECONDS = 120.0
PREPARE_SECONDS = 5.0
WATCH_SECONDS = 2.0
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
        self._descriptions: dict[str, tuple[str, dict[str, Any]]] = {}
        self.known_models: dict[str, tuple[Description, Any]] = {}
        """`lookup.KnownModel` by key, with the description it was made of: a network with a thousand labels takes
        milliseconds to validate and to hash."""
        self._preload, self._started = preload, uuid4().hex
        self._measured: set[str] = set()
        self._chosen: dict[str, tuple[float, dict[str, Any], str]] = {}
        self.preparations: list[Callable[[], Awaitable[None]]] = []
        """Called once the catalogue is there: work whose results read-only requests expect."""
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
            self._background += [asyncio.create_task(self._prepare()), asyncio.create_task(self._measure())]

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
        """Every minute: removes files of killed servers and workers, and scrubs what a deletion could not."""
        for number in itertools.count(1):
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.jobs.sweep()
                await self.store.run(self.store.scrub)
                if number % CLEAN_EVERY == 0:
                    await self.store.run(self.store.clean)
            except Exception as error:
                log.error("the data folder could not be swept; trying again: %s", where(error))

    # Models and methods

    async def catalogue(self, start: bool = True) -> dict[str, Any]:
        """`app.core.schemas.Catalogue` as JSON: the operator's own models first, then bundled ones, those at hand on
        this machine, uploaded and fetched ones.

        start: compute missing descriptions now; a read-only request (False) waits for somebody else's job.
        """
        base = await self._describe(None, start)
        others = [ModelSource(model=key) for key in base["more"]]
        others += [uploaded(row) for row in await self.store.run(self.store.models)]
        found = [
            one
            for source in others
            if (one := await self._describe_or_none(source, start, base["own"])) is not None
        ]
        asked_for = [info for one in found for info in one["catalogue"]["models"]]
        own = [info for info in asked_for if info["key"] in base["own"]]
        models = [*own, *base["catalogue"]["models"], *(info for info in asked_for if info not in own)]
        listed = {info["key"] for info in models}
        models += [
            row.result["info"]
            for row in await self._fetched()
            if row.result and row.result["info"]["key"] not in listed
        ]
        return {**base["catalogue"], "models": models}

    async def methods(self) -> list[dict[str, Any]]:
        """`app.core.schemas.MethodInfo` of each method as JSON. Starts nothing."""
        base = await self._describe(None, start=False)
        methods: list[dict[str, Any]] = base["catalogue"]["methods"]
        return methods

    async def model(self, key: str, start: bool = True) -> Description:
        """`app.core.schemas.ModelInfo` of a model, and per method its `app.core.schemas.Fit`. Raises
        NotFound, WeightsUnavailable, ModelRejected."""
        base = await self._describe(None, start)
        if key not in base["fits"]:
            if key.startswith(ZOO) and key not in base["more"]:
                return await self._published(key)
            base = await self._describe(await self._locate(key, base), start)
        return next(info for info in base["catalogue"]["models"] if info["key"] == key), base["fits"][key]

    async def source(self, input_id: str, model_key: str, start: float | None = None) -> ModelOnInput:
        """Input and model of a job's payload. Raises NotFound."""
        row = await self.store.run(self.store.input, input_id)
        network = await self.network(model_key)
        stored = StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs=row.blobs)
        return ModelOnInput(
            input=stored, start=start, model=network.model, upload=network.upload, digest=network.digest
        )

    async def network(self, model_key: str) -> ModelSource:
        """Model of a job's payload. Raises NotFound."""
        base = await self._describe(None, start=False)
        upload = None if model_key in base["fits"] else (await self._locate(model_key, base)).upload
        info, _ = await self.model(model_key, start=False)
        return ModelSource(model=model_key, upload=upload, digest=info["digest"])

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

    async def fetch(self, key: str, client: str) -> JobRow:
        """Starts fetching a published network, or returns the job that does or did."""
        payload = FetchPayload(model=key, online=True).as_json()
        return await self.jobs.submit(
            "fetch", payload, key=fetch_key(key), title=f"Fetch {key}", client=client
        )

    async def _published(self, key: str) -> Description:
        """A published network that was fetched. Raises NotFound, which says how to."""
        with suppress(NotFound):
            row = await self.jobs.get(fetch_key(key))
            if row.result is not None:
                return row.result["info"], row.result["fits"]
        raise NotFound(
            "This network was not fetched to this machine; fetch it on the Models page (POST /api/v1/models with its name).",
            code="not_fetched",
            field="model",
        )

    def describe_later(self, key: str, job: str) -> None:
        """Has an uploaded model described once the job that checks it has ended, when the request that sent it does not
        wait so long: questions about it start nothing."""

        async def describe() -> None:
            with suppress(EvidentError):
                checked = await self.jobs.wait(job, self.settings.limits.job_seconds)
                if checked.error is None:
                    await self.model(key)

        task = asyncio.create_task(describe())
        self._background.append(task)
        task.add_done_callback(self._background.remove)

    async def published_here(self) -> set[str]:
        """Keys of published networks that were fetched or whose weights lie in the weights folder, as far as they are
        known by now: nothing is waited for."""
        described = self._descriptions.get(canonical(CataloguePayload().as_json()))
        return {row.payload["model"] for row in await self._fetched()} | set(
            described[1]["more"] if described else ()
        )

    async def _fetched(self) -> list[JobRow]:
        """Jobs that fetched a network, by this version of the code."""
        rows = await self.store.run(self.jobs.queue.done_of_kind, "fetch")
        return [row for row in rows if row.key == fetch_key(row.payload["model"])]

    async def _locate(self, key: str, base: dict[str, Any]) -> ModelSource:
        if key in base["more"]:
            return ModelSource(model=key)
        if key.startswith(ZOO):
            await self._published(key)
            return ModelSource(model=key)
        with suppress(NotFound):
            return uploaded(await self.store.run(self.store.model, key))
        names = ", ".join([*base["own"], *sorted(base["fits"])])
        raise NotFound(
            f"There is no model of that name. There are: {names}.", code="unknown_model", field="model"
        )

    async def _describe(self, source: ModelSource | None, start: bool = True) -> dict[str, Any]:
        """Result of the catalogue job for the bundled models and the weights folder (None), or for one other
        model.

        The result is remembered under the key of its job, which covers the code and the weight files: an
        added or replaced file is noticed at the next call."""
        upload = source.upload if source else None
        payload = CataloguePayload(model=source.model if source else None, upload=upload).as_json()
        files = [] if upload else self._weight_files()
        key = job_key("catalogue", {**payload, "files": files}, upload.digest if upload else None)
        memo_key = canonical(payload)
        described = self._descriptions.get(memo_key)
        if described is None or described[0] != key:
            self._descriptions[memo_key] = described = key, await self._compute(key, payload, start)
        return described[1]

    def _weight_files(self) -> list[list[Any]]:
        """Changes when weights do, or the operator's file of models; that file may read others, so what it makes is
        looked at anew at every start."""
        files = files_in(WEIGHTS, self.settings.weights)
        own = python_files(self.settings.models)
        return [*files, *own, [self._started]] if own else files

    async def _compute(
        self, key: str, payload: dict[str, Any], start: bool = True, again: bool = False
    ) -> dict[str, Any]:
        """The result of a catalogue job. again: compute it also when it is known."""
        if start:
            row = await self.jobs.submit("catalogue", payload, key=key, title="Catalogue")
            if again and not row.fresh:
                await self.jobs.recompute(key)
        try:
            row = await self.jobs.wait(key, CATALOGUE_SECONDS)
        except NotFound:  # nobody has started it yet
            raise _not_ready() from None
        if row.error is not None:
            raise from_problem(row.error)
        if row.result is None:
            raise _not_ready()
        return row.result

    async def _describe_or_none(
        self, source: ModelSource, start: bool, own: list[str]
    ) -> dict[str, Any] | None:
        """None for a model that cannot be described. Raises JobFailed (`not_ready`) for one of the operator's own:
        a list without them would make the page choose another."""
        try:
            return await self._describe(source, start)
        except EvidentError as error:
            if error.instance_code == "not_ready" and source.model in own:
                raise
            log.warning("a model at hand is left out of the catalogue: %s", error.detail)
            return None

    async def _prepare(self) -> None:
        """Computes in the background what read-only requests expect: the catalogue, descriptions of fetched
        networks, pictures of concepts.

        A catalogue of an earlier start is used at once, and computed again because its measured seconds are
        those of that start. Then the weight files are watched as long as the server runs.
        """
        earlier: set[str] = set()
        weights = self._weight_files()
        while True:
            try:
                earlier = earlier or {
                    row.key for row in await self.store.run(self.jobs.queue.done_of_kind, "catalogue")
                }
                await self.catalogue()
                await self._look_again()
                for prepare in self.preparations:
                    await prepare()
                break
            except EvidentError as error:
                log.error("the catalogue could not be computed; trying again: %s", error.instance_code)
                await asyncio.sleep(PREPARE_SECONDS)
        for memo_key, (key, _) in list(self._descriptions.items()):
            if key in earlier:
                with suppress(EvidentError):
                    self._descriptions[memo_key] = (
                        key,
                        await self._compute(key, json.loads(memo_key), again=True),
                    )
        await self._watch(weights)

    async def _watch(self, weights: list[list[Any]]) -> None:
        """Describes weights that are added or replaced while the server runs. weights: the files described so
        far."""
        while True:
            while self._weight_files() == weights:
                await asyncio.sleep(WATCH_SECONDS)
            weights = self._weight_files()
            try:
                await self.catalogue()
            except EvidentError as error:
                log.error(
                    "the weights that were added or replaced could not be looked at: %s", error.instance_code
                )

    async def _look_again(self) -> None:
        """Describes anew the networks that an earlier version of the code fetched, without the net."""
        for row in await self.store.run(self.jobs.queue.done_of_kind, "fetch"):
            name = row.payload["model"]
            if row.key != fetch_key(name):
                payload = FetchPayload(model=name, online=False).as_json()
                await self.jobs.submit("fetch", payload, key=fetch_key(name), title=f"Look at {name}")


def fetch_key(name: str) -> str:
    """Key of the job that fetches a published network."""
    return job_key("fetch", {"model": name}, None)


def _not_ready() -> JobFailed:
    return JobFailed("The list of models is still being prepared; try again in a moment.", code="not_ready")


def uploaded(row: ModelRow) -> ModelSource:
    """An uploaded model, as any worker can build it."""
    upload = Upload(
        key=row.key,
        title=row.title,
        architecture=row.architecture,
        labels=row.labels,
        digest=row.digest,
    )
    return ModelSource(model=row.key, upload=upload)
