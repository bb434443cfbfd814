"""The correction of expected seconds by what the last runs took."""

from __future__ import annotations

import pytest

from app.core.cost import LARGEST, REMEMBERED, Run, corrected
from app.core.schemas import Fit

LIME = Fit(ok=True, seconds=10.0, forwards=1000)
RISE = Fit(ok=True, seconds=20.0, forwards=2000)
SMOOTH = Fit(ok=True, seconds=6.0, forwards=50, backwards=50)
CAM = Fit(ok=True, seconds=0.1, forwards=1, backwards=1)
FITS = {
    "lime": LIME,
    "rise": RISE,
    "smooth": SMOOTH,
    "cam": CAM,
    "unmeasured": Fit(ok=True),
    "no": Fit(ok=False),
}


def seconds(**runs):
    return {name: fit.seconds for name, fit in corrected(FITS, runs).items()}


def test_without_runs_nothing_changes():
    assert corrected(FITS, {}) == FITS


def test_the_next_one_is_expected_as_the_last_one_took():
    now = corrected(FITS, {"lime": [Run(1000, 4.0)]})
    assert (now["lime"].seconds, now["lime"].runs) == (pytest.approx(4.0), 1)
    assert FITS["lime"].seconds == 10.0, "what was measured stays as it was"


def test_other_settings_and_early_stops_count_by_their_passes():
    assert seconds(lime=[Run(500, 2.0)])["lime"] == pytest.approx(4.0)
    assert seconds(lime=[Run(2000, 8.0)])["lime"] == pytest.approx(4.0)


def test_runs_of_about_this_size_come_first():
    """What is done once (a copy of the network) weighs more in a small run."""
    small, usual = Run(10, 1.0), Run(800, 3.2)
    assert seconds(lime=[small, small, small, usual])["lime"] == pytest.approx(4.0)
    assert seconds(lime=[small])["lime"] == pytest.approx(10.0 * LARGEST)


def test_one_run_beside_other_work_does_not_move_it():
    usual = [Run(1000, 4.0 + 0.01 * i) for i in range(4)]
    assert seconds(lime=[Run(1000, 79.0), *usual])["lime"] == pytest.approx(4.0, rel=0.02)


def test_it_is_bounded():
    assert seconds(lime=[Run(1000, 1e6)])["lime"] == pytest.approx(10.0 * LARGEST)
    assert seconds(lime=[Run(1000, 1e-6)])["lime"] == pytest.approx(10.0 / LARGEST)


def test_only_the_newest_count():
    old = [Run(1000, 40.0)] * 50
    assert seconds(lime=[Run(1000, 4.0)] * REMEMBERED + old)["lime"] == pytest.approx(4.0)


def test_a_method_that_never_ran_is_corrected_as_its_kind():
    now = corrected(FITS, {"lime": [Run(1000, 5.0)]})
    assert now["rise"].seconds == pytest.approx(10.0)
    assert now["rise"].runs == 0
    assert now["smooth"].seconds == 6.0, "gradients are another kind of pass"
    assert seconds(smooth=[Run(100, 12.0)])["cam"] == 0.1, "one pass by itself is no batch"
    assert seconds(lime=[Run(1000, 5.0)], rise=[Run(2000, 20.0)])["rise"] == pytest.approx(20.0)


def test_what_was_never_measured_stays_unknown():
    now = corrected(FITS, {"unmeasured": [Run(10, 1.0)], "no": [Run(10, 1.0)]})
    assert (now["unmeasured"], now["no"]) == (FITS["unmeasured"], FITS["no"])
