"""Attempts to sign in, counted in the database: against a bucket that is filled step by step, over restarts and processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.errors import TooManyAttempts
from backend.store import Store, attempts

ADDRESS, NAME = "192.0.2.7", "ann"


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    with closing(Store(database_url, tmp_path / "data")) as store:
        store.migrate()
        yield store


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [1_800_000_000.0]
    monkeypatch.setattr(attempts.time, "time", lambda: moment[0])
    return moment


def allowed(store: Store, address: str = ADDRESS, name: str = NAME) -> bool:
    try:
        attempts.begin(store, address, name)
    except TooManyAttempts:
        return False
    return True


def keys(store: Store) -> set[str]:
    with store.engine.connect() as connection:
        return set(connection.execute(select(attempts.attempts.c.key)).scalars())


class Tokens:
    """The slow second implementation: tokens that drip in."""

    def __init__(self, size: int, seconds: float) -> None:
        self.size, self.seconds = size, seconds
        self.left: dict[str, float] = defaultdict(lambda: float(size))

    def drip(self, seconds: float) -> None:
        for key in self.left:
            self.left[key] = min(self.size, self.left[key] + seconds / self.seconds)


def test_the_limits_are_those_of_buckets_that_fill_drop_by_drop(store: Store, now: list[float]) -> None:
    by_address, by_name = Tokens(20, 15.0), Tokens(5, 60.0)
    chance, outcomes = random.Random(5), set()
    for _ in range(250):
        seconds = chance.choice((0.0, 0.0, 1.0, 4.0, 30.0))
        now[0] += seconds
        by_address.drip(seconds)
        by_name.drip(seconds)
        address, name = chance.choice(("192.0.2.1", "192.0.2.2")), chance.choice("abcdefgh")
        may = by_address.left[address] >= 1 - 1e-6 and by_name.left[name] >= 1 - 1e-6
        assert allowed(store, address, name) is may
        outcomes.add(may)
        if not may:
            continue
        by_address.left[address] -= 1
        by_name.left[name] -= 1
        if chance.random() < 0.1:
            attempts.succeeded(store, address, name)
            by_address.left[address] += 1
            by_name.left[name] = by_name.size
    assert outcomes == {True, False}


def test_who_is_refused_is_told_for_how_long_and_is_let_in_then(store: Store, now: list[float]) -> None:
    assert [allowed(store) for _ in range(6)] == [True] * 5 + [False]
    now[0] += 20.5
    with pytest.raises(TooManyAttempts) as refusal:
        attempts.begin(store, "198.51.100.1", NAME)
    assert refusal.value.retry_after == 40
    now[0] += 40
    assert [allowed(store), allowed(store)] == [True, False]


def test_a_restart_forgets_no_attempt_and_two_servers_count_together(
    store: Store, now: list[float], database_url: str, tmp_path: Path
) -> None:
    with closing(Store(database_url, tmp_path / "data")) as beside:
        assert [allowed(each) for each in (store, beside, store, beside, store)] == [True] * 5
        assert not allowed(beside)
    with closing(Store(database_url, tmp_path / "data")) as restarted:
        assert not allowed(restarted)


def test_servers_that_count_at_the_same_moment_let_in_as_many_as_one(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    code = """
import sys
from pathlib import Path
from types import SimpleNamespace
from app.core.errors import TooManyAttempts
from backend.store import Store, attempts
attempts.time = SimpleNamespace(time=lambda: 1.8e9)
store, let_in = Store(sys.argv[1], Path(sys.argv[2])), 0
for number in range(15):
    try:
        attempts.begin(store, "203.0.113.9", str(number))
        let_in += 1
    except TooManyAttempts:
        pass
print(let_in)
"""
    command = [sys.executable, "-c", code, database_url, str(tmp_path / "data")]
    servers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(server.communicate(timeout=120)[0]) for server in servers) == attempts.ADDRESS.size


def test_buckets_that_are_full_again_go(store: Store, now: list[float]) -> None:
    allowed(store)
    allowed(store, "2001:db8::1", "bob")
    allowed(store, "2001:db8::ffff", "bob")  # the same network
    assert len(keys(store)) == 4
    assert NAME not in str(keys(store))
    now[0] += 16
    assert attempts.forget(store) == 1  # the first address; the other network made two attempts
    now[0] += 200
    assert attempts.forget(store) == 3
    assert keys(store) == set()
    allowed(store)
    now[0] -= 2 * attempts.MOST_AHEAD  # the clock was put back
    assert attempts.forget(store) == 2
