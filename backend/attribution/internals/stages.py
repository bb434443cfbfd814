"""Progress of an analysis of filters, and what is known so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from backend.attribution.types import Progress


@dataclass
class Stages:
    """Progress in multiplications. parts: stage -> its multiplications, in the order of running. table: float32
    `[C, C + 2]`: correlation, importance so far, Taylor's estimate."""

    report: Progress
    parts: dict[str, float]
    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _drawn: float = 0.0

    def tell(self, part: str, share: float) -> None:
        before = 0.0
        for name, work in self.parts.items():
            if name == part:
                break
            before += work
        total = sum(self.parts.values())
        done = (before + min(1.0, share) * self.parts[part]) / total
        self.report(math.floor(1000 * done), 1000, self.table if self.table.size else None)

    def correlated(self, matrix: np.ndarray) -> None:
        if not self.table.size:
            self.table = np.full((len(matrix), len(matrix) + 2), np.nan, np.float32)
        self.table[:, :-2] = matrix

    def due(self) -> bool:
        """Whether the table is old enough to be brought up to date."""
        now = time.monotonic()
        if now - self._drawn < 0.2:
            return False
        self._drawn = now
        return True
