"""The planted-evidence experiment on a small scale: its inputs are what they claim to be, its truth holds,
its numbers can be recomputed."""

from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

import backend
from app.cli import main
from app.core.errors import BadParameter
from backend.attribution.network.head import suffix
from backend.studies import planted, planted_report, scenes
from backend.studies.scenes import OBJECT, PLANTED, SCENES
from models.training import images, sound

N = 8


@pytest.fixture(scope="module")
def result():
    return planted.experiment(("image", "sound"), inputs=N, examples=20, counters=40, n_random=20, layers=2)


@pytest.fixture(scope="module")
def pictures():
    return SCENES["image"].make(4, 12, 24, 0)


@pytest.fixture(scope="module")
def sounds():
    return SCENES["sound"].make(3, 10, 20, 0)


def row(result, scene, method, layer=-1):
    found = next(part for part in result["scenes"] if part["key"] == scene)
    return next(
        row for row in found["rows"] if row["layer"] == found["layers"][layer] and row["method"] == method
    )


def test_pictures_without_the_sticker_differ_in_the_sticker_only(pictures):
    moved = (pictures.whole != pictures.bare[PLANTED]).any(1).numpy()
    assert moved.any((1, 2)).all()
    assert not (moved & ~pictures.regions[PLANTED]).any()


def test_pictures_without_the_object_differ_in_the_object_only(pictures):
    moved = (pictures.whole != pictures.bare[OBJECT]).any(1).numpy()
    around = np.stack([ndimage.binary_dilation(mask, iterations=2) for mask in pictures.regions[OBJECT]])
    assert moved.any((1, 2)).all()
    assert not (moved & ~around).any()


def test_recordings_change_where_their_regions_say(sounds):
    for thing in (PLANTED, OBJECT):
        change = (sounds.whole - sounds.bare[thing]).abs()[:, 0].numpy()
        for one, inside in zip(change, sounds.regions[thing], strict=True):
            outside = ~(sounds.regions[PLANTED] | sounds.regions[OBJECT])[0]
            assert one[inside].mean() > 5 * one[outside].mean()
    assert not (sounds.regions[PLANTED] & sounds.regions[OBJECT]).any()


def test_examples_differ_from_the_inputs_and_from_the_counter_examples(pictures, sounds):
    for material in (pictures, sounds):
        everything = torch.cat([material.whole, material.counter, *material.examples]).flatten(1)
        assert len(torch.unique(everything, dim=0)) == len(everything)


@pytest.mark.parametrize("scene", ["image", "sound"])
def test_the_truth_holds_when_the_planted_thing_is_left_out(result, scene):
    truth = row(result, scene, "intervention")
    assert truth["misled"]["value"] == truth["fair"]["value"] == 1.0
    assert truth["means"]["misled"]["planted"] > 0.5
    assert abs(truth["means"]["fair"]["planted"]) < 0.1
    networks = {
        network["misled"]: network
        for network in next(part for part in result["scenes"] if part["key"] == scene)["networks"]
    }
    assert networks[True]["with_both"]["value"] - networks[True]["without_planted"]["value"] >= 0.5
    assert networks[False]["without_object"]["value"] <= 0.25


@pytest.mark.parametrize("scene", ["image", "sound"])
def test_visual_tcav_gives_the_planted_thing_more_where_it_is_predictive(result, scene):
    for layer in (-1, -2):
        found = row(result, scene, "visual_tcav", layer)
        assert found["across"]["value"] >= (N - 1) / N  # the same input in two networks
        assert found["means"]["misled"]["planted"] > 2 * found["means"]["fair"]["planted"]


def test_what_the_last_layer_of_the_misled_sound_network_cannot_tell_apart(result):
    """A negative result that the page tells: both directions are the class's own there, and attribution
    follows neither."""
    network = next(part for part in result["scenes"] if part["key"] == "sound")["networks"][0]
    assert network["misled"]
    assert network["directions"]["relu4"]["cosine"] > 0.8 > network["directions"]["relu3"]["cosine"]
    assert (
        row(result, "sound", "visual_tcav", -2)["misled"]["value"]
        > row(result, "sound", "visual_tcav", -1)["misled"]["value"]
    )


def test_rows_can_be_recomputed_from_the_scores(result):
    for part in result["scenes"]:
        keys = {network["misled"]: network["key"] for network in part["networks"]}
        for found in part["rows"]:
            for misled, name in ((True, "misled"), (False, "fair")):
                wanted = (keys[misled], found["layer"], found["method"])
                one = next(s for s in part["scores"] if (s["network"], s["layer"], s["method"]) == wanted)
                pairs = list(zip(one["planted"], one["object"], strict=True))
                assert found[name]["value"] == sum(a > b if misled else b > a for a, b in pairs) / N
                assert found["means"][name]["planted"] == pytest.approx(np.mean(one["planted"]))


def test_ties_and_unknown_scores_are_not_right():
    scores = np.array([[1.0, 0.5], [0.5, 0.5], [0.2, 0.5], [np.nan, 0.5]])
    assert planted.ranked_rightly(scores, misled=True).tolist() == [True, False, False, False]
    assert planted.ranked_rightly(scores, misled=False).tolist() == [False, False, True, False]


def test_scores_against_their_definitions(pictures):
    scene = SCENES["image"]
    model = scenes.network(scene.misled, None)
    layer = planted.Layer.of(model, "relu4", pictures, 20, 0)
    found = planted.judge(model, layer, pictures, scene.target)
    x = pictures.whole[:1]
    out = backend.concept_attribution(model, x, "relu4", list(layer.vectors), [scene.target])
    assert found["visual_tcav"][0] == pytest.approx(out.scores[:, 0].numpy(), abs=1e-6)
    # TCAV: the logit's change for a small step along the direction at every position, over the length of the
    # gradient
    split = suffix(model, "relu4")
    features, head = split.features(x).double().float(), split.head(x)
    slopes = []
    for c in range(features.shape[1]):
        step = torch.zeros_like(features)
        step[:, c] = 1e-2
        slopes.append(float((head(features + step) - head(features - step))[0, scene.target]) / 2e-2)
    gradient = np.array(slopes)
    for place, vector in enumerate(layer.vectors):
        v = vector.direction.numpy()
        expected = gradient @ v / np.linalg.norm(gradient) / np.linalg.norm(v)
        assert found["tcav"][0, place] == pytest.approx(expected, abs=0.02)
    cam = backend.explain(model, x, "grad_cam", target=scene.target, layer="relu4").values
    tag = pictures.regions[PLANTED, 0]
    assert found["grad_cam_mass"][0, PLANTED] == pytest.approx((cam * tag).sum() / cam.sum(), rel=1e-4)
    assert found["grad_cam"][0, PLANTED] == pytest.approx(
        (cam * tag).sum() / tag.sum() / cam.mean(), rel=1e-4
    )
    assert ((found["p"] > 0) & (found["p"] <= 1)).all()
    assert (
        found["p"] * 21 == pytest.approx(np.round(found["p"] * 21))
    ) is True  # counts over 20 pseudo-concepts and one


def test_the_same_seed_gives_the_same_numbers_and_another_other_inputs():
    small = {"inputs": 2, "examples": 10, "counters": 20, "n_random": 20, "layers": 1}
    first, again, other = (planted.experiment(("image_star",), seed=seed, **small) for seed in (0, 0, 1))
    assert first == again
    assert first["scenes"][0]["scores"] != other["scenes"][0]["scores"]


def test_progress_counts_every_input_once():
    seen = []
    planted.experiment(
        ("image",),
        inputs=2,
        examples=10,
        counters=20,
        n_random=20,
        layers=1,
        report=lambda done, total, _=None: seen.append((done, total)),
    )
    assert seen == [(done, 4) for done in range(5)]


@pytest.mark.parametrize(
    "wrong", [{"inputs": 1}, {"examples": 5}, {"n_random": 3}, {"keys": ("smell",)}, {"layers": 0}]
)
def test_impossible_settings_are_refused_in_words(wrong):
    with pytest.raises(BadParameter):
        planted.experiment(**{"inputs": 4, **wrong})


def test_tables_name_every_method_and_part(result):
    text = "\n".join(planted_report.markdown(result))
    cells = [cell.strip() for line in text.splitlines() for cell in line.split("|")]
    for part in result["scenes"]:
        assert part["title"] in text
    for title in result["methods"].values():
        assert cells.count(title) == 4  # two parts, two layers
    truth = row(result, "image", "intervention")["both"]
    assert f"100 % ({100 * truth['low']:.0f} to 100)" in cells


def test_bars_are_as_long_as_the_shares(result):
    """Bars over both networks, and the misled network's mark where its share says, on the row of its
    method."""
    for axes, part in zip(planted_report.ranking(result).axes, result["scenes"], strict=True):
        rows = {row["method"]: row for row in part["rows"] if row["layer"] == part["layers"][-1]}
        expected = [rows[method] for method in result["methods"]]
        bars = [patch.get_width() for patch in axes.patches]
        assert bars == [pytest.approx(row["both"]["value"]) for row in expected]
        marks = [
            found
            for found in axes.collections
            if mpl.colors.same_color(found.get_color()[0], planted_report.MISLED)
        ]
        assert [mark.get_segments()[0][0][0] for mark in marks] == [
            pytest.approx(row["misled"]["value"]) for row in expected
        ]


def test_from_one_command(tmp_path, capsys):
    assert (
        main(
            [
                "concepts",
                "experiment",
                "--out",
                str(tmp_path),
                "--inputs",
                "2",
                "--layers",
                "1",
                "--only",
                "image",
            ]
        )
        == 0
    )
    assert "a sticker betrays the striped class" in capsys.readouterr().out
    assert json.loads((tmp_path / "planted.json").read_text())["settings"]["inputs"] == 2
    for name in ("planted_ranking.png", "planted_scores.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 400


@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # the cards of such networks average over no right answer
def test_networks_trained_anew_are_the_ones_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "VALIDATION", 16)
    monkeypatch.setattr(images, "TEST", 16)
    monkeypatch.setattr(sound, "TRAIN", (16, 11))
    monkeypatch.setattr(sound, "VALIDATION", (8, 12))
    monkeypatch.setattr(sound, "TEST", (8, 13))
    folder = scenes.train(tmp_path, epochs=1, rows=64, progress=False)
    for scene in SCENES.values():
        for key in (scene.fair, scene.misled):
            assert scenes.network(key, folder).digest != scenes.network(key, None).digest
    small = planted.experiment(
        ("image",), inputs=2, examples=10, counters=20, n_random=20, layers=1, weights=folder
    )
    assert small["settings"]["trained_anew"]
    assert (
        small["scenes"][0]["networks"][0]["with_both"]["value"] < 1.0
    )  # one epoch on 64 pictures has learnt nothing
