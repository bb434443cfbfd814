"""The verdict on an attribution: it counts, it is not more than chance, or the data cannot tell (and what
could).

    counts                  adjusted p <= 0.05, and the interval of the score lies above what random concepts score on average
    not_more_than_chance    the interval of the score ends below what 95 % of random concepts stay below
    undecided               neither, or these data cannot answer

The interval is the 95 % interval of the score over redrawn examples and counter-examples; for a class, over
its inputs as well. Always undecided: examples and counter-examples of different kinds (every set of
photographs "beats" drawings), and a class with one input. The verdict concerns the class; whether the layer
separates the concept is another question (separability.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from app.core.concept_results import Verdict
from backend.attribution.concepts.significance import benjamini_hochberg

ALPHA = 0.05
NORMAL = float(stats.norm.ppf(1 - ALPHA / 2))


@dataclass(frozen=True)
class Evidence:
    """p: against random concepts; low, high: 95 % interval of the score; chance, chance_95: the random
    concepts' mean score, and what 95 % of them stay below; unlike: why the two sets cannot be compared, in
    words, None if they can; inputs: of a statement about a class, None for one about a single input;
    by_inputs: the inputs make the larger part of the interval."""

    p: float
    low: float
    high: float
    chance: float
    chance_95: float
    inputs: int | None = None
    by_inputs: bool = False
    unlike: str | None = None


@dataclass(frozen=True)
class Judgement:
    """because: one sentence with the reason, or with what would decide it."""

    p_adjusted: float
    verdict: Verdict
    because: str


def judge_together(family: Sequence[Evidence], draws: int) -> list[Judgement]:
    """Judgements of a family of tests, p-values adjusted over all of them. draws: random concepts behind each
    p-value."""
    smallest = len(family) / (1 + draws)
    adjusted = benjamini_hochberg(np.array([evidence.p for evidence in family]))
    return [
        Judgement(float(p), *judge(evidence, float(p), smallest))
        for evidence, p in zip(family, adjusted, strict=True)
    ]


def judge(evidence: Evidence, p_adjusted: float, smallest: float = 0.0) -> tuple[Verdict, str]:
    """Verdict and reason. smallest: the smallest adjusted p-value that one test alone can reach."""
    if evidence.unlike:
        return "undecided", evidence.unlike
    if evidence.inputs == 1:
        return "undecided", "One input says nothing about the class: add inputs."
    if p_adjusted <= ALPHA and evidence.low > evidence.chance:
        return (
            "counts",
            "It scores more than random concepts of the same size, after adjusting for the number of questions.",
        )
    if evidence.high <= evidence.chance_95:
        return "not_more_than_chance", "Random concepts of the same size score as much."
    if smallest > ALPHA:
        return (
            "undecided",
            "Too many questions for so few random concepts: ask about fewer concepts, layers or classes at once.",
        )
    if evidence.by_inputs:
        return "undecided", "The inputs differ too much to tell: add inputs."
    return (
        "undecided",
        "Other examples of the same concept could give another answer: add examples and counter-examples.",
    )


def strongest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a concept from its verdicts over layers and classes: counts, else undecided, else not."""
    present = set(verdicts)
    return (
        "counts" if "counts" in present else "undecided" if "undecided" in present else "not_more_than_chance"
    )


def interval(scores: np.ndarray, redrawn: np.ndarray, chance: np.ndarray) -> tuple[float, float, bool]:
    """95 % interval of the mean score, and whether the inputs make the larger part of it.

    scores: `[N]`, one per input; redrawn: `[R]` means over the inputs with both sets drawn anew; chance:
    `[N]` mean of the random concepts' scores on each input. The inputs' part is Student's interval of score -
    chance, so that inputs on which everything scores high do not widen it; both parts are added in squares.
    With one input it is the examples' part alone.
    """
    examples = NORMAL * float(redrawn.std(ddof=1))
    inputs = 0.0
    if len(scores) > 1:
        inputs = float(
            stats.t.ppf(1 - ALPHA / 2, len(scores) - 1) * (scores - chance).std(ddof=1) / np.sqrt(len(scores))
        )
    half, mean = float(np.hypot(examples, inputs)), float(scores.mean())
    return mean - half, mean + half, inputs > examples
