"""Interleaved timing and the groups of rows."""

from __future__ import annotations

import importlib
import os
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import psutil

from backend.attribution.network.runtime import as_usual
from backend.bench.machine import has_amx

Work = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure with a bound.

    ours, theirs: medians over the rounds, in `unit`. ratio: median over the rounds of theirs / ours (ours /
    floor for rows over a floor); None for a figure without a peer. low, high: range over the rounds of the
    ratio, else of the figure. less: whether less is better. reached: None where no goal was set, or none
    that holds on this machine.
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
    less: bool = False
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
    should be, None where nothing was promised. amx: the goal was set for a processor with AMX; elsewhere the
    floor is the goal. times: what the work takes is multiplied by this, where a share of it stands for the
    whole (the note says so). over_engine: it runs our engine's passes.
    """

    name: str
    make: Callable[[], Work | tuple[Work, Work]]
    goal: float | None = None
    note: str = ""
    times: float = 1.0
    amx: bool = False
    over_engine: bool = False


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
    """Ours and each peer in turn, `setting.rounds` times, after everyone has run once (`warm`; ours before each round, for
    the memory that it then has at hand, as a worker has). One row per peer, ratio theirs / ours."""
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
        _let_go(peer)
        short()
        runners.append((peer, run))
    if not runners:
        return
    our_times: list[float] = []
    their_times: list[list[float]] = [[] for _ in runners]
    for number in range(setting.rounds):
        setting.tell(f"{work}: round {number + 1} of {setting.rounds}")
        (warm or ours)()
        our_times.append(seconds(ours))
        for (peer, run), times in zip(runners, their_times, strict=True):
            setting.tell(f"{work}: round {number + 1} of {setting.rounds}, {peer.name}")
            _let_go(peer)
            times.append(peer.times * seconds(run))
    for (peer, _), times in zip(runners, their_times, strict=True):
        pairs = list(zip(our_times, times, strict=True))
        yield versus(work, peer.name, pairs, goal=peer.goal, note=peer.note, amx=peer.amx)


def _let_go(peer: Peer) -> None:
    """What our engine sets in its process speeds up its passes alone."""
    if not peer.over_engine:
        as_usual()


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
    row = _row(work, name, pairs, ratios, f"<= {most:g}", statistics.median(ratios) <= most, note)
    return replace(row, less=True)


def versus(
    work: str,
    peer: str,
    pairs: Sequence[tuple[float, float]],
    *,
    goal: float | None,
    note: str = "",
    amx: bool = False,
    unit: str = "s",
) -> Row:
    """Ours and theirs, round by round; theirs / ours should be at least `goal`, on AMX only where it is set
    for that."""
    ratios = [b / a for a, b in pairs]
    target, reached = ("", None) if goal is None else (f">= {goal:g} x", statistics.median(ratios) >= goal)
    if target and amx and not has_amx():
        target, reached = f"{target} on AMX; here: the floor", None
    return replace(_row(work, peer, pairs, ratios, target, reached, note), unit=unit)


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


def figure(
    work: str, values: Sequence[float], *, unit: str, most: float | None = None, note: str = ""
) -> Row:
    """A figure, with an upper bound if any: the median of `values` should stay below `most`."""
    middle = statistics.median(values)
    goal, reached = ("", None) if most is None else (f"<= {most:g} {unit}", middle <= most)
    return Row(work, "", middle, None, None, min(values), max(values), goal, reached, note, unit, less=True)


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
