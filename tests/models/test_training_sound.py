"""Augmentation, splitting by person and the training commands, on generated recordings; the real ones only
where the data folder is at hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from app.core.errors import BadParameter
from models.inputs.sound import SoundInput
from models.synthetic.coughs import generate
from models.training import measures, recordings, sound
from models.training.augment import other_room, spec_augment
from models.training.crossval import Recipe, alike, by_conditions, cross_validate, folds_by_person, shuffled
from models.training.recordings import Clips

SPEC = SoundInput()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return sound.synthetic_inputs(generate(6, seed=3))[0]


def test_spec_augment_silences_whole_bands_and_moments_only(x):
    out = spec_augment(x, generator(), bands=8, frames=16, masks=2)
    assert not torch.equal(out, x)
    for before, after in zip(x[:, 0], out[:, 0], strict=True):
        changed = before != after
        assert not after[changed].any()
        rows = (after == 0).all(1)
        columns = (after == 0).all(0)
        assert (changed <= (rows[:, None] | columns[None])).all()
        assert rows.sum() <= 16
        assert columns.sum() <= 32
    torch.testing.assert_close(spec_augment(x, generator(), bands=0, frames=0), x)


def test_another_room_raises_the_background_and_leaves_the_loud_cells(x):
    assert torch.equal(other_room(x, generator(4)), other_room(x, generator(4)))
    torch.testing.assert_close(
        other_room(x, generator(), quiet=-300, loud=-300, tilt=0), x, atol=1e-5, rtol=0
    )
    loud = other_room(x, generator(), quiet=-30, loud=-30, tilt=0)
    assert loud.amax(dim=(1, 2, 3)) == pytest.approx(1)
    assert (loud - x)[x > 0.9].abs().max() < 0.02
    assert loud.quantile(0.1) > 0.4  # -30 dB, sloped by up to 15 dB and fluctuating
    sloped = other_room(x, generator(), quiet=-300, loud=-300, tilt=8) - x
    rows = sloped[0, 0][:, x[0, 0].min(0).values > 0.1]
    if rows.shape[1]:
        assert torch.allclose(rows.std(1), torch.zeros(64), atol=1e-4), "one gain per band"


def clips(people: int = 30, seed: int = 0) -> Clips:
    """Up to three clips per person; a planted difference in two cells, and conditions that tell nothing."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(people), rng.integers(1, 4, people))
    y = ids % 3 % 2
    planted = torch.from_numpy(rng.random((len(ids), 1, 64, 128)).astype(np.float32) * 0.3)
    planted[y == 1, 0, 20:40] += 0.5
    return Clips(
        planted, torch.from_numpy(y), np.array([f"p{i}" for i in ids]), rng.normal(size=(len(ids), 7))
    )


def test_no_person_is_on_both_sides_and_every_fold_has_its_share():
    made = clips()
    fold = folds_by_person(made, 5)
    for person in np.unique(made.people):
        assert len(np.unique(fold[made.people == person])) == 1
    for k in range(5):
        members = np.unique(made.people[fold == k])
        assert len(members) == 6
        assert {int(made.truth[made.people == person][0]) for person in members} == {0, 1}


def test_cross_validation_finds_what_is_there_and_nothing_where_labels_are_dealt_out_anew():
    made = clips()
    recipe = Recipe(epochs=4, lr=3e-3)
    kept = []
    judged = cross_validate(made, recipe, folds=2, seeds=1, also=made.x[:3], keep=kept.append, progress=False)
    assert np.isfinite(judged.logits).all()
    assert measures.auc(made.truth, judged.score) > 0.95
    assert len(judged.elsewhere) == 2
    assert judged.elsewhere[0].shape == (3, 2)
    again = recipe.train(made.x[judged.fold != 0], made.y[torch.from_numpy(judged.fold != 0)], 0)
    for a, b in zip(kept[0].parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b), "the network of fold 0 and seed 0 can be trained again, bit by bit"
    dealt = shuffled(made)
    assert sorted(dealt.truth) == sorted(made.truth)
    assert not torch.equal(dealt.y, made.y)


def test_conditions_alone_are_judged_out_of_fold():
    made = clips(60)
    fold = folds_by_person(made, 3)
    assert measures.auc(made.truth, by_conditions(made, fold)) == pytest.approx(0.5, abs=0.2)
    telling = Clips(made.x, made.y, made.people, made.conditions + 0.6 * made.truth[:, None])
    score = by_conditions(telling, fold)
    assert measures.auc(telling.truth, score) > 0.7
    groups = alike(score)
    assert set(groups) == set(range(5))
    # within groups of alike conditions, the score that made the groups tells little more
    assert measures.stratified_auc(telling.truth, score, groups) < measures.auc(telling.truth, score)


def test_stratified_auc_by_hand():
    truth = np.array([0, 1, 0, 1, 1])
    score = np.array([0.1, 0.2, 0.8, 0.9, 0.7])
    strata = np.array([0, 0, 1, 1, 1])
    # stratum 0: one pair, right; stratum 1: pairs (0.8, 0.9) right and (0.8, 0.7) wrong
    assert measures.stratified_auc(truth, score, strata) == pytest.approx(2 / 3)
    assert measures.stratified_auc(truth, score, np.zeros(5)) == pytest.approx(measures.auc(truth, score))
    assert np.isnan(measures.stratified_auc(truth, score, np.arange(5)))


def test_the_synthetic_command_writes_weights_and_an_honest_card(tmp_path, monkeypatch):
    """Far too little data and time: the card must say so."""
    for name, size in (("TRAIN", 16), ("VALIDATION", 8), ("TEST", 24)):
        monkeypatch.setattr(sound, name, (size, 5))
    threads = torch.get_num_threads()
    card = sound.train("cnnexplain_synthetic", out=tmp_path, epochs=1, progress=False)
    torch.set_num_threads(threads)
    assert json.loads((tmp_path / "cnnexplain_synthetic.json").read_text()) == card
    assert card["synthetic"]
    rows = {row["label"]: row for row in card["figures"]}
    assert rows["AUC without hum"]["low"] < 0.9
    assert (
        sum(value.numel() for value in load_file(tmp_path / "cnnexplain_synthetic.safetensors").values())
        == card["parameters"]
    )
    again = sound.train("cnnexplain_synthetic", out=tmp_path / "again", epochs=1, progress=False)
    assert again["sha256"] == card["sha256"], "the same bytes from the same seeds"


@pytest.mark.parametrize(
    "options",
    [
        {"task": "nothing"},
        {"task": "cnnexplain"},
        {"task": "cough_check", "data": "nowhere"},
        {"task": "cnnexplain", "folds": 1},
    ],
)
def test_what_cannot_be_trained_is_refused(options, tmp_path):
    from pathlib import Path

    task, data = options.pop("task"), options.pop("data", None)
    with pytest.raises(BadParameter):
        sound.train(task, data=None if data is None else Path(data), out=tmp_path, **options)
    with pytest.raises(BadParameter):
        sound.train("cnnexplain", data=tmp_path, out=tmp_path, progress=False)


@pytest.fixture(scope="module")
def core(real_data) -> Clips:
    return recordings.covid(real_data, "core", SPEC, progress=False)


@pytest.fixture(scope="module")
def foreign(real_data) -> dict[str, Clips]:
    return recordings.foreign(real_data, SPEC, progress=False)


@pytest.mark.data
@pytest.mark.slow
def test_real_recordings_are_read_with_their_people(real_data, core, foreign):
    made = core
    assert (len(made), len(np.unique(made.people)), int(made.y.sum())) == (438, 438, 286)
    assert made.x.shape[1:] == SPEC.shape
    assert made.x.amax(dim=(1, 2, 3)).min() == 1
    assert np.isfinite(made.conditions).all()
    mixed = recordings.coughs_and_others(real_data, SPEC, progress=False)
    real = ~np.char.startswith(mixed.people, recordings.MADE)
    assert len(np.unique(mixed.people[real])) == 50
    assert set(mixed.truth[~real]) == {0}
    assert {name: (len(part), set(part.truth)) for name, part in foreign.items()} == {
        "telephone coughs": (438, {1}),
        "messenger coughs": (288, {1}),
        "spoken digits, read speech": (42, {0}),
        "music, a bird": (2, {0}),
    }


@pytest.mark.data
@pytest.mark.slow
def test_the_shipped_cough_check_tells_coughs_from_other_sounds(foreign):
    """On recordings from elsewhere than its training: the shares on its card are measured again."""
    import models

    model = models.load("cough_check")
    rows = {
        row["label"]: row["value"] for row in model.spec.card["recordings from elsewhere, judged rightly"]
    }
    for name, part in foreign.items():
        right = float((model.predict(part.x).argmax(1) == part.y).float().mean())
        assert right == pytest.approx(rows[name], abs=0.01)


@pytest.mark.data
@pytest.mark.slow
def test_the_held_out_figures_of_the_covid_model_are_measured_again(core):
    """With the shipped weights, on the people of fold 0."""
    import models

    model = models.load("cnnexplain")
    made = core
    held = folds_by_person(made, 5) == 0
    probability = model.predict(made.x[torch.from_numpy(held)])[:, 1].numpy()
    truth = made.truth[held]
    found = {
        "auc": measures.auc(truth, probability),
        "sensitivity": measures.sensitivity(truth, probability),
        "specificity": measures.specificity(truth, probability),
    }
    for name, value in found.items():
        assert value == pytest.approx(model.spec.card["held_out"][name], abs=0.02)
