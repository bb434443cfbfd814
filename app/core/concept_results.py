"""Results of a concept analysis, shared by the API, the page and the command line.

Two statements are kept apart: whether a layer knows a concept (`ConceptDirection`), and whether it counts for
a class (`verdict` of a row and of `ConceptOverall`, by the one rule of
backend/attribution/concepts/verdict.py).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["counts", "undecided", "not_more_than_chance"]


class Part(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class Judged(Part):
    """p: share of random concepts that score at least as much. p_adjusted: over concepts x layers x classes.
    range_low, range_high: 95 % of the score over redrawn examples and counter-examples, and over inputs where
    there are several. because: why, or what would decide it."""

    layer: str
    concept: str
    target: int = Field(alias="class")
    p: float
    p_adjusted: float
    range_low: float
    range_high: float
    random_mean: float
    random_95: float
    verdict: Verdict
    because: str


class ConceptRow(Judged):
    """One input x layer x concept x class. score: attribution, 0 to share. against: the same of what speaks
    against the class. probability, without, without_random: of the class as it is, with the concept erased,
    with random directions erased. coverage: of the map."""

    input: int
    score: float
    against: float
    share: float
    probability: float
    without: float
    without_random: float
    recognised: bool
    coverage: float


class ConceptOverall(Judged):
    """One layer x concept x class over its n inputs: mean, deviation (ddof 0), standard error, mean +- 2
    standard errors, and TCAV's score with 95 % over redrawn sets (tcav_low, tcav_high), its p-values, and the
    random concepts' mean score."""

    n: int
    mean: float
    sd: float
    se: float
    low: float
    high: float
    tcav: float
    tcav_low: float
    tcav_high: float
    tcav_p: float
    tcav_p_adjusted: float
    tcav_random: float


class ConceptDirection(Part):
    """One layer x concept: does the layer know it? accuracy: held out, of the concept's own direction;
    trained_accuracy: of a classifier. p_length, p_gap: how many random concepts are as long, or as far apart.
    counter, counter_name: what it is told apart from. kind, counter_kind: of what kind the two sets are;
    unlike: that they differ, in words, with random_share, the share of random sets of the concept's kind that
    score above chance too."""

    layer: str
    concept: str
    name: str
    emblem_plus: float
    emblem_minus: float
    recognised: bool
    length: float
    length_over_random: float
    p_length: float
    emblem_gap: float
    p_gap: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    told_apart: bool
    separability: str
    trained_accuracy: float
    trained_accuracy_low: float
    trained_accuracy_high: float
    trained_told_apart: bool
    trained_separability: str
    examples: int
    counter_examples: int
    counter: str
    counter_name: str
    kind: str
    counter_kind: str
    unlike: str | None
    random_share: float | None
    nearest: str | None
    nearest_cosine: float | None


class RandomLevel(Part):
    """What 95 % of the random concepts' means stay below, at a layer for a class."""

    layer: str
    target: int = Field(alias="class")
    value: float


class ConceptCurve(Part):
    """Probability of the class of the first input along share: the concept erased, shown alone, random
    directions erased (median)."""

    layer: str
    concept: str
    target: int = Field(alias="class")
    share: list[float]
    erasing: list[float]
    insertion: list[float]
    control: list[float]


class AnalysisPlan(Part):
    """n_random: random concepts drawn per layer, at least 20 per test. tests: concepts x layers x classes."""

    concepts: list[str]
    layers: list[str]
    classes: list[int] | None
    negatives: str
    n_random: int
    tests: int
    seed: int


class ConceptAnalysisResult(Part):
    """names: of concepts by reference. labels: of classes by number. inputs: their ids. cosines: per layer,
    `[K, K]`. verdicts: per concept, the strongest over its layers and classes."""

    model: str
    weights_sha256: str
    plan: AnalysisPlan
    names: dict[str, str]
    labels: dict[str, str]
    inputs: list[str]
    rows: list[ConceptRow]
    directions: list[ConceptDirection]
    overall: list[ConceptOverall]
    verdicts: dict[str, Verdict]
    cosines: dict[str, list[list[float]]]
    random_95: list[RandomLevel]
    curves: list[ConceptCurve]
    versions: dict[str, Any]
