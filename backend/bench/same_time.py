"""Error at equal time: what ours reaches in the seconds that the peer takes for its default."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial

from backend.bench.harness import LeftOut, Row, Setting, seconds, versus
from backend.bench.sampling import Race, races

TITLE = "Error at equal time: theirs / ours"
ORDER = 26
TRIES = 3
"""Corrections of the number of samples that fits into the time."""
NEAR = 0.05
MOST = 20_000


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per race. Ours and theirs with the same seeds, which draw different samples."""
    for build in races(setting.quick):
        setting.tell("a reference of many samples")
        race = build()
        setting.tell(f"{race.work}: the seconds of {race.peer}")
        try:
            race.theirs(race.samples, 0)
        except ModuleNotFoundError as missing:
            yield LeftOut(f"{race.work}, the same time", f"{missing.name} is not installed.")
            continue
        yield _row(race, setting)


def _row(race: Race, setting: Setting) -> Row:
    their_seconds = statistics.median(
        seconds(partial(race.theirs, race.samples, seed)) for seed in range(setting.rounds)
    )
    samples, our_seconds = fitting(race.ours, race.samples, their_seconds)
    errors, ranks = [], []
    for seed in range(max(3, setting.rounds)):
        setting.tell(f"{race.work}: errors, seed {seed}")
        ours, theirs = race.ours(samples, seed), race.theirs(race.samples, seed)
        errors.append((100 * race.reference.error(ours), 100 * race.reference.error(theirs)))
        ranks.append((race.reference.correlation(ours), race.reference.correlation(theirs)))
    our_rank, their_rank = (statistics.median(side) for side in zip(*ranks, strict=True))
    note = (
        f"{samples:,} {race.unit} of ours in {our_seconds:.2g} s, {race.samples:,} of theirs in "
        f"{their_seconds:.2g} s; rank correlation with the reference {our_rank:.2f} and {their_rank:.2f}."
    )
    return versus(race.work, race.peer, errors, goal=None, note=note, unit="% of the spread")


def fitting(ours: Callable[[int, int], object], start: int, budget: float) -> tuple[int, float]:
    """How many samples fit into so many seconds, and the seconds that they took. The first run of a number is
    a warm-up: another number of passes may run on another copy of the network."""
    samples = start
    for tries_left in reversed(range(TRIES)):
        ours(samples, 0)
        spent = seconds(partial(ours, samples, 1))
        if abs(spent - budget) <= NEAR * budget or not tries_left:
            break
        samples = min(MOST, max(start // 4, int(samples * budget / spent)))
    return samples, spent
