"""How well a map answers its own question, as far as its method measured it; not whether the network is right.

One table holds every measure with its thresholds: the panel's mark, the record and the notes of the methods follow it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.core.concept_results import Verdict
from app.core.schemas import Quality

if TYPE_CHECKING:
    from backend.attribution.types import Attribution

State = Literal["good", "fair", "poor"]
GRAVEST: tuple[State, ...] = ("poor", "fair", "good")
VERDICTS: dict[Verdict, tuple[State, str]] = {
    "counts": ("good", "counts"),
    "undecided": ("fair", "undecided"),
    "not_more_than_chance": ("poor", "not more than chance"),
}


@dataclass(frozen=True)
class Measure:
    """good, fair: the last value that is still called so; more is better where good > fair. figure, meaning: in words, with
    places for the value and the thresholds."""

    good: float
    fair: float
    written: Callable[[float], str]
    figure: str
    meaning: str

    def state(self, value: float) -> State:
        """In words."""
        sign = 1 if self.good > self.fair else -1
        return (
            "good"
            if sign * (value - self.good) >= 0
            else "fair"
            if sign * (value - self.fair) >= 0
            else "poor"
        )

    def quality(self, key: str, value: float) -> Quality:
        """The measure with a value, for the record and the panel."""
        figure, state = self.figure.format(self.written(value)), self.state(value)
        than = "at least" if self.good > self.fair else "at most"
        good, fair = self.written(self.good), self.written(self.fair)
        meaning = f"{self.meaning.format(self.written(value))} Good: {than} {good}; fair: {than} {fair}."
        return Quality(key=key, value=value, figure=figure, state=state, word=state, meaning=meaning)


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _percent(value: float) -> str:
    share = 100 * value
    return f"{share:.0f} %" if share >= 9.95 or share == round(share) else f"{share:.1f} %"


MEASURES: dict[str, Measure] = {
    "fit": Measure(
        0.8,
        0.5,
        _plain,
        "R² {}",
        "R² {}: how much of the changes in score LIME's simple model, which adds up pieces, can explain; 1 is all.",
    ),
    "standard_error": Measure(
        0.25,
        0.5,
        _percent,
        "error {}",
        "Standard error {} of the map's spread: how far it would move with other random samples. More samples make it smaller.",
    ),
    "convergence": Measure(
        0.1,
        0.3,
        _percent,
        "moved {}",
        "Twice as many steps moved the map by {}: how far it is from what more steps would give.",
    ),
    "completeness": Measure(
        0.05,
        0.2,
        _percent,
        "gap {}",
        "The cells should add up to the difference in score between this input and its replacement; they miss it by {}.",
    ),
    "conservation": Measure(
        0.05, 0.2, _percent, "gap {}", "The cells should add up to the score; they miss it by {}."
    ),
    "conservation_of_lrp": Measure(
        0.05,
        0.2,
        _percent,
        "gap {}",
        "The LRP map that is multiplied in should add up to the score; it misses it by {}.",
    ),
    "clipped": Measure(
        0.5,
        0.8,
        _percent,
        "{} cut off",
        "Grad-CAM cuts off what speaks against the class: here {} of what the layer holds for and against it.",
    ),
}
"""Where two measures are as grave, the first of them stands on the panel."""


def measured(result: Attribution) -> dict[str, float | None]:
    """What a method measured about its map, by key of `MEASURES`."""
    extras = result.extras
    kept = "conservation" if "conservation" in extras else "completeness"
    return {
        "fit": extras.get("r2"),
        "standard_error": extras.get("uncertainty"),
        "convergence": extras.get("change"),
        "clipped": extras.get("clipped"),
        "conservation_of_lrp": extras.get("lrp_gap"),
        kept: result.gap,
    }


def quality_of(result: Attribution) -> list[Quality]:
    """What can be said of a map, the gravest first; empty for a flat map, and where its method measures nothing."""
    if float(np.ptp(result.values)) == 0.0:
        return []
    values = measured(result)
    said = [
        measure.quality(key, float(value))
        for key, measure in MEASURES.items()
        if (value := values.get(key)) is not None and np.isfinite(value)
    ]
    samples, segments = result.extras.get("samples"), result.extras.get("segments")
    if samples is not None and segments and values["standard_error"] is None:
        said.append(too_few_samples(samples, segments))
    if (verdict := result.extras.get("verdict")) in VERDICTS:
        said.append(of_verdict(verdict, str(result.extras.get("because", ""))))
    return sorted(said, key=lambda each: GRAVEST.index(each.state))


def too_few_samples(samples: int, segments: int) -> Quality:
    """Of a map of pieces whose standard error cannot be told."""
    return Quality(
        key="standard_error",
        value=None,
        figure=f"{samples:,} samples",
        state="poor",
        word="too few",
        meaning=f"{samples:,} samples are too few to tell how far the map of {segments} pieces would move with others.",
    )


def of_verdict(verdict: Verdict, because: str) -> Quality:
    """Of a concept map: the verdict on its score, beside random concepts."""
    state, word = VERDICTS[verdict]
    asked = "Whether the concept adds more to the class than random concepts of the same size do."
    return Quality(
        key="verdict", value=None, figure="", state=state, word=word, meaning=f"{asked} {because}".strip()
    )
