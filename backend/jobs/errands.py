"""Errands: short work with foreign bytes for one request, in the decode worker; not listed in any table.

An errand is a folder of the spool: `sent` holds the request's bytes, `made` the blobs that the worker made of
them. Leaving the `with` block removes both, so that a refused, failed or cancelled request leaves no byte; an
accepted blob is moved by the transaction that refers to it. The folder's name holds its owner, so that any
server can remove the folders of a killed one, and no others.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.core.errors import Busy, InvalidInput, JobFailed
from app.core.settings import Limits
from backend.jobs.owners import is_dead
from backend.jobs.spool import Spool
from backend.jobs.workers.protocol import Engine, Lost, Stored
from backend.store.blobs import Blobs, full_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PREFIX = "errand~"
LANE: Final = "decode"
GRACE = 30.0
"""Seconds added to the decode limit for waiting in line."""
STALE_SECONDS = 3600.0
"""Age at which a folder of a server on another machine, of which nothing is known, counts as left behind."""


def unreadable(error: JobFailed) -> InvalidInput:
    """A file that breaks its reader is a bad file, not a broken server."""
    return InvalidInput(
        "The file needs more time or memory to read than allowed, or broke its reader; save it again in another format.",
        code=error.instance_code,
        field="file",
    )


class Errand:
    """One request's folder. Enter it again to share it; the last exit removes it. sent: blobs of the
    request's bytes."""

    sent: Blobs

    def __init__(self, spool: Spool, id: str, open_ids: set[str]) -> None:
        self.id, self._spool, self._open_ids, self._users = id, spool, open_ids, 0

    def path(self, sha: str) -> Path:
        """Path of the sent file with this hash."""
        return self._spool.sent(self.id) / sha[:2] / sha

    @property
    def made(self) -> Path:
        """The folder of blobs that the worker made."""
        return self._spool.made(self.id)

    def __enter__(self) -> Errand:
        if self._users == 0:
            self._open_ids.add(self.id)  # before there is a folder: whoever tidies up meanwhile leaves it
            try:
                with full_disk():
                    self._spool.open(self.id)
                    self.sent = Blobs(self._spool.sent(self.id))
            except BaseException:
                self._open_ids.discard(self.id)
                raise
        self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if self._users == 0:
            self._spool.remove(self.id)
            self._open_ids.discard(self.id)


class Errands:
    """Opens errands and runs them; waiting clients take turns."""

    def __init__(self, engine: Engine, spool: Spool, limits: Limits, owner: str) -> None:
        self.engine, self.spool, self.limits = engine, spool, limits
        self._owner = f"{owner.replace('/', '~')}~{uuid.uuid4().hex[:8]}"
        self._open_ids: set[str] = set()
        self._line: dict[str, deque[asyncio.Future[None]]] = {}
        self._running = 0

    def open(self) -> Errand:
        return Errand(self.spool, f"{PREFIX}{self._owner}~{uuid.uuid4().hex}", self._open_ids)

    async def run(self, errand: Errand, task: str, payload: dict[str, Any], client: str) -> Stored:
        """Runs a task of the decode lane; its blobs lie in `errand.made`. client: as for jobs, "" is the
        server itself.

        Raises the task's EvidentError, and Busy when too many wait or it could not start in time.
        """
        self._make_room(client)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.limits.decode_seconds + GRACE):
                    await stack.enter_async_context(self._turn(client))
                    return await self._ask(errand, task, payload)
            except (TimeoutError, Lost):
                raise Busy(
                    "The server is busy and could not read the file yet; send it again in a moment."
                ) from None

    async def _ask(self, errand: Errand, task: str, payload: dict[str, Any]) -> Stored:
        future = self.engine.submit(task, payload, errand.id, LANE)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self.engine.cancel(errand.id)
            future.add_done_callback(
                lambda _: self.spool.remove(errand.id)
            )  # what the worker wrote until it ended
            raise

    def _make_room(self, client: str) -> None:
        if not client:
            return
        if len(self._line.get(client, ())) >= self.limits.jobs_per_client:
            raise Busy(
                f"You already have {self.limits.jobs_per_client} files waiting to be read; send the next when some are done."
            )
        if sum(map(len, self._line.values())) >= self.limits.jobs_waiting:
            raise Busy("Too many files are waiting to be read on this server; try again in a moment.")

    @asynccontextmanager
    async def _turn(self, client: str) -> AsyncIterator[None]:
        """Waits for its turn: clients take turns, and one client's errands run in their order."""
        ticket = asyncio.get_running_loop().create_future()
        self._line.setdefault(client, deque()).append(ticket)
        self._call_next()
        try:
            await ticket
            yield
        finally:
            if ticket.done() and not ticket.cancelled():
                self._running -= 1
            else:
                ticket.cancel()
            self._call_next()

    def _call_next(self) -> None:
        while self._line and self._running < self.engine.capacity[LANE]:
            client = next(iter(self._line))
            tickets = self._line.pop(client)
            ticket = tickets.popleft()
            if tickets:
                self._line[client] = tickets  # to the end of the round
            if not ticket.cancelled():
                self._running += 1
                ticket.set_result(None)

    def living(self, names: Collection[str]) -> set[str]:
        """The spool folders among `names` that belong to running errands, of this server or another."""
        return {name for name in names if name.startswith(PREFIX) and self._lives(name)}

    def _lives(self, name: str) -> bool:
        owner = name.removeprefix(PREFIX).rpartition("~")[0]
        if owner == self._owner:
            return name in self._open_ids
        try:
            if is_dead("/".join(owner.split("~")[:3])):
                return False
            return time.time() - (self.spool.folder / name).stat().st_mtime < STALE_SECONDS
        except (OSError, ValueError):
            return False
