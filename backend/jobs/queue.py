"""The job table: every change of a job's state is one transaction. Synchronous; the service calls it in the
store's threads."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)

from app.core.errors import Busy, NotFound
from app.core.settings import Limits
from backend.jobs.keys import canonical
from backend.jobs.owners import is_dead, owner_name
from backend.jobs.workers.protocol import Group, Stored, group_of
from backend.store import Store
from backend.store.rows import ACTIVE, JobRow, ModelRow
from backend.store.runs import remember
from backend.store.tables import jobs

LEASE = 8.0
"""Seconds after its last sign of life that an owner counts as dead."""
ATTACHED = "given/"
"""Names of the blobs that came with a job; it holds them until it ends."""
ASKED_TOGETHER = 500
"""Keys in one statement: databases take thousands at most."""
LANES: dict[Group, tuple[str, ...]] = {
    "compute": ("interactive", "batch"),
    "short": ("short",),
    "decode": ("decode",),
    "study": ("study",),
}


class Queue:
    """Rows of `jobs`, and the blobs they hold."""

    def __init__(self, store: Store, limits: Limits, conditions: str = "") -> None:
        """conditions: what the seconds of a run hold under, see `backend.jobs.keys.conditions`."""
        self.store, self.limits, self.conditions = store, limits, conditions
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
        client: str,
        attachments: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> JobRow:
        """Inserts the job, or returns the one of this key; a failed or cancelled job starts anew. Raises
        Busy, NotFound (an input deleted meanwhile), NoSpace.

        attachments: blobs (name -> sha256) that the job needs; they lie in `folder`, and are moved only if
        the job is accepted."""
        begin = self.store.filing if attachments else self.store.write
        try:
            with begin() as connection:
                state = connection.execute(select(jobs.c.state).where(jobs.c.key == key)).scalar()
                if state in ("queued", "running", "done"):
                    return self._get(connection, key)
                self._make_room(connection, client, lane)
                self.store.require_inputs(connection, inputs_of(payload))
                row = self._insert(
                    connection,
                    key,
                    {
                        "kind": kind,
                        "lane": lane,
                        "title": title,
                        "client": client,
                        "state": "queued",
                        "rank": rank,
                        "turn": self._turn(connection, client, lane),
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
        waiting = select(func.count()).where(jobs.c.state == "queued", _same_line(lane))
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
        last = select(func.max(jobs.c.turn)).where(ahead, _same_line(lane))
        return (connection.execute(last).scalar() or 0) + 1

    def claim(self, group: Group) -> tuple[JobRow, str] | None:
        """Takes the next waiting job of a group by one atomic UPDATE; returns it with its lane, or None."""
        now = time.time()
        next_key = (
            select(jobs.c.key)
            .where(jobs.c.state == "queued", jobs.c.lane.in_(LANES[group]))
            .order_by(jobs.c.rank.desc(), jobs.c.turn, jobs.c.created)
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
                ACCEPTED[row.kind](self, connection, row)
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

    def requeue(self, key: str) -> bool:
        """Requeues a finished job whose files were lost or damaged, or whose result is out of date."""
        with self.store.write() as connection:
            statement = update(jobs).where(jobs.c.key == key, jobs.c.state == "done")
            return (
                connection.execute(
                    statement.values(state="queued", results=0, result=None, finished=None)
                ).rowcount
                == 1
            )

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

    def get(self, key: str) -> JobRow:
        """Raises NotFound."""
        with self.store.engine.connect() as connection:
            return self._get(connection, key)

    def _get(self, connection: Connection, key: str, fresh: bool = False) -> JobRow:
        row = connection.execute(select(jobs).where(jobs.c.key == key)).mappings().first()
        if row is None:
            raise NotFound("There is no such job; it may have been deleted.", code="unknown_job")
        return _row(row, fresh)

    def ahead(self, key: str) -> int:
        """How many jobs come before a waiting one, running ones included."""
        this = select(jobs).where(jobs.c.key == key).subquery()
        earlier = or_(
            jobs.c.rank > this.c.rank,
            and_(jobs.c.rank == this.c.rank, jobs.c.turn < this.c.turn),
            and_(jobs.c.rank == this.c.rank, jobs.c.turn == this.c.turn, jobs.c.created < this.c.created),
        )
        before = or_(jobs.c.state == "running", and_(jobs.c.state == "queued", earlier))
        with self.store.engine.connect() as connection:
            lane = connection.execute(select(jobs.c.lane).where(jobs.c.key == key)).scalar()
            if lane is None:
                return 0
            statement = select(func.count()).select_from(jobs.join(this, jobs.c.key != this.c.key))
            return connection.execute(statement.where(before, _same_line(lane))).scalar_one()

    def blobs(self, key: str) -> dict[str, str]:
        with self.store.engine.connect() as connection:
            return self.store.references(connection, f"job:{key}")

    def listing(
        self,
        client: str | None,
        states: tuple[str, ...] | None,
        limit: int,
        kinds: Collection[str] | None = None,
    ) -> list[JobRow]:
        """Active ones first, then the newest."""
        statement = (
            select(jobs)
            .order_by(case((jobs.c.state.in_(ACTIVE), 0), else_=1), jobs.c.created.desc())
            .limit(limit)
        )
        if client is not None:
            statement = statement.where(jobs.c.client == client)
        if states is not None:
            statement = statement.where(jobs.c.state.in_(states))
        if kinds is not None:
            statement = statement.where(jobs.c.kind.in_(kinds))
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]

    def done_of_kind(self, kind: str) -> list[JobRow]:
        """Oldest first."""
        statement = select(jobs).where(jobs.c.kind == kind, jobs.c.state == "done").order_by(jobs.c.created)
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]

    def states(self, keys: Collection[str]) -> dict[str, str]:
        """Of those that there are."""
        return {row.key: row.state for row in self._rows_of(keys, jobs.c.key, jobs.c.state)}

    def outcomes(
        self, keys: Collection[str]
    ) -> dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]]:
        """Result and error of those that have ended."""
        rows = self._rows_of(keys, jobs.c.key, jobs.c.state, jobs.c.result, jobs.c.error)
        return {row.key: (row.result, row.error) for row in rows if row.state not in ACTIVE}

    def _rows_of(self, keys: Collection[str], *columns: Column[Any]) -> list[Any]:
        ordered = list(keys)
        with self.store.engine.connect() as connection:
            return [
                row
                for start in range(0, len(ordered), ASKED_TOGETHER)
                for row in connection.execute(
                    select(*columns).where(jobs.c.key.in_(ordered[start : start + ASKED_TOGETHER]))
                )
            ]

    def keys_of_kind(self, kind: str) -> set[str]:
        with self.store.engine.connect() as connection:
            return set(connection.execute(select(jobs.c.key).where(jobs.c.kind == kind)).scalars())

    def active(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that wait or run."""
        with self.store.engine.connect() as connection:
            active_keys = connection.execute(select(jobs.c.key).where(jobs.c.state.in_(ACTIVE))).scalars()
            return set(active_keys) & set(keys)

    def mentioning(self, words: Collection[str], kinds: Collection[str] | None = None) -> list[JobRow]:
        """Jobs whose payload contains one of these ids, of any kind."""
        if not words:
            return []
        statement = select(jobs).where(
            or_(*(cast(jobs.c.payload, Text).contains(word, autoescape=True) for word in words))
        )
        if kinds is not None:
            statement = statement.where(jobs.c.kind.in_(kinds))
        with self.store.engine.connect() as connection:
            return [_row(row, False) for row in connection.execute(statement).mappings()]

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


def _accept_model(queue: Queue, connection: Connection, row: JobRow) -> None:
    """A model that passed its check is listed, and its weights are held by it from now on."""
    queue.store.enlist(connection, ModelRow(**row.payload["upload"]))


def _accept_explanation(queue: Queue, connection: Connection, row: JobRow) -> None:
    """What it took is expected of the next one; not of a model that was deleted meanwhile."""
    record, upload = row.result or {}, row.payload.get("upload")
    passes = record.get("forwards", 0) + record.get("backwards", 0)
    if passes and record["seconds"] > 0 and (not upload or queue.store.lists(connection, upload["key"])):
        remember(
            connection,
            model=record["model"],
            digest=record["weights_sha256"],
            method=record["method"],
            conditions=queue.conditions,
            passes=passes,
            seconds=record["seconds"],
        )


def _accept_cell(queue: Queue, connection: Connection, row: JobRow) -> None:
    """What such a cell took is expected of the next one."""
    result, payload = row.result or {}, row.payload
    upload = payload.get("upload")
    if (
        result.get("seconds", 0) > 0
        and payload.get("digest")
        and (not upload or queue.store.lists(connection, upload["key"]))
    ):
        remember(
            connection,
            model=payload["model"],
            digest=payload["digest"],
            method=cell_name(payload["method"], payload["metrics"], payload["metric_params"]),
            conditions=queue.conditions,
            passes=1,
            seconds=result["seconds"],
        )


def cell_name(method: str, metrics: Collection[str], metric_params: Mapping[str, Any]) -> str:
    """What the seconds of a cell are remembered under, see `runs`."""
    measured = hashlib.sha256(canonical([sorted(metrics), dict(metric_params)]).encode()).hexdigest()
    return f"cell:{method[:50]}:{measured[:16]}"


ACCEPTED: dict[str, Callable[[Queue, Connection, JobRow], None]] = {
    "model": _accept_model,
    "explanation": _accept_explanation,
    "cell": _accept_cell,
}
"""Per kind, an effect of a finished job in the transaction that accepts it, so that it happens exactly
once."""


def _same_line(lane: str) -> ColumnElement[bool]:
    """Jobs that wait for the same workers."""
    return jobs.c.lane.in_(LANES[group_of(lane)])  # type: ignore[arg-type]


def _row(row: Any, fresh: bool) -> JobRow:
    names = (
        "key",
        "kind",
        "state",
        "title",
        "client",
        "payload",
        "result",
        "error",
        "attempts",
        "results",
        "created",
        "started",
        "finished",
    )
    return JobRow(**{name: row[name] for name in names}, fresh=fresh)
