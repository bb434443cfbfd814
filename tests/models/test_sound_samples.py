"""The bundled sounds can be generated again, sample by sample, and are what they claim to be with the
shipped weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

import models
from models.media.coughs import coughs
from models.media.segment import segment
from models.samples.sounds import FOLDER, Recipe, by_event, pcm

ENTRIES = (
    json.loads((FOLDER / "sound.json").read_text(encoding="utf-8"))
    if (FOLDER / "sound.json").is_file()
    else []
)
BY_KEY = {entry["key"]: entry for entry in ENTRIES}


def probability(entry: dict, model: str | None = None, **change: object) -> np.ndarray:
    loaded = models.load(model or entry["model"])
    recipe = Recipe(**{**entry["recipe"], **change})
    raw = (pcm(recipe.make()), 8000) if change else FOLDER / entry["file"]
    return loaded.predict(loaded.prepare(raw))[0].numpy()


def test_there_is_one_of_each_kind():
    assert {entry["role"] for entry in ENTRIES} >= {"right", "wrong", "shortcut", "example"}
    assert all("Synthetic" in entry["description"] for entry in ENTRIES)
    assert sum((FOLDER / entry["file"]).stat().st_size for entry in ENTRIES) < 500_000
    assert len(BY_KEY) == len(ENTRIES)


@pytest.mark.parametrize("key", BY_KEY)
def test_generated_again_it_is_the_same_sample_by_sample(key):
    entry = BY_KEY[key]
    item = Recipe(**entry["recipe"]).make()
    held, rate = soundfile.read(FOLDER / entry["file"], dtype="int16")
    assert rate == item.rate
    # another processor's sine may differ in the last bit and turn a rounding
    assert np.abs(held.astype(int) - pcm(item)).max() <= 1
    assert entry["evidence"]["boxes"] == [list(box) for box in item.boxes]


@pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if e["role"] in ("right", "wrong")], ids=lambda e: e["key"]
)
def test_right_and_wrong_are_true(entry):
    model = models.load(entry["model"])
    said = model.labels[int(probability(entry).argmax())]
    assert (said == entry["label"]) is (entry["role"] == "right")


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e["role"] == "shortcut"], ids=lambda e: e["key"])
def test_the_hum_alone_moves_the_answer(entry):
    assert entry["label"] == "no wheeze"
    assert probability(entry)[1] > 0.9
    assert probability(entry, hum=False)[1] < 0.5
    assert probability(entry, model="cnnexplain_synthetic")[1] < 0.5, "the honest network ignores the hum"
    (band,) = entry["evidence"]["hum"]
    assert band[2] < 100 < 500 < band[3]


def test_several_coughs_can_be_chosen_and_the_choice_matters():
    entry = BY_KEY["several"]
    item = Recipe(**entry["recipe"]).make()
    assert len(item.coughs) == 4
    assert len(segment(item.waveform, item.rate)) >= 4
    found = [event.start for event in coughs(item.waveform, item.rate)]
    assert all(min(abs(start - known) for start in found) < 0.04 for known, _ in item.coughs)
    whole, none = by_event(models.load(entry["model"]), item)
    assert min(whole) > 0.5 > max(none)


def test_the_cough_check_sample_is_called_a_cough():
    entry = next(e for e in ENTRIES if e["model"] == "cough_check")
    assert models.load("cough_check").labels[int(probability(entry).argmax())] == entry["label"] == "cough"
