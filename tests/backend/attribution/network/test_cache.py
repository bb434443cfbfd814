"""Nothing that was kept outlives the network it was computed from. Every method is drawn from the
registry, every kind of edit from EDITS."""

from __future__ import annotations

import copy
import gc
import weakref
import zlib

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from backend.attribution.concepts import library as library_file
from backend.attribution.concepts.folders import FolderLibrary
from backend.attribution.concepts.library import Library
from backend.attribution.lrp.prepared import canonical_of
from backend.attribution.methods import METHODS
from backend.attribution.network import cache
from backend.attribution.network.cache import PIECE, cached, stamp, steady
from backend.attribution.network.head import suffix
from tests.tiny import build, picture

QUICK = {"n_samples": 16, "n_steps": 8, "n_random": 20}
PLAIN_METHODS = [key for key in METHODS if key != "visual_tcav"]
"""A concept map runs 140 examples through the network: it has a test of its own."""


def permuted_rows(module):
    """Norm, sum and every counter but the version stay; done through `.data`, not even that moves."""
    module.conv2.weight.data.copy_(module.conv2.weight.data.flip(0))


def data_edit(module):
    module.fc.weight.data.neg_()


def replaced_parameter(module):
    module.conv1.weight = nn.Parameter(module.conv1.weight.detach().flip(1), requires_grad=False)


def buffer_edit(module):
    module.bn1.running_mean.data.add_(1.0)


def setting(module):
    module.bn2.eps = 10.0


def replaced_module(module):
    module.down = nn.Conv2d(8, 16, 1, stride=2, bias=False).requires_grad_(False)


def stored_weights(module):
    module.load_state_dict(build("residual", seed=5).module.state_dict())


EDITS = (permuted_rows, data_edit, replaced_parameter, buffer_edit, setting, replaced_module, stored_weights)


def explain(model, method):
    settings = {name: value for name, value in QUICK.items() if name in METHODS[method].Params.model_fields}
    return backend.explain(model, picture(), method, target=1, seed=3, **settings).values


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_method_explains_the_network_as_it_is_now(edit):
    check(edit, PLAIN_METHODS)


def test_concept_maps_explain_the_network_as_it_is_now():
    check(permuted_rows, ["visual_tcav"])


def check(edit, methods):
    """The same maps as of a freshly wrapped copy of the changed module."""
    model = build("residual")
    for method in methods:
        explain(model, method)
    edit(model.module)
    fresh = models.wrap(copy.deepcopy(model.module), labels=model.labels, input=model.input)
    for method in methods:
        np.testing.assert_array_equal(explain(model, method), explain(fresh, method), err_msg=method)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_the_stamp_sees_it_and_goes_back_when_it_is_undone(edit):
    model = build("residual")
    before, whole = stamp(model), copy.deepcopy(model.module)
    edit(model.module)
    assert stamp(model) != before
    model.module = whole
    assert stamp(model) == before == stamp(build("residual"))


def test_the_stamp_sees_the_last_bit_of_any_number():
    model = build("residual")
    seen = {stamp(model)}
    for tensor in model.module.state_dict().values():
        numbers = tensor.view(-1)
        kept = numbers[-1].clone()
        numbers[-1] = kept + 1 if not tensor.is_floating_point() else torch.nextafter(kept, kept + 1)
        seen.add(stamp(model))
        numbers[-1] = kept
    assert len(seen) == 1 + len(model.module.state_dict())
    assert stamp(model) in seen


@pytest.mark.parametrize("cores", [1, 3])
def test_the_stamp_of_a_large_network_is_the_same_on_any_number_of_cores_and_sees_flips_in_pairs(
    cores, monkeypatch
):
    """Larger than a piece, so that several cores share it. A sum of weighted words is blind to the signs of two
    odd numbers, which stand at the top of their words."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 30 * 30, 96))
    model = models.wrap(network, labels=[str(i) for i in range(96)], input=models.ImageInput(size=(32, 32)))
    assert sum(t.nbytes for t in network.parameters()) > 2 * PIECE
    monkeypatch.setattr(cache, "_cores", lambda: 1)
    expected = stamp(model)
    monkeypatch.setattr(cache, "_cores", lambda: cores)
    weight = model.module[2].weight.data
    original, seen = weight.clone(), {stamp(model)}
    assert seen == {expected}
    for changed in (
        original * torch.tensor([1.0, -1.0]).repeat(original.shape[1] // 2),
        torch.cat([original[:1] * torch.tensor([1.0, -1.0, 1.0, -1.0] + [1.0] * 7196), original[1:]]),
        original.flip(0),
        original.roll(2, 1),
        original[[0, 1, 2, 5, 4, 3, *range(6, 96)]],
        torch.cat([original[:, :-1], torch.nextafter(original[:, -1:], torch.tensor(9.0))], 1),
    ):
        weight.copy_(changed)
        seen.add(stamp(model))
        weight.copy_(original)
    assert len(seen) == 7
    assert stamp(model) == expected


def test_plain_tensors_of_a_module_count_as_weights():
    class Scaled(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(
                nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
            )
            self.scale = torch.ones(1)

        def forward(self, x):
            return super().forward(x) * self.scale

    model = models.wrap(Scaled(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    before = stamp(model)
    model.module.scale *= -1
    assert stamp(model) != before


def test_layers_are_looked_for_again_when_the_network_has_changed():
    model = build("residual")
    suffix(model, "conv1")
    assert "extra" not in {layer.name for layer in model.layers}
    model.module.extra = nn.Conv2d(3, 3, 1)
    model.module.stem = nn.Sequential(model.module.extra, model.module.stem).eval().requires_grad_(False)
    suffix(model, "conv1")
    assert "stem.0" in {layer.name for layer in model.layers}


def test_what_is_kept_is_made_once_and_asked_for_once_within_a_steady_run(monkeypatch):
    model, made = build("plain"), []
    looks = []
    original = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda data: looks.append(1) or original(data))
    assert [cached(model, "thing", 1, lambda: made.append(1) or "a") for _ in range(3)] == ["a"] * 3
    assert len(made) == 1
    tensors = len(model.module.state_dict())
    assert len(looks) == 3 * tensors
    looks.clear()
    with steady(model):
        cached(model, "thing", 1, lambda: "b")
        cached(model, "thing", 2, lambda: cached(model, "thing", 1, lambda: "b"))
    assert len(looks) == tensors


def test_a_family_with_a_bound_lets_the_least_recently_used_go_in_all_models():
    first, second = build("plain"), build("plain", seed=1)
    for model, key in ((first, 1), (second, 1), (first, 1), (first, 2)):
        cached(model, "bounded", key, object, capacity=2)
    assert [
        cached(model, "bounded", key, lambda: None) is None
        for model, key in ((first, 1), (second, 1), (first, 2))
    ] == [
        False,
        True,
        False,
    ]


def test_one_canonical_network_is_kept_in_all():
    first, second = build("plain"), build("residual")
    network = weakref.ref(canonical_of(first))
    assert canonical_of(first) is network()
    canonical_of(second)
    gc.collect()
    assert network() is None


def test_a_model_and_what_is_kept_of_it_go_together():
    model = build("residual")
    for method in ("lime", "lrp", "visual_tcav"):
        explain(model, method)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_copy_of_a_model_has_nothing_of_the_original():
    model = build("residual")
    explain(model, "smooth_grad")
    twin = copy.deepcopy(model)
    twin.module.fc.weight.data.neg_()
    fresh = models.wrap(copy.deepcopy(twin.module), labels=model.labels, input=model.input)
    np.testing.assert_array_equal(explain(twin, "smooth_grad"), explain(fresh, "smooth_grad"))


def test_directions_depend_on_how_inputs_are_prepared():
    """The same module and weights under another normalisation: the examples look different to the network."""
    module = build("plain").module
    labels = [f"class {i}" for i in range(3)]
    plain, shifted = (
        models.wrap(
            module, labels=labels, input=models.ImageInput(size=(32, 32), mean=(mean,) * 3, std=(std,) * 3)
        )
        for mean, std in ((0.5, 0.5), (0.0, 1.0))
    )
    assert plain.digest == shifted.digest
    library = Library()
    vectors = [library.vector(model, "4", "striped") for model in (plain, shifted)]
    assert vectors[0].digest != vectors[1].digest
    expected = backend.concept_vector(
        shifted, "4", library.examples(shifted, "striped"), library.counter_examples(shifted)
    )
    assert torch.equal(vectors[1].direction, expected.direction)
    assert not torch.allclose(vectors[0].direction, vectors[1].direction)


def test_folders_are_read_again_when_a_file_has_changed(tmp_path):
    from PIL import Image

    def fill(shade):
        for number in range(10):
            Image.new("RGB", (32, 32), (shade, 10 * number, 0)).save(tmp_path / f"{number}.png")

    model = build("plain")
    fill(0)
    library = FolderLibrary()
    before = library.vector(model, "4", str(tmp_path))
    assert library.vector(model, "4", str(tmp_path)) is before
    fill(250)
    assert library.vector(model, "4", str(tmp_path)).digest != before.digest


def test_the_shelf_of_directions_is_bounded(monkeypatch):
    monkeypatch.setattr(library_file, "SMALL", 6)
    model, library = build("plain"), Library()
    first = library.vector(model, "4", "striped")
    for seed in range(6):
        library.pseudo(model, "4", 10, 20, seed=seed)
    assert library.vector(model, "4", "striped") is not first


class Gain(nn.Module):
    """Keeps what decides its numbers in every kind of place but a parameter or buffer."""

    def __init__(self) -> None:
        super().__init__()
        self._gain = 1.0
        self.settings = {"gain": [1.0]}
        self.array = np.ones(4, np.float32)
        self.tensors = {"gain": torch.ones(4)}
        self.activation = torch.relu
        self.hidden = [nn.Sequential(nn.Conv2d(4, 4, 1).requires_grad_(False))]

    def forward(self, x):
        gain = self._gain * self.settings["gain"][0] * torch.from_numpy(self.array) * self.tensors["gain"]
        return self.hidden[0](self.activation(x)) * gain[:, None, None]


def louder(module, _inputs, output):
    return output * torch.arange(4.0)[:, None, None]


UNREGISTERED = {
    "private number": lambda gain: setattr(gain, "_gain", -1.0),
    "number in a list in a dict": lambda gain: gain.settings["gain"].__setitem__(0, -1.0),
    "array": lambda gain: gain.array.__setitem__(2, -3.0),
    "tensor in a dict": lambda gain: gain.tensors["gain"].data[1:].neg_(),
    "function": lambda gain: setattr(gain, "activation", torch.tanh),
    "function of our own": lambda gain: setattr(gain, "activation", lambda x: x * 0.5),
    "module in a list": lambda gain: gain.hidden[0][0].weight.neg_(),
    "hook": lambda gain: gain.register_forward_hook(louder),
    "forward of one object": lambda gain: setattr(gain, "forward", lambda x: x.clamp(min=0.2)),
    "class": lambda gain: setattr(
        gain, "__class__", type("Gain", (Gain,), {"forward": lambda self, x: x * 0.5})
    ),
}


@pytest.mark.parametrize("edit", UNREGISTERED.values(), ids=UNREGISTERED)
def test_what_no_parameter_and_no_buffer_holds_is_seen_too(edit):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), Gain(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip
    model = models.wrap(network, labels="abc", input=models.ImageInput(size=(16, 16)))
    x = torch.rand(1, 3, 16, 16)
    old, before = backend.explain(model, x, "occlusion", target=1).values, stamp(model)
    assert stamp(model) == before
    edit(model.module[1])
    assert stamp(model) != before
    fresh = models.wrap(model.module, labels="abc", input=model.input)
    expected = backend.explain(fresh, x, "occlusion", target=1).values
    assert not np.array_equal(old, expected)
    np.testing.assert_array_equal(backend.explain(model, x, "occlusion", target=1).values, expected)
