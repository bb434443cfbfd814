"""The bundled network for photographs: the published one, named readably, with everything that explains it."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open

import backend
import models
from models.architectures import ARCHITECTURES
from models.catalogue import MODELS, WEIGHTS
from models.photographs import FOLDER

KEY = "squeezenet1_1"
SPEC = MODELS[KEY]
RECORDED = {
    "anchor_0017.jpg": {456: 19.043, 677: 18.137, 596: 17.392},
    "emu_0011.jpg": {9: 26.297, 355: 25.002, 348: 24.515},
}
"""Logits of the three likeliest classes of two bundled photographs."""


@pytest.fixture(scope="module")
def model() -> models.Model:
    return models.load(KEY)


@pytest.mark.parametrize("file", RECORDED)
def test_the_logits_are_those_recorded(model, file):
    logits = model.logits(model.prepare(FOLDER / file))[0]
    assert logits.topk(3).indices.tolist() == list(RECORDED[file])
    assert [logits[i].item() for i in RECORDED[file]] == pytest.approx(
        list(RECORDED[file].values()), abs=5e-3
    )


def test_it_is_torchvisions_network(model):
    """The same tensor names and, on any input, the same numbers."""
    from models.hub import ensure_operations

    ensure_operations()
    vision = pytest.importorskip("torchvision.models")
    theirs = vision.squeezenet1_1(weights=None).eval()
    theirs.load_state_dict(model.module.state_dict(), strict=True)
    x = torch.randn(2, *model.input.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (theirs(x) - model.logits(x)).abs().max() < 1e-4


def test_its_classes_have_short_names_of_their_own():
    assert len(SPEC.labels) == 1000
    assert len({label.casefold() for label in SPEC.labels}) == 1000
    assert all(0 < len(label) <= 30 and "," not in label and label == label.strip() for label in SPEC.labels)
    assert (SPEC.labels[285], SPEC.labels[967]) == ("Egyptian cat", "espresso")
    assert SPEC.labels[134] != SPEC.labels[517] == "crane (machine)"


def test_its_card_tells_the_truth(model):
    path = SPEC.weights
    assert path is not None
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == SPEC.sha256
    assert len(data) < 2.6e6
    assert sum(p.numel() for p in model.module.parameters()) == SPEC.card["parameters"]
    with safe_open(path, "pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.float16"}  # noqa: SIM118
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    texts = re.findall(r"models/weights/\S+\.txt", SPEC.licence)
    licence = (WEIGHTS / texts[0].rpartition("/")[2]).read_text(encoding="utf-8")
    for holder in ("Soumith Chintala", "DeepScale", "Princeton University"):
        assert holder in licence
    assert "torchvision" in SPEC.source
    assert "trained by this project" not in SPEC.source


def test_photographs_are_given_to_it_and_no_other_kind_of_input():
    assert [key for key, spec in MODELS.items() if "image" in spec.default_for] == [KEY]
    for spec in MODELS.values():
        assert set(spec.default_for) <= set(spec.input.modalities)


def test_its_default_layer_is_the_last_with_features(model):
    """Not the maps of classes, which are logits already."""
    assert ARCHITECTURES["squeezenet"].default_layer == model.structure.default == "features.12"
    assert model.layers[-1].shape[0] == 1000  # the maps of classes are layers, but not offered first


def test_relevance_is_conserved_through_a_convolutional_head(model):
    x = model.prepare(FOLDER / "emu_0011.jpg")
    target = 9
    for method in ("lrp", "fused"):
        result = backend.explain(model, x, method=method, target=target)
        assert result.extras["conservation"] == pytest.approx(1, abs=0.01)
        assert np.isfinite(result.values).all()
    assert result.values.shape == (224, 224)


def test_grad_cam_agrees_with_the_maps_of_the_class(model):
    """The head is a 1x1 convolution, rectified and averaged: where the map of a class is positive everywhere, Grad-CAM
    at the layer before is that map without its bias, up to a factor."""
    x = model.prepare(FOLDER / "emu_0011.jpg")
    target = 9
    with torch.no_grad():
        maps = model.module.classifier[1](model.module.features(x))[0, target]
    bias = float(model.module.classifier[1].bias[target])
    result = backend.explain(model, x, method="grad_cam", target=target)
    assert result.native == tuple(maps.shape) == (13, 13)
    assert bool((maps > 0).all())  # else the comparison would not hold
    enlarged = torch.nn.functional.interpolate(
        (maps - bias).clamp_min(0)[None, None], size=(224, 224), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    assert np.corrcoef(enlarged.ravel(), result.values.ravel())[0, 1] > 0.999
