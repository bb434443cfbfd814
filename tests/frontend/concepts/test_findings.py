"""The sentence an analysis begins with, the order of its rows, the levels of its chart, and what it says it will cost."""

from __future__ import annotations

import pytest

from app.core.concept_results import (
    AnalysisPlan,
    ConceptAnalysisResult,
    ConceptDirection,
    ConceptOverall,
    ConceptRow,
    RandomLevel,
)
from app.core.schemas import Fit
from frontend.concepts import charts, detail_card, findings, maps_table, price
from tests.frontend import canned, waiting
from tests.frontend.api import Api
from tests.frontend.trees import texts

C, U, N = "counts", "undecided", "not_more_than_chance"
NAMES = {"a": "Striped", "b": "Dotted", "c": "Red"}


def result(verdicts, scores, inputs=("x",), told=("a", "b", "c"), **more):
    """Three concepts at two layers for one class: verdicts and scores per concept, of layer 1 and layer 2."""
    rows, overall, directions = [], [], []
    for ref, judged, found in zip(NAMES, verdicts, scores, strict=True):
        for layer, verdict, score in zip(("l1", "l2"), judged, found, strict=True):
            cell = {"layer": layer, "concept": ref, "target": 0, "verdict": verdict, "because": "Add inputs.", "p_adjusted": 0.5}  # fmt: skip
            rows += [
                ConceptRow.model_construct(**cell, input=number, score=score) for number in range(len(inputs))
            ]
            overall.append(ConceptOverall.model_construct(**cell, mean=score, se=0.01, n=len(inputs)))
            directions.append(
                ConceptDirection.model_construct(layer=layer, concept=ref, told_apart=ref in told)
            )
    plan = AnalysisPlan(
        concepts=list(NAMES), layers=["l1", "l2"], classes=None, negatives="random", n_random=200, tests=6, seed=0
    )  # fmt: skip
    return ConceptAnalysisResult.model_construct(
        plan=plan, names=NAMES, labels={"0": "cat"}, inputs=list(inputs), rows=rows, overall=overall, directions=directions, **more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "scores", "said"),
    [
        (
            [(N, N), (C, C), (N, N)],
            [(0.3, 0.3), (0.02, 0.01), (0, 0)],
            "Dotted, at l1, adds 0.02 to cat; nothing else counts.",
        ),
        (
            [(C, N), (N, C), (U, N)],
            [(0.1, 0.9), (0, 0.4), (0.2, 0)],
            "Dotted, at l2, adds 0.40 to cat; so does Striped (0.10 at l1); undecided: Red.",
        ),
        (
            [(U, N), (N, N), (N, N)],
            [(0.1, 0), (0, 0), (0, 0)],
            "Whether Striped counts for cat is undecided.",
        ),
        (
            [(N, N)] * 3,
            [(0.1, 0), (0, 0), (0.001, 0)],
            "None of the 3 concepts adds more to cat than random concepts do.",
        ),
    ],
)
def test_one_sentence_says_what_counts_else_what_is_open_else_that_nothing_does(verdicts, scores, said):
    assert findings.sentence(result(verdicts, scores), 0) == said


def test_the_strongest_comes_first_by_verdict_then_by_score():
    found = result([(U, U), (N, N), (C, N)], [(0.9, 0.9), (0.5, 0.5), (0.1, 0.3)])
    assert findings.order(found, 0) == ["c", "a", "b"]
    assert [(cell.concept, cell.layer) for cell in findings.cells(found, 0)] == [
        ("c", "l1"),
        ("a", "l1"),
        ("b", "l1"),
    ]


def test_one_input_shows_nothing_about_the_class_and_the_page_says_so():
    judged = [(C, C), (N, N), (N, N)], [(0.3, 0.2), (0, 0), (0, 0)]
    one, two = (result(*judged, inputs=inputs) for inputs in (("x",), ("x", "y")))
    assert "one input cannot show it, add inputs" in findings.extent(one, 0)
    assert findings.extent(two, 0) == "Over 2 inputs."
    unsure = result([(U, N), (N, N), (N, N)], [(0.3, 0.2), (0, 0), (0, 0)], inputs=("x", "y"))
    assert findings.extent(unsure, 0) == "Add inputs. Over 2 inputs."


def test_knowing_a_concept_and_counting_for_the_class_are_two_statements():
    found = result([(N, N)] * 3, [(0, 0)] * 3, told=("a", "b"))
    assert (
        findings.knowledge(found)
        == "The network knows Striped and Dotted, whatever the class; it cannot tell Red from its counter-examples."
    )
    row = ConceptRow.model_construct(recognised=True)
    words = [
        texts(
            [maps_table.known_here(row, ConceptDirection.model_construct(told_apart=told, separability=""))]
        )
        for told in (True, False)
    ]
    assert [word.strip() for word in words] == ["the layer knows it", "the layer cannot tell it apart"]


def test_the_open_concept_bears_the_word_of_its_strongest_cell():
    found = result([(C, N), (U, N), (N, N)], [(0.3, 0.2), (0.1, 0), (0, 0)])
    for ref, word in (("a", "counts"), ("b", "undecided"), ("c", "not more than chance")):
        assert texts([detail_card.badge(found, ref)]).strip().endswith(word)


def test_the_chart_has_a_level_of_chance_for_every_layer():
    levels = [RandomLevel(layer=layer, target=0, value=value) for layer, value in (("l1", 0.1), ("l2", 0.3))]
    found = result([(N, N)] * 3, [(0, 0)] * 3, random_95=levels)
    figure = charts.overall_figure(found, 0, findings.order(found, 0))
    bars = {bar.name: bar.marker.color for bar in figure.data if bar.type == "bar"}
    assert [(line.y0, line.line.color) for line in figure.layout.shapes] == [
        (0.1, bars["l1"]),
        (0.3, bars["l2"]),
    ]


def fit(forwards, seconds=1.0):
    return Fit(ok=True, seconds=seconds, forwards=forwards, backwards=10)


def test_an_analysis_costs_its_inputs_and_layers_and_runs_its_examples_once():
    known = price.estimate(fit(20), 4, 3, 1)
    assert price.estimate(fit(20), 4, 6, 1) == pytest.approx(2 * known)
    assert price.estimate(fit(20), 8, 3, 1) == known
    first = price.estimate(fit(160), 4, 3, 1)
    assert first == pytest.approx((3 * 30 * 3 + 4 * 40 + 100) / 170)
    assert price.estimate(fit(20, None), 4, 3, 1) is None


def test_the_price_is_said_before_anything_runs():
    api = Api(fits={"visual_tcav": fit(20)})
    said = waiting.run(price.price(api, "shapes", [{"input": "a"}], ["l1", "l2"], [True, False, True]))
    assert said.startswith("2 concepts × 2 layers × 1 input: about ")
    assert waiting.run(price.price(api, "shapes", [], ["l1"], [True])) == ""


def test_the_map_of_a_sound_has_seconds_and_khz():
    sound = canned.prediction("cnnexplain", canned.SOUND)
    assert {"kHz", "s", "4.0"} <= set(texts([maps_table.with_axes(sound, None)]).split())
    pixels = sound.x_axis.model_copy(update={"unit": "px"})
    picture = sound.model_copy(update={"x_axis": pixels})
    assert maps_table.with_axes(picture, None) is None
