"""How often a sign-in may be tried: a token bucket for each address and for each name, known or not.

An attempt is counted before the password is looked at, so that a burst gets no more looks than a row; the one that
succeeds is given back. An address is a network of 64 bits where it is IPv6: whoever has one address there has all.
The buckets lie in the database: a restart forgets none, and all web processes count together. Each is one number, the
moment at which it is full again, under the sha256 of what it counts: somebody may have typed a password as their name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, or_, select, update

from app.core.errors import TooManyAttempts
from backend.store.database import Store
from backend.store.tables import attempts

MOST_AHEAD = 3600.0
"""Seconds. No bucket takes as long to fill: a moment further ahead is that of a clock which was put back."""


@dataclass(frozen=True)
class Bucket:
    """size: attempts at once. seconds: until one more is allowed."""

    kind: str
    size: int
    seconds: float

    def key(self, of: str) -> str:
        return hashlib.sha256(f"{self.kind}:{of}".encode("utf-8", "replace")).hexdigest()

    @property
    def room(self) -> float:
        """Seconds that the bucket may be from full for one attempt to be left in it."""
        return (self.size - 1) * self.seconds


ADDRESS, NAME = Bucket("address", 20, 15.0), Bucket("name", 5, 60.0)


def begin(store: Store, address: str, name: str) -> None:
    """Counts an attempt, for address and name or for neither. Raises TooManyAttempts."""
    now = time.time()
    counted = ((ADDRESS, ADDRESS.key(_network(address))), (NAME, NAME.key(name)))
    with store.write() as connection:
        waits = [_count(store, connection, bucket, key, now) for bucket, key in counted]
        if any(waits):
            raise TooManyAttempts(math.ceil(max(waits)))


def succeeded(store: Store, address: str, name: str) -> None:
    """Gives the attempt back, and the name its whole allowance."""
    key = ADDRESS.key(_network(address))
    with store.write() as connection:
        given_back = update(attempts).where(attempts.c.key == key)
        connection.execute(given_back.values(full=attempts.c.full - ADDRESS.seconds))
        connection.execute(delete(attempts).where(attempts.c.key == NAME.key(name)))


def forget(store: Store) -> int:
    """Deletes the buckets that are full again."""
    now = time.time()
    over = or_(attempts.c.full <= now, attempts.c.full > now + MOST_AHEAD)
    with store.write() as connection:
        return connection.execute(delete(attempts).where(over)).rowcount


def _count(store: Store, connection: Connection, bucket: Bucket, key: str, now: float) -> float:
    """Takes an attempt out of the bucket; seconds to wait where there is none. One statement, so that processes that
    count at the same moment take one each."""
    taken = case((attempts.c.full > now, attempts.c.full), else_=now) + bucket.seconds
    statement = (
        store.insert(attempts)
        .values(key=key, full=now + bucket.seconds)
        .on_conflict_do_update(
            index_elements=[attempts.c.key],
            set_={"full": taken},
            where=attempts.c.full <= now + bucket.room,
        )
        .returning(attempts.c.key)
    )
    if connection.execute(statement).first() is not None:
        return 0.0
    full = connection.execute(select(attempts.c.full).where(attempts.c.key == key)).scalar_one()
    return float(full) - now - bucket.room


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{ip}/64", strict=False)) if ip.version == 6 else address
