"""The job table on its own: order, fairness, limits, atomic claims, leases, stale owners. SQLite, and
PostgreSQL where at hand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest
from sqlalchemy import update

from app.core.errors import Busy
from app.core.settings import Limits
from backend.jobs.client import Client
from backend.jobs.owners import is_dead, owner_name
from backend.jobs.queue import LEASE, Queue
from backend.jobs.workers import Stored
from backend.store import Store
from backend.store.tables import jobs

PROBLEM = {"title": "t", "status": 422, "code": "c", "detail": "d", "field": None}


@pytest.fixture
def store(database_url, tmp_path):
    store = Store(database_url, tmp_path / "data")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def queue(store):
    return Queue(store, Limits(jobs_per_client=30, jobs_waiting=400))


def submit(queue, key, client="me", rank=0, lane="interactive"):
    return queue.submit(key, "toy", lane=lane, rank=rank, payload={"k": key}, title="", client=Client(client))


def claims(queue, group="compute"):
    """Claims and finishes one after the other, as a single worker does."""
    order = []
    while (found := queue.claim(group)) is not None:
        order.append(found[0].key)
        queue.finish(found[0].key, Stored({}), 1)
    return order


def test_first_come_first_served_within_a_client(queue):
    for key in "abcd":
        submit(queue, key)
    assert claims(queue) == list("abcd")


def test_a_worker_stays_with_the_input_that_it_has_at_hand(queue):
    """Cells of an input that another worker is measuring come last, but they do come."""

    def cell(number, method):
        payload = {"set": "photographs", "number": number, "input": None, "method": method}
        key = f"{number} {method}"
        queue.submit(key, "cell", lane="batch", rank=-10, payload=payload, title="", client=Client("me"))

    for number in (0, 1):
        for method in ("cam", "lrp"):
            cell(number, method)
    assert [queue.claim("compute")[0].key for _ in range(2)] == ["0 cam", "1 cam"]
    queue.fail("1 cam", PROBLEM, 1)
    assert queue.claim("compute")[0].key == "1 lrp"
    assert queue.claim("compute")[0].key == "0 lrp"


def test_cells_of_a_stored_input_are_about_that_input(queue, store):
    with store.write() as connection:
        for key, state, payload in (
            ("a", "running", {"input": {"id": "i"}, "set": None, "number": 0}),
            ("b", "queued", {"input": {"id": "i"}, "set": None, "number": 0}),
            ("c", "queued", {"input": {"id": "j"}, "set": None, "number": 0}),
        ):
            row = {"kind": "cell", "lane": "batch", "title": "", "client": "me", "state": state, "rank": -10}
            times = {"turn": ord(key), "attempts": 0, "results": 0, "created": 0.0}
            connection.execute(jobs.insert().values(key=key, payload=payload, **row, **times))
    assert [queue.claim("compute")[0].key for _ in range(2)] == ["c", "b"]


def test_larger_rank_first(queue):
    for key, rank in [("lime", -5), ("cam", 0), ("prediction", 20), ("cam2", 0)]:
        submit(queue, key, rank=rank)
    assert claims(queue) == ["prediction", "cam", "cam2", "lime"]


def test_groups_do_not_wait_for_each_other(queue):
    submit(queue, "i", lane="interactive")
    submit(queue, "b", lane="batch")
    submit(queue, "d", lane="decode")
    assert claims(queue, "decode") == ["d"]
    assert claims(queue, "compute") == ["i", "b"]


def test_a_client_with_many_jobs_does_not_hold_up_the_others(queue):
    for n in range(10):
        submit(queue, f"a{n}", "a")
    first = queue.claim("compute")[0].key
    for n in range(3):
        submit(queue, f"b{n}", "b")
    submit(queue, "c0", "c")
    queue.finish(first, Stored({}), 1)
    order = claims(queue)
    assert first == "a0"
    assert max(order.index(key) for key in ("b0", "b1", "b2", "c0")) <= 7
    assert [key for key in order if key[0] == "a"] == [f"a{n}" for n in range(1, 10)]


def test_limits_per_client_and_in_all(store):
    queue = Queue(store, Limits(jobs_per_client=2, jobs_waiting=3))
    submit(queue, "1"), submit(queue, "2")
    with pytest.raises(Busy, match="2 jobs"):
        submit(queue, "3")
    submit(queue, "4", "other")
    with pytest.raises(Busy, match="server"):
        submit(queue, "5", "third")
    submit(queue, "own", "")
    assert submit(queue, "1").fresh is False
    queue.claim("compute")
    queue.claim("compute")
    submit(queue, "5", "third")


def test_claims_are_unique(store):
    """300 jobs, six claimers at once: each job is claimed once."""
    owners = [Queue(store, Limits()) for _ in range(6)]
    for n in range(300):
        submit(owners[0], f"{n:03}", client="")
    taken, faults = Counter(), []

    def work(queue, number):
        queue.owner = f"elsewhere/{number}/0"
        try:
            while (found := queue.claim("compute")) is not None:
                taken[found[0].key] += 1
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(queue, number)) for number, queue in enumerate(owners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(taken) == 300
    assert set(taken.values()) == {1}


def test_submitting_at_once_from_many_threads_is_one_row(store):
    queues, fresh = [Queue(store, Limits()) for _ in range(8)], []

    def work(queue):
        fresh.extend(submit(queue, f"{n:03}", client="").fresh for n in range(25))

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fresh) == 200
    assert sum(fresh) == 25


def test_only_the_owner_may_end_a_job_and_only_once(store):
    first, second = Queue(store, Limits()), Queue(store, Limits())
    second.owner = "elsewhere/1/0"
    submit(first, "k")
    first.claim("compute")
    assert not second.finish("k", Stored({"by": "second"}), 1)
    assert not second.fail("k", PROBLEM, 1)
    assert first.finish("k", Stored({"by": "first"}), 2)
    assert not first.finish("k", Stored({"by": "again"}), 1)
    row = first.get("k")
    assert (row.result, row.results, row.attempts) == ({"by": "first"}, 1, 2)


def test_a_stalled_owner_loses_the_job_to_another(store):
    first, second = Queue(store, Limits()), Queue(store, Limits())
    first.owner, second.owner = "host1/1/0", "host2/1/0"
    submit(first, "k")
    first.claim("compute")
    assert second.reclaim() == 0
    expire(store)
    assert second.reclaim() == 1
    assert second.claim("compute")[0].key == "k"
    assert not first.finish("k", Stored({"by": "first"}), 1)
    assert second.finish("k", Stored({"by": "second"}), 1)
    assert second.get("k").results == 1


def test_a_sign_of_life_keeps_the_job(store):
    first, second = Queue(store, Limits()), Queue(store, Limits())
    first.owner, second.owner = "host1/1/0", "host2/1/0"
    submit(first, "k")
    first.claim("compute")
    expire(store)
    first.renew(["k"])
    assert second.reclaim() == 0


def test_a_job_that_its_owner_lost_sight_of_waits_again(store):
    """A fault between claiming and following: the owner lives, renews its other jobs, and takes this one
    up again."""
    queue = Queue(store, Limits())
    submit(queue, "followed"), submit(queue, "lost")
    assert {queue.claim("compute")[0].key for _ in range(2)} == {"followed", "lost"}
    expire(store)
    queue.renew(["followed"])
    assert queue.reclaim() == 1
    assert (queue.get("followed").state, queue.get("lost").state) == ("running", "queued")


def test_every_line_has_its_own_limit(store):
    queue = Queue(store, Limits(jobs_per_client=1, jobs_waiting=2))
    for lane in ("interactive", "short", "decode"):
        submit(queue, lane, lane=lane)
        with pytest.raises(Busy):
            submit(queue, f"{lane} again", lane=lane)
    with pytest.raises(Busy):
        submit(queue, "batch", lane="batch")  # waits for the same workers as interactive


def expire(store):
    with store.write() as connection:
        connection.execute(update(jobs).values(lease=time.time() - 1))


def test_jobs_of_a_dead_process_of_this_machine_wait_again_at_once(store):
    gone = subprocess.run(
        [sys.executable, "-c", "from backend.jobs.owners import owner_name; print(owner_name())"],
        capture_output=True,
        text=True,
        check=True,
    )
    queue = Queue(store, Limits())
    queue.owner = gone.stdout.strip()
    submit(queue, "k")
    queue.claim("compute")
    queue.owner = owner_name()
    assert queue.reclaim() == 1
    assert queue.get("k").state == "queued"


def test_who_is_dead():
    mine = owner_name()
    host, pid, started = mine.rsplit("/", 2)
    assert (host, int(pid)) == (socket.gethostname()[:40], os.getpid())
    assert not is_dead(mine)
    assert is_dead(f"{host}/{pid}/{int(started) - 1}")  # the pid was given to another process
    assert not is_dead(f"another-{host}/{pid}/0")  # only its lease can tell
    with psutil.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert is_dead(f"{host}/{child.pid}/0")


def test_the_lease_outlasts_several_heartbeats():
    from backend.jobs.dispatcher import HEARTBEAT

    assert 3 * HEARTBEAT < LEASE <= 10


def test_a_job_given_back_waits_again(queue):
    submit(queue, "k")
    queue.claim("compute")
    queue.give_back("k")
    assert queue.get("k").state == "queued"
    assert queue.claim("compute")[0].attempts == 2


def test_failed_and_cancelled_jobs_start_anew_and_others_do_not(queue):
    submit(queue, "failed")
    queue.claim("compute")
    queue.fail("failed", PROBLEM, 1)
    submit(queue, "waiting")
    assert queue.cancel_waiting("waiting", {**PROBLEM, "code": "cancelled"})
    assert not queue.cancel_waiting("failed", PROBLEM)
    for key in ("failed", "waiting"):
        row = submit(queue, key)
        assert (row.state, row.fresh, row.error, row.finished) == ("queued", True, None, None)
        assert not submit(queue, key).fresh
