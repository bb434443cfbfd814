"""The claim about the fused map: what each verdict needs, and how often it errs where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.evaluation_results import CellResult, CellScore, Claim, StudyInput, StudyMetric, StudyRow
from backend.scoring.claim import FEWEST, judge
from backend.scoring.study import Plan, outcome

STUDIES, N = 2000, 40


def _verdicts(kind: str, shifts: tuple[float, float], seed: int) -> dict[str, float]:
    """Shares of verdicts over simulated studies. shifts: how much better the fused map is than each parent; the scores of
    an input are correlated, as those of maps of one picture are, and skewed."""
    rng = np.random.default_rng(seed)
    said = []
    for _ in range(STUDIES):
        shared = rng.gamma(2, size=N)
        fused, first, second = (shared + rng.gamma(2, size=N) for _ in range(3))
        said.append(judge("m", kind, True, fused, {"a": first - shifts[0], "b": second - shifts[1]}).verdict)
    return {word: said.count(word) / STUDIES for word in ("holds", "does not hold", "undecided")}


@pytest.mark.parametrize("kind", ["both", "at least one"])
def test_where_all_are_alike_each_word_errs_in_about_one_of_forty_studies_at_most(kind: str) -> None:
    shares = _verdicts(kind, (0.0, 0.0), seed=3)
    assert shares["holds"] <= 0.037  # 2.5 %, and three binomial errors above
    assert shares["does not hold"] <= 0.037
    assert shares["undecided"] >= 0.93


def test_better_than_one_and_worse_than_the_other_is_one_but_not_both() -> None:
    assert _verdicts("at least one", (2.0, -2.0), seed=4)["holds"] > 0.99
    assert _verdicts("both", (2.0, -2.0), seed=5)["does not hold"] > 0.99


def test_as_good_as_one_parent_is_not_better_than_both() -> None:
    """The edge of the claim: far better than one, alike the other."""
    assert _verdicts("both", (9.0, 0.0), seed=6)["holds"] <= 0.037


def test_worse_than_one_alike_the_other_does_not_refute_at_least_one() -> None:
    assert _verdicts("at least one", (-9.0, 0.0), seed=7)["does not hold"] <= 0.037


def test_a_metric_where_less_is_better_is_turned_around() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(30)
    finding = judge(
        "avg_sensitivity", "both", False, base - 0.3, {"a": base, "b": base + 0.2 + 0.1 * rng.random(30)}
    )
    assert finding.verdict == "holds"
    assert [each.parent for each in finding.against] == ["a", "b"]
    assert finding.nearest is finding.against[0]
    assert finding.nearest.difference == pytest.approx(0.3)
    assert finding.both == 1
    assert finding.means["fused"] == pytest.approx(finding.means["a"] - 0.3)


def test_only_inputs_with_all_three_scores_count_and_few_are_not_judged() -> None:
    fused, parent = np.arange(10.0), np.arange(10.0) - 1
    holes = np.where(np.arange(10) < 10 - FEWEST, parent, np.nan)
    finding = judge("m", "both", True, fused, {"a": parent, "b": holes})
    assert (finding.n, finding.verdict) == (FEWEST, "holds")
    holes[0] = np.nan
    few = judge("m", "both", True, fused, {"a": parent, "b": holes})
    assert (few.verdict, few.against, few.nearest) == ("cannot be told", (), None)
    assert str(FEWEST) in few.note
    none = judge("m", "both", True, fused, {"a": parent, "b": np.full(10, np.nan)})
    assert (none.n, none.note) == (0, "No input has all three scores.")


def test_equal_scores_are_undecided_and_win_half() -> None:
    same = np.ones(12)
    finding = judge("m", "at least one", True, same, {"a": same, "b": same})
    assert finding.verdict == "undecided"
    assert [each.wins for each in finding.against] == [0.5, 0.5]
    assert finding.both == 0


def _study(methods: dict[str, float]) -> Claim | None:
    """Of the study of these methods: every score is the method's mean and a little noise."""
    metrics = [
        StudyMetric(key="sparseness", title="Sparseness", short="s", family="complexity", better="higher"),
        StudyMetric(key="pixel_flipping", title="Deletion", short="d", family="faithfulness", better="lower"),
        StudyMetric(key="completeness", title="Sum", short="c", family="axiomatic", better="higher"),
    ]
    rows = [StudyRow(method=method, title=method.title()) for method in methods]
    rng, cells = np.random.default_rng(1), {}
    for index in range(N):
        for method, mean in methods.items():
            values = {"sparseness": mean, "pixel_flipping": 1 - mean, "completeness": mean}
            scores = {key: CellScore(value=value + 0.01 * rng.normal()) for key, value in values.items()}
            cells[index, method] = CellResult(
                method=method, name="", label=0, target=0, top=0, masked=False, shape=(2, 2), scores=scores
            )  # fmt: skip
    inputs = [StudyInput(index=index, name=f"Input {index}") for index in range(N)]
    plan = Plan("net", "Net", "ab" * 32, ["cat", "dog"], inputs, "drawings", rows, metrics)
    return outcome(plan, cells, {}).claim


def test_a_study_with_the_three_maps_judges_the_claim_and_says_nothing_of_axioms() -> None:
    claim = _study({"fused": 0.8, "grad_cam": 0.6, "lrp": 0.9})
    assert claim is not None
    assert claim.source == "arXiv:2405.12175"
    found = {finding.metric: (finding.kind, finding.verdict) for finding in claim.findings}
    assert found == {
        "sparseness": ("both", "does not hold"),
        "pixel_flipping": ("at least one", "holds"),
    }
    assert claim.findings[0].against[0].parent == "lrp"


def test_a_study_without_one_of_the_three_says_nothing_of_the_claim() -> None:
    assert _study({"fused": 0.8, "grad_cam": 0.6}) is None
