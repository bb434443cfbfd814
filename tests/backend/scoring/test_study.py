"""The table of a study and what is said about it, from cells made by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from app.core.evaluation_results import CellResult, CellScore, StudyInput, StudyMetric, StudyRow
from backend.scoring.study import Plan, as_csv, input_scores, outcome

METRICS = [
    StudyMetric(key="sparseness", title="Sparseness", short="s", family="complexity", better="higher"),
    StudyMetric(
        key="relevance_mass_accuracy", title="Mass", short="m", family="localisation", better="higher"
    ),
    StudyMetric(key="pixel_flipping", title="Deletion", short="d", family="faithfulness", better="lower"),
    StudyMetric(key="random_logit", title="Other class", short="o", family="randomisation", better="lower"),
]
ROWS = [
    StudyRow(method="good", title="Good"),
    StudyRow(method="bad", title="Bad"),
    StudyRow(method="unfit", title="Unfit", reason="It does not fit this network."),
    StudyRow(method="centre_blob", title="Centre blob", control=True),
    StudyRow(method="uniform", title="Uniform", control=True),
]
N = 12
MEANS = {  # by method: sparseness, mass, deletion, other class
    "good": (0.8, 0.9, 0.1, 0.2),
    "bad": (0.6, 0.2, 0.6, 0.95),
    "centre_blob": (0.4, 0.5, 0.5, None),
    "uniform": (0.0, 0.3, None, None),
}


def plan(n=N):
    inputs = [StudyInput(index=i, name=f"=Input {i}") for i in range(n)]
    return Plan("net", "Net", "ab" * 32, ["cat", "dog"], inputs, "drawings", ROWS, METRICS)


def cell(method, index, other=None):
    noise = 0.01 * np.random.default_rng(index).normal()
    scores = {
        metric.key: CellScore(value=None, note="Nothing to measure.")
        if mean is None
        else CellScore(value=mean + noise, other=None if other is None else other[method] + noise)
        for metric, mean in zip(METRICS, MEANS[method], strict=True)
    }
    return CellResult(
        method=method, name=f"=Input {index}", label=0, target=0, top=index % 2, masked=True, shape=(2, 2), scores=scores, seconds=0.5
    )  # fmt: skip


def cells(n=N, **more):
    return {(i, method): cell(method, i, **more) for i in range(n) for method in MEANS}


def entry(result, method, metric):
    return next(e for e in result.table if (e.method, e.metric) == (method, metric))


def test_the_table_by_hand():
    result = outcome(plan(), cells(), {})
    noise = np.mean([0.01 * np.random.default_rng(i).normal() for i in range(N)])
    mass = entry(result, "good", "relevance_mass_accuracy")
    assert mass.mean == pytest.approx(0.9 + noise)
    assert mass.low < mass.mean < mass.high
    assert (mass.best, mass.n, mass.expected) == (True, N, N)
    assert mass.versus_blob.diff == pytest.approx(0.4)
    assert mass.versus_blob.beats
    assert entry(result, "good", "pixel_flipping").versus_blob.diff == pytest.approx(0.4)  # lower is better
    assert entry(result, "good", "pixel_flipping").best
    assert entry(result, "uniform", "pixel_flipping").note == "Nothing to measure."
    assert entry(result, "unfit", "sparseness").note == "It does not fit this network."
    assert {rank.method: rank.rank for rank in result.families[0].ranks} == {"good": 1, "bad": 2}
    assert [each.correct for each in result.inputs[:2]] == [True, False]
    assert result.seconds == pytest.approx(0.5 * 4 * N)


def test_verdicts_say_why():
    result = outcome(plan(), cells(), {})
    by_method = {each.method: each for each in result.verdicts}
    assert result.passed == ["good"]
    assert [each.method for each in result.verdicts] == ["good", "bad", "unfit"]
    assert "more than a blob" in by_method["good"].because
    assert "does not find" in by_method["bad"].because
    assert "worse than a blob" in by_method["bad"].because
    assert "hardly change" in by_method["bad"].because
    assert by_method["unfit"].because == "It does not fit this network."


def test_of_few_inputs_nothing_is_claimed():
    result = outcome(plan(4), cells(4), {})
    assert result.passed == []
    assert "impression" in result.sentence[-1].text
    assert {each.method: each.judged for each in result.verdicts if each.method != "unfit"} == {
        "good": False,
        "bad": False,
    }
    assert entry(result, "good", "relevance_mass_accuracy").low is None
    assert outcome(plan(4), {}, {}).sentence == []


def test_where_nothing_decides_no_method_is_said_to_have_failed():
    only = replace(plan(), metrics=METRICS[:1])
    result = outcome(only, cells(), {})
    assert not any(each.judged for each in result.verdicts)
    assert "".join(part.text for part in result.sentence) == "On 12 drawings, Good leads in complexity."


def test_the_sentence_links_what_it_names():
    result = outcome(plan(), cells(), {})
    text = "".join(part.text for part in result.sentence)
    assert text.startswith(
        "On 12 drawings, Good leads in complexity, localisation, faithfulness and randomisation."
    )
    assert "At mass only Good is better than a blob in the middle." in text
    assert text.endswith("1 of 3 methods passed; first Good.")
    assert {part.method for part in result.sentence} == {None, "good"}
    assert "sparseness" in {part.metric for part in result.sentence}


def test_who_shares_the_lead_is_named_too():
    def alike(method, index):
        return cell("good" if method == "bad" else method, index).model_copy(update={"method": method})

    same = {(i, method): alike(method, i) for i in range(N) for method in MEANS}
    text = "".join(part.text for part in outcome(plan(), same, {}).sentence)
    assert text.startswith("On 12 drawings, Good and Bad lead alike in complexity, localisation,")
    half = {place: each.model_copy(deep=True) for place, each in cells().items()}
    for i in range(N):
        half[i, "bad"].scores["sparseness"] = half[i, "good"].scores["sparseness"]
    text = "".join(part.text for part in outcome(plan(), half, {}).sentence)
    assert text.startswith(
        "On 12 drawings, Good and Bad lead alike in complexity, and Good leads in localisation,"
    )


def test_while_scores_are_missing_the_sentence_says_so_and_names_no_method_that_passed():
    some = {place: each for place, each in cells().items() if place[0] < 7}
    text = "".join(part.text for part in outcome(plan(), some, {}).sentence)
    assert text.startswith("So far, on 7 of 12 drawings, Good leads in")
    assert "passed" not in text
    died = {(i, method): "The worker died." for i in range(7, N) for method in MEANS}
    text = "".join(part.text for part in outcome(plan(), some, died).sentence)
    assert text.startswith("On 7 drawings, ")
    assert text.endswith("1 of 3 methods passed; first Good.")


def test_an_order_that_the_baseline_turns_is_marked_and_told():
    result = outcome(plan(), cells(other={"good": 0.1, "bad": 0.9, "centre_blob": 0.5, "uniform": 0.5}), {})
    assert entry(result, "good", "sparseness").flips
    assert entry(result, "bad", "sparseness").flips
    assert entry(result, "good", "sparseness").other_mean == pytest.approx(0.1, abs=0.01)
    assert not entry(result, "centre_blob", "sparseness").flips
    assert "depends on what replaces removed evidence" in "".join(part.text for part in result.sentence)


def test_a_study_that_runs_says_how_far_each_field_is():
    some = {place: each for place, each in cells().items() if place[0] < 7 and place != (3, "good")}
    result = outcome(plan(), some, {(3, "good"): "The worker died."})
    good = entry(result, "good", "sparseness")
    assert (good.n, good.expected, good.note) == (6, 11, "1 of 7 inputs have no score: The worker died.")
    assert "12 drawings" in result.paragraph
    states = [each.state for each in input_scores(plan(), some, {(3, "good"): "x"}, "good", "sparseness")]
    assert states == ["done"] * 3 + ["failed"] + ["done"] * 3 + ["waiting"] * 5


def test_the_paragraph_names_everything_that_is_needed():
    settings = [StudyRow(method="lime", title="LIME", params={"n_samples": 200, "abs": False}), *ROWS[2:]]
    text = outcome(
        Plan("net", "Net", "ab" * 32, ["cat"], plan().inputs, "drawings", settings, METRICS, {"random_logit": {"n": 3}}, "label", 9),
        {}, {},
    ).paragraph  # fmt: skip
    measured = {place: each.model_copy(update={"layer": "relu5", "metric_params": {"pixel_flipping": {"n_steps": 64, "baseline": "black"}}}) for place, each in cells(1).items()}  # fmt: skip
    told = outcome(plan(), measured, {}).paragraph
    assert "Good (layer relu5)" in told
    assert (
        "Deletion (lower is better, n_steps 64, baseline black)" in told
    )  # what nobody chose is a setting too
    for words in ("the true class", "Net", "abababababab", "12 drawings", "LIME (n_samples 200, abs off)", "Unfit could not", "n 3", "Seed 9", "lower is better"):  # fmt: skip
        assert words in text, words


def test_the_csv_holds_every_score_and_no_formula():
    lines = list(csv.DictReader(io.StringIO(as_csv(plan(), cells(), {}))))
    assert len(lines) == N * len(ROWS) * len(METRICS)
    first = next(line for line in lines if line["method"] == "good" and line["metric"] == "sparseness")
    assert float(first["value"]) == pytest.approx(cells()[0, "good"].scores["sparseness"].value)
    assert first["input"].startswith("'=")
    assert {line["note"] for line in lines if line["method"] == "unfit"} == {"It does not fit this network."}
