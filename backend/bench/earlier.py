"""This run against an earlier one: which ratios changed, and which of them by more than the rounds differ.

Rows are told by group, work and peer. A change counts only where the two ranges do not overlap; a range of one
round says nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from tabulate import tabulate

from app.core.errors import BadParameter
from backend.bench.harness import Report, Row
from backend.bench.report import in_digits, span

SAME_MACHINE = ("processor", "features", "cores", "threads", "system")


def read(path: Path) -> Report:
    """The report of an earlier run. Raises BadParameter for a file that is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {part.name for part in fields(Row)}
        rows = [
            Row(**{name: value for name, value in row.items() if name in known}) for row in content["rows"]
        ]
        if not all(_whole(row) for row in rows):
            raise ValueError
        return Report(rows=rows, machine=dict(content["machine"]))
    except OSError:
        reason = "There is no such file, or it cannot be read"
    except (ValueError, TypeError, KeyError, AttributeError):
        reason = "This file is no result of the benchmark, or only a part of one"
    raise BadParameter(f"{reason}: choose the bench.json of an earlier run.", field="compare")


def _whole(row: Row) -> bool:
    """Whether the file held text and finite numbers where they belong."""
    numbers = [row.ours, row.low, row.high, *(() if row.ratio is None else (row.ratio,))]
    return all(isinstance(text, str) for text in (row.group, row.work, row.peer, row.unit)) and all(
        type(number) in (int, float) and math.isfinite(number) for number in numbers
    )


def compare(now: Report, before: Report, groups: Iterable[str]) -> Iterator[str]:
    """Lines in Markdown. groups: those measured this time; other rows of the earlier run are not missed."""
    yield from ("", f"**Against the run of {before.machine.get('time', 'an unknown time')}**", "")
    others = [name for name in SAME_MACHINE if before.machine.get(name) != now.machine.get(name)]
    if others:
        yield (
            "Warning: another machine. "
            + " ".join(
                f"Its {name}: {_words(before.machine.get(name))}, now {_words(now.machine.get(name))}."
                for name in others
            )
        )
        yield ""
    changed = list(_versions(now.machine, before.machine))
    if changed:
        yield from (f"Versions that changed: {', '.join(changed)}.", "")
    earlier, current = ({_key(row): row for row in report.rows} for report in (before, now))
    both = [(earlier[key], row) for key, row in current.items() if key in earlier]
    yield tabulate(
        [
            (row.work, row.peer, span(old), span(row), f"{100 * (_value(row) / _value(old) - 1):+.0f} %",
             verdict(old, row))
            for old, row in both if _value(old)
        ],
        ["work", "against", "before", "now", "change", ""],
        tablefmt="github",
        disable_numparse=True,
    )  # fmt: skip
    measured = set(groups)
    yield from _only("Only in this run", [row for key, row in current.items() if key not in earlier])
    gone = [row for key, row in earlier.items() if key not in current and row.group in measured]
    yield from _only("Only in the earlier run", gone)


def verdict(before: Row, now: Row) -> str:
    """`better` or `worse` where the ranges do not overlap, else `same`; words for ranges of one value."""
    if before.low == before.high or now.low == now.high:
        return "no range to judge by"
    if before.low <= now.high and now.low <= before.high:
        return "same"
    return "better" if (now.high < before.low) == now.less else "worse"


def _key(row: Row) -> tuple[str, str, str]:
    return row.group, row.work, row.peer


def _value(row: Row) -> float:
    return row.ours if row.ratio is None else row.ratio


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _versions(now: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    new, old = (dict(machine.get("versions", {})) for machine in (now, before))
    for name in sorted(new.keys() | old.keys()):
        if new.get(name) != old.get(name):
            yield f"{name} {old.get(name, 'absent')} to {new.get(name, 'absent')}"


def _only(title: str, rows: Iterable[Row]) -> Iterator[str]:
    lines = [
        f"- {row.work}{f' against {row.peer}' if row.peer else ''}: "
        f"{span(row) if row.ratio is not None else in_digits(row.ours, row.unit)}"
        for row in rows
    ]
    if lines:
        yield from ("", f"{title}:", "", *lines)
