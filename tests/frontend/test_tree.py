"""The component trees in memory: unique ids, labelled controls, the right widgets, no word that speaks of
illness."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dash import Dash
from dash.development.base_component import Component
from fastapi import FastAPI

from app.core.settings import Settings
from frontend import about, create_dash, ids, shell
from frontend.client import ApiProblem, silent
from frontend.compare import input_card, methods_card, panels, prediction_card, receipt, side
from frontend.compare import page as compare
from frontend.compare.address import View
from frontend.concepts import page as concepts
from frontend.concepts import parts as concept_parts
from frontend.models import page as models
from frontend.models.card import model_card
from tests.frontend import canned

FRONTEND = Path(compare.__file__).parents[1]
FORBIDDEN = re.compile(
    r"diagnos|shows? disease|decision support|\bsick\b|\binfected\b|patient has|detects? covid|covid positive",
    re.IGNORECASE,
)
ALLOWED = ("Do not use to diagnose, rule out or triage.",)


@pytest.fixture(scope="module")
def app() -> Dash:
    return create_dash(FastAPI(), Settings())


def parts(tree: Component | list[Component]) -> Iterator[Component]:
    for root in tree if isinstance(tree, list) else [tree]:
        yield root
        yield from (part for part in root._traverse() if isinstance(part, Component))


def texts(tree: Component | list[Component]) -> str:
    """Every word a person can see or hear."""
    found = []
    for part in parts(tree):
        for name, value in part.to_plotly_json()["props"].items():
            if name in {"children", "label", "description", "title", "placeholder", "aria-label", "alt"}:
                found.extend(
                    item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)
                )
    return " ".join(found)


def opened(value: object = canned.SOUND) -> compare.Opened:
    return compare.Opened(
        canned.CATALOGUE, canned.LIMITS, canned.SAMPLES, {canned.SOUND.id: canned.SOUND}, value
    )  # type: ignore[arg-type]


def drawn_panels() -> list[Component]:
    runs = {"grad_cam": {"id": "a1"}, "lrp": {"problem": silent("No.").problem.model_dump()}}
    return panels.panels(canned.CATALOGUE.methods[:5], canned.FITS, runs, {}, canned.prediction())


def trees() -> dict[str, Component | list[Component]]:
    """Everything the pages can show at once, with what their callbacks fill in."""
    prediction, model = canned.prediction(), canned.CATALOGUE.models[0]
    method = canned.CATALOGUE.methods[1]
    return {
        "empty": [shell.shell(), compare.body(opened(None), View())],
        "open": [
            compare.body(opened(), View()),
            *prediction_card.prediction_view(prediction, 1, model, canned.SAMPLES[0], canned.SOUND),
            *drawn_panels(),
            methods_card.params_form(method, canned.FITS["lime"], {}),
        ],
        "uploaded": [
            *input_card.loaded(canned.PICTURE.model_copy(update={"sample": None})),
            input_card.delete_all(),
        ],
        "models": [models.layout(), models.body(canned.CATALOGUE, canned.LIMITS), model_card(model)],
        "concepts": [
            concepts.layout(),
            *concepts.body(
                canned.CATALOGUE, [canned.CONCEPT], canned.SAMPLES, canned.LIMITS, canned.CATALOGUE.models[1]
            ),
        ],
        "concept": concept_parts.detail(canned.CONCEPT, None),
        "about": [about.layout(), about.method_table(canned.CATALOGUE)],
        "skeleton": [compare.layout()],
        "silent": [compare.unreachable(silent("The computing side does not answer."))],
    }


@pytest.mark.parametrize("name", list(trees()))
def test_ids_are_unique(name):
    found = [
        json.dumps(part.id, sort_keys=True) for part in parts(trees()[name]) if getattr(part, "id", None)
    ]
    assert len(found) == len(set(found)), sorted(key for key in found if found.count(key) > 1)


@pytest.mark.parametrize("name", list(trees()))
def test_no_word_speaks_of_illness(name):
    spoken = texts(trees()[name])
    for sentence in ALLOWED:
        spoken = spoken.replace(sentence, "")
    assert not FORBIDDEN.search(spoken)


def test_the_banner_stands_on_every_page():
    assert "Not a medical device" in texts(shell.shell())


def test_every_callback_is_async_or_runs_in_the_browser(app):
    ours = 0
    for key, entry in app.callback_map.items():
        function = entry.get("callback")
        if function is None:
            continue
        function = inspect.unwrap(function)
        assert inspect.iscoroutinefunction(function), key
        ours += 1
    assert ours >= 12


def test_every_clientside_function_is_a_name_not_a_text(app, js):
    assert not app._inline_scripts
    named = [entry["clientside_function"] for entry in app._callback_list if entry["clientside_function"]]
    exported = set(js.evaluate("async () => Object.keys(await evident.callbacks())"))
    for function in named:
        assert function["namespace"] == "evident"
        assert function["function_name"] in exported, function
    assert exported == {function["function_name"] for function in named}, "a function that no page calls"


def test_every_callback_s_fixed_ids_exist(app):
    placed = {
        part.id
        for tree in [*trees().values(), [shell.shell()]]
        for part in parts(tree)
        if isinstance(getattr(part, "id", None), str)
    }
    for entry in app._callback_list:
        names = [dependency["id"] for dependency in [*entry["inputs"], *entry["state"]]]
        names += [output.rsplit(".", 1)[0] for output in entry["output"].strip(".").split("...")]
        for name in names:
            assert name.startswith(("{", "_pages")) or name in placed, name


def test_buttons_that_come_and_go_share_no_callback_with_other_inputs(app):
    """Their arrival starts the callback again, and Dash throws away the answer to the other input that was
    under way."""
    mixed = []
    for entry in app._callback_list:
        patterned = [
            part["id"].startswith("{") and part["property"] == "n_clicks" for part in entry["inputs"]
        ]
        if any(patterned) and not all(patterned):
            mixed.append(entry["output"])
    assert not mixed


def test_nothing_is_fetched_from_elsewhere(app):
    page = app.interpolate_index(
        css=app._generate_css_dist_html(), scripts=app._generate_scripts_html(), config="", renderer=""
    )
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    for path in [*(FRONTEND / "assets").rglob("*.css"), *(FRONTEND / "assets").rglob("*.svg")]:
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", path.read_text()), path


def test_dash_s_websocket_is_gone(app):
    assert "websocket" not in app._config()
    assert "/_dash-ws-callback" not in {getattr(route, "path", "") for route in app.server.router.routes}


def test_styles_stand_in_one_order_of_layers_under_one_prefix():
    styles = FRONTEND / "assets" / "styles"
    [layers] = re.findall(r"^@layer (.*);", (FRONTEND / "assets" / "layers.css").read_text(), re.MULTILINE)
    for path in styles.glob("*.css"):
        css = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", path.read_text(), flags=re.DOTALL)
        outside = re.findall(r"^(\S.*?)\s*\{", css, re.MULTILINE)
        if path.name == "mantine.css":
            assert not any(line.startswith("@") for line in outside)
        else:
            assert outside, path
            assert {line.removeprefix("@layer ") for line in outside} <= set(layers.split(", ")), (
                path,
                outside,
            )
        assert len(css.splitlines()) <= 400, path
        foreign = {"gridlayer", "zerolinelayer", "heatmap-label", "_dash-loading"}
        selectors = [line for line in css.splitlines() if line.rstrip().endswith(("{", ","))]
        classes = set(re.findall(r"\.(_?[a-zA-Z][\w-]*)", " ".join(selectors))) - foreign
        assert all(name.startswith(("ev-", "mantine-")) for name in classes), (path, classes)


def test_every_class_on_the_pages_has_the_prefix():
    for name, tree in trees().items():
        for part in parts(tree):
            for word in str(getattr(part, "className", None) or "").split():
                assert word.startswith("ev-"), (name, word)
    for path in (FRONTEND / "assets" / "evident").rglob("*.mjs"):
        for classes in re.findall(r"""\bel\(\s*["'`][a-z0-9]+\.([\w.-]+)""", path.read_text()):
            assert all(word.startswith("ev-") for word in classes.split(".")), (path, classes)


def test_every_drawer_can_be_closed_by_name():
    drawers = {part.id: part for tree in trees().values() for part in parts(tree) if part._type == "Drawer"}
    assert len(drawers) >= 4
    assert all(part.closeButtonProps["aria-label"] == "Close" for part in drawers.values())


def test_every_icon_exists_as_a_file():
    css = (FRONTEND / "assets" / "styles" / "icons.css").read_text()
    for path in (FRONTEND / "assets" / "icons").glob("*.svg"):
        assert f"../icons/{path.name}" in css
    used = {
        name
        for tree in trees().values()
        for part in parts(tree)
        for name in re.findall(r"ev-icon--(\w+)", str(getattr(part, "className", "")))
    }
    assert used
    assert used <= {path.stem for path in (FRONTEND / "assets" / "icons").glob("*.svg")}


def widgets(tree: Component | list[Component]) -> list[dict[str, str]]:
    found = []
    for part in parts(tree):
        props = part.to_plotly_json()["props"]
        if "data-evident" in props:
            assert props.get("children") is None, "the inside of a widget belongs to its script"
            found.append(
                {key.removeprefix("data-"): value for key, value in props.items() if key.startswith("data-")}
            )
    return found


def test_widgets_carry_what_their_scripts_need():
    found = {item["evident"]: item for item in widgets([compare.body(opened(), View()), *drawn_panels()])}
    assert set(found) == {
        "upload",
        "record",
        "player",
        "map",
        "input-map",
        "readout",
        "agreement",
        "summary",
        "evidence",
    }
    assert json.loads(found["upload"]["limits"]) == canned.LIMITS
    assert json.loads(found["player"]["coughs"])[1]["start"] == 1.2
    assert json.loads(found["player"]["waveform"]) == canned.SOUND.waveform
    assert found["map"]["explanation"] == "a1"
    assert json.loads(found["input-map"]["axes"])["x_axis"]["unit"] == "s"
    assert all(isinstance(value, str) for item in found.values() for value in item.values())


def test_a_picture_is_shown_as_a_picture():
    assert [item["evident"] for item in widgets(input_card.loaded(canned.PICTURE))] == ["picture"]


def test_a_method_that_does_not_fit_is_off_and_says_why():
    rows = methods_card.method_rows(canned.CATALOGUE.methods, canned.FITS, {})
    ticks = {part.value: part for part in parts(rows) if type(part).__name__ == "Checkbox"}
    assert ticks["occlusion"].disabled
    assert canned.FITS["occlusion"].reason in texts([rows[-1]])
    assert "4 more methods" in texts([rows[-1]])
    assert not ticks["lime"].disabled
    assert "14 s" in texts([rows[1]])


def test_changed_parameters_change_the_stated_cost():
    rows = methods_card.method_rows(canned.CATALOGUE.methods, canned.FITS, {"lime": {"n_samples": 500}})
    assert "7.0 s" in texts([rows[1]])
    assert "(changed)" in texts([rows[1]])


def test_a_ticked_method_offers_its_cost_before_it_costs_anything():
    panel = next(
        part for part in drawn_panels() if getattr(part, "id", None) == {"type": "panel", "method": "lime"}
    )
    assert "About 14 s" in texts([panel])
    assert any(getattr(part, "id", None) == ids.run_one("lime") for part in parts(panel))


def test_a_refusal_stays_in_its_own_panel():
    shown = {part.id["method"]: part for part in drawn_panels() if isinstance(part.id, dict)}
    assert any(getattr(part, "role", None) == "alert" for part in parts(shown["lrp"]))
    assert not any(getattr(part, "role", None) == "alert" for part in parts(shown["grad_cam"]))


def test_bars_say_their_numbers_too():
    bars = prediction_card.bars(canned.prediction())
    assert "Covid-like: score 0.81, interval 0.72 to 0.88" in texts(bars)
    assert texts(bars).index("Covid-like") < texts(bars).index("other")


def test_known_facts_are_only_told_for_the_sample_s_own_model():
    from frontend.compare.subject import sample_of

    assert sample_of(canned.SAMPLES, canned.SOUND, canned.CATALOGUE.models[0]) is canned.SAMPLES[0]
    assert sample_of(canned.SAMPLES, canned.SOUND, canned.CATALOGUE.models[1]) is None


def test_evidence_is_outlined_where_the_sample_says_that_it_is_known():
    from frontend.compare.subject import known_evidence

    sample = canned.SAMPLES[0].model_copy(update={"evidence": {"boxes": [[0.1, 0.2, 300.0, 400.0]]}})
    assert known_evidence(sample) == {"sample": sample.key, "input": sample.input, "model": sample.model}
    assert known_evidence(sample.model_copy(update={"evidence": {"boxes": []}})) is None
    assert known_evidence(None) is None


def test_checks_that_passed_are_one_chip_and_the_rest_is_named():
    from frontend.ui.common import checks

    drawn = checks(canned.SOUND.checks)
    chips = [texts(part) for part in parts(drawn) if "ev-chip" in str(getattr(part, "className", "")).split()]
    assert [" ".join(chip.split()) for chip in chips] == [
        "3 checks ok",
        "Far from the recordings the model learned from. unlike training set",
    ]
    assert "cough found" in texts(drawn)


def test_a_check_of_the_input_is_not_told_twice():
    prediction = canned.prediction().model_copy(
        update={"quality": [*canned.SOUND.checks, *canned.prediction().quality]}
    )
    told = prediction_card.remarks(prediction, canned.CATALOGUE.models[0], None, canned.SOUND)
    assert "window 0.31" in texts(told)
    assert "cough found" not in texts(told)


def test_models_that_cannot_take_the_input_say_so():
    options = methods_card.model_options(canned.CATALOGUE.models, "audio")
    assert options[0] == {"value": "cnnexplain", "label": "cnnexplain"}
    assert {"value": "shapes", "label": "Shapes (takes image)", "disabled": True} in options
    assert {"value": "far", "label": "Far away (not available)", "disabled": True} in options
    assert methods_card.choose_model(canned.CATALOGUE.models, "audio", "shapes") == "cnnexplain"
    assert methods_card.choose_model(canned.CATALOGUE.models, "image", None, "mine") == "mine"


def test_only_finished_maps_can_be_taken_along():
    runs = {"grad_cam": {"id": "a1"}, "lime": {"id": "b2"}}
    links = [
        part.href
        for part in parts(
            side.downloads(canned.CATALOGUE.methods, runs, {"grad_cam": "done", "lime": "running"})
        )
        if type(part).__name__ == "A"
    ]
    assert links == [
        "/api/v1/explanations/a1/overlay.png",
        "/api/v1/explanations/a1/values.npy",
        "/api/v1/explanations/a1",
    ]


def test_the_four_figures_stand_side_by_side():
    card = texts(model_card(canned.CATALOGUE.models[0]))
    for label in (
        "This network, by person: 0.73 0.67–0.79",
        "Shuffled labels: 0.51",
        "Loudness, noise floor and length alone: 0.80",
        "Another channel: 0.50",
    ):
        assert label in card


def test_figures_are_found_however_deep_they_lie():
    from frontend.models.card import rows_of, without_figures

    measured = {
        "pictures": 4000,
        "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95},
        "recall": {"star": {"value": 0.5}},
        "list": [{"label": "A", "value": 1}],
    }
    assert [(row["label"], row["value"]) for row in rows_of(measured)] == [
        ("Accuracy", 0.9),
        ("Recall, star", 0.5),
        ("A", 1),
    ]
    assert without_figures(measured) == {"pictures": 4000}
    assert without_figures(["a", "b"]) == ["a", "b"]


def test_only_uploaded_models_can_be_deleted():
    deletes = [
        part.id["key"]
        for part in parts(models.body(canned.CATALOGUE, canned.LIMITS))
        if isinstance(getattr(part, "id", None), dict) and part.id["type"] == "model-delete"
    ]
    assert deletes == ["mine"]


def test_the_receipt_states_the_conditions():
    from app.core.schemas import ExplanationRequest

    done = canned.explanation(
        ExplanationRequest(
            input="a",
            model="cnnexplain",
            method="lime",
            target=1,
            layer="features.conv4",
            params={"n_samples": 500},
            seed=7,
        )
    )
    said = texts(receipt.receipt(done))
    for fact in (
        "cnnexplain",
        "features.conv4",
        "N samples 500",
        "400 forward",
        "torch 2.13.0",
        "Covid-like",
    ):
        assert fact in said, fact
    record = done.record
    assert record.weights_sha256 in said, "hashes are told whole"
    assert all(note in said for note in record.notes)
    running = canned.explanation(
        ExplanationRequest(input="a", model="cnnexplain", method="lime"), state="running"
    )
    assert "640 of 1,000 samples" in texts(receipt.receipt(running))


def test_a_problem_shows_its_words_code_and_id():
    from frontend.ui.common import problem

    refusal = silent("Try again in a moment.")
    refusal.problem.request_id = "r-77"
    said = texts(problem(ApiProblem(refusal.problem)))
    assert "Try again in a moment." in said
    assert "unreachable · r-77" in said
