"""Two results side by side: the same bits, the same within a tolerance, or not the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.core.schemas.verifications import ItemState

SCORES = 1e-4
"""Most that a score or probability may differ and still count as equal."""
MAPS, RANKS = 1e-3, 0.999
"""Most that a cell may differ, as a share of the map's strongest, and the least rank correlation of the two maps."""
TIMES = frozenset(
    {"created", "seconds", "device", "versions", "plan", "precision", "engine", "extras", "quality"}
)
"""Of a record: what another run or machine may change. Figures on a map follow from the map itself."""


def maps(claimed: np.ndarray, computed: np.ndarray) -> tuple[ItemState, float, float | None]:
    """State, largest difference of a cell, and Spearman's rank correlation (None for a flat map)."""
    if claimed.shape != computed.shape:
        return "different", float("inf"), None
    ranks = spearman(claimed.ravel(), computed.ravel())
    if claimed.tobytes() == computed.tobytes():
        return "identical", 0.0, ranks
    apart = float(np.abs(claimed.astype(np.float64) - computed).max())
    strongest = float(np.abs(computed).max())
    alike = ranks is None or ranks >= RANKS
    return ("equal" if apart <= MAPS * strongest and alike else "different"), apart, ranks


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson's correlation of average ranks."""
    first, second = _ranks(a), _ranks(b)
    if first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[inverse], np.float64)


def results(claimed: Any, computed: Any) -> float:
    """Largest difference of two numbers in the same place of two JSON values; infinite where anything else differs."""
    if isinstance(claimed, dict) and isinstance(computed, dict):
        if claimed.keys() != computed.keys():
            return float("inf")
        return max((results(claimed[name], computed[name]) for name in claimed), default=0.0)
    if isinstance(claimed, list | tuple) and isinstance(computed, list | tuple):
        if len(claimed) != len(computed):
            return float("inf")
        return max((results(a, b) for a, b in zip(claimed, computed, strict=True)), default=0.0)
    numbers = [
        isinstance(value, int | float) and not isinstance(value, bool) for value in (claimed, computed)
    ]
    if all(numbers):
        return abs(float(claimed) - float(computed))
    return 0.0 if claimed == computed else float("inf")


def contradictions(claimed: dict[str, Any], computed: dict[str, Any]) -> list[str]:
    """Names of what a record claims otherwise than a recomputed one, the map's own figures and what a run may change left out."""
    apart = []
    for name in sorted((claimed.keys() & computed.keys()) - TIMES - {"values_sha256"}):
        allowed = (
            MAPS * max(1e-12, abs(computed["vmin"]), abs(computed["vmax"]))
            if name in ("vmin", "vmax")
            else 1e-9
        )
        if results(claimed[name], computed[name]) > allowed and name not in (
            "gap",
            "notes",
            "forwards",
            "backwards",
        ):
            apart.append(name)
    return apart
