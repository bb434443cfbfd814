"""Activations made beforehand: the same numbers as from the examples, and only for the network they were made with."""

from __future__ import annotations

import copy
import math

import pytest
import torch

import models
from backend.attribution.concepts import shipped
from backend.attribution.concepts.bundling import first_concepts, first_layers
from backend.attribution.concepts.layer import REDRAWS
from backend.attribution.concepts.library import EXAMPLES, Library
from backend.attribution.concepts.vectors import Activations
from backend.attribution.concepts.work import share_behind
from backend.attribution.methods import METHODS
from tests.tiny import build, picture

BUNDLED = (
    "shapes",
    "shapes_shortcut",
    "cough_check",
    "squeezenet1_1",
    "cnnexplain",
    "cnnexplain_synthetic",
    "cnnexplain_shortcut",
)


class FromExamples(Library):
    """Takes nothing that was made beforehand."""


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


def test_what_is_shipped_is_what_the_examples_give():
    model, layer, ref = models.load("shapes"), "relu5", "dotted"
    quick, slow = Library(), FromExamples()
    assert quick.known(model, (layer,), (ref,))
    for name in ("direction", "emblems"):
        ours, theirs = (getattr(library.vector(model, layer, ref), name) for library in (quick, slow))
        close(torch.as_tensor(ours), torch.as_tensor(theirs))
    for library in (quick, slow):
        library.drawn = library.pseudo(model, layer, EXAMPLES, 240, negatives="random_pictures")
        library.again = library.redrawn(model, layer, ref, REDRAWS, negatives="random_pictures", seed=1)
    for ours, theirs in ((quick.drawn, slow.drawn), (quick.again, slow.again)):
        close(ours.directions, theirs.directions)
        close(ours.emblems, theirs.emblems)
    assert quick.ran == 0
    assert slow.ran == 140


@pytest.mark.parametrize("key", BUNDLED)
def test_every_bundled_network_has_its_file(key):
    model = models.load(key)
    assert Library().known(model, first_layers(model), first_concepts(model))
    concept = METHODS["visual_tcav"].defaults(model)["concept"]
    assert Library().known(model, (model.default_layer,), (concept,))


def scaled(model):
    with torch.no_grad():
        next(model.module.parameters()).mul_(1.001)


def hooked(model):
    model.module.conv1.register_forward_hook(lambda module, inputs, output: output + 1)


def restrided(model):
    model.module.conv1.padding = (0, 0)


@pytest.mark.parametrize("edit", [scaled, hooked, restrided])
def test_another_network_of_that_name_takes_none_of_it(edit):
    model = copy.deepcopy(models.load("shapes"))
    assert Library().known(model, ("relu5",), ("dotted",))
    edit(model)
    assert not Library().known(model, ("relu5",), ("dotted",))


def test_a_broken_file_is_as_none(tmp_path, monkeypatch):
    model = copy.deepcopy(models.load("shapes"))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    (tmp_path / "shapes.safetensors").write_bytes(b"not tensors")
    assert shipped.shipped(model, "vector", "relu5", "dotted", "random_pictures") is None


def test_one_pass_for_several_layers_gives_what_each_layer_gives_alone():
    model = build("residual")
    examples = torch.cat([picture(i) for i in range(20)])
    layers = [layer.name for layer in model.layers][:4]
    together = Activations.at_layers(model, layers, examples)
    for layer in layers:
        alone = Activations(model, layer, examples)
        torch.testing.assert_close(together[layer].pooled, alone.pooled)
        directions = torch.randn(3, alone.pooled.shape[1], generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(together[layer].emblems(directions), alone.emblems(directions))
        assert together[layer].digest == alone.digest


def test_an_analysis_runs_each_example_once_whatever_the_number_of_layers():
    model, library = build("plain"), Library()
    layers = [layer.name for layer in model.layers][:3]
    library.prepare(model, layers, ("striped", "dotted"))
    for layer in layers:
        library.vector(model, layer, "striped")
        library.vector(model, layer, "dotted")
    assert library.ran == 2 * 40 + 100


def test_more_random_concepts_begin_with_the_same_ones():
    model, library = build("plain"), Library()
    few, many = (library.pseudo(model, "4", 10, count, negatives="random_pictures") for count in (50, 450))
    assert torch.equal(many.directions[:50], few.directions)
    assert len(torch.unique(many.directions, dim=0)) == 450


def test_the_estimate_counts_the_examples_that_a_first_map_runs():
    method, params = METHODS["visual_tcav"], METHODS["visual_tcav"].Params(concept="dotted")
    assert METHODS["visual_tcav"].cost(models.load("squeezenet1_1"), params).forwards < 20
    passes = {
        name: method.cost(model, params).forwards
        for name, model in (("own", build("plain")), ("bundled", models.load("shapes")))
    }
    assert 140 < passes["own"] < 140 + 54
    assert passes["bundled"] < 54


def test_where_no_concept_fits_the_method_says_so_before_it_runs(monkeypatch):
    model, method = copy.deepcopy(models.load("cnnexplain")), METHODS["visual_tcav"]
    assert method.is_compatible(model).ok
    monkeypatch.setattr(type(model.input), "modalities", ("spectrogram",))
    verdict = method.is_compatible(model)
    assert not verdict.ok
    assert "Concepts page" in verdict.reason


def test_the_concept_of_the_first_sight_follows_from_the_network():
    concepts = {key: METHODS["visual_tcav"].defaults(models.load(key))["concept"] for key in BUNDLED}
    assert concepts["shapes"] == "striped"
    assert concepts["squeezenet1_1"] == "dotted"
    assert {concepts[key] for key in BUNDLED if "cn" in key or "cough" in key} == {"hum"}


def test_the_work_behind_a_layer_is_the_share_of_its_multiplications():
    model = models.load("shapes")
    (channels, height, width), last = model.layers[-2].shape, model.module.get_submodule("relu5")
    shares = [share_behind(model, layer.name) for layer in model.layers]
    assert shares == sorted(shares, reverse=True)
    assert share_behind(model, "relu4") - share_behind(model, "relu5") == pytest.approx(
        channels * height * width * 80 * 9 / multiplications(model), rel=1e-6
    )
    assert not last._forward_hooks


def multiplications(model):
    """By the shapes of the layers: every cell of an output is a sum over one kernel."""
    shapes = {layer.name: layer.shape for layer in model.layers}
    total = 0
    for name, module in model.module.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            total += math.prod(shapes[name]) * math.prod(module.weight.shape[1:])
        elif isinstance(module, torch.nn.Linear):
            total += module.weight.numel()
    return total
