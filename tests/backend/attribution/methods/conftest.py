"""Maps are compared with slower implementations in full precision; half precision has tests of its own in
test_passes.py."""

from __future__ import annotations

import pytest


@pytest.fixture
def half_precision() -> None:
    """Asked for by the tests that want the engine as it is on this machine."""


@pytest.fixture(autouse=True)
def _full_precision(request, monkeypatch):
    if "half_precision" not in request.fixturenames:
        for user in ("network.passes", "lrp.prepared"):
            monkeypatch.setattr(f"backend.attribution.{user}.has_bfloat16", lambda device: False)
