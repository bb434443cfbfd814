"""`evident demo` serves on this machine and opens the tour as large as the screen, once the server is ready."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli import main
from app.commands import demo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """Writes down what it was called with."""
    program = tmp_path / "browser"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/half && mv {tmp_path}/half {tmp_path}/opened\n'
    )
    program.chmod(0o755)
    return program


def opened(browser: Path) -> list[str]:
    """The arguments of its next call."""
    file, until = browser.parent / "opened", time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < until, "no browser was opened"
        time.sleep(0.05)
    words = file.read_text().split("\n")[:-1]
    file.unlink()
    return words


def test_it_opens_the_tour_when_the_server_is_ready_and_again_beside_it(
    port: int, browser: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"EVIDENT_BROWSER": str(browser)}
    command = [
        sys.executable,
        "-m",
        "app",
        "demo",
        "--port",
        str(port),
        "--data",
        str(tmp_path / "data"),
        "--workers",
        "1",
    ]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        words = opened(browser)
        assert "--start-fullscreen" in words
        assert words[-1] == f"--app=http://127.0.0.1:{port}/?tour=1"
        again = subprocess.run([*command, "--step", "4"], cwd=ROOT, env=environment, timeout=60, check=False)
        assert again.returncode == 0, "it does not serve a second time"
        assert opened(browser)[-1].endswith("/?tour=4")
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in said


def test_without_a_browser_the_address_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_browser", lambda: None)
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    demo._full_screen("http://127.0.0.1:8050/?tour=1")
    assert "the tour is at http://127.0.0.1:8050/?tour=1" in capsys.readouterr().err


def test_a_step_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--step", "7"]) == 2
    assert "1 to 6" in capsys.readouterr().err


def test_it_knows_how_many_steps_the_tour_has() -> None:
    steps = (ROOT / "frontend/assets/evident/tour/steps.mjs").read_text()
    assert steps.count("\n    before:") == demo.STEPS
