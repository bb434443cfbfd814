"""`evident demo`: the tour of six steps on what comes along, in a browser window as large as the screen."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

NAME = "demo"
HELP = "Start Evident and open the guided tour full screen: six steps, one thing to click each, all offline."

STEPS = 6
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "brave-browser",
)
"""All of one family: a window without address bar, as large as the screen; F11 or Alt+F4 leaves it."""
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
PATIENCE = 180.0
"""Seconds in which a first start must answer."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--step", type=int, default=1, help="the step to begin with, 1 to 6 (default 1)")
    parser.add_argument(
        "--window", action="store_true", help="an ordinary window or tab instead of the whole screen"
    )
    parser.add_argument("--port", type=int, help="port (default 8050); what serves Evident there is used")
    parser.add_argument("--data", help="folder of the database, uploads and caches (default ./data)")
    parser.add_argument(
        "--workers", type=int, help="attribution worker processes (default: one per core, at most 4)"
    )


def run(args: argparse.Namespace) -> int:
    """Serves on this machine only until it is stopped; beside an Evident that serves there already it only opens the
    browser."""
    from app.core.errors import BadParameter
    from app.core.settings import load_settings

    if not 1 <= args.step <= STEPS:
        raise BadParameter(f"The tour has steps 1 to {STEPS}.", field="step")
    given = {name: getattr(args, name) for name in ("port", "data", "workers")}
    settings = load_settings(
        host="127.0.0.1", **{name: value for name, value in given.items() if value is not None}
    )
    site = f"http://127.0.0.1:{settings.port}"
    address = f"{site}/?tour={args.step}"
    show = _ordinary if args.window else _full_screen
    if _answers(site):
        show(address)
        return 0

    from app.commands import serve

    threading.Thread(target=_open_when_ready, args=(site, address, show), daemon=True).start()
    return serve.run(
        argparse.Namespace(**given, host="127.0.0.1", models=None, inputs=None, recordings=None, part="all")
    )


def _open_when_ready(site: str, address: str, show: Callable[[str], None]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if _answers(site):
            show(address)
            return
        time.sleep(0.3)
    print(f"Evident does not answer yet; open {address} when it does.", file=sys.stderr, flush=True)


def _answers(site: str) -> bool:
    """Whether an Evident there is ready to compute."""
    import httpx

    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(f"{site}/readyz", timeout=2.0, trust_env=False)
        return answer.status_code == 200 and answer.json().get("status") == "ready"
    return False


def _full_screen(address: str) -> None:
    browser = _browser()
    if browser is None:
        print(f"The tour is open at {address}; F11 makes it as large as the screen.", file=sys.stderr)
        _ordinary(address)
        return
    print(f"The tour is open at {address} (F11 or Alt+F4 leaves the full screen)", file=sys.stderr)
    subprocess.Popen(
        [browser, "--start-fullscreen", "--new-window", f"--app={address}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _ordinary(address: str) -> None:
    if not webbrowser.open(address):
        print(f"No browser could be opened here; the tour is at {address}", file=sys.stderr, flush=True)


def _browser() -> str | None:
    """A browser of this machine that can fill the screen by itself; EVIDENT_BROWSER names another."""
    named = os.environ.get("EVIDENT_BROWSER")
    if named and Path(named).is_file():
        return named
    found = (shutil.which(name) for name in BROWSERS)
    return next((path for path in found if path), None) or next(
        (place for place in PLACES if Path(place).is_file()), None
    )
