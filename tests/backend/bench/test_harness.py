"""The benchmark's arithmetic, with a clock that is told what to say."""

from __future__ import annotations

import importlib
import json
import types

import pytest

from backend.bench import harness, machine, report
from backend.bench.harness import LeftOut, Peer, Row, Setting


def clock(monkeypatch, *durations):
    """`seconds` runs the work and answers with the next of these."""
    said = iter(durations)
    monkeypatch.setattr(harness, "seconds", lambda work: (work(), next(said))[1])


def test_a_contest_takes_turns_and_medians_of_paired_ratios(monkeypatch):
    calls = []
    clock(monkeypatch, 1.0, 4.0, 2.0, 2.0, 4.0, 6.0, 1.0, 8.0, 5.0)
    peers = [
        Peer("first", lambda: (lambda: calls.append("first"), lambda: calls.append("first, short")), 3),
        Peer("second", lambda: lambda: calls.append("second"), times=2),
    ]
    first, second = harness.contest(
        "w", lambda: calls.append("ours"), peers, Setting(rounds=3), warm=lambda: calls.append("warm")
    )
    assert calls == ["warm", "first, short", "second", *["warm", "ours", "first", "second"] * 3]
    assert (first.ratio, first.low, first.high, first.ours, first.theirs) == (4.0, 2.0, 8.0, 1.0, 4.0)
    assert second.theirs == 10.0
    assert (first.goal, first.reached) == (">= 3 x", True)
    assert (second.ratio, second.goal, second.reached) == (6.0, "", None)


def test_the_clock_covers_the_work_and_nothing_else(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(harness, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    assert harness.seconds(lambda: now.__setitem__(0, now[0] + 2.5)) == 2.5


def test_a_peer_that_is_not_installed_is_left_out_and_the_others_stay(monkeypatch):
    clock(monkeypatch, 1.0, 2.0)
    missing = Peer("no such peer", lambda: importlib.import_module("no_such_module_here"), 2)
    left, row = harness.contest(
        "w", lambda: None, [missing, Peer("there", lambda: lambda: None)], Setting(rounds=1)
    )
    assert left == LeftOut("w against no such peer", "no_such_module_here is not installed.")
    assert row.peer == "there"
    with pytest.raises(
        ImportError, match="broken"
    ):  # installed but broken is a fault to hear of, not a row to drop
        list(harness.contest("w", lambda: None, [Peer("bad", _broken)], Setting(rounds=1)))


def _broken():
    raise ImportError("broken")


def test_over_the_floor_small_is_good(monkeypatch):
    clock(monkeypatch, 1.2, 1.0, 1.1, 1.0, 1.3, 1.0)
    row = harness.over_floor("w", lambda: None, lambda: None, Setting(rounds=3), most=1.15)
    assert row.ratio == pytest.approx(1.2)
    assert row.reached is False
    assert row.goal == "<= 1.15"


def test_a_figure_is_held_against_its_bound():
    row = harness.figure("memory", [90.0, 120.0, 100.0], most=150, unit="MB")
    assert (row.ours, row.low, row.high, row.goal, row.reached) == (100.0, 90.0, 120.0, "<= 150 MB", True)
    assert harness.figure("memory", [151.0], most=150, unit="MB").reached is False
    unbound = harness.figure("memory", [151.0], unit="MB")
    assert (unbound.goal, unbound.reached) == ("", None)


def test_a_goal_for_amx_holds_there_only(monkeypatch):
    for amx, goal, reached in ((True, ">= 3 x", False), (False, ">= 3 x on AMX; here: the floor", None)):
        monkeypatch.setattr(harness, "has_amx", lambda amx=amx: amx)
        clock(monkeypatch, 1.0, 2.0)
        (row,) = harness.contest(
            "w", lambda: None, [Peer("p", lambda: lambda: None, 3, amx=True)], Setting(1)
        )
        assert (row.goal, row.reached) == (goal, reached)


def test_the_processor_features_are_named_as_the_system_names_them(monkeypatch):
    words = {"flags": ["fpu", "avx2", "avx512f", "avx512_bf16"]}
    monkeypatch.setattr(machine, "_cpu_lines", lambda key: words.get(key, []))
    assert machine.features.__wrapped__() == ["AVX512-BF16", "AVX512", "AVX2"]
    words["flags"].append("amx_bf16")
    assert machine.features.__wrapped__()[0] == "AMX"
    words["flags"] = ["fpu"]
    assert machine.features.__wrapped__() == []


def test_groups_are_the_files_with_rows_in_their_order():
    groups = harness.groups()
    assert set(groups) >= {
        "floor",
        "stamp",
        "peers",
        "same_error",
        "same_time",
        "early_stop",
        "comparison",
        "concepts",
        "service",
    }
    assert "harness" not in groups
    orders = [module.ORDER for module in groups.values()]
    assert orders == sorted(orders)
    assert all(module.TITLE for module in groups.values())


def test_the_table_names_machine_rows_and_what_was_left_out(tmp_path):
    row = Row("LIME", "lime", 1, 5, 5, 4, 6, ">= 4.5 x", True, "Same segments.")
    memory = harness.figure("Memory", [0.0123], most=1, unit="GB")
    module = types.SimpleNamespace(
        rows=lambda setting: [row, LeftOut("Concepts against visual-tcav", "it is not installed."), memory]
    )
    result = harness.Report(machine=machine.machine())
    harness.measure("peers", module, Setting(), result)
    text = " ".join(report.write(result, tmp_path / "out").read_text().split())
    assert (
        "| LIME | lime | 1.00 s | 5.00 s | 5.00 (4.00 to 6.00) | >= 4.5 x | reached. Same segments. |" in text
    )
    assert "| Memory | | 0.0123 GB | | (0.0123 GB to 0.0123 GB) | <= 1 GB | reached |" in text
    assert "Left out: Concepts against visual-tcav: it is not installed." in text
    assert f"torch with {result.machine['threads']} threads" in text
    assert all(feature in text for feature in result.machine["features"])
    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [(row["group"], row["ratio"]) for row in written["rows"]] == [("peers", 5), ("peers", None)]


def test_what_other_programs_used_is_told_apart_from_ours(monkeypatch, tmp_path):
    busy, own, now = iter([100.0, 130.0]), iter([40.0, 50.0]), iter([0.0, 10.0])
    monkeypatch.setattr(harness, "_busy_cpu_seconds", lambda: next(busy))
    monkeypatch.setattr(harness, "_own_cpu_seconds", lambda: next(own))
    # The module's own clock: other threads of this process go on asking the real one.
    monkeypatch.setattr(harness, "time", types.SimpleNamespace(monotonic=lambda: next(now)))
    row = harness.figure("Memory", [1.0], most=2, unit="MB")
    result = harness.Report(machine={**machine.machine(), "cores": 4})
    harness.measure("peers", types.SimpleNamespace(rows=lambda setting: [row]), Setting(), result)
    assert result.others == {"peers": 2.0}
    assert "Other programs used 2.0 of 4 cores meanwhile." in report.write(result, tmp_path).read_text()


def test_our_own_work_counts_as_ours():
    busy, own = harness._busy_cpu_seconds(), harness._own_cpu_seconds()
    sum(i * i for i in range(5_000_000))
    assert harness._own_cpu_seconds() - own > 0.05
    assert harness._busy_cpu_seconds() - busy >= 0.5 * (harness._own_cpu_seconds() - own)


def test_figures_have_three_digits_that_count():
    assert [report.in_digits(value, "s") for value in (0.01234, 1.0, 123.456, 1234.5, None)] == [
        "0.0123 s",
        "1.00 s",
        "123 s",
        "1230 s",
        "",
    ]
