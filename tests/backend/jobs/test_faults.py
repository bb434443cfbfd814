"""Faults of disk, database and cluster at every step of a job's way: it waits, and goes on by itself when
they are gone."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time

import pytest
from sqlalchemy.exc import OperationalError

from app.core.errors import NoSpace, StorageUnavailable
from backend.jobs import dispatcher, queue, service
from backend.jobs.queue import Queue
from backend.jobs.workers import WorkerConfig, process
from backend.store import Store
from tests.backend.jobs.conftest import Backend


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "LEASE", 1.0)
        patch.setattr(dispatcher, "HEARTBEAT", 0.1)
        patch.setattr(dispatcher, "POLL", 0.1)
        patch.setattr(service, "POLL", 0.1)
        with Backend(tmp_path_factory.mktemp("data")) as backend:
            yield backend


def locked():
    return OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))


def full():
    return OSError(errno.ENOSPC, "No space left on device")


class Failing:
    """The first calls of a method fail, before it did anything or after."""

    def __init__(self, patch, home, name, error, times=2, after=False):
        self.left, self.error, self.after = times, error, after
        self.real = getattr(home, name)
        patch.setattr(home, name, self)

    def __call__(self, *args, **options):
        if self.left <= 0:
            return self.real(*args, **options)
        self.left -= 1
        if self.after:
            self.real(*args, **options)
        raise self.error()


@pytest.mark.parametrize(
    ("part", "name", "error", "after"),
    [
        ("spool", "open", full, False),
        ("queue", "claim", locked, False),
        ("queue", "claim", locked, True),  # it was claimed, and the answer was lost: nobody follows it
        ("engine", "submit", full, False),
        ("engine", "submit", RuntimeError, False),
        ("queue", "finish", locked, False),
        ("queue", "finish", full, False),
        ("queue", "renew", locked, False),
    ],
)
def test_a_job_outlives_a_fault(backend, monkeypatch, part, name, error, after):
    home = {"spool": backend.jobs.spool, "queue": backend.jobs.queue, "engine": backend.jobs.engine}[part]
    failing = Failing(monkeypatch, home, name, error, after=after)
    key, _ = backend.submit("toy_echo", name=1)
    row = backend.finished(key)
    assert (row.state, row.results, row.result["echo"]) == ("done", 1, 1)
    backend.until(lambda: _used_up(failing))


async def _used_up(failing):
    return failing.left <= 0


def test_two_faults_in_a_row(backend, monkeypatch):
    """It cannot be started, and cannot be given back either."""
    Failing(monkeypatch, backend.jobs.spool, "open", full, times=1)
    Failing(monkeypatch, backend.jobs.queue, "give_back", locked, times=1)
    key, _ = backend.submit("toy_echo", name=2)
    assert backend.finished(key).state == "done"


def test_a_result_that_cannot_be_accepted_fails_the_job(backend, monkeypatch):
    """A bug is no fault that goes away: the job ends, instead of being tried for ever."""
    Failing(monkeypatch, backend.jobs.queue, "finish", ValueError, times=1000)
    key, _ = backend.submit("toy_echo", name=3)
    row = backend.finished(key)
    assert (row.state, row.error["code"]) == ("failed", "job_failed")


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoSpace), (errno.EROFS, StorageUnavailable)])
def test_a_worker_without_a_disk_says_so(tmp_path, monkeypatch, number, kind):
    def refuse(*_):
        raise OSError(number, "x")

    monkeypatch.setattr(process.Spool, "begin", refuse)
    with pytest.raises(kind):
        process.execute(WorkerConfig(data=tmp_path), "toy_echo", {}, "a" * 64, "interactive")


def test_long_work_does_not_hold_up_short_work(backend):
    """Every worker is busy and the client's line is full: a short job is taken, and done first."""
    limit = backend.settings.limits.jobs_per_client
    long = [
        backend.submit("toy_echo", steps=200, nap=0.05)[0]
        for _ in range(backend.services.engine.capacity["compute"])
    ]
    backend.until(lambda: _all_running(backend, long))
    waiting = [backend.submit("toy_echo")[0] for _ in range(limit)]
    with pytest.raises(Exception, match="jobs waiting"):
        backend.submit("toy_echo")
    key, _ = backend.submit("toy_short")
    assert backend.finished(key).state == "done"
    assert {backend.run(backend.jobs.get(other)).state for other in waiting} == {"queued"}
    assert {backend.run(backend.jobs.get(other)).state for other in long} == {"running"}
    for other in [*waiting, *long]:
        backend.run(backend.jobs.cancel(other))
    for other in long:
        backend.finished(other)


def test_free_workers_share_short_work(backend):
    """More short jobs than short workers: the others do not stand idle."""
    number = sum(backend.services.engine.capacity[group] for group in ("compute", "short"))
    keys = [backend.submit("toy_short", steps=200, nap=0.05)[0] for _ in range(number)]
    backend.until(lambda: _all_running(backend, keys))
    for key in keys:
        backend.run(backend.jobs.cancel(key))
    assert {backend.finished(key).state for key in keys} == {"cancelled"}


def test_a_claim_under_way_at_the_stop_is_given_back(tmp_path, monkeypatch):
    """Its thread goes on, whatever becomes of the coroutine that waits for it."""
    with Backend(tmp_path) as backend:
        claim, claiming = backend.jobs.queue.claim, threading.Event()

        def slow(line):
            claiming.set()
            time.sleep(0.5)
            return claim(line)

        monkeypatch.setattr(backend.jobs.queue, "claim", slow)
        key, _ = backend.submit("toy_echo", steps=200, nap=0.05)
        claiming.wait(20)
    store = Store(backend.settings.database_url, tmp_path)
    assert Queue(store, backend.settings.limits).get(key).state == "queued"
    store.close()


async def _all_running(backend, keys):
    return all([(await backend.jobs.get(key)).state == "running" for key in keys])
