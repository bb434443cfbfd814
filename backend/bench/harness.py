"""Interleaved timing, the groups of rows, and a table in JSON and Markdown with the machine named."""

from __future__ import annotations

import importlib
import json
import math
import os
import pkgutil
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
from tabulate import tabulate

Work = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure with a bound.

    ours, theirs: medians over the rounds, in `unit`. ratio: median over the rounds of theirs / ours (ours /
    floor for rows over a floor); None for a figure without a peer. low, high: range over the rounds of the
    ratio, else of the figure. reached: None where no goal was set.
    """

    work: str
    peer: str
    ours: float
    theirs: float | None
    ratio: float | None
    low: float
    high: float
    goal: str
    reached: bool | None
    note: str = ""
    unit: str = "s"
    group: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A row that could not be measured, and why."""

    work: str
    reason: str


@dataclass(frozen=True)
class Peer:
    """Another implementation of the same work. make: imports it and returns the work (ModuleNotFoundError:
    left out).

    It may return two: the work, and a shorter piece of it to warm up with. goal: how many times faster ours
    should be, None where nothing was promised. times: what the work takes is multiplied by this, where a
    share of it stands for the whole (the note says so).
    """

    name: str
    make: Callable[[], Work | tuple[Work, Work]]
    goal: float | None = None
    note: str = ""
    times: float = 1.0


@dataclass(frozen=True)
class Setting:
    """How long to measure. tell: called with the step that begins."""

    rounds: int = 3
    quick: bool = False
    tell: Callable[[str], None] = lambda text: None


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    """Cores that other programs used on average while a group was measured: what makes figures doubtful."""


# -- measuring ------------------------------------------------------------------------------------------------------------------------


def seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def contest(
    work: str, ours: Work, peers: Sequence[Peer], setting: Setting, *, warm: Work | None = None
) -> Iterator[Row | LeftOut]:
    """Ours and each peer in turn, `setting.rounds` times, after everyone has run once (`warm`). One row
    per peer, ratio theirs / ours."""
    runners: list[tuple[Peer, Work]] = []
    setting.tell(f"{work}: warming up")
    (warm or ours)()
    for peer in peers:
        setting.tell(f"{work}: warming up {peer.name}")
        try:
            work_or_pair = peer.make()
        except ModuleNotFoundError as error:
            yield LeftOut(f"{work} against {peer.name}", f"{error.name} is not installed.")
            continue
        run, short = work_or_pair if isinstance(work_or_pair, tuple) else (work_or_pair, work_or_pair)
        short()
        runners.append((peer, run))
    if not runners:
        return
    our_times: list[float] = []
    their_times: list[list[float]] = [[] for _ in runners]
    for number in range(setting.rounds):
        setting.tell(f"{work}: round {number + 1} of {setting.rounds}")
        our_times.append(seconds(ours))
        for (peer, run), times in zip(runners, their_times, strict=True):
            setting.tell(f"{work}: round {number + 1} of {setting.rounds}, {peer.name}")
            times.append(peer.times * seconds(run))
    for (peer, _), times in zip(runners, their_times, strict=True):
        yield versus(
            work, peer.name, list(zip(our_times, times, strict=True)), goal=peer.goal, note=peer.note
        )


def over_floor(
    work: str,
    ours: Work,
    floor: Work,
    setting: Setting,
    *,
    most: float,
    name: str = "its passes alone",
    note: str = "",
) -> Row:
    """Ours against the bare passes in turn; the ratio ours / floor should stay below `most`."""
    setting.tell(f"{work}: over its floor")
    ours()
    floor()
    pairs = [(seconds(ours), seconds(floor)) for _ in range(setting.rounds)]
    ratios = [a / b for a, b in pairs]
    return _row(work, name, pairs, ratios, f"<= {most:g}", statistics.median(ratios) <= most, note)


def versus(
    work: str, peer: str, pairs: Sequence[tuple[float, float]], *, goal: float | None, note: str = ""
) -> Row:
    """Seconds of ours and theirs, round by round; theirs / ours should be at least `goal`."""
    ratios = [b / a for a, b in pairs]
    target, reached = ("", None) if goal is None else (f">= {goal:g} x", statistics.median(ratios) >= goal)
    return _row(work, peer, pairs, ratios, target, reached, note)


def _row(
    work: str,
    peer: str,
    pairs: Sequence[tuple[float, float]],
    ratios: Sequence[float],
    goal: str,
    reached: bool | None,
    note: str,
) -> Row:
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(
        work, peer, ours, theirs, statistics.median(ratios), min(ratios), max(ratios), goal, reached, note
    )


def figure(work: str, values: Sequence[float], *, most: float, unit: str, note: str = "") -> Row:
    """A figure with an upper bound: the median of `values` should stay below `most`."""
    middle = statistics.median(values)
    return Row(
        work,
        "",
        middle,
        None,
        None,
        min(values),
        max(values),
        f"<= {most:g} {unit}",
        middle <= most,
        note,
        unit,
    )


# -- groups ---------------------------------------------------------------------------------------------------------------------------


def groups() -> dict[str, ModuleType]:
    """The files of this package that have rows, by name, in their order."""
    import backend.bench as package

    modules = {
        info.name: importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
    }
    return {
        name: module
        for name, module in sorted(modules.items(), key=lambda pair: getattr(pair[1], "ORDER", 0))
        if hasattr(module, "rows")
    }


def measure(name: str, module: ModuleType, setting: Setting, report: Report) -> None:
    """Adds what one group measures to the report."""
    busy_seconds, own_seconds, started = _busy_cpu_seconds(), _own_cpu_seconds(), time.monotonic()
    for row in module.rows(setting):
        if isinstance(row, LeftOut):
            report.left_out.append(f"{row.work}: {row.reason}")
        else:
            report.rows.append(replace(row, group=name))
    elapsed = max(time.monotonic() - started, 1e-3)
    report.others[name] = (
        max(0.0, (_busy_cpu_seconds() - busy_seconds) - (_own_cpu_seconds() - own_seconds)) / elapsed
    )


def _busy_cpu_seconds() -> float:
    """Processor seconds of all programs since boot."""
    spent = psutil.cpu_times()
    return float(
        sum(spent)
        - spent.idle
        - getattr(spent, "iowait", 0.0)
        - getattr(spent, "guest", 0.0)
        - getattr(spent, "guest_nice", 0.0)
    )


def _own_cpu_seconds() -> float:
    """Processor seconds of this process and of its ended children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


# -- the report -----------------------------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """The machine and library versions that the figures hold for."""
    import torch

    names = ("torch", "captum", "lime", "grad-cam", "zennit", "numpy", "scikit-image", "visual-tcav")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: number for name in names if (number := _version(name))},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    flags = next((line for line in lines if line.startswith("flags")), "")
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    extras = [
        label
        for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"))
        if flag in flags.split()
    ]
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
    """The tables people read, one per group."""
    at = report.machine
    yield (
        f"Measured {at['time']} on {at['processor']}, {at['cores']} cores, {at['threads']} threads, "
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
    ours, theirs = (_figure(value, row.unit) for value in (row.ours, row.theirs))
    span = (
        f"{row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})"
        if row.ratio is not None
        else f"({_figure(row.low, row.unit)} to {_figure(row.high, row.unit)})"
    )
    return (
        row.work,
        row.peer,
        ours,
        theirs,
        span,
        row.goal,
        ". ".join(part for part in (verdict, row.note) if part),
    )


def _figure(value: float | None, unit: str) -> str:
    """Three digits that count: 0.0123 s, 1.23 s, 123 MB."""
    if value is None:
        return ""
    digits = 2 if value == 0 else 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):.{max(0, digits)}f} {unit}"
