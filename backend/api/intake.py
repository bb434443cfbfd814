"""Intake: decodes uploaded bytes into inputs, with one errand per file even when it is sent twice at once.

An input belongs to its bytes, not to a sender: the same bytes give the same id. The file name is the sender's
own and is not stored; only the answer to that sender repeats it.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.errors import JobFailed, NotFound
from app.core.schemas import Input
from backend.jobs.errands import Errand, unreadable
from backend.store import InputRow
from backend.tasks.decode import DecodePayload
from models.media.levels import Scale

if TYPE_CHECKING:
    from backend.api.services import Services

As = Literal["auto", "spectrogram"]


def input_id(sha: str, read_as: As, scale: Scale | None = None) -> str:
    """The same bytes read the same way have the same id."""
    if read_as == "auto" and scale is None:
        return sha
    return hashlib.sha256(":".join(filter(None, (read_as, scale, sha))).encode()).hexdigest()


@dataclass(frozen=True)
class Arrival:
    """Bytes in an errand's folder, to be decoded. sample, name: key and file name of the bundled sample
    they are, if any. brought: by an imported concept; it stays as long as a concept has it, unless somebody
    uploads it too."""

    errand: Errand
    sha: str
    read_as: As = "auto"
    scale: Scale | None = None
    sample: str | None = None
    name: str = ""
    brought: bool = False

    @property
    def id(self) -> str:
        return input_id(self.sha, self.read_as, self.scale)


class Intake:
    """Decodes arrivals; two at once with the same id share one errand."""

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
        """The input, and whether it is new. Its files are rebuilt from the decoded numbers; the bytes that
        were sent are deleted with the errand.

        Raises what decoding raised, and Busy when it could not start in time.
        """
        row = await self.known(arrival.id)
        if row is not None:
            if self.services.settings.retention_days and not (arrival.sample or arrival.brought):
                await self.services.store.run(self.services.store.renew_input, row.id)
            return await self._claimed(row, arrival), False
        task = self._under_way.get(arrival.id)
        if task is None:
            errand = ExitStack()  # entered here, so that the folder outlives a request that is cancelled while others wait for the same
            errand.enter_context(arrival.errand)
            task = asyncio.create_task(self._decode(arrival, errand, client))
            self._under_way[arrival.id] = task
            task.add_done_callback(lambda ended: self._ended(arrival.id, ended))
        return await self._claimed(await asyncio.shield(task), arrival), True

    async def _claimed(self, row: InputRow, arrival: Arrival) -> InputRow:
        """An input that a concept brought and that is uploaded now is no longer the concept's alone."""
        if arrival.brought or not row.meta.get("brought"):
            return row
        return await self.services.store.run(self.services.store.claim_input, row.id)

    def _ended(self, id: str, task: asyncio.Task[InputRow]) -> None:
        del self._under_way[id]
        if not task.cancelled():
            task.exception()  # retrieved also when nobody waits any more, or asyncio would log it

    async def _decode(self, arrival: Arrival, errand: ExitStack, client: str) -> InputRow:
        services = self.services
        with errand:
            payload = DecodePayload(
                file=arrival.errand.path(arrival.sha),
                read_as=arrival.read_as,
                scale=arrival.scale,
                limits=services.settings.limits,
            ).as_json()
            try:
                stored = await services.jobs.errands.run(arrival.errand, "decode", payload, client)
            except JobFailed as error:
                raise unreadable(error) from None
            facts = Input(
                **{**stored.result, "id": arrival.id, "name": arrival.name, "sample": arrival.sample}
            )
            meta = facts.model_dump(mode="json") | ({"brought": True} if arrival.brought else {})
            row = InputRow(arrival.id, facts.modality, meta, stored.blobs)
            return await services.store.run(services.store.put_input, row, arrival.errand.made)
