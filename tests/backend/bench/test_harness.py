"""The benchmark's arithmetic, with a clock that is told what to say."""

from __future__ import annotations

import json

from backend.bench import harness


def test_a_race_alternates_and_takes_medians_of_paired_ratios(monkeypatch):
    calls, durations = [], iter([1.0, 4.0, 2.0, 4.0, 1.0, 8.0])
    monkeypatch.setattr(harness, "seconds", lambda work: (work(), next(durations))[1])
    row = harness.race("w", lambda: calls.append("ours"), "p", lambda: calls.append("theirs"), goal=3, rounds=3)
    assert calls == ["ours", "theirs"] * 4
    assert (row.ratio, row.low, row.high, row.ours, row.theirs) == (4.0, 2.0, 8.0, 1.0, 4.0)
    assert row.reached


def test_over_the_floor_small_is_good(monkeypatch):
    durations = iter([1.2, 1.0, 1.1, 1.0, 1.3, 1.0])
    monkeypatch.setattr(harness, "seconds", lambda work: next(durations))
    row = harness.race("w", lambda: None, "floor", lambda: None, goal=1.15, rounds=3, over_floor=True)
    assert row.ratio == 1.2
    assert row.reached is False
    assert row.goal == "<= 1.15"


def test_the_table_names_machine_rows_and_what_was_left_out(tmp_path):
    row = harness.Row("LIME", "lime", 1, 5, 5, 4, 6, ">= 4.5 x", True)
    report = harness.Report([row], ["visual-tcav is not installed"], harness.machine())
    text = harness.write(report, tmp_path / "out").read_text()
    assert "| LIME | lime | 1.000 | 5.000 | 5.00 (4.00 to 6.00) | >= 4.5 x | reached |" in text
    assert "Left out: visual-tcav" in text
    assert json.loads((tmp_path / "out" / "bench.json").read_text())["rows"][0]["ratio"] == 5
