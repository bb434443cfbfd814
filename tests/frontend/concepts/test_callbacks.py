"""The callbacks of the Concepts page as plain functions: what they ask the API and what they hand to the
page."""

from __future__ import annotations

from typing import Any

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate

from app.core.schemas import Job
from frontend.concepts import choice, examples, library, run
from frontend.wiring import Trigger
from tests.frontend import canned, waiting
from tests.frontend.api import GONE, SILENT, Api

PICTURES = canned.CATALOGUE.models[1]
ANALYSIS = canned.analysis()
DOTS = canned.CONCEPT.model_copy(update={"id": "u2", "ref": "cd" * 32, "name": "Dots"})
BUILT_IN = canned.CONCEPT.model_copy(
    update={"id": "b1", "ref": "ef" * 32, "name": "Stars", "kind": "builtin"}
)
TICKS: dict[str, Any] = {"ticks": [True, False], "ids": [{"ref": canned.CONCEPT.ref}, {"ref": DOTS.ref}]}
CHOICES: dict[str, Any] = {
    "model": "shapes",
    "inputs": [{"input": "a"}, {"input": "b"}],
    "layers": ["features.conv4"],
    "target": "",
    "negatives": "random",
    **TICKS,
}


def predict(request: Any) -> Any:
    return canned.prediction("shapes", canned.PICTURE.model_copy(update={"id": request.input}))


def api(down: bool = False, **answers: Any) -> Api:
    return Api(
        down,
        **{
            "catalogue": canned.CATALOGUE,
            "limits": canned.LIMITS,
            "samples": canned.SAMPLES,
            "concepts": [BUILT_IN, canned.CONCEPT, DOTS],
            "model": PICTURES,
            "predict": predict,
            "analysis": ANALYSIS,
            "analyse": Job(id="9f" * 32, kind="concept_analysis", state="queued", created="now"),
            "change_concept": canned.CONCEPT,
            "delete_concept": None,
            **answers,
        },
    )


def ticked_in(tree: Any) -> dict[str, bool]:
    """Which boxes a drawn library has, and which are ticked."""
    boxes = [part for part in tree._traverse() if getattr(part, "_type", "") == "Checkbox"]
    return {box.id["ref"]: box.checked for box in boxes}


# ---- opening ----


def test_a_plain_address_opens_the_first_model_that_is_here():
    loaded = waiting.run(choice.load(api(), {}))
    assert (loaded["model"], loaded["inputs"], loaded["job"], loaded["ended"]) == (
        "cnnexplain",
        [],
        None,
        None,
    )


def test_a_finished_analysis_fills_the_page_and_is_shown_at_once():
    loaded = waiting.run(choice.load(api(), {"analysis": ANALYSIS.id}))
    assert loaded["model"] == "shapes"
    assert loaded["inputs"] == [{"input": canned.PICTURE.id}]
    assert loaded["job"] == {"id": ANALYSIS.id}
    assert loaded["ended"] == {"id": ANALYSIS.id, "state": "done"}


def test_an_analysis_that_still_runs_is_followed():
    loaded = waiting.run(choice.load(api(analysis=canned.analysis("running")), {"analysis": ANALYSIS.id}))
    assert loaded["ended"] is None
    assert f"/concept-analyses/{ANALYSIS.id}" in str(loaded["body"])


def test_what_a_link_names_and_is_gone_is_said_and_left_out():
    server = api(analysis=GONE, model=GONE)
    loaded = waiting.run(choice.load(server, {"analysis": "x", "model": "gone", "input": "a"}))
    assert "the analysis (deleted) and the model" in str(loaded["body"])
    assert (loaded["model"], loaded["inputs"], loaded["job"]) == ("cnnexplain", [{"input": "a"}], None)


@pytest.mark.parametrize("query", [{"analysis": "x"}, {"model": "elsewhere"}])
def test_a_link_is_not_called_dead_while_the_api_is_silent(query):
    loaded = waiting.run(choice.load(api(analysis=SILENT, model=SILENT), query))
    assert "does not answer" in str(loaded["body"])
    assert loaded["inputs"] is no_update


# ---- choosing ----


def test_another_model_brings_its_own_concepts_classes_and_layers():
    switched = waiting.run(choice.switch_model(api(), "shapes", "cnnexplain"))
    assert ticked_in(switched["library"]) == {BUILT_IN.ref: True, canned.CONCEPT.ref: False, DOTS.ref: False}
    assert [option["label"] for option in switched["classes"]] == ["predicted", *PICTURES.labels]
    assert switched["chosen_layers"] == ["features.conv3", "features.conv4"]
    assert (switched["target"], switched["model"]) == ("", "shapes")
    sound = waiting.run(choice.switch_model(api(model=canned.CATALOGUE.models[0]), "cnnexplain", "shapes"))
    assert "no concept for this kind" in str(sound["library"])


def test_the_select_that_was_just_drawn_changes_nothing():
    server = api()
    with pytest.raises(PreventUpdate):
        waiting.run(choice.switch_model(server, "shapes", "shapes"))
    assert server.calls == []


def test_an_upload_and_a_sample_join_the_inputs_once():
    from_file, from_list = Trigger("concept-input-store"), Trigger("concept-sample", "b")
    added = waiting.run(choice.add_input(api(), {"id": "a"}, None, [], from_file))
    assert added == {"inputs": [{"input": "a"}], "sample": None}
    added = waiting.run(choice.add_input(api(), {"id": "a"}, "b", added["inputs"], from_list))
    assert added["inputs"] == [{"input": "a"}, {"input": "b"}]
    with pytest.raises(PreventUpdate):
        waiting.run(choice.add_input(api(), {"id": "a"}, None, added["inputs"], from_file))


def test_each_input_is_predicted_and_the_maker_gets_the_shown_one():
    server = api()
    inputs = [{"input": "a"}, {"input": "b"}]
    shown = waiting.run(choice.show_inputs(server, inputs, "shapes", {"input": 1}))
    assert [(request.input, request.model) for request in server.asked("predict")] == [
        ("a", "shapes"),
        ("b", "shapes"),
    ]
    assert [thumb.to_plotly_json()["props"]["aria-pressed"] for thumb in shown["thumbs"]] == ["false", "true"]
    assert (shown["input"], shown["inputs"], shown["problem"]) == ("b", no_update, None)
    assert '"x_axis"' in shown["axes"]


def test_an_input_that_is_refused_is_taken_out_with_a_word():
    server = api(predict=lambda request: GONE if request.input == "a" else predict(request))
    shown = waiting.run(choice.show_inputs(server, [{"input": "a"}, {"input": "b"}], "shapes", {"input": 1}))
    assert shown["inputs"] == [{"input": "b"}]
    assert "It is not here." in str(shown["problem"])
    assert shown["input"] == "b", "the number of the shown input is one of those that stay"
    empty = waiting.run(choice.show_inputs(server, [{"input": "a"}], "shapes", None))
    assert (empty["inputs"], empty["display"]) == ([], None)
    assert "No input yet" in str(empty["thumbs"])


def test_a_fault_that_is_no_refusal_is_not_swallowed():
    def broken(request: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        waiting.run(choice.show_inputs(api(predict=broken), [{"input": "a"}], "shapes", None))


def test_a_pressed_thumbnail_is_the_shown_input():
    press = Trigger({"type": "concept-pick", "index": 2}, 1)
    assert waiting.run(choice.pick_input(api(), [1], {"input": 0}, press)) == {"input": 2}
    with pytest.raises(PreventUpdate):
        waiting.run(choice.pick_input(api(), [0], None, Trigger({"type": "concept-pick", "index": 2}, 0)))


# ---- running ----


def test_run_posts_what_is_chosen():
    server = api()
    started = waiting.run(run.run(server, 3, **CHOICES))
    [request] = server.asked("analyse")
    assert request.model_dump(include={"model", "inputs", "concepts", "layers", "classes", "negatives"}) == {
        "model": "shapes",
        "inputs": ["a", "b"],
        "concepts": [canned.CONCEPT.ref],
        "layers": ["features.conv4"],
        "classes": None,
        "negatives": "random",
    }
    assert started == {
        "job": {"id": "9f" * 32},
        "path": f"/concept-analyses/{'9f' * 32}",
        "press": 3,
        "names": f'{{"concepts": ["{canned.CONCEPT.name}"], "layers": ["features.conv4"]}}',
        "problem": None,
        "lost": None,
    }
    waiting.run(run.run(server, 4, **{**CHOICES, "target": "2"}))
    assert server.asked("analyse")[1].classes == [2]


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"inputs": []}, "an input"), ({"ticks": [False, False]}, "a concept"), ({"layers": []}, "a layer")],
)
def test_what_is_missing_is_asked_for_before_anything_is_posted(change, missing):
    server = api()
    refused = waiting.run(run.run(server, 1, **{**CHOICES, **change}))
    assert f"Choose {missing} first." in str(refused["problem"])
    assert refused["job"] is no_update
    assert server.calls == []


def test_a_button_that_only_arrived_runs_nothing():
    server = api()
    with pytest.raises(PreventUpdate):
        waiting.run(run.run(server, 0, **CHOICES))
    assert server.calls == []


def test_a_finished_analysis_shows_the_table_of_the_chosen_input():
    server = api(analysis=canned.analysis(inputs=("a", "b")))
    shown = waiting.run(run.show(server, {"id": "j", "state": "done"}, {"input": 1}))
    assert server.asked("analysis") == ["j"]
    assert [request.input for request in server.asked("predict")] == ["b"]
    assert "/maps/1/features.conv4.npy" in str(shown["table"])
    assert "How much each adds to striped" in str(shown["overall"])
    assert shown["result"] == {"id": ANALYSIS.id, "input": 1}


def test_numbers_stay_when_the_input_was_deleted_since():
    shown = waiting.run(run.show(api(predict=GONE), {"id": "j", "state": "done"}, None))
    assert "deleted since" in str(shown["table"])
    silent = waiting.run(run.show(api(predict=SILENT), {"id": "j", "state": "done"}, None))
    assert "does not answer" in str(silent["table"])
    assert silent["result"] is no_update


@pytest.mark.parametrize("ended", [None, {"id": "j", "state": "failed"}])
def test_without_a_result_nothing_is_shown(ended):
    with pytest.raises(PreventUpdate):
        waiting.run(run.show(api(), ended, None))


# ---- library ----


def test_a_result_opens_its_first_concept_and_a_press_opens_another():
    assert waiting.run(library.show_first(api(), {"id": "j"}))["open"] == canned.CONCEPT.id
    press = Trigger({"type": "concept-show", "id": "u2"}, 1)
    opened = waiting.run(library.show_concept(api(), [1], None, press))
    assert opened["open"] == "u2"
    assert opened["detail"].to_plotly_json()["props"]["aria-label"] == "Dots"
    with pytest.raises(PreventUpdate):
        waiting.run(library.show_first(api(), None))


def test_a_new_concept_joins_the_list_ticked():
    made = waiting.run(library.list_made(api(), {"ref": DOTS.ref}, "shapes", **TICKS))
    assert ticked_in(made["library"]) == {BUILT_IN.ref: False, canned.CONCEPT.ref: True, DOTS.ref: True}
    assert {"value": DOTS.ref, "label": "Dots · 12"} in made["negatives"]
    assert made["opened"] is False


def test_renaming_and_deleting_leave_the_other_ticks():
    server = api()
    renamed = waiting.run(library.rename(server, 1, "u2", "Spots", "shapes", **TICKS))
    assert ("change_concept", ("u2", "Spots"), {}) in server.calls
    deleted = waiting.run(library.delete(server, 1, "u2", "shapes", **TICKS))
    assert server.asked("delete_concept") == ["u2"]
    for changed in (renamed, deleted):
        assert ticked_in(changed["library"])[canned.CONCEPT.ref]
        assert changed["detail"] is None


def test_taking_out_an_example_asks_for_its_number_and_shows_what_is_left():
    fewer = canned.CONCEPT.model_copy(update={"ref": "12" * 32, "count": 11})
    server = api(change_concept=fewer, concepts=[fewer, DOTS])
    press = Trigger({"type": "concept-drop", "index": 3}, 1)
    changed = waiting.run(examples.take_out(server, [1], "u1", "shapes", trigger=press, **TICKS))
    assert ("change_concept", ("u1",), {"remove": [3]}) in server.calls
    assert ticked_in(changed["library"]) == {fewer.ref: True, DOTS.ref: False}
    assert fewer.ref[:12] in str(changed["detail"]), "its pictures are asked for anew"


def test_more_examples_go_to_the_open_concept():
    assert waiting.run(examples.extend(api(), 1, "u1", "Stripes")) == {
        "opened": True,
        "concept": "u1",
        "name": "Stripes",
    }
    assert waiting.run(library.make(api(), 1)) == {"opened": True, "concept": None, "name": None}


def test_buttons_that_only_arrived_change_nothing():
    server, arrived = api(), Trigger({"type": "concept-drop", "index": 0}, 0)
    for call in (
        library.rename(server, 0, "u1", "x", "shapes", **TICKS),
        library.delete(server, 0, "u1", "shapes", **TICKS),
        library.show_concept(server, [0], None, arrived),
        library.list_made(server, None, "shapes", **TICKS),
        examples.extend(server, 0, "u1", "x"),
        examples.take_out(server, [0], "u1", "shapes", trigger=arrived, **TICKS),
    ):
        with pytest.raises(PreventUpdate):
            waiting.run(call)
    assert server.calls == []


def test_without_the_api_every_place_says_so_and_what_stands_stays():
    down, press = api(down=True), Trigger({"type": "concept-drop", "index": 0}, 1)
    for answered, place in (
        (choice.load(down, {}), "body"),
        (choice.show_inputs(down, [{"input": "a"}], "shapes", None), "problem"),
        (run.run(down, 1, **CHOICES), "problem"),
        (run.show(down, {"id": "j", "state": "done"}, None), "table"),
        (library.show_first(down, {"id": "j"}), "detail"),
        (library.list_made(down, {"ref": "x"}, "shapes", **TICKS), "library"),
        (library.rename(down, 1, "u1", "x", "shapes", **TICKS), "detail"),
        (library.delete(down, 1, "u1", "shapes", **TICKS), "detail"),
        (examples.take_out(down, [1], "u1", "shapes", trigger=press, **TICKS), "detail"),
    ):
        assert "does not answer" in str(waiting.run(answered)[place])
    with pytest.raises(PreventUpdate):
        waiting.run(choice.switch_model(down, "shapes", None))
    unchanged = waiting.run(library.delete(down, 1, "u1", "shapes", **TICKS))
    assert unchanged["library"] is unchanged["negatives"] is no_update
