"""Progress of a running task, on a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.core.errors import NoSpace
from app.core.settings import Limits
from backend.jobs import spool as module
from backend.jobs.errands import Errands
from backend.jobs.spool import Spool
from backend.store.blobs import Blobs


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


def test_an_errand_that_begins_while_somebody_tidies_up_is_left_alone(tmp_path, monkeypatch):
    """Its folder is seen as soon as it is made, before a byte lies in it."""
    spool = Spool(tmp_path / "spool")
    errands = Errands(SimpleNamespace(capacity={"decode": 1}), spool, Limits(), "host/1/2")

    class Tidied(Blobs):
        def __init__(self, folder):
            super().__init__(folder)
            spool.clean(errands.living)

    monkeypatch.setattr("backend.jobs.errands.Blobs", Tidied)
    with errands.open() as errand:
        assert errand.sent.put(b"bytes")
    assert spool.clean(errands.living) == 0
    assert list(spool.folder.iterdir()) == []


def test_an_errand_that_could_not_begin_is_tidied_up(tmp_path, monkeypatch):
    spool = Spool(tmp_path / "spool")
    errands = Errands(SimpleNamespace(capacity={"decode": 1}), spool, Limits(), "host/1/2")
    make = spool.open

    def make_and_fail(job):
        make(job)
        raise OSError(28, "full")

    monkeypatch.setattr(spool, "open", make_and_fail)
    with pytest.raises(NoSpace), errands.open():
        pass
    assert spool.clean(errands.living) == 1
