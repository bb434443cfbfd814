"""The report of a run: JSON for programs, Markdown tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from backend.bench.harness import Report, Row, groups


def write(report: Report, folder: Path, compared: Iterable[str] = ()) -> Path:
    """`bench.json` and `bench.md` in `folder`, with the lines of a comparison behind the tables; returns the
    Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    table = folder / "bench.md"
    table.write_text("\n".join([*markdown(report), *compared]) + "\n")
    return table


def markdown(report: Report) -> Iterable[str]:
    """The tables people read, one per group."""
    at = report.machine
    yield (
        f"Measured {at['time']} on {at['processor']} ({', '.join(at['features']) or 'no AMX, no AVX512'}), "
        f"{at['cores']} cores, torch with {at['threads']} threads, "
        f"Python {at['python']}, load {at['load']:.1f} at the start."
    )
    yield "Versions: " + ", ".join(f"{name} {number}" for name, number in at["versions"].items()) + "."
    titles = {name: getattr(module, "TITLE", name) for name, module in groups().items()}
    for name in dict.fromkeys(row.group for row in report.rows):
        yield from ("", f"**{titles.get(name, name)}**", "")
        yield from (
            f"Other programs used {report.others.get(name, 0.0):.1f} of {at['cores']} cores meanwhile.",
            "",
        )
        rows = [_cells(row) for row in report.rows if row.group == name]
        yield tabulate(
            rows,
            ["work", "against", "ours", "theirs", "ratio (range)", "goal", ""],
            tablefmt="github",
            disable_numparse=True,
        )
    for line in report.left_out:
        yield f"\nLeft out: {line}"


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {True: "reached", False: "not reached", None: ""}[row.reached]
    ours, theirs = (in_digits(value, row.unit) for value in (row.ours, row.theirs))
    return (
        row.work,
        row.peer,
        ours,
        theirs,
        span(row),
        row.goal,
        ". ".join(part for part in (verdict, row.note) if part),
    )


def span(row: Row) -> str:
    """The ratio, if any, and its range, else the range of the figure."""
    if row.ratio is None:
        return f"({in_digits(row.low, row.unit)} to {in_digits(row.high, row.unit)})"
    return f"{row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})"


def in_digits(value: float | None, unit: str) -> str:
    """Three digits that count: 0.0123 s, 1.23 s, 123 MB."""
    if value is None:
        return ""
    digits = 2 if value == 0 else 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):.{max(0, digits)}f} {unit}"
