"""Progress of a running task, on a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backend.jobs import spool as module
from backend.jobs.spool import Spool


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def told(tmp_path, clock):
    spool = Spool(tmp_path / "spool")
    spool.open("job")
    report = spool.reporter("job")

    def tell(now, done, total):
        clock.now = now
        report(done, total)
        return spool.progress("job")

    return tell


def test_time_left_is_the_pace_of_the_work_and_not_of_what_comes_before_it(told):
    """Five seconds to load and prepare, then a hundred samples a second."""
    assert told(100.0, 0, 0).remaining is None
    assert told(105.0, 100, 1000).remaining is None
    assert told(106.0, 200, 1000).remaining == pytest.approx(8.0)
    assert told(110.0, 600, 1000).remaining == pytest.approx(4.0)
    last = told(114.0, 1000, 1000)
    assert (last.remaining, last.seconds) == (0.0, 14.0)


def test_another_stage_has_a_pace_of_its_own(told):
    told(101.0, 1, 2)
    told(102.0, 2, 2)
    assert told(110.0, 1, 10).remaining is None
    assert told(112.0, 2, 10).remaining == pytest.approx(16.0)
