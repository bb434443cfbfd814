"""Debian's PostgreSQL for the tests, where it can be had in a moment: run by `make test` before them.

Nothing fails for want of it: the tests on PostgreSQL then say why they are skipped. They start a server of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SERVERS = Path("/usr/lib/postgresql")
QUICKLY = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def missing() -> bool:
    at_hand = os.environ.get("EVIDENT_TEST_POSTGRES") or shutil.which("postgres")
    return not at_hand and not any(SERVERS.glob("*/bin/postgres"))


def main() -> int:
    if not missing() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return 0
    print("Fetching PostgreSQL for the tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command, seconds in (("update", 120), ("install", 600)):
        what = ("-y", "--no-install-recommends", "postgresql") if command == "install" else ()
        try:
            subprocess.run(
                ["apt-get", *QUICKLY, "-qq", command, *what],
                env=environment,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            break
    if missing():
        print("PostgreSQL is not to be had; the tests on it are skipped.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
