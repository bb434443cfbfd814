"""Interleaved timing, the machine's name, and a table in JSON and Markdown."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One comparison. ratio: median over rounds of theirs / ours (or ours / floor when `over_floor`); low, high: its range."""

    work: str
    peer: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    goal: str
    reached: bool | None
    note: str = ""


@dataclass(frozen=True)
class Setting:
    """How long to measure."""

    rounds: int = 5
    quick: bool = False


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)


def seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def race(work: str, ours: Work, peer: str, theirs: Work, *, goal: float, rounds: int, over_floor: bool = False, note: str = "") -> Row:
    """Both once to warm up, then in turn. over_floor: `theirs` is the bare passes and a ratio *below* the goal is wanted."""
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    ratios = [a / b if over_floor else b / a for a, b in pairs]
    ratio = statistics.median(ratios)
    return Row(
        work, peer, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio, min(ratios), max(ratios),
        f"<= {goal:g}" if over_floor else f">= {goal:g} x", ratio <= goal if over_floor else ratio >= goal, note,
    )  # fmt: skip


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    import torch

    names = ("torch", "captum", "lime", "grad-cam", "zennit", "numpy", "scikit-image", "visual-tcav")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: found for name in names if (found := _version(name))},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    flags = next((line for line in lines if line.startswith("flags")), "")
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    extras = [label for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if flag in flags.split()]
    return f"{name} ({', '.join(extras)})" if extras else name


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write(report: Report, folder: Path) -> Path:
    """`bench.json` and `bench.md` in `folder`; returns the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    table = folder / "bench.md"
    table.write_text("\n".join(markdown(report)) + "\n")
    return table


def markdown(report: Report) -> Iterable[str]:
    """The table people read."""
    at = report.machine
    yield f"Measured {at['time']} on {at['processor']}, {at['cores']} cores, {at['threads']} threads, Python {at['python']}."
    yield "Versions: " + ", ".join(f"{name} {number}" for name, number in at["versions"].items()) + "."
    yield ""
    yield "| work | against | ours, s | theirs, s | ratio (range) | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for row in report.rows:
        verdict = {True: "reached", False: "not reached", None: ""}[row.reached]
        span = f"{row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})"
        note = f" {row.note}" if row.note else ""
        yield f"| {row.work} | {row.peer} | {row.ours:.3f} | {row.theirs:.3f} | {span} | {row.goal} | {verdict}{note} |"
    for line in report.left_out:
        yield f"\nLeft out: {line}"
