"""Is a product better than its factors? The claim of arXiv 2405.12175 about the fused map, made testable.

The paper: the map that multiplies Grad-CAM with LRP is better than *both* on complexity, and better than *at least one*
of them on every other family of metrics. Here for one metric on one set of inputs, with the paired differences (fused
- parent), signed so that more is better:

    both           holds          the lower ends of both 95 % intervals are above 0
                   does not hold  an upper end of the two 97.5 % intervals is below 0
    at least one   holds          a lower end of the two 97.5 % intervals is above 0
                   does not hold  the upper ends of both 95 % intervals are below 0

and undecided otherwise. To say "one of two" is to look twice, hence the wider intervals (Bonferroni); to say "both" is
not (an intersection-union test). So each word is wrong in at most 2.5 % of studies of a large set in which the fused map
and its parents are alike (simulated in the tests); "beats the worse parent's mean", the paper's wording, would be right
by luck in two of three. Intervals are Student's, of the mean of paired differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from app.core.evaluation_results import Claim, ClaimFinding
from backend.scoring.intervals import student
from backend.scoring.table import Scores

SOURCE = "arXiv:2405.12175"
FUSED, PARENTS = "fused", ("grad_cam", "lrp")
SETTINGS: dict[str, dict[str, Any]] = {
    "sparseness": {},
    "faithfulness_correlation": {"subset_size": 224, "n_runs": 100},
    "avg_sensitivity": {"n_samples": 10, "lower_bound": 0.2},
    "relevance_rank_accuracy": {},
    "random_logit": {},
}
"""Metrics of the paper with what they are set to: Quantus' own settings for ImageNet, but 100 draws of the correlation where it has 10."""
Kind = Literal["both", "at least one"]
Verdict = Literal["holds", "does not hold", "undecided", "cannot be told"]
FEWEST = 5
"""Inputs with all three scores that a verdict rests on."""
LEVEL, TWICE = 0.95, 0.975


@dataclass(frozen=True)
class Against:
    """Mean paired difference to one parent, more is better, with its interval. wins: share of the inputs on which the
    fused map is better; equal ones count half."""

    parent: str
    difference: float
    low: float
    high: float
    wins: float


@dataclass(frozen=True)
class Finding:
    """kind: what was claimed. against: the parents, the one with the better mean first. both: share of the inputs on
    which the fused map beats both."""

    metric: str
    kind: Kind
    verdict: Verdict
    n: int
    means: Mapping[str, float]
    against: tuple[Against, ...] = ()
    both: float | None = None
    note: str = ""

    @property
    def nearest(self) -> Against | None:
        """The parent that the claim is about: the better of the two for "both", else the worse."""
        if not self.against:
            return None
        return self.against[0] if self.kind == "both" else self.against[-1]


def claim_of(scores: Scores) -> Claim | None:
    """The claim on the inputs of a study; None unless the fused map and both its parents were measured. The paper says
    nothing about axioms."""
    measured = {row.method for row in scores.rows if not row.control and not row.reason}
    if not measured >= {FUSED, *PARENTS}:
        return None
    findings = []
    for metric in scores.metrics:
        if metric.family == "axiomatic":
            continue
        parents = {parent: scores.column(parent, metric.key) for parent in PARENTS}
        kind = claimed(metric.family)
        finding = judge(
            metric.key, kind, metric.better == "higher", scores.column(FUSED, metric.key), parents
        )
        findings.append(ClaimFinding(**asdict(finding), title=metric.title, family=metric.family))
    return Claim(source=SOURCE, findings=findings)


def claimed(family: str) -> Kind:
    """What the paper says of a family of metrics."""
    return "both" if family == "complexity" else "at least one"


def judge(
    metric: str, kind: Kind, higher: bool, fused: np.ndarray, parents: Mapping[str, np.ndarray]
) -> Finding:
    """The claim on one metric. fused, parents: `[inputs]`, in the same order, NaN where there is no score; higher: more is
    better."""
    scores = np.stack([fused, *parents.values()])
    scores = scores[:, np.isfinite(scores).all(0)]
    n = scores.shape[1]
    means = dict(zip(("fused", *parents), map(float, scores.mean(1)), strict=True)) if n else {}
    if n < FEWEST:
        note = (
            f"{n} inputs have all three scores; a verdict needs {FEWEST}."
            if n
            else "No input has all three scores."
        )
        return Finding(metric, kind, "cannot be told", n, means, note=note)
    gains = (scores[0] - scores[1:]) * (1 if higher else -1)
    strict, wide = ([student(gain, level) for gain in gains] for level in (LEVEL, TWICE))
    one, other = (strict, wide) if kind == "both" else (wide, strict)
    quantified = (all, any) if kind == "both" else (any, all)
    verdict: Verdict = "undecided"
    if quantified[0](low > 0 for low, _ in one):
        verdict = "holds"
    elif quantified[1](high < 0 for _, high in other):
        verdict = "does not hold"
    against = [
        Against(parent, float(gain.mean()), low, high, float((gain > 0).mean() + 0.5 * (gain == 0).mean()))
        for parent, gain, (low, high) in zip(parents, gains, one, strict=True)
    ]
    against.sort(key=lambda each: each.difference)  # the smaller the gain, the better the parent
    return Finding(metric, kind, verdict, n, means, tuple(against), float((gains > 0).all(0).mean()))
