"""`evident worker`: a scheduler and workers in processes of their own, which serve an engine and leave
nothing behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import psutil

from backend.jobs.workers import Spool, WorkerConfig
from backend.jobs.workers.cluster import DaskEngine
from tests.backend.jobs.workers.test_contract import PLUGINS, until


def test_workers_serve_and_leave(tmp_path):
    address = f"tcp://127.0.0.1:{random.randrange(20000, 60000)}"
    command = [
        sys.executable,
        "-m",
        "app",
        "worker",
        "--with-scheduler",
        "--scheduler",
        address,
        "--workers",
        "1",
    ]
    with subprocess.Popen(
        command, env={**os.environ, "EVIDENT_DATA": str(tmp_path)}, stdout=subprocess.DEVNULL
    ) as process:
        engine = DaskEngine(WorkerConfig(data=tmp_path, plugins=PLUGINS), address)
        try:
            engine.start()
            until(engine.ready)
            Spool(tmp_path / "spool").open("a")
            assert engine.submit("toy_echo", {"name": 1}, "a", "interactive").result(60).result["echo"] == 1
        finally:
            engine.stop()
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    deadline = time.monotonic() + 30
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_scheduler_is_said_in_plain_words(tmp_path):
    command = [sys.executable, "-m", "app", "worker", "--scheduler", "tcp://127.0.0.1:9", "--workers", "1"]
    done = subprocess.run(
        command,
        env={**os.environ, "EVIDENT_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "No scheduler answers" in done.stderr
    assert "Traceback" not in done.stderr
