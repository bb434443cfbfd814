"""A run against an earlier one, on rows that are written here: nothing is measured."""

from __future__ import annotations

import dataclasses
import json

import pytest

from app.core.errors import BadParameter
from backend.bench import earlier, harness, report
from backend.bench.harness import Report, Row

MACHINE = {
    "processor": "P", "features": ["AVX2"], "cores": 2, "threads": 2, "system": "S", "load": 0.1, "python": "3.11",
    "time": "2026-01-02", "versions": {"torch": "2.1", "lime": "0.2"},
}  # fmt: skip


def row(work="LIME", low=4.0, ratio=5.0, high=6.0, **changes):
    return dataclasses.replace(Row(work, "lime", 1.0, 5.0, ratio, low, high, "", None, group="peers"), **changes)  # fmt: skip


def lines(now, before, groups=("peers",)):
    text = "\n".join(earlier.compare(now, before, groups))
    return {line.split("|")[1].strip(): " ".join(line.split()) for line in text.splitlines() if line.startswith("|")}, text  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((4, 5, 6), (6.1, 7, 8), "better"),
        ((4, 5, 6), (2, 3, 3.9), "worse"),
        ((4, 5, 6), (6, 7, 8), "same"),  # the ranges touch
        ((4, 5, 6), (4.5, 5, 5.5), "same"),
        ((4, 5, 6), (7, 7, 7), "no range to judge by"),
        ((4, 4, 4), (6, 7, 8), "no range to judge by"),
    ],
)
def test_a_change_counts_only_where_the_ranges_do_not_overlap(before, now, expected):
    old, new = row("w", *before), row("w", *now)
    assert earlier.verdict(old, new) == expected
    opposite = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert earlier.verdict(old, dataclasses.replace(new, less=True)) == opposite


def test_the_table_names_both_ranges_the_change_and_the_rows_that_exist_once():
    memory = harness.figure("Memory", [100.0, 110.0, 120.0], unit="MB")
    before = Report(
        rows=[
            row(),
            row("gone"),
            row("of a group that was not measured", group="floor"),
            dataclasses.replace(memory, group="peers"),
        ],
        machine=MACHINE,
    )
    less = harness.figure("Memory", [50.0, 55.0, 60.0], unit="MB")
    now = Report(
        rows=[row(low=9.0, ratio=10.0, high=11.0), row("new"), dataclasses.replace(less, group="peers")],
        machine=MACHINE,
    )
    table, text = lines(now, before)
    assert table["LIME"] == "| LIME | lime | 5.00 (4.00 to 6.00) | 10.00 (9.00 to 11.00) | +100 % | better |"
    assert table["Memory"] == "| Memory | | (100 MB to 120 MB) | (50.0 MB to 60.0 MB) | -50 % | better |"
    assert "Only in this run:\n\n- new against lime: 5.00 (4.00 to 6.00)" in text
    assert "Only in the earlier run:\n\n- gone against lime: 5.00 (4.00 to 6.00)" in text
    assert "not measured" not in text
    assert "Warning" not in text
    assert "Versions" not in text


def test_another_machine_is_warned_of_and_changed_versions_are_named():
    other = {**MACHINE, "processor": "Q", "features": ["AMX", "AVX2"], "versions": {"torch": "2.2"}}
    _, text = lines(Report(rows=[row()], machine=other), Report(rows=[row()], machine=MACHINE))
    assert "Warning: another machine. Its processor: P, now Q. Its features: AVX2, now AMX, AVX2." in text
    assert "Versions that changed: lime 0.2 to absent, torch 2.1 to 2.2." in text


def test_what_was_written_is_read_back(tmp_path):
    written = Report(rows=[row(), row("b", ratio=None)], machine=MACHINE)
    report.write(written, tmp_path)
    content = json.loads((tmp_path / "bench.json").read_text())
    content["rows"][0]["a field of a later version"] = 1
    (tmp_path / "bench.json").write_text(json.dumps(content))
    back = earlier.read(tmp_path / "bench.json")
    assert (back.rows, back.machine) == (written.rows, written.machine)


GOOD = {"rows": [dataclasses.asdict(row())], "machine": MACHINE}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{}",
        json.dumps(GOOD)[:-20],
        json.dumps(GOOD | {"machine": None}),
        json.dumps(GOOD | {"rows": [{"work": "LIME"}]}),
        json.dumps(GOOD | {"rows": [GOOD["rows"][0] | {"ratio": "fast"}]}),
        json.dumps(GOOD | {"rows": [GOOD["rows"][0] | {"low": float("nan")}]}),
        json.dumps(GOOD | {"rows": [GOOD["rows"][0] | {"work": ["LIME"]}]}),
        b"\xff\xfe\x00",
    ],
    ids=range(11),
)
def test_a_damaged_or_foreign_file_gets_one_sentence(tmp_path, content):
    path = tmp_path / "earlier.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadParameter, match="no result of the benchmark") as raised:
        earlier.read(path)
    assert raised.value.field == "compare"
    with pytest.raises(BadParameter, match="no such file"):
        earlier.read(tmp_path / "nothing.json")
    with pytest.raises(BadParameter, match="no such file"):
        earlier.read(tmp_path)
