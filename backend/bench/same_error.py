"""Time to the same error: how many of our samples give an estimate as exact as the peer's with its default, and
the time of both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from backend.bench.harness import LeftOut, Peer, Row, Setting, contest
from backend.bench.sampling import SEEDS, races

TITLE = "Time to the same error: theirs / ours"
ORDER = 25


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per race."""
    for build in races(setting.quick):
        setting.tell("a reference of many samples")
        race = build()
        setting.tell(f"{race.work}: the error of {race.peer}")
        try:
            error = race.reference.mean_error(race.theirs(race.samples, seed) for seed in SEEDS)
        except ModuleNotFoundError as missing:
            yield LeftOut(f"{race.work}, the same error", f"{missing.name} is not installed.")
            continue
        setting.tell(f"{race.work}: our samples to the same error")
        ours = race.fewest(error) or race.samples
        note = (
            f"Both with an error of {error:.0%} of the spread: {ours:,} {race.unit} of ours, "
            f"{race.samples:,} of theirs."
        )
        peer = Peer(race.peer, lambda race=race: partial(race.theirs, race.samples, 0), race.goal, note, amx=race.amx)  # type: ignore[misc]  # fmt: skip
        yield from contest(race.work, partial(race.ours, ours, 0), [peer], setting)
