"""The address of the Concepts page read back, and what is said of its dead parts."""

from __future__ import annotations

from app.core.schemas import Concept, ConceptAnalysis
from frontend.concepts.address import Link, read
from tests.frontend import canned

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
    fitted = link.fitted(MODEL, [STRIPES, SOUND])
    assert (fitted.concepts, fitted.layers, fitted.target, fitted.negatives) == (
        (STRIPES.ref,),
        (LAYER,),
        "",
        "random",
    )
    assert (fitted.model, fitted.inputs, fitted.shown) == ("m", ("a",), 2)
    assert fitted.words.startswith(
        "This link names something that is no longer here: 2 concepts (deleted or changed since), a layer, the class and the counter-examples."
    )
    whole = Link("m", ("a",), (STRIPES.ref,), (LAYER,), "0", STRIPES.ref)
    assert whole.fitted(MODEL, [STRIPES, SOUND]) == whole
    assert whole.words is None
