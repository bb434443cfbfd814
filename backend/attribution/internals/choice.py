"""What an analysis of filters looks at: which of the calibration inputs, and which classes.

A heavy network is not run over hundreds of inputs before anything is shown: the number of inputs follows from the
multiplications of a pass, never from a clock, so that the same question has the same answer everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from backend.attribution.internals.calibration import Calibration
from backend.attribution.internals.pooled import BATCH

PASS_WORK = 100e9
"""Multiplications that looking at all inputs once may take: some seconds on two cores."""
FEW, MANY = 64, 512
SHOWN = 8
"""Classes shown of a network with more than `ALL`."""
ALL = 12
MEMBERS = 3
"""Inputs that a class and its rest need for an AUC."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows of a calibration set. `x()` makes batches, `held_out`, `sources`, `labels` belong to these rows."""

    calibration: Calibration
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self) -> Iterator[Tensor]:
        """Batches `[n, C, H, W]`."""
        if len(self.rows) == len(self.calibration):
            yield from self.calibration.batches(BATCH)
            return
        for start in range(0, len(self.rows), BATCH):
            yield self._x[start : start + BATCH]

    @cached_property
    def _x(self) -> Tensor:
        rows = self.rows
        parts = [self.calibration.prepared(row) for row in rows]
        if any(part is None for part in parts):
            return self.calibration.x[list(rows)]
        return torch.cat([part.x for part in parts if part is not None])

    def some(self, places: Sequence[int]) -> Chosen:
        """Some of these rows, by place."""
        return Chosen(self.calibration, tuple(self.rows[place] for place in places))

    @property
    def sources(self) -> list[str]:
        return [self.calibration.sources[row] for row in self.rows]

    @property
    def names(self) -> list[str]:
        return [self.calibration.names[row] for row in self.rows]

    @property
    def labels(self) -> list[int] | None:
        labels = self.calibration.labels
        return None if labels is None else [labels[row] for row in self.rows]

    @property
    def held_out(self) -> np.ndarray:
        held: np.ndarray = np.asarray(self.calibration.held_out)[list(self.rows)]
        return held


def inputs_of(calibration: Calibration, work: int) -> Chosen:
    """work: multiplications of one pass. The first view of every source comes before further views of any."""
    wanted = int(min(MANY, max(FEW, PASS_WORK // max(1, work))))
    if len(calibration) <= wanted:
        return Chosen(calibration, tuple(range(len(calibration))))
    views: dict[str, int] = defaultdict(int)
    turn = []
    for row, source in enumerate(calibration.sources):
        turn.append((views[source], row))
        views[source] += 1
    first = [row for view, row in sorted(turn) if view == 0]
    if len(first) > wanted:  # more sources than wanted: spread over all of them
        return Chosen(calibration, tuple(first[place] for place in spread(len(first), wanted)))
    return Chosen(calibration, tuple(sorted(row for _, row in sorted(turn)[:wanted])))


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` places, evenly."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})


@dataclass(frozen=True, eq=False)
class Classes:
    """shown: class numbers. of: class of each input, by its label or by the model's answer. reason: why no class has an
    AUC; None where one has."""

    shown: list[int]
    of: np.ndarray
    labelled: bool
    reason: str | None

    def member(self, number: int) -> np.ndarray:
        member: np.ndarray = self.of == number
        return member

    def told_apart(self, number: int) -> bool:
        """Whether there are enough inputs inside and outside for an AUC."""
        inside = int(self.member(number).sum())
        return min(inside, len(self.of) - inside) >= MEMBERS


def classes_of(labels: Sequence[int] | None, logits: np.ndarray, names: Sequence[str]) -> Classes:
    """All classes of a small network, of a large one those that most inputs belong to."""
    of = logits.argmax(axis=1) if labels is None else np.asarray(labels)
    numbers = np.bincount(of, minlength=len(names))
    if len(names) <= ALL:
        shown = list(range(len(names)))
    else:
        shown = sorted(k for k in np.argsort(-numbers, kind="stable")[:SHOWN].tolist() if numbers[k])
    classes = Classes(shown, of, labels is not None, None)
    if any(classes.told_apart(number) for number in shown):
        return classes
    present = np.flatnonzero(numbers)
    if len(present) == 1:
        whose = "are labelled" if labels is not None else "are answered"
        reason = (
            f"All {len(of)} inputs {whose} {names[present[0]]}: an AUC needs inputs of another class too."
        )
    else:
        reason = f"No class has {MEMBERS} inputs and {MEMBERS} outside it: an AUC of fewer would be noise."
    return Classes(shown, of, classes.labelled, reason)
