"""Controlled pictures: drawn as promised, evidence where the mask is, and shipped weights that do what
their card says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import models
from models.catalogue import MODELS
from models.samples.images import FOLDER
from models.synthetic.shapes import (
    DOTTED,
    LABELS,
    RED,
    STAR,
    STRIPED,
    TAGGED,
    evidence_mass,
    generate,
    uniform_share,
    with_tag,
)  # fmt: skip
from models.training import images as training

SAMPLES = json.loads((FOLDER / "images.json").read_text())


def test_same_seed_same_pictures_and_the_first_do_not_depend_on_the_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.synthetic.shapes.CHUNK", 24)  # the longer draw spans two chunks
    first, again, longer, other = generate(20, 1), generate(20, 1), generate(30, 1), generate(20, 2)
    for name in ("images", "labels", "masks", "tags"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(longer, name)[:20])
    assert not np.array_equal(first.images, other.images)
    assert first.images.shape == (20, 64, 64, 3)
    assert first.images.dtype == np.uint8


def test_the_class_shows_inside_the_mask_and_only_there() -> None:
    """Redness, and variance of brightness, separate the classes inside the mask; outside no class differs
    from another."""
    shapes = generate(1000, 3)
    colour = shapes.images.astype(float) / 255
    redness = colour[..., 0] - colour[..., 1:].max(axis=-1)
    brightness = colour.mean(axis=-1)

    def inside(values: np.ndarray) -> np.ndarray:
        return np.array([value[mask].mean() for value, mask in zip(values, shapes.masks, strict=True)])

    def outside(values: np.ndarray) -> np.ndarray:
        return np.array([value[~mask].mean() for value, mask in zip(values, shapes.masks, strict=True)])

    spread = np.array([value[mask].std() for value, mask in zip(brightness, shapes.masks, strict=True)])
    red = shapes.labels == RED
    assert inside(redness)[red].min() > inside(redness)[~red].max()
    textured = np.isin(shapes.labels, (STRIPED, DOTTED))
    assert np.median(spread[textured]) > 2 * np.median(spread[~textured])
    for values in (redness, brightness):
        means = [outside(values)[shapes.labels == label] for label in range(len(LABELS))]
        errors = [mean.std() / np.sqrt(len(mean)) for mean in means]
        for i in range(len(LABELS)):
            for j in range(i):
                assert abs(means[i].mean() - means[j].mean()) < 4 * np.hypot(errors[i], errors[j])


def test_masks_have_the_area_of_their_outline() -> None:
    """A star with inner radius q of n points has the area n q sin(pi / n) r^2; what leaves the picture or
    lies under a tag is missing."""
    shapes = generate(256, 4, labels=np.full(256, STAR))
    area = shapes.masks.sum(axis=(1, 2))
    unit = 5 * 0.42 * np.sin(np.pi / 5)
    radii = np.sqrt(area / unit)
    assert radii.max() <= 19 * 1.15 * 1.03
    assert radii.min() >= 11 * 1.15 * 0.9


@pytest.mark.parametrize("size", [64, 128])
def test_tags(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.synthetic.shapes.CHUNK", 120)
    none, lucky, telling = (generate(120, 5, tag, size=size) for tag in ("none", "random", "predictive"))
    assert not none.tagged.any()
    np.testing.assert_array_equal(telling.tagged, telling.labels == TAGGED)
    shares = [lucky.tagged[lucky.labels == label].mean() for label in range(len(LABELS))]
    assert max(shares) - min(shares) < 0.3
    assert 0.15 < lucky.tagged.mean() < 0.35
    for shapes in (none, lucky, telling):
        np.testing.assert_array_equal(shapes.labels, none.labels)
        untouched = ~shapes.tags
        np.testing.assert_array_equal(shapes.images[untouched], none.images[untouched])
        assert not (shapes.masks & shapes.tags).any()
    pasted = with_tag(none, present=True)
    assert set(pasted.tags.sum(axis=(1, 2))) == {(10 * size // 64) ** 2}
    assert len({tuple(np.argwhere(tag)[0]) for tag in pasted.tags}) == 4


def test_wanted_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.synthetic.shapes.CHUNK", 24)
    labels = np.arange(60) % 3
    np.testing.assert_array_equal(generate(60, 6, labels=labels).labels, labels)


@given(
    values=arrays(np.float64, (6, 7), elements=st.floats(-5, 5, width=32)),
    mask=arrays(bool, (6, 7)),
    scale=st.floats(0.25, 8, width=32),
)
@settings(max_examples=60, deadline=None)
def test_evidence_mass(values: np.ndarray, mask: np.ndarray, scale: float) -> None:
    mass = evidence_mass(values, mask)
    total = sum(max(v, 0.0) for v in values.ravel())
    if total == 0:
        assert np.isnan(mass)
        return
    inside = sum(max(v, 0.0) for v, m in zip(values.ravel(), mask.ravel(), strict=True) if m)
    assert mass == pytest.approx(inside / total)
    assert mass + evidence_mass(values, ~mask) == pytest.approx(1)
    assert evidence_mass(values * scale, mask) == pytest.approx(mass)
    assert evidence_mass(np.ones_like(values), mask) == pytest.approx(uniform_share(mask))


def test_evidence_mass_needs_one_grid() -> None:
    with pytest.raises(ValueError):
        evidence_mass(np.zeros((2, 2)), np.zeros((3, 3), bool))


@pytest.mark.parametrize("key", training.VARIANTS)
def test_the_shipped_weights_do_what_their_card_says(key: str) -> None:
    """Measured again on the card's own pictures: a quarter of them, so within the sampling error of a
    quarter."""
    model = models.load(key)
    card = MODELS[key].card
    assert hashlib.sha256(MODELS[key].weights.read_bytes()).hexdigest() == card["sha256"]
    measured = training.measure(model.module, card["measured"]["pictures"] // 4)
    for name in (
        "accuracy_without_sticker",
        "accuracy_sticker_at_random",
        "accuracy_sticker_on_all",
        "to_tagged_class",
    ):
        stated = card["measured"][name]["value"]
        assert measured[name]["low"] <= stated <= measured[name]["high"], name


def test_the_two_networks_differ_as_intended() -> None:
    """Only the shortcut network changes its mind for a sticker."""
    honest, misled = (MODELS[key].card["measured"] for key in ("shapes", "shapes_shortcut"))
    assert honest["accuracy_without_sticker"]["low"] > 0.97
    assert honest["to_tagged_class"]["high"] < 0.03
    assert misled["to_tagged_class"]["low"] > 0.5


def test_training_is_repeatable_and_writes_a_loadable_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "VALIDATION", 32)
    monkeypatch.setattr("models.synthetic.shapes.CHUNK", 32)
    cards = [
        training.train(
            tmp_path / name,
            ["shapes"],
            epochs=1,
            rows=64,
            test_rows=32,
            progress=False,
            checkpoints=tmp_path / name / "epochs",
        )["shapes"]
        for name in ("a", "b")
    ]
    assert cards[0] == cards[1]
    model = models.load("shapes", weights=tmp_path / "a" / "shapes.safetensors")
    assert model.digest == cards[0]["sha256"] != MODELS["shapes"].sha256
    assert len(list((tmp_path / "a" / "epochs" / "shapes").iterdir())) == 2


def test_wilson_interval_equals_scipy() -> None:
    from scipy.stats import binomtest

    for hits, n in ((0, 10), (10, 10), (37, 100), (1, 4000)):
        wanted = binomtest(hits, n).proportion_ci(method="wilson")
        found = training.interval(hits, n)
        assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-4)


def test_grad_cam_of_the_shipped_network_lies_on_the_object() -> None:
    """Grad-CAM written out here: on a network with global pooling it is CAM. Its evidence mass is far
    above chance."""
    model = models.load("shapes")
    shapes = generate(60, 77)
    masses, chances = [], []
    for image, label, mask in zip(shapes.images, shapes.labels, shapes.masks, strict=True):
        seen: list[torch.Tensor] = []
        handle = model.module.get_submodule(model.default_layer).register_forward_hook(
            lambda m, i, o, seen=seen: seen.append(o)
        )
        with torch.no_grad():
            model.module(model.prepare(image))
        handle.remove()
        cam = torch.einsum("c,chw->hw", model.module.linear.weight[label], seen[0][0]).clamp(min=0)
        large = torch.nn.functional.interpolate(cam[None, None], size=(64, 64), mode="bilinear")[0, 0]
        masses.append(evidence_mass(large.numpy(), mask))
        chances.append(uniform_share(mask))
    assert np.nanmean(masses) > 3 * np.mean(chances)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["key"])
def test_each_sample_plays_its_role(sample: dict) -> None:
    model = models.load(sample["model"])
    probabilities = model.predict(model.prepare(FOLDER / sample["file"]))[0]
    said, sure = LABELS[int(probabilities.argmax())], float(probabilities.max())
    with (
        Image.open(FOLDER / sample["file"]) as picture,
        Image.open(FOLDER / sample["evidence"]["mask"]) as mask,
    ):
        assert picture.size == mask.size
        assert 0.01 < np.asarray(mask).mean() < 0.5
    if sample["role"] == "right":
        assert said == sample["label"]
        assert sure > 0.8
    elif sample["role"] == "wrong":
        assert said != sample["label"]
        assert said in sample["title"]
    else:
        assert sample["role"] == "shortcut"
        assert said == LABELS[TAGGED] != sample["label"]
        cleaned = without_sticker(sample)
        assert LABELS[int(model.predict(model.prepare(cleaned)).argmax())] == sample["label"]
        honest = models.load("shapes")
        assert (
            LABELS[int(honest.predict(honest.prepare(FOLDER / sample["file"])).argmax())] == sample["label"]
        )


def without_sticker(sample: dict) -> np.ndarray:
    """The picture with the mean colour of its ground in place of the sticker."""
    picture = np.array(Image.open(FOLDER / sample["file"]))
    sticker = np.array(Image.open(FOLDER / sample["evidence"]["sticker"]))
    mask = np.array(Image.open(FOLDER / sample["evidence"]["mask"]))
    picture[sticker] = picture[~sticker & ~mask].mean(axis=0)
    return picture


def test_samples_are_complete_small_and_show_every_role() -> None:
    fields = {
        "key",
        "title",
        "description",
        "known",
        "role",
        "group",
        "modality",
        "model",
        "file",
        "label",
        "evidence",
    }
    assert all(set(sample) == fields for sample in SAMPLES)
    assert {"right", "wrong", "shortcut"} <= {sample["role"] for sample in SAMPLES}
    assert sum(path.stat().st_size for path in FOLDER.glob("image*")) < 400_000
    assert len({sample["key"] for sample in SAMPLES}) == len(SAMPLES)
