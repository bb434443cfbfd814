"""What the Concepts page says and draws of one concept: shares that reach chance, verdicts, colours."""

from __future__ import annotations

import pytest

from app.core.concept_results import AnalysisPlan, ConceptAnalysisResult, ConceptDirection, ConceptOverall
from frontend.concepts import charts, detail_card
from tests.frontend.trees import texts


def direction(**changed):
    row = {
        "layer": "l1",
        "concept": "a",
        "accuracy": 0.62,
        "accuracy_low": 0.49,
        "accuracy_high": 0.73,
        "told_apart": False,
    }
    row |= {
        "separability": "Cannot be told apart from its counter-examples (…).",
        "trained_told_apart": True,
        "trained_accuracy": 0.9,
        "unlike": None,
    }
    return ConceptDirection.model_construct(**{**row, **changed})


def test_a_share_that_reaches_chance_is_no():
    assert texts([detail_card.accuracy_cell(direction())]).split() == ["no:", "0.62", "0.49", "to", "0.73"]
    words = texts(detail_card.not_told_apart([direction()]))
    assert "At l1: cannot be told apart from its counter-examples" in words
    assert "A classifier trained for it tells them apart (0.90)" in words
    assert "classifier" not in texts(detail_card.not_told_apart([direction(trained_told_apart=False)]))
    assert detail_card.not_told_apart([direction(told_apart=True)]) == []


def result(means, verdicts=("undecided", "undecided")):
    """Two concepts at one layer for one class."""
    plan = AnalysisPlan(
        concepts=["a", "b"], layers=["l"], classes=None, negatives="random", n_random=200, tests=2, seed=0
    )
    rows = [
        ConceptOverall.model_construct(
            layer="l",
            concept=ref,
            target=0,
            mean=mean,
            p_adjusted=0.5,
            verdict=verdict,
            because=f"Because {ref}.",
        )
        for ref, mean, verdict in zip("ab", means, verdicts, strict=True)
    ]
    return ConceptAnalysisResult.model_construct(
        plan=plan,
        names={"a": "A", "b": "B"},
        labels={"0": "cat"},
        overall=rows,
        directions=[],
        rows=[],
        inputs=["x", "y"],
        verdicts=dict(zip("ab", verdicts, strict=True)),
    )


def test_next_to_nothing_is_not_painted_strong():
    for means, top in (((0.001, 0.0), charts.FAINT), ((0.4, 0.2), 0.4)):
        heat = charts.heat_figure(result(means), 0).data[0]
        assert (heat.zmin, heat.zmax) == (0, top)


def test_the_three_words_stand_wherever_a_verdict_is_shown():
    judged = result((0.4, 0.2), ("counts", "not_more_than_chance"))
    assert [list(row) for row in charts.heat_figure(judged, 0).data[0].text] == [["0.40 *"], ["0.20"]]
    for ref, words in (("a", "counts"), ("b", "not more than chance")):
        badge = detail_card.badge(judged, ref)
        assert texts([badge]).strip().endswith(words)
        assert f"Because {ref}." in str(badge)
    assert detail_card.badge(None, "a") is None
    assert detail_card.badge(judged, "unknown") is None


def test_what_would_decide_it_and_sets_of_different_kinds_are_said_once():
    assert (
        texts(detail_card.open_questions(result((0.4, 0.2)), "a")).strip()
        == "Undecided for the class. Because a."
    )
    assert detail_card.open_questions(result((0.4, 0.2), ("counts", "counts")), "a") == []
    unlike = "The examples are photographs, the counter-examples drawn pictures."
    assert (
        texts(
            detail_card.unlike_sets([direction(unlike=unlike), direction(layer="l2", unlike=unlike)])
        ).count(unlike)
        == 1
    )
    assert detail_card.unlike_sets([direction()]) == []


@pytest.mark.parametrize("colour", charts.LAYER_COLOURS)
@pytest.mark.parametrize("ground", ["#ffffff", "#171b1f"])
def test_a_layer_s_colour_stands_out_from_both_grounds(colour, ground):
    def light(text):
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(colour), light(ground)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 3
