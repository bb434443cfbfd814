"""From stored bytes to a decoded input: one decode job per file, however often it is sent at the same time."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.errors import Busy, InvalidInput, JobFailed, NotFound
from app.core.schemas import Input
from backend.jobs.keys import job_key
from backend.jobs.service import from_problem
from backend.store import InputRow
from models.media.levels import Scale

if TYPE_CHECKING:
    from backend.api.services import Services

As = Literal["auto", "spectrogram"]
GRACE = 30.0
"""Seconds added to the decode limit for waiting in line."""


@dataclass(frozen=True)
class Arrival:
    """Bytes in the blob store, to be decoded. sample: key of the bundled sample they are, if any."""

    sha: str
    name: str
    read_as: As = "auto"
    scale: Scale | None = None
    sample: str | None = None

    @property
    def id(self) -> str:
        """The same bytes read the same way have the same id."""
        if self.read_as == "auto" and self.scale is None:
            return self.sha
        return hashlib.sha256(":".join(filter(None, (self.read_as, self.scale, self.sha))).encode()).hexdigest()


class Intake:
    """Decodes arrivals; two at once with the same id share one job."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._under_way: dict[str, asyncio.Task[InputRow]] = {}

    async def known(self, id: str) -> InputRow | None:
        """The input of this id, unless there is none or its numbers were lost."""
        try:
            row = await self.services.store.run(self.services.store.input, id)
        except NotFound:
            return None
        intact = await self.services.store.run(self.services.blobs.path, row.blobs["canonical"])
        return row if intact is not None else None

    async def take(self, arrival: Arrival, client: str) -> tuple[InputRow, bool]:
        """The input, and whether it is new. The upload itself is deleted: what is kept was rebuilt from its numbers.

        Raises what decoding raised, and Busy when it could not start in time.
        """
        row = await self.known(arrival.id)
        if row is not None:
            if arrival.id not in self._under_way:
                await self.forget(arrival.sha)
            return row, False
        task = self._under_way.get(arrival.id)
        if task is None:
            task = asyncio.create_task(self._decode(arrival, client))
            self._under_way[arrival.id] = task
            task.add_done_callback(lambda _: self._under_way.pop(arrival.id, None))
        return await asyncio.shield(task), True

    async def _decode(self, arrival: Arrival, client: str) -> InputRow:
        services, limits = self.services, self.services.settings.limits
        payload = {"blob": arrival.sha, "name": arrival.name, "as": arrival.read_as, "scale": arrival.scale, "limits": limits.model_dump()}
        key = job_key("decode", {"id": arrival.id, "limits": payload["limits"]}, None)
        await services.jobs.submit("decode", payload, key=key, title="Read an upload", client=client)
        job = await services.jobs.wait(key, limits.decode_seconds + GRACE)
        if job.active:
            raise Busy("The server is busy and could not read the file yet; send it again in a moment.")
        try:
            if job.result is None:
                raise _refusal(job.error)
            facts = Input(**{**job.result, "id": arrival.id, "sample": arrival.sample})
            blobs = await services.store.run(services.jobs.queue.blobs, key)
            row = InputRow(arrival.id, facts.modality, facts.model_dump(mode="json"), blobs)
            return await services.store.run(services.store.put_input, row)
        finally:
            await self.forget(arrival.sha)
            await services.jobs.delete(key)

    async def forget(self, sha: str) -> None:
        """Delete an upload; what was kept of it, or of an equal one, stays."""
        await self.services.store.run(self.services.store.discard, sha)


def _refusal(problem: dict[str, object] | None) -> Exception:
    """What the user is told. A file that breaks its decoder is a bad file, not a broken server."""
    error = from_problem(problem or {"title": JobFailed.title, "detail": "", "code": JobFailed.code, "field": None})
    if isinstance(error, JobFailed):
        return InvalidInput(
            "The file needs more time or memory to read than allowed, or broke its reader; save it again in another format.",
            code=error.instance_code,
            field="file",
        )
    return error
