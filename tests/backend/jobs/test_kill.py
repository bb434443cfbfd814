"""Kill -9 at random moments, of workers and of the web process: nothing is lost, nothing has two results,
nobody is left behind.

EVIDENT_KILLS multiplies the number of kills for a long run by hand: 3 for a hundred workers.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from app.core.settings import Limits, Settings
from backend.jobs.queue import Queue
from backend.store import Store
from tests.backend.jobs.conftest import Backend

MORE = int(os.environ.get("EVIDENT_KILLS", "1"))
WORKER_KILLS = 35 * MORE
API_KILLS = 2 * MORE
JOBS = 60


def workers_of(pid):
    """Worker processes below a process (not multiprocessing's resource tracker)."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def gone(processes):
    """Waits until all have ended; a dead child not yet collected counts as ended."""

    def alive(process):
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    deadline = time.monotonic() + 120
    while any(alive(process) for process in processes):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_workers_lose_and_double_nothing(tmp_path):
    rng, pids = random.Random(0), tmp_path / "pids"
    pids.mkdir()
    with Backend(tmp_path / "data") as backend:
        keys: list[str] = []

        async def submit():
            n = len(keys)
            keys.append(f"{n:064x}")
            payload = {"name": n, "plus": n, "steps": 3, "nap": 0.01, "pids": str(pids)}
            await backend.jobs.submit(["toy_echo", "toy_decode"][n % 5 == 0], payload, key=keys[-1])

        async def storm():
            for kill in range(WORKER_KILLS):
                for _ in range(3):
                    await submit()
                await backend.jobs.wait(keys[kill], 10)  # so that there is work between the kills
                await asyncio.sleep(rng.uniform(0.0, 0.05))
                # Mostly workers that have begun a job, at work or between two; sometimes one that is only
                # starting.
                grown = rng.random() < 0.9
                while not (
                    victims := [
                        worker
                        for worker in workers_of(os.getpid())
                        if (pids / str(worker.pid)).exists() == grown
                    ]
                ):
                    grown = not grown
                    await asyncio.sleep(0.01)
                rng.choice(victims).send_signal(signal.SIGKILL)

        async def wait_for_all():
            for key in keys:
                while (await backend.jobs.wait(key, 10)).active:
                    pass

        backend.run(storm())
        backend.run(wait_for_all())
        rows = [backend.run(backend.jobs.get(key)) for key in keys]
        given_up = [row for row in rows if row.state != "done"]
        # A job whose worker died three times says so, and runs when asked again: neither lost nor silently
        # dropped.
        assert {row.error["code"] for row in given_up} <= {"worker_killed"}
        for row in given_up:
            backend.submit(row.kind, key=row.key, **row.payload)
        backend.run(wait_for_all())
        for n, key in enumerate(keys):
            row = backend.run(backend.jobs.get(key))
            assert (row.state, row.results, row.result["echo"]) == ("done", 1, n), row
            values = np.load(backend.run(backend.jobs.array_path(key, "values")))
            np.testing.assert_array_equal(values, np.arange(6, dtype=np.float32).reshape(2, 3) + n)
        print(
            f"{WORKER_KILLS} kills, {len(keys)} jobs, {sum(row.attempts - 1 for row in rows)} restarts, {len(given_up)} given up"
        )
    assert not list((tmp_path / "data" / "spool").iterdir())


def start(folder):
    command = [sys.executable, "-m", "tests.backend.jobs.serve", str(folder), str(JOBS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_web_process_loses_and_doubles_nothing(tmp_path):
    rng = random.Random(1)
    accepted: set[str] = set()
    for _ in range(API_KILLS):
        process = start(tmp_path)
        assert process.stdout.readline() == "started\n"
        for _ in range(rng.randrange(JOBS)):
            accepted.add(process.stdout.readline())
        time.sleep(rng.uniform(0, 1.0))
        workers = workers_of(process.pid)
        process.kill()
        process.wait()
        gone(workers)
    process = start(tmp_path)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.splitlines()[-2:] == ["finished", "stopped"]
    store = Store(Settings(data=tmp_path).database_url, tmp_path)
    rows = {row.key: row for row in Queue(store, Limits()).listing(None, None, 1000)}
    assert len(rows) == JOBS
    for n in range(JOBS):
        row = rows[f"{n:064x}"]
        assert (row.state, row.results, row.result["echo"]) == ("done", 1, n), row
        values = store.blobs.array(Queue(store, Limits()).blobs(row.key)["values"])
        np.testing.assert_array_equal(values, np.arange(6, dtype=np.float32).reshape(2, 3) + n)
    store.close()


def test_sigterm_leaves_no_process_behind(tmp_path):
    """In the middle of work: what runs is given back to the table, and taken up by the next start."""
    process = start(tmp_path)
    assert process.stdout.readline() == "started\n"
    process.stdout.readline()
    workers = workers_of(process.pid)
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out.splitlines()[-1]) == (0, "stopped")
    gone(workers)
    store = Store(Settings(data=tmp_path).database_url, tmp_path)
    rows = Queue(store, Limits()).listing(None, None, 1000)
    assert {row.state for row in rows} <= {"queued", "done"}
    assert rows
    store.close()
