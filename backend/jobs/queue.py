"""The job table: every change of a job's state is one transaction. Synchronous; the service calls it in the
store's threads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from app.core.errors import Busy
from app.core.settings import Limits
from backend.jobs.accepted import ACCEPTED
from backend.jobs.client import SERVER, Client
from backend.jobs.job_rows import LANES, JobRows, elsewhere, same_line
from backend.jobs.owners import is_dead, owner_name
from backend.jobs.workers.protocol import Group, Stored
from backend.store import Store, audit
from backend.store.rows import JobRow
from backend.store.tables import jobs

LEASE = 8.0
"""Seconds after its last sign of life that an owner counts as dead."""
ATTACHED = "given/"
"""Names of the blobs that came with a job; it holds them until it ends."""


class Queue(JobRows):
    """Changes of the rows of `jobs`, and of the blobs they hold."""

    def __init__(self, store: Store, limits: Limits, conditions: str = "") -> None:
        """conditions: what the seconds of a run hold under, see `backend.jobs.keys.conditions`."""
        super().__init__(store)
        self.limits, self.conditions = limits, conditions
        self.owner = owner_name()

    def submit(
        self,
        key: str,
        kind: str,
        *,
        lane: str,
        rank: int,
        payload: dict[str, Any],
        title: str,
        client: Client,
        attachments: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> JobRow:
        """Inserts the job, or returns the one of this key; a failed or cancelled job starts anew. Raises
        Busy, NotFound (an input deleted meanwhile), NoSpace.

        What a client starts is written down in the log of who did what, with the row or not at all.
        attachments: blobs (name -> sha256) that the job needs; they lie in `folder`, and are moved only if
        the job is accepted."""
        begin = self.store.filing if attachments else self.store.write
        try:
            with begin() as connection:
                state = connection.execute(select(jobs.c.state).where(jobs.c.key == key)).scalar()
                if state in ("queued", "running", "done"):
                    return self._get(connection, key)
                self._make_room(connection, client.address, lane)
                self.store.require_inputs(connection, inputs_of(payload))
                row = self._insert(
                    connection,
                    key,
                    {
                        "kind": kind,
                        "lane": lane,
                        "title": title,
                        "client": client.address,
                        "state": "queued",
                        "rank": rank,
                        "turn": self._turn(connection, client.address, lane),
                        "payload": payload,
                        "result": None,
                        "error": None,
                        "attempts": 0,
                        "owner": None,
                        "lease": None,
                        "created": time.time(),
                        "started": None,
                        "finished": None,
                    },
                )
                if row.fresh:
                    _write_down(connection, client, kind, key, payload)
                if attachments:
                    self.store.adopt(attachments.values(), folder)
                    self.store.hold(
                        connection, f"job:{key}", {ATTACHED + name: sha for name, sha in attachments.items()}
                    )
                return row
        except BaseException:
            if attachments:
                self.store.discard(attachments.values())
            raise

    def _insert(self, connection: Connection, key: str, values: dict[str, Any]) -> JobRow:
        statement = self.store.insert(jobs).values(key=key, results=0, **values)
        # On PostgreSQL two transactions may both have seen no row: the second insert then changes nothing.
        again = statement.on_conflict_do_update(
            index_elements=["key"], set_=values, where=jobs.c.state.in_(("failed", "cancelled"))
        )
        fresh = connection.execute(again.returning(jobs.c.key)).first() is not None
        return self._get(connection, key, fresh=fresh)

    def _make_room(self, connection: Connection, client: str, lane: str) -> None:
        """Raises Busy when the line of this lane is full; each kind of worker has its own line."""
        if not client:
            return  # our own work (the catalogue) is never refused
        waiting = select(func.count()).where(jobs.c.state == "queued", same_line(lane))
        if (
            connection.execute(waiting.where(jobs.c.client == client)).scalar_one()
            >= self.limits.jobs_per_client
        ):
            raise Busy(
                f"You already have {self.limits.jobs_per_client} jobs waiting; wait for some to finish, or stop them."
            )
        if connection.execute(waiting).scalar_one() >= self.limits.jobs_waiting:
            raise Busy("Too many jobs are waiting on this server; try again in a moment.")

    def _turn(self, connection: Connection, client: str, lane: str) -> int:
        """Start-time fair queueing: the turn after the client's last waiting job, and after all running
        ones."""
        ahead = or_(jobs.c.state == "running", and_(jobs.c.state == "queued", jobs.c.client == client))
        last = select(func.max(jobs.c.turn)).where(ahead, same_line(lane))
        return (connection.execute(last).scalar() or 0) + 1

    def claim(self, group: Group) -> tuple[JobRow, str] | None:
        """Takes the next waiting job of a group by one atomic UPDATE; returns it with its lane, or None. Parts of a
        study whose input another worker has at hand come after those of other inputs (`backend.jobs.cell_line`)."""
        now = time.time()
        next_key = (
            select(jobs.c.key)
            .where(jobs.c.state == "queued", jobs.c.lane.in_(LANES[group]))
            .order_by(jobs.c.rank.desc(), elsewhere(), jobs.c.turn, jobs.c.created)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(jobs)
            .where(jobs.c.key == next_key, jobs.c.state == "queued")
            .values(
                state="running",
                owner=self.owner,
                lease=now + LEASE,
                started=now,
                attempts=jobs.c.attempts + 1,
            )
            .returning(jobs.c.key, jobs.c.lane)
        )
        with self.store.write() as connection:
            claimed = connection.execute(statement).first()
            return None if claimed is None else (self._get(connection, claimed.key), claimed.lane)

    def finish(self, key: str, stored: Stored, tries: int, made: Path | None = None) -> bool:
        """Accepts the result if the job is still ours and running; the row and its blobs change together.
        made: where the blobs lie.

        Raises NotFound when they are lost.
        """
        with self.store.filing() as connection:
            values = {"state": "done", "result": stored.result, "error": None, "results": jobs.c.results + 1}
            if not self._end(connection, key, tries, values):
                return False
            row = self._get(connection, key)
            if row.kind in ACCEPTED:
                ACCEPTED[row.kind](self.store, connection, row, self.conditions)
            self.store.adopt(stored.blobs.values(), made)
            self.store.hold(connection, f"job:{key}", stored.blobs)
        return True

    def fail(self, key: str, problem: dict[str, Any], tries: int) -> bool:
        state = "cancelled" if problem["code"] == "cancelled" else "failed"
        with self.store.filing() as connection:
            ended = self._end(connection, key, tries, {"state": state, "error": problem})
            if ended:
                self.store.hold(connection, f"job:{key}", {})
        return ended

    def _end(self, connection: Connection, key: str, tries: int, values: dict[str, Any]) -> bool:
        still_ours = and_(jobs.c.key == key, jobs.c.state == "running", jobs.c.owner == self.owner)
        bookkeeping = {
            "attempts": jobs.c.attempts + max(0, tries - 1),
            "owner": None,
            "lease": None,
            "finished": time.time(),
        }
        return (
            connection.execute(update(jobs).where(still_ours).values(**values, **bookkeeping)).rowcount == 1
        )

    def cancel_waiting(self, key: str, problem: dict[str, Any]) -> bool:
        """True when it was waiting; a running job must be stopped by its worker."""
        with self.store.filing() as connection:
            waiting = and_(jobs.c.key == key, jobs.c.state == "queued")
            statement = (
                update(jobs).where(waiting).values(state="cancelled", error=problem, finished=time.time())
            )
            ended = connection.execute(statement).rowcount == 1
            if ended:
                self.store.hold(connection, f"job:{key}", {})
        return ended

    def requeue(self, key: str, client: Client = SERVER) -> bool:
        """Requeues a finished job whose files were lost or damaged, or whose result is out of date. client: who asked
        for it again."""
        anew = {"state": "queued", "results": 0, "result": None, "finished": None}
        finished = update(jobs).where(jobs.c.key == key, jobs.c.state == "done")
        with self.store.write() as connection:
            row = connection.execute(finished.values(anew).returning(jobs.c.kind, jobs.c.payload)).first()
            if row is not None:
                _write_down(connection, client, row.kind, key, row.payload)
            return row is not None

    def give_back(self, key: str) -> None:
        """Puts one of our running jobs back into the queue."""
        with self.store.write() as connection:
            still_ours = and_(jobs.c.key == key, jobs.c.state == "running", jobs.c.owner == self.owner)
            connection.execute(update(jobs).where(still_ours).values(state="queued", owner=None, lease=None))

    def renew(self, keys: Iterable[str]) -> None:
        """Extends the leases of our jobs `keys`; the lease of a job that nobody follows any more runs out."""
        with self.store.write() as connection:
            still_ours = and_(
                jobs.c.state == "running", jobs.c.owner == self.owner, jobs.c.key.in_(list(keys))
            )
            connection.execute(update(jobs).where(still_ours).values(lease=time.time() + LEASE))

    def reclaim(self, include_own: bool = False) -> int:
        """Requeues jobs whose owner died or whose lease ran out; returns how many. include_own: all of this
        process's jobs too (at shutdown)."""
        with self.store.write() as connection:
            running = connection.execute(
                select(jobs.c.key, jobs.c.owner, jobs.c.lease).where(jobs.c.state == "running")
            ).all()
            now = time.time()
            lost = [
                row.key
                for row in running
                if row.lease < now or (include_own if row.owner == self.owner else is_dead(row.owner))
            ]
            if lost:
                statement = update(jobs).where(jobs.c.key.in_(lost), jobs.c.state == "running")
                connection.execute(statement.values(state="queued", owner=None, lease=None))
            return len(lost)

    def delete(self, key: str) -> None:
        """Row and blobs; whoever still runs it finds the row gone and drops its result."""
        with self.store.filing() as connection:
            connection.execute(delete(jobs).where(jobs.c.key == key))
            self.store.hold(connection, f"job:{key}", {})


def inputs_of(payload: Mapping[str, Any]) -> list[str]:
    """Ids of the inputs that a payload is about: `input` of one, `inputs` of several."""
    parts = [payload, *(entry for entry in payload.get("inputs") or [] if isinstance(entry, dict))]
    return [
        part["input"]["id"] for part in parts if isinstance(part.get("input"), dict) and "id" in part["input"]
    ]


def _write_down(
    connection: Connection, client: Client, kind: str, key: str, payload: Mapping[str, Any]
) -> None:
    """The log's line of a job that somebody started; none for the server's own work."""
    if client != SERVER:
        audit.add(connection, client.name, f"{kind}.start", key, facts_of(payload))


def facts_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the log says of a job: model and digest of its weights, methods, and which input or how many. No parameters:
    they may be words of the user's."""
    ids = inputs_of(payload)
    about = {"input": ids[0]} if len(ids) == 1 else {"inputs": len(ids)} if ids else {}
    named = {
        "model": payload.get("model"),
        "weights": payload.get("digest"),
        "method": payload.get("method"),
        "methods": payload.get("methods"),
        "concepts": payload.get("concepts"),
    }
    return {**{name: value for name, value in named.items() if value}, **about}
