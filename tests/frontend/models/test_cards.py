"""The Models page as component trees: figures of a card, what can be deleted."""

from __future__ import annotations

from frontend.models.card import model_card, rows_of, without_figures
from frontend.models.listing import listing
from tests.frontend import canned
from tests.frontend.trees import parts, texts


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
        for part in parts(listing(canned.CATALOGUE.models))
        if isinstance(getattr(part, "id", None), dict) and part.id["type"] == "model-delete"
    ]
    assert deletes == ["mine"]


def test_a_row_says_how_well_with_its_warning_and_what_is_not_stated():
    rows = listing(
        [
            canned.CATALOGUE.models[0],
            canned.CATALOGUE.models[0].model_copy(update={"card": {}, "licence": ""}),
        ]
    )
    first, second = [part for part in parts(rows) if getattr(part, "className", "") == "ev-model"]
    assert "AUC, this network, by person 0.73 (0.67–0.79)" in texts(first)
    assert any("ev-model-well--warned" in (getattr(part, "className", "") or "") for part in parts(first))
    [why] = [part for part in parts(first) if getattr(part, "className", "") == "ev-model-why"]
    caution = canned.CATALOGUE.models[0].card["caution"]
    assert why.children[:-1], "a reason in a few words"
    assert caution.startswith(why.children[:-1])
    assert "not measured here" in texts(second)
    assert "licence not stated" in texts(second)
