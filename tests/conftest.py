"""Shared fixtures. Real recordings and photographs are not part of the repository: tests that need them
say so and skip."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if _processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # They share the cores: threads of one would wait for cores that another computes on.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _processes)))

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _data_folder() -> Path | None:
    folder = Path(os.environ.get("EVIDENT_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "MANIFEST.sha256").is_file() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real recordings, photographs and public weights (set EVIDENT_TEST_DATA to move it)."""
    folder = _data_folder()
    if folder is None:
        pytest.skip(
            "the real recordings and photographs are not beside this checkout (set EVIDENT_TEST_DATA)"
        )
    return folder
