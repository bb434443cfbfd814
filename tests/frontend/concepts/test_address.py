"""The address of the Concepts page read back, and what is said of its dead parts; the words where a
concept is nothing."""

from __future__ import annotations

import pytest

from app.core.concept_results import AnalysisPlan, ConceptAnalysisResult, ConceptDirection, ConceptOverall
from app.core.schemas import Concept, ConceptAnalysis
from frontend.concepts import parts as concept_parts
from frontend.concepts.address import Link, read
from tests.frontend import canned
from tests.frontend.test_tree import texts

MODEL = next(model for model in canned.CATALOGUE.models if "image" in model.modalities)
LAYER = MODEL.layers[0].name
STRIPES = canned.CONCEPT
SOUND = Concept.model_validate({**STRIPES.model_dump(), "ref": "hum", "modality": "audio"})


def analysis(state="done", classes=(1,)):
    request = {
        "model": "m",
        "inputs": ["a", {"input": "b", "start": 1.0}],
        "concepts": ["striped"],
        "layers": ["l1", "l2"],
        "classes": classes,
        "negatives": "n",
    }
    base = {"id": "0" * 64, "state": state, "created": "2026-11-21T01:00:00Z"}
    return ConceptAnalysis.model_validate({**base, "request": request}, strict=False)


def test_the_address_is_read_leniently():
    link = read(
        {
            "model": "m",
            "input": "a,b,a,",
            "concepts": "x,y",
            "layers": "l",
            "class": "2",
            "negatives": "n",
            "shown": "1",
            "analysis": "j",
        }
    )
    assert link == Link("m", ("a", "b"), ("x", "y"), ("l",), "2", "n", 1, "j")
    assert read({}) == Link()
    assert read({"concepts": "", "layers": "", "shown": "-1"}) == Link(concepts=())


def test_an_analysis_fills_only_what_the_address_leaves_open():
    link = read({"analysis": "j", "concepts": "dotted", "class": ""}).filled(analysis())
    assert (link.model, link.inputs, link.layers, link.negatives) == ("m", ("a", "b"), ("l1", "l2"), "n")
    assert (link.concepts, link.target, link.done) == (("dotted",), "", True)
    assert read({}).filled(analysis()).target == "1"
    assert read({}).filled(analysis(classes=None)).target == ""
    assert not read({}).filled(analysis("running")).done


def test_dead_parts_are_taken_out_and_named_and_nothing_else_is():
    link = Link("m", ("a",), (STRIPES.ref, "gone", "hum"), (LAYER, "gone"), "999", "gone", 2)
    kept = link.fitted(MODEL, [STRIPES, SOUND])
    assert (kept.concepts, kept.layers, kept.target, kept.negatives) == (
        (STRIPES.ref,),
        (LAYER,),
        "",
        "random",
    )
    assert (kept.model, kept.inputs, kept.shown) == ("m", ("a",), 2)
    assert kept.words.startswith(
        "This link names something that is no longer here: 2 concepts (deleted or changed since), a layer, the class and the counter-examples."
    )
    whole = Link("m", ("a",), (STRIPES.ref,), (LAYER,), "0", STRIPES.ref)
    assert whole.fitted(MODEL, [STRIPES, SOUND]) == whole
    assert whole.words is None


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
    assert texts([concept_parts._told(direction())]).split() == ["no:", "0.62", "0.49", "to", "0.73"]
    words = texts(concept_parts._unclear([direction()]))
    assert "At l1: cannot be told apart from its counter-examples" in words
    assert "A classifier trained for it tells them apart (0.90)" in words
    assert "classifier" not in texts(concept_parts._unclear([direction(trained_told_apart=False)]))
    assert concept_parts._unclear([direction(told_apart=True)]) == []


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
        verdicts=dict(zip("ab", verdicts, strict=True)),
    )


def test_next_to_nothing_is_not_painted_strong():
    for means, top in (((0.001, 0.0), concept_parts.FAINT), ((0.4, 0.2), 0.4)):
        heat = concept_parts.heat_figure(result(means), 0).data[0]
        assert (heat.zmin, heat.zmax) == (0, top)


def test_the_three_words_stand_wherever_a_verdict_is_shown():
    found = result((0.4, 0.2), ("counts", "not_more_than_chance"))
    assert [list(row) for row in concept_parts.heat_figure(found, 0).data[0].text] == [["0.40 *"], ["0.20"]]
    for ref, words in (("a", "counts"), ("b", "not more than chance")):
        badge = concept_parts._badge(found, ref)
        assert texts([badge]).strip().endswith(words)
        assert f"Because {ref}." in str(badge)
    assert concept_parts._badge(None, "a") is None
    assert concept_parts._badge(found, "unknown") is None


def test_what_would_decide_it_and_sets_of_different_kinds_are_said_once():
    assert (
        texts(concept_parts._open_questions(result((0.4, 0.2)), "a")).strip()
        == "Undecided for the class. Because a."
    )
    assert concept_parts._open_questions(result((0.4, 0.2), ("counts", "counts")), "a") == []
    unlike = "The examples are photographs, the counter-examples drawn pictures."
    assert (
        texts(concept_parts._unlike([direction(unlike=unlike), direction(layer="l2", unlike=unlike)])).count(
            unlike
        )
        == 1
    )
    assert concept_parts._unlike([direction()]) == []


@pytest.mark.parametrize("colour", concept_parts.LAYER_COLOURS)
@pytest.mark.parametrize("ground", ["#ffffff", "#171b1f"])
def test_a_layer_s_colour_stands_out_from_both_grounds(colour, ground):
    def light(text):
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(colour), light(ground)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 3
