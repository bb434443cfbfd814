"""Which models there are and what each is like, as workers describe them. Bundled ones are listed as soon as one job has
described them; those of the operator, of the weights folder and of uploads join one by one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from app.core.errors import EvidentError, JobFailed, NotFound
from app.core.settings import Settings
from backend.jobs.client import Client
from backend.jobs.keys import WEIGHTS, canonical, files_in, job_key, python_files
from backend.jobs.problems import from_problem
from backend.jobs.service import Jobs
from backend.store import JobRow, ModelRow, Store
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
AT_ONCE = 2
"""Models that are described at the same time: the other workers stay free for who is there already."""
NOTHING: dict[str, Any] = {"own": [], "more": [], "absent": []}


class ModelList:
    """Starts the jobs that describe models and remembers what they said. Imports no torch."""

    def __init__(self, settings: Settings, store: Store, jobs: Jobs) -> None:
        self.settings, self.store, self.jobs = settings, store, jobs
        self._descriptions: dict[str, tuple[str, dict[str, Any]]] = {}
        """Key of its job and result, by payload."""
        self._started = uuid4().hex

    async def catalogue(self, start: bool = True) -> dict[str, Any]:
        """`app.core.schemas.Catalogue` as JSON: the operator's own models first, then bundled ones, those at hand on
        this machine, uploaded and fetched ones.

        start: compute missing descriptions and wait for them; a read-only request (False) waits for the bundled models
        alone, and has the others under `absent` until somebody else's job has described them.
        """
        base, (here, absent) = await asyncio.gather(self._describe(None, start), self._here(start))
        sources = [ModelSource(model=key) for key in here["more"]]
        sources += [uploaded(row) for row in await self.store.run(self.store.models)]
        few = asyncio.Semaphore(AT_ONCE)

        async def describe(source: ModelSource) -> dict[str, Any]:
            async with few:
                return await self._listed(source, start, source.model in here["own"])

        described = await asyncio.gather(*(describe(source) for source in sources))
        others = [entry["info"] for entry in described if "info" in entry]
        own = [info for info in others if info["key"] in here["own"]]
        models = [*own, *base["catalogue"]["models"], *(info for info in others if info not in own)]
        listed = {info["key"] for info in models}
        models += [
            row.result["info"]
            for row in await self._fetched()
            if row.result and row.result["info"]["key"] not in listed
        ]
        absent = [*absent, *(entry["absent"] for entry in described if "absent" in entry)]
        if start:
            for model in absent:
                log.warning(
                    "%s is left out of the catalogue: %s", model["name"], model["reason"] or "not ready"
                )
        return {**base["catalogue"], "models": models, "absent": absent}

    async def methods(self) -> list[dict[str, Any]]:
        """`app.core.schemas.MethodInfo` of each method as JSON. Starts nothing."""
        base = await self._describe(None, start=False)
        methods: list[dict[str, Any]] = base["catalogue"]["methods"]
        return methods

    async def model(self, key: str, start: bool = True) -> Description:
        """`app.core.schemas.ModelInfo` of a model, and per method its `app.core.schemas.Fit`. Raises
        NotFound, WeightsUnavailable, ModelRejected."""
        described = await self._describe(None, start)
        if key not in described["fits"]:
            source = await self._locate(key, start)
            if source is None:
                return await self._published(key)
            described = await self._describe(source, start)
        info = next(info for info in described["catalogue"]["models"] if info["key"] == key)
        return info, described["fits"][key]

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
        located = None if model_key in base["fits"] else await self._locate(model_key, start=False)
        info, _ = await self.model(model_key, start=False)
        upload = located.upload if located else None
        return ModelSource(model=model_key, upload=upload, digest=info["digest"])

    async def fetch(self, key: str, client: Client) -> JobRow:
        """Starts fetching a published network, or returns the job that does or did."""
        payload = FetchPayload(model=key, online=True).as_json()
        return await self.jobs.submit(
            "fetch", payload, key=fetch_key(key), title=f"Fetch {key}", client=client
        )

    async def describe_checked(self, key: str, job: str) -> None:
        """Describes an uploaded model once the job that checks it has ended, when the request that sent it does not
        wait so long: questions about it start nothing."""
        with suppress(EvidentError):
            checked = await self.jobs.wait(job, self.settings.limits.job_seconds)
            if checked.error is None:
                await self.model(key)

    async def published_here(self) -> set[str]:
        """Keys of published networks that were fetched or whose weights lie in the weights folder, as far as they are
        known by now: nothing is waited for."""
        known = self._descriptions.get(canonical(CataloguePayload(names=True).as_json()))
        return {row.payload["model"] for row in await self._fetched()} | set(
            known[1]["more"] if known else ()
        )

    async def keep(self, preparations: list[Callable[[], Awaitable[None]]]) -> None:
        """Computes in the background what read-only requests expect, as long as the server runs: the catalogue,
        descriptions of fetched networks, pictures of concepts.

        A catalogue of an earlier start is used at once, and computed again because its measured seconds are
        those of that start. Then the weight files are watched.
        """
        earlier: set[str] = set()
        files = self._files()
        while True:
            try:
                earlier = earlier or {
                    row.key for row in await self.store.run(self.jobs.queue.done_of_kind, "catalogue")
                }
                await self.catalogue()
                await self._look_again()
                for prepare in preparations:
                    await prepare()
                break
            except EvidentError as error:
                log.error("the catalogue could not be computed; trying again: %s", error.instance_code)
                await asyncio.sleep(PREPARE_SECONDS)
        for memo_key, (key, result) in list(self._descriptions.items()):
            if key in earlier and result["fits"]:
                with suppress(EvidentError):
                    again = await self._compute(key, json.loads(memo_key), again=True)
                    self._descriptions[memo_key] = key, again
        await self._watch(files)

    # Internals

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

    async def _fetched(self) -> list[JobRow]:
        """Jobs that fetched a network, by this version of the code."""
        rows = await self.store.run(self.jobs.queue.done_of_kind, "fetch")
        return [row for row in rows if row.key == fetch_key(row.payload["model"])]

    async def _locate(self, key: str, start: bool) -> ModelSource | None:
        """A model that did not come with the program; None for a published one that is not in the weights folder.
        Raises NotFound."""
        with suppress(NotFound):
            return uploaded(await self.store.run(self.store.model, key))
        here = await self._names(start)
        if key in here["more"]:
            return ModelSource(model=key)
        if key.startswith(ZOO):
            return None
        base = await self._describe(None, start)
        names = ", ".join([*here["own"], *sorted(base["fits"])])
        raise NotFound(
            f"There is no model of that name. There are: {names}.", code="unknown_model", field="model"
        )

    async def _here(self, start: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What `_names` says, and what it could not read; nothing yet while the files are still being looked at."""
        try:
            here = await self._names(start, patient=start)
            return here, here["absent"]
        except EvidentError as error:
            own = self.settings.models
            name = own.name if own else "the weights folder"
            return NOTHING, [_absent(name, own is not None, error)]

    async def _names(self, start: bool, patient: bool = True) -> dict[str, Any]:
        """Keys of the models of the operator's file and of the weights folder."""
        if self.settings.models is None and self.settings.weights is None:
            return NOTHING
        return await self._remembered(CataloguePayload(names=True), self._files(), start, patient)

    async def _listed(self, source: ModelSource, start: bool, own: bool) -> dict[str, Any]:
        """`info` of a model, or why it is `absent`."""
        try:
            described = await self._describe(source, start, patient=start, own=own)
            return {"info": described["catalogue"]["models"][0]}
        except EvidentError as error:
            return {"absent": _absent(source.upload.title if source.upload else source.model, own, error)}

    async def _describe(
        self, source: ModelSource | None, start: bool, patient: bool = True, own: bool | None = None
    ) -> dict[str, Any]:
        """Result of the catalogue job for the bundled models (None), or for one other model.

        own: whether it is the operator's; None finds out."""
        if source is None:
            return await self._remembered(CataloguePayload(), files_in(WEIGHTS), start, patient)
        payload = CataloguePayload(model=source.model, upload=source.upload)
        if source.upload:
            return await self._remembered(payload, [], start, patient)
        if own is None:
            own = source.model in (await self._names(start))["own"]
        files = self._own_files() if own else files_in(self.settings.weights)
        return await self._remembered(payload, files, start, patient)

    async def _remembered(
        self, payload: CataloguePayload, files: list[list[Any]], start: bool, patient: bool
    ) -> dict[str, Any]:
        """The result is remembered under the key of its job, which covers the code and the files it is made of: an
        added or replaced file is noticed at the next call. patient: wait for the job."""
        content, digest = payload.as_json(), payload.upload.digest if payload.upload else None
        key, memo_key = job_key("catalogue", {**content, "files": files}, digest), canonical(content)
        described = self._descriptions.get(memo_key)
        if described is None or described[0] != key:
            seconds = CATALOGUE_SECONDS if patient else 0.0
            result = await self._compute(key, content, start, seconds=seconds)
            self._descriptions[memo_key] = described = key, result
        return described[1]

    def _own_files(self) -> list[list[Any]]:
        """The operator's file of models; it may read others, so what it makes is looked at anew at every start."""
        own = python_files(self.settings.models)
        return [*own, [self._started]] if own else []

    def _files(self) -> list[list[Any]]:
        """Changes when weights do, or the operator's file of models."""
        return [*files_in(WEIGHTS, self.settings.weights), *self._own_files()]

    async def _compute(
        self,
        key: str,
        payload: dict[str, Any],
        start: bool = True,
        again: bool = False,
        seconds: float = CATALOGUE_SECONDS,
    ) -> dict[str, Any]:
        """The result of a catalogue job. again: compute it also when it is known. seconds: how long to wait. Raises
        JobFailed (`not_ready`), or what the job failed with."""
        if start:
            row = await self.jobs.submit("catalogue", payload, key=key, title="Catalogue")
            if again and not row.fresh:
                await self.jobs.recompute(key)
        try:
            row = await self.jobs.wait(key, seconds)
        except NotFound:  # nobody has started it yet
            raise _not_ready() from None
        if row.error is not None:
            raise from_problem(row.error)
        if row.result is None:
            raise _not_ready()
        return row.result

    async def _watch(self, files: list[list[Any]]) -> None:
        """Describes weights that are added or replaced while the server runs. files: those described so far."""
        while True:
            while self._files() == files:
                await asyncio.sleep(WATCH_SECONDS)
            files = self._files()
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


def _absent(name: str, own: bool, error: EvidentError) -> dict[str, Any]:
    """`app.core.schemas.AbsentModel` as JSON."""
    waiting = error.instance_code == "not_ready"
    return {"name": name, "own": own, "reason": None if waiting else error.detail}


def _not_ready() -> JobFailed:
    return JobFailed("The list of models is still being prepared; try again in a moment.", code="not_ready")
