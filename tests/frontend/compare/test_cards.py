"""The cards of the Compare page as component trees: method rows, panels, bars, remarks, downloads, the
receipt."""

from __future__ import annotations

import json

from app.core.schemas import ClassScore, CoughScore, ExplanationRequest, Fit, Gate
from frontend import ids
from frontend.compare import input_card, methods_card, panels, prediction_card, receipt, side
from frontend.compare import page as compare
from frontend.compare.address import View
from frontend.compare.subject import known_evidence, sample_of
from tests.frontend import canned
from tests.frontend.trees import drawn_panels, opened, parts, texts, widgets


def test_widgets_carry_what_their_scripts_need():
    words = prediction_card.prediction_view(
        canned.prediction(), 1, canned.CATALOGUE.models[0], None, canned.SOUND
    )
    page = [compare.body(opened(), View()), *words, *drawn_panels()]
    named = {item["evident"]: item for item in widgets(page)}
    assert set(named) == {
        "upload",
        "record",
        "player",
        "map",
        "input-map",
        "readout",
        "recent",
        "agreement",
        "summary",
        "evidence",
        "contrast",
        "whatif",
        "tour-start",
    }
    assert json.loads(named["upload"]["limits"]) == canned.LIMITS
    assert json.loads(named["player"]["coughs"])[1]["start"] == 1.2
    assert json.loads(named["player"]["waveform"]) == canned.SOUND.waveform
    assert named["map"]["explanation"] == "a1"
    assert json.loads(named["input-map"]["axes"])["x_axis"]["unit"] == "s"
    assert all(isinstance(value, str) for item in named.values() for value in item.values())


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


def test_a_cost_says_whether_it_was_seen_or_guessed():
    method = next(method for method in canned.CATALOGUE.methods if method.key == "lime")
    guessed = Fit(ok=True, defaults={"n_samples": 1000}, seconds=12.0)
    seen = guessed.model_copy(update={"runs": 3})
    half = {"n_samples": 500}
    assert methods_card.cost(method, guessed, {}) == "about 12 s"
    assert methods_card.cost(method, seen, half) == "6.0 s"
    assert methods_card.cost(method, Fit(ok=True), {}) == ""
    assert methods_card.cost(method, Fit(ok=False, seconds=1.0), {}) == ""
    assert (
        panels.price(method, guessed, {}) == "About 12 s on this machine, it has not run on this model yet."
    )
    assert panels.price(method, seen, half) == "About 6.0 s on this machine, as it took before."
    assert panels.price(method, None, {}) == "Not measured on this machine yet."


def test_a_refusal_stays_in_its_own_panel():
    by_method = {part.id["method"]: part for part in drawn_panels() if isinstance(part.id, dict)}
    assert any(getattr(part, "role", None) == "alert" for part in parts(by_method["lrp"]))
    assert not any(getattr(part, "role", None) == "alert" for part in parts(by_method["grad_cam"]))


def test_bars_say_their_numbers_too():
    bars = prediction_card.bars(canned.prediction())
    assert "Covid-like: score 0.81, interval 0.72 to 0.88" in texts(bars)
    assert texts(bars).index("Covid-like") < texts(bars).index("other")


def shown(prediction, asked: bool = False):
    return prediction_card.prediction_view(
        prediction, prediction.top, canned.CATALOGUE.models[0], None, canned.SOUND, asked
    )


def bold(tree) -> bool:
    return any("ev-score--top" in (getattr(part, "className", None) or "") for part in parts(tree))


WITHHELD = canned.prediction().model_copy(
    update={"gate": Gate(state="abstain", reasons=["No cough was found."])}
)
COUGHS = [CoughScore(start=0.2 * i, end=0.2 * i + 0.1, scores={0: 0.3, 1: 0.7}) for i in range(3)]


def test_a_withheld_score_is_nowhere_until_it_is_asked_for():
    before = shown(WITHHELD)
    assert "No cough was found." in texts(before)
    assert "0.81" not in texts(before)
    assert any(getattr(part, "id", None) == "score-ask" for part in parts(before))
    assert not any(label in texts(before) for label in ("Covid-like", "other")), (
        "the class is withheld with it"
    )
    after = shown(WITHHELD, asked=True)
    assert any(getattr(part, "id", None) == "target-select" for part in parts(after))
    assert "0.81" in texts(after)
    assert not any(getattr(part, "id", None) == "score-ask" for part in parts(after))


def test_no_class_is_bold_where_nothing_is_decided():
    assert bold(shown(canned.prediction()))
    undecided = canned.prediction().model_copy(update={"undecided": True})
    assert "Undecided: its interval reaches the middle" in texts(shown(undecided))
    assert not bold(shown(undecided))
    assert not bold(shown(WITHHELD, asked=True)), "asked for is not vouched for"
    for tree in (shown(canned.prediction()), shown(undecided)):
        values = [part for part in parts(tree) if getattr(part, "className", None) == "ev-score-value"]
        assert values
        assert {type(part).__name__ for part in values} == {"Span"}, "bold comes from the class alone"


def test_coughs_are_listed_with_the_score_of_the_recording():
    prediction = canned.prediction().model_copy(update={"coughs": COUGHS, "recording": {0: 0.34, 1: 0.66}})
    said = texts(shown(prediction))
    assert "cough by cough" in said
    assert "all together 0.66" in said
    assert said.count("score 0.70") == 3
    assert "cough by cough" not in texts(shown(prediction.model_copy(update={"coughs": COUGHS[:1]})))
    pressed = [part for part in parts(shown(prediction)) if "data-start" in part.to_plotly_json()["props"]]
    assert [(type(part).__name__, getattr(part, "data-start")) for part in pressed] == [
        ("Button", "0.0000"),
        ("Button", "0.2000"),
        ("Button", "0.4000"),
    ]


def test_what_a_model_is_worth_is_said_calmly_and_what_misleads_is_not():
    model = canned.CATALOGUE.models[0]
    classes = {
        key: {part.className for part in parts(view) if "Known." in texts(part) and "remark" in (getattr(part, "className", None) or "")}
        for key in ("limits", "caution")
        for view in [prediction_card.prediction_view(canned.prediction(), 1, model.model_copy(update={"card": {key: "Known."}}), None, canned.SOUND)]
    }  # fmt: skip
    assert classes == {"limits": {"ev-remark ev-muted"}, "caution": {"ev-remark ev-remark--warning"}}


def test_the_model_s_own_auc_stands_beside_the_bars():
    row = {"label": "By person", "value": 0.63, "low": 0.57, "high": 0.69}
    model = canned.CATALOGUE.models[0].model_copy(update={"card": {"AUC, side by side": [row]}})
    prediction = canned.prediction()
    view = prediction_card.prediction_view(prediction, 1, model, None, canned.SOUND)
    assert "AUC 0.63 (0.57–0.69); 0.5 is a coin toss" in texts(view)
    assert (
        prediction_card.own_auc({"figures": [{"label": "Sensitivity", "value": 0.8}], "title": "AUC"}) is None
    )
    assert prediction_card.own_auc({"rows": [{"label": "AUC without hum", "value": 0.9}]})["value"] == 0.9


def test_a_score_is_never_called_a_probability():
    said = texts(shown(canned.prediction()))
    assert "Model score, not a probability" in said
    assert said.count("probability") == 1


def test_known_facts_are_only_told_for_the_sample_s_own_model():
    assert sample_of(canned.SAMPLES, canned.SOUND, canned.CATALOGUE.models[0]) is canned.SAMPLES[0]
    assert sample_of(canned.SAMPLES, canned.SOUND, canned.CATALOGUE.models[1]) is None


def test_evidence_is_outlined_where_the_sample_says_that_it_is_known():
    sample = canned.SAMPLES[0].model_copy(update={"evidence": {"boxes": [[0.1, 0.2, 300.0, 400.0]]}})
    assert known_evidence(sample) == {"sample": sample.key, "input": sample.input, "model": sample.model}
    assert known_evidence(sample.model_copy(update={"evidence": {"boxes": []}})) is None
    assert known_evidence(None) is None


def test_a_check_of_the_input_is_not_told_twice():
    prediction = canned.prediction().model_copy(
        update={"quality": [*canned.SOUND.checks, *canned.prediction().quality]}
    )
    told = prediction_card.remarks(prediction, canned.CATALOGUE.models[0], None, canned.SOUND)
    assert "window 0.31" in texts(told)
    assert "cough found" not in texts(told)


def test_of_a_thousand_classes_the_three_likeliest_have_bars_and_the_list_can_be_searched():
    scores = [
        ClassScore(index=i, label=f"thing {i}", logit=-float(i), probability=2.0 ** -(i + 1))
        for i in range(20)
    ]
    many = canned.prediction().model_copy(update={"classes": scores[::-1], "top": 0, "interval": {}})
    assert [score.index for score in prediction_card.ranked(many)] == [0, 1, 2]
    assert len(prediction_card.bars(many).children) == 3
    assert len(prediction_card.ranked(canned.prediction())) == 2
    select = prediction_card.picker(many, 0, [f"thing {i}" for i in range(30)]).children[1]
    assert select.searchable
    assert select.filter == {"function": "ranked"}
    assert [option["value"] for option in select.data] == [str(i) for i in range(30)]
    assert [option["label"] for option in select.data][19:21] == ["thing 19 · 0.00", "thing 20"]


def test_models_that_cannot_take_the_input_say_so():
    options = methods_card.model_options(canned.CATALOGUE.models, "audio")
    assert options[0] == {"value": "cnnexplain", "label": "cnnexplain"}
    assert {"value": "shapes", "label": "Shapes (takes image)", "disabled": True} in options
    assert {"value": "far", "label": "Far away (not available)", "disabled": True} in options
    assert methods_card.choose_model(canned.CATALOGUE.models, "audio", "shapes") == "cnnexplain"
    assert methods_card.choose_model(canned.CATALOGUE.models, "image", None, "mine") == "mine"


def test_without_a_wish_the_model_for_that_kind_of_input_is_chosen():
    photos = canned.model("photos", "Photographs", ["image"], ["a", "b"], default_for=["image"])
    models = [*canned.CATALOGUE.models, photos]
    assert methods_card.choose_model(models, "image") == "photos"
    assert methods_card.choose_model(models, "image", "shapes") == "shapes"
    assert (
        methods_card.choose_model(models, "audio") == methods_card.choose_model(models, None) == "cnnexplain"
    )


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
        "/api/v1/bundles?explanations=a1",
        "/api/v1/explanations/a1/overlay.png",
        "/api/v1/explanations/a1/values.npy",
        "/api/v1/explanations/a1",
    ]


def test_the_receipt_states_the_conditions():
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
