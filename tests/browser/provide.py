"""Find or fetch a browser for the tests: an installed Chromium or Chrome, else playwright's own download,
else Debian's package when root.

Run as a script by `make test`; exits with 1 and a plain sentence when no browser is to be had: a run without
one must fail, not skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def installed() -> str | None:
    """Path of a browser on this machine, or None."""
    named = os.environ.get("EVIDENT_BROWSER")
    if named and Path(named).is_file():
        return named
    for name in NAMES:
        if path := shutil.which(name):
            return path
    cached = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
    return str(cached[-1]) if cached else None


def _run(*command: str, seconds: int = 600) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def main() -> int:
    if installed():
        return 0
    print("No browser found; fetching one for the tests ...", flush=True)
    # Debian's package is tried first where it is certain to work: the other download may hang for minutes
    # without a network.
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "chromium", seconds=1200)
    if not installed():
        _run(sys.executable, "-m", "playwright", "install", "chromium")
    if installed():
        return 0
    print(
        "The tests drive a real browser and none could be found or installed: install Chromium or set EVIDENT_BROWSER.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
