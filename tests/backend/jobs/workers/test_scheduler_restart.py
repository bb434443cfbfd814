"""A scheduler that dies and comes back on the same port: workers and engine find it again by themselves,
and what ran is given back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from backend.jobs.workers import Lost, Spool, WorkerConfig
from backend.jobs.workers.cluster import DaskEngine
from tests.backend.jobs.workers.test_contract import PLUGINS, until

SCHEDULER = """
import asyncio, sys
from distributed import Scheduler
async def main():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        await scheduler.finished()
asyncio.run(main())
"""


def test_engine_and_workers_survive_a_restart_of_the_scheduler(tmp_path, caplog):
    port = random.randrange(20000, 60000)
    address, spool = f"tcp://127.0.0.1:{port}", Spool(tmp_path / "spool")

    def start_scheduler():
        process = subprocess.Popen([sys.executable, "-c", SCHEDULER, str(port)], stderr=subprocess.DEVNULL)
        stack.callback(lambda: process.poll() is None and process.kill())
        return process

    with ExitStack() as stack:
        scheduler = start_scheduler()
        until(lambda: _answers(port))
        command = [sys.executable, "-m", "app", "worker", "--scheduler", address, "--workers", "1"]
        workers = subprocess.Popen(
            command, env={**os.environ, "EVIDENT_DATA": str(tmp_path)}, stderr=subprocess.DEVNULL
        )
        stack.callback(lambda: workers.poll() is None and workers.kill())
        engine = DaskEngine(WorkerConfig(data=tmp_path, plugins=PLUGINS, preload=False), address)
        stack.callback(engine.stop)
        engine.start()
        until(engine.ready)
        spool.open("long")
        future = engine.submit("toy_echo", {"steps": 600, "nap": 0.1}, "long", "interactive")
        until(lambda: spool.starts("long"))
        scheduler.kill()
        scheduler.wait()
        with pytest.raises(Lost):
            future.result(30)
        until(lambda: not engine.ready())
        assert engine.capacity["compute"] == 0
        scheduler = start_scheduler()
        until(engine.ready, 90)
        spool.open("after")
        assert engine.submit("toy_echo", {"name": 7}, "after", "interactive").result(60).result["echo"] == 7
        said = [record.getMessage() for record in caplog.records if "does not answer" in record.getMessage()]
        assert 1 <= len(said) <= 3  # when it happens, not at every look
        workers.send_signal(signal.SIGTERM)
        assert workers.wait(60) == 0


def _answers(port):
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        time.sleep(0.1)
        return False
    return True
