"""The gate before a score on real recordings: what it lets through, and what it learns from them first.

`references` keeps mean and covariance of what networks see of their training inputs, never an input. `simulate` sends
recordings through the gate of the Covid network as the page would, and counts.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from scipy.stats import binomtest

import models
from app.core.errors import EvidentError
from app.core.schemas import Check
from backend.attribution.network.embedding import embedded
from backend.store.blobs import Blobs
from backend.tasks.familiar import fitted, write
from backend.tasks.gate import gate_of, sound_checks
from models.catalogue import WEIGHTS
from models.media.coughs import coughs
from models.media.segment import mono, quality
from models.training import crossval, recordings
from models.training.sound import TEST, TRAIN, generated_inputs

Said = Callable[[int, int], None]
MODEL = "cnnexplain"
STATES = ("ready", "doubtful", "abstain")
GENERATED = "cnnexplain_synthetic"
FOLDS = 5
"""As the shipped weights were trained: fold 0 was never heard."""
HELD_OUT = "telephone coughs, held out"
"""Their people were never heard by the network; the detector's design was guided by telephone coughs as a whole."""


def references(data: Path, out: Path = WEIGHTS) -> Iterator[Path]:
    """Files of what the bundled sound networks see of their training inputs."""
    model = models.load(MODEL)
    clips = recordings.covid(data, "core", model.input, progress=False)  # type: ignore[arg-type]
    z = embedded(model, clips.x)
    held = held_out(clips)
    words = f"{held.sum()} telephone recordings that it did not learn from"
    yield write(fitted(z[~held], z[held], words), model, out)
    model = models.load(GENERATED)
    training, test = (
        embedded(model, generated_inputs(count, seed, "random")[0]) for count, seed in (TRAIN, TEST)
    )
    words = f"{len(test)} generated recordings that it did not learn from"
    yield write(fitted(training, test, words), model, out)


def held_out(clips: recordings.Clips) -> np.ndarray:
    """bool `[n]`: whose people the shipped weights never heard."""
    return crossval.folds_by_person(clips, FOLDS) == 0


@dataclass
class Group:
    """Recordings of one kind: how often each state of the gate, each check that was not in order, and refusals."""

    title: str
    states: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    @property
    def n(self) -> int:
        return sum(self.states.values())


def simulate(data: Path, said: Said = lambda done, total: None) -> list[Group]:
    """Every recording of the data folder as the page would judge it."""
    model = models.load(MODEL)
    todo = sent(data, model)
    groups = {title: Group(title) for title in dict.fromkeys(title for title, _ in todo)}
    with TemporaryDirectory() as folder:
        files = Blobs(Path(folder))
        for done, (title, path) in enumerate(todo):
            said(done, len(todo))
            _count(groups[title], *_judged(model, path, files))
    return list(groups.values())


def sent(data: Path, model: models.Model) -> list[tuple[str, Path]]:
    """Group and file of every recording."""
    clips = recordings.covid(data, "core", model.input, progress=False)  # type: ignore[arg-type]
    return list(_recordings(data, set(clips.people[held_out(clips)])))


def _recordings(data: Path, unheard: Collection[str]) -> Iterator[tuple[str, Path]]:
    with (data / "cough" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    core = [row for row in rows if row["set"] == "core"]
    for row in core:
        yield (
            (HELD_OUT if row["subject_id"] in unheard else "telephone coughs, learned from"),
            data / row["file"],
        )
    for row in rows:
        if row["set"] == "extra_telegram":
            yield "messenger coughs (another channel)", data / row["file"]
        elif row["set"] == "coswara":
            yield "web page coughs (another channel)", data / row["file"]
    with (data / "audio_other" / "labels.csv").open(newline="", encoding="utf-8") as file:
        others = list(csv.DictReader(file))
    for title, kinds in {
        "speech": ("speech",),
        "music, a bird": ("music", "bird"),
        "breathing": ("breathing",),
        "held vowels": ("sustained_vowel",),
    }.items():
        yield from ((title, data / row["file"]) for row in others if row["kind"] in kinds)


def _judged(model: models.Model, path: Path, files: Blobs) -> tuple[str | None, Sequence[Check]]:
    """State of the gate, and the checks; None for what is refused as an input."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = mono(samples)[0], rate
    try:
        prepared = model.input.prepare(sound)
    except EvidentError:
        return None, []
    checks = sound_checks(model, prepared, sound, coughs(*sound), files)
    checks += [Check(**check) for check in quality(samples, rate)]
    return gate_of(checks).state, checks


def _count(group: Group, state: str | None, checks: Sequence[Check]) -> None:
    if state is None:
        group.unreadable += 1
        return
    group.states[state] += 1
    group.checks.update(check.key for check in checks if check.state == "bad")


def markdown(groups: Sequence[Group]) -> list[str]:
    """The table of docs/coughs.md."""
    lines = [
        "| recordings | n | ready | doubtful | abstain | checks that were bad |",
        "|---|---|---|---|---|---|",
    ]
    for group in groups:
        shares = [_share(group.states[state], group.n) for state in STATES]
        bad = ", ".join(f"{key} {count}" for key, count in group.checks.most_common())
        lines.append(f"| {group.title} | {group.n} | {' | '.join(shares)} | {bad} |")
    return lines


def _share(count: int, n: int) -> str:
    interval = binomtest(count, n).proportion_ci(method="wilson")
    return f"{100 * count / n:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
