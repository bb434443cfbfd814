"""The real recordings as tensors, with person and recording conditions of each. Reads `labels.csv` of the data
folder.

The models' own `InputSpec` prepares the windows, so training uses the inputs that the product shows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from app.core.errors import BadParameter, InvalidInput
from models.inputs.sound import SoundInput
from models.media.segment import Event, level_curve, mono, segment, window_start
from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES, RATE

CONDITIONS = (
    "length",
    "loudest frame",
    "background (5 %)",
    "background (10 %)",
    "median level",
    "peak",
    "mean level",
)
STEADY = ("hum", "tone", "hiss", "clicks")
MADE = "made"
"""First word of the "person" of a generated sound."""
GUIDED = ("telephone coughs", "messenger coughs", "spoken digits, read speech")
"""Sets that no weights were trained on but that guided the design of `cough_check`."""
Row = dict[str, str]
Pick = Callable[[np.ndarray, int], Iterable[tuple[np.ndarray, float | None]]]
"""Mono sound and rate -> the pieces to take from it: sound, and first second of the window (None: around
the loudest event)."""


@dataclass(frozen=True, eq=False)
class Clips:
    """x: `[n, 1, 64, 128]`; y: `[n]` int64; people: `[n]` subject ids; conditions: `[n, 7]`, see
    CONDITIONS (log10 s and dB)."""

    x: Tensor
    y: Tensor
    people: np.ndarray
    conditions: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def truth(self) -> np.ndarray:
        """`[n]` classes as numpy."""
        return self.y.numpy()


def covid(data: Path, subset: str, spec: SoundInput, *, progress: bool = True) -> Clips:
    """One window per recording, around its loudest event; class 1 is "positive". subset: core,
    extra_unverified, extra_telegram."""
    rows = [row for row in _rows(data, "cough") if row["set"] == subset]
    return _clips(
        data, rows, [int(row["label"] == "positive") for row in rows], spec, _whole, subset, progress
    )


def coughs_and_others(data: Path, spec: SoundInput, *, progress: bool = True) -> Clips:
    """Coswara: coughs (class 1) against breathing, speech and vowels of the same people (class 0), and
    against generated steady sounds (class 0; "people" called `made ...`). Of each recording: windows as they
    are (at up to three events, or every 2 s), and single events cut out with silence around them, so that a
    lone word is not taken for a cough because it stands alone."""
    coughs = [row for row in _rows(data, "cough") if row["subject_id"].startswith("cw-")]
    others = [row for row in _rows(data, "audio_other") if row["subject_id"].startswith("cw-")]
    a = _clips(data, coughs, [1] * len(coughs), spec, partial(_of_coughs, spec=spec), "coughs", progress)
    b = _clips(
        data, others, [0] * len(others), spec, partial(_of_others, spec=spec), "other sounds", progress
    )
    return _joined(_joined(a, b), generated(spec))


def generated(spec: SoundInput, each: int = 15) -> Clips:
    """Hums, tones, hisses, clicks and empty rooms made by a program: what no one would call a cough (class
    0)."""
    x, people, conditions_of = [], [], []
    for concept in (*(CONCEPTS[key] for key in STEADY), COUNTER_EXAMPLES["audio"]):
        for i, sound in enumerate(concept.make(each, seed=17)):
            x.append(spec.prepare((sound, RATE)).x)
            people.append(f"{MADE} {concept.key} {i}")
            conditions_of.append(conditions(sound, RATE))
    return Clips(
        torch.cat(x), torch.zeros(len(x), dtype=torch.int64), np.array(people), np.array(conditions_of)
    )


def foreign(data: Path, spec: SoundInput, *, progress: bool = True) -> dict[str, Clips]:
    """Recordings outside the training data of `cough_check`: coughs over other channels (class 1); spoken
    digits, read speech, music and a bird (class 0)."""
    clips = {}
    for name, subset in {"telephone coughs": "core", "messenger coughs": "extra_telegram"}.items():
        rows = [row for row in _rows(data, "cough") if row["set"] == subset]
        clips[name] = _clips(data, rows, [1] * len(rows), spec, _whole, name, progress)
    rows = [row for row in _rows(data, "audio_other") if not row["subject_id"].startswith("cw-")]
    for name, kinds in {
        "spoken digits, read speech": ("speech",),
        "music, a bird": ("music", "bird"),
    }.items():
        selected = [row for row in rows if row["kind"] in kinds]
        clips[name] = _clips(data, selected, [0] * len(selected), spec, _whole, name, progress)
    return clips


def conditions(sound: np.ndarray, rate: int) -> list[float]:
    """The recording conditions (see CONDITIONS): length, levels and background without rumble, no spectrum."""
    levels = level_curve(sound, rate)
    low, quiet, middle = np.percentile(levels, [5, 10, 50])
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    peak = float(np.abs(sound).max())
    return [
        np.log10(len(sound) / rate),
        levels.max(),
        low,
        quiet,
        middle,
        20 * np.log10(peak + 1e-6),
        10 * np.log10(power + 1e-12),
    ]


def _rows(data: Path, folder: str) -> Iterator[Row]:
    path = data / folder / "labels.csv"
    if not path.is_file():
        raise BadParameter(
            f"The data folder has no {folder}/labels.csv; give the folder that holds it with --data.",
            field="data",
        )
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _clips(
    data: Path, rows: list[Row], labels: list[int], spec: SoundInput, pick: Pick, what: str, progress: bool
) -> Clips:
    """Windows of every recording that can be used; silent and very short pieces are left out."""
    x, y, people, conditions_of = [], [], [], []
    for row, label in zip(tqdm(rows, desc=what, unit="recording", disable=not progress), labels, strict=True):
        samples, rate = soundfile.read(data / row["file"], dtype="float32", always_2d=True)
        sound, _ = mono(samples)
        for piece, start in pick(sound, rate):
            try:
                x.append(spec.prepare((piece, rate), start=start).x)
            except InvalidInput:
                continue
            y.append(label)
            people.append(row["subject_id"])
            conditions_of.append(conditions(sound, rate))
    return Clips(torch.cat(x), torch.tensor(y), np.array(people), np.array(conditions_of))


def _whole(sound: np.ndarray, rate: int) -> Iterable[tuple[np.ndarray, float | None]]:
    yield sound, None


def _of_coughs(sound: np.ndarray, rate: int, spec: SoundInput) -> Iterable[tuple[np.ndarray, float | None]]:
    for event in _loud(sound, rate, 3):
        yield sound, window_start(event, spec.seconds, len(sound) / rate)
        yield _alone(sound, rate, event), None


def _of_others(sound: np.ndarray, rate: int, spec: SoundInput) -> Iterable[tuple[np.ndarray, float | None]]:
    for start in np.arange(0, len(sound) / rate - spec.seconds, 2.0)[:12]:
        yield sound, float(start)
    for event in _loud(sound, rate, 8):
        yield _alone(sound, rate, event), None


def _loud(sound: np.ndarray, rate: int, count: int) -> list[Event]:
    return sorted(segment(sound, rate), key=lambda event: -event.level_db)[:count]


def _alone(sound: np.ndarray, rate: int, event: Event) -> np.ndarray:
    return sound[max(0, round((event.start - 0.05) * rate)) : round((event.end + 0.1) * rate)]


def _joined(a: Clips, b: Clips) -> Clips:
    return Clips(
        torch.cat([a.x, b.x]),
        torch.cat([a.y, b.y]),
        np.concatenate([a.people, b.people]),
        np.concatenate([a.conditions, b.conditions]),
    )
