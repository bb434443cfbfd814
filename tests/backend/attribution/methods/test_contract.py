"""What every method promises, on every tiny network. Both lists are drawn from their registries: a new
file is tested at once."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from app.core.errors import BadParameter, Cancelled, Incompatible, NotFound
from backend.attribution.methods import METHODS
from backend.attribution.network import bfloat16, joined
from backend.attribution.network.passes import Passes
from backend.attribution.network.run import SMALL
from tests.tiny import BUILDERS, build, picture

PAIRS = [(method, name) for method in METHODS for name in BUILDERS]
QUICK = {"n_samples": 48, "n_steps": 12, "n_random": 20, "n_orders": 3}
STOCHASTIC = (
    *("lime", "smooth_grad", "smooth_grad_sq", "var_grad", "gradient_shap"),
    *("rise", "kernel_shap", "shapley_sampling"),
)
GRADUAL = (
    *("lime", "smooth_grad", "integrated_gradients", "rise", "kernel_shap", "occlusion"),
    *("feature_ablation", "shapley_sampling", "smooth_grad_sq", "var_grad"),
)
"""Send many batches and show the map so far."""


@cache
def tiny(name: str) -> models.Model:
    return build(name)


def quick(method: str) -> dict[str, int]:
    """Fewer samples than the defaults, so that all pairs run in seconds."""
    return {name: value for name, value in QUICK.items() if name in METHODS[method].Params.model_fields}


def fits(method: str, name: str) -> bool:
    return METHODS[method].is_compatible(tiny(name)).ok


@cache
def alive(name: str) -> int:
    """A class whose score depends on the picture (an untrained network may have dead ones)."""
    model, x = tiny(name), picture()
    leaf = x.clone().requires_grad_(True)
    for target in range(len(model.labels)):
        if (
            torch.autograd.grad(model.select(model.module(leaf.clone()), target).sum(), leaf)[0].abs().sum()
            > 0
        ):
            return target
    raise AssertionError("every class is dead")


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request) -> tuple[str, str]:
    method, name = request.param
    if not fits(method, name):
        pytest.skip(METHODS[method].is_compatible(tiny(name)).reason)
    return request.param


def explain(method: str, name: str, **changes):
    arguments = {"target": alive(name), "seed": 3, **quick(method), **changes}
    return backend.explain(tiny(name), picture(), method, **arguments)


def test_result_is_what_the_method_declares(pair):
    method, name = pair
    result = explain(method, name)
    assert result.values.shape == (32, 32)
    assert result.values.dtype == np.float32
    assert np.isfinite(result.values).all()
    assert result.signed == METHODS[method].signed
    assert result.signed or result.values.min() >= 0
    assert not result.values.flags.writeable
    assert all(np.isfinite(stage.values).all() and stage.values.ndim == 2 for stage in result.stages.values())
    assert all(stage.signed or stage.values.min() >= 0 for stage in result.stages.values())
    assert (result.layer is not None) == METHODS[method].uses_layer
    assert all(isinstance(note, str) and note.endswith(".") for note in result.notes)


def test_same_request_same_bits(pair):
    method, name = pair
    first, second = explain(method, name), explain(method, name)
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("method", STOCHASTIC)
def test_another_seed_draws_other_samples(method):
    assert not np.array_equal(
        explain(method, "plain", seed=1).values, explain(method, "plain", seed=2).values
    )


@pytest.mark.parametrize("method", [key for key in METHODS if key not in (*STOCHASTIC, "visual_tcav")])
def test_seed_does_not_matter_where_nothing_is_drawn(method):
    np.testing.assert_array_equal(
        explain(method, "plain", seed=1).values, explain(method, "plain", seed=2).values
    )


def snapshot(model: models.Model) -> list[object]:
    module = model.module
    hooks = [
        tuple(len(getattr(m, name)) for name in vars(m) if name.endswith("_hooks")) for m in module.modules()
    ]
    flags = [(m.training, type(m)) for m in module.modules()]
    extra = [sorted(name for name in vars(m) if not name.startswith("_")) for m in module.modules()]
    grads = [(p.grad is None, p.requires_grad) for p in module.parameters()]
    return [hooks, flags, extra, grads]


@contextmanager
def left_as_found(model: models.Model) -> Iterator[None]:
    weights, before = copy.deepcopy(model.module.state_dict()), snapshot(model)
    random = (torch.get_rng_state(), np.random.get_state()[1].copy())
    grad_mode, threads = torch.is_grad_enabled(), torch.get_num_threads()
    yield
    assert snapshot(model) == before
    state = model.module.state_dict()
    assert list(state) == list(weights)
    assert all(torch.equal(state[key], weights[key]) for key in weights)
    assert torch.equal(torch.get_rng_state(), random[0])
    assert np.array_equal(np.random.get_state()[1], random[1])
    assert (torch.is_grad_enabled(), torch.get_num_threads()) == (grad_mode, threads)


def test_model_is_left_as_found(pair):
    method, name = pair
    x = picture()
    before = x.clone()
    with left_as_found(tiny(name)):
        backend.explain(tiny(name), x, method, target=alive(name), **quick(method))
    assert torch.equal(x, before)
    assert x.grad is None


def test_model_is_left_as_found_when_the_user_stops(pair):
    def stop(done, total, partial=None):
        raise Cancelled("Stopped.")

    with left_as_found(tiny(pair[1])), pytest.raises(Cancelled):
        explain(*pair, report=stop)


def test_model_is_left_as_found_after_a_crash(pair, monkeypatch):
    """The second convolution fails, deep inside the method."""
    method, name = pair
    explain(method, name)  # whatever is cached is cached
    model = tiny(name)
    calls, original = Counter(), nn.functional.conv2d

    def failing(*args, **kwargs):
        calls["n"] += 1
        if calls["n"] > 1:
            raise MemoryError("injected")
        return original(*args, **kwargs)

    with left_as_found(model):
        monkeypatch.setattr(nn.functional, "conv2d", failing)
        monkeypatch.setattr(
            nn.Conv2d,
            "_conv_forward",
            lambda self, x, w, b: failing(x, w, b, self.stride, self.padding, self.dilation, self.groups),
        )
        for place in (joined, bfloat16):  # convolutions that do the ReLU after them
            monkeypatch.setattr(
                place,
                "limited",
                lambda x, c, limit: failing(x, c.weight, c.bias, c.stride, c.padding, c.dilation, c.groups),
            )
        if method == "visual_tcav":  # may answer from what it keeps
            with suppress(MemoryError):
                explain(method, name)
        else:
            with pytest.raises(MemoryError):
                explain(method, name)
        monkeypatch.undo()
    assert np.isfinite(explain(method, name).values).all()


def test_progress_grows_and_ends_at_its_total(pair):
    method, name = pair
    seen: list[tuple[int, int]] = []

    def watch(done, total, partial=None):
        seen.append((done, total))
        if partial is not None:
            assert partial.shape == (32, 32)
            assert np.isfinite(partial).all()

    explain(method, name, report=watch)
    done = [step for step, _ in seen]
    assert done == sorted(set(done))
    assert done[0] >= 0
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("method", GRADUAL)
def test_last_partial_map_is_the_result(method, monkeypatch):
    monkeypatch.setattr("backend.attribution.network.passes.MOST", {"cpu": 16, "cuda": 16})
    model, maps = build("plain"), []
    changes = {name: 160 for name in ("n_samples", "n_steps") if name in METHODS[method].Params.model_fields}
    result = backend.explain(
        model,
        picture(),
        method,
        target=0,
        report=lambda d, t, partial=None: maps.append(partial) if partial is not None else None,
        **changes,
    )
    assert len(maps) >= 2
    np.testing.assert_allclose(maps[-1], result.values, rtol=1e-5, atol=1e-7)
    assert np.corrcoef(maps[-2].ravel(), result.values.ravel())[0, 1] > 0.5


@contextmanager
def counted_passes(shape: tuple[int, ...]) -> Iterator[Counter]:
    """Counts images going in and gradients coming back, to the output or only to the input, at whatever module is
    called with a whole input, copies included."""
    counts: Counter = Counter()
    inside: list[nn.Module] = []

    def enter(module, inputs):
        if (
            not inside
            and inputs
            and isinstance(inputs[0], torch.Tensor)
            and tuple(inputs[0].shape[1:]) == shape
            and len(list(module.modules())) > 3
        ):
            inside.append(module)
            counts["forwards"] += len(inputs[0])

    def leave(module, inputs, output):
        if inside and inside[-1] is module:
            inside.pop()
            arrived: list[bool] = []

            def once(gradient):
                if not arrived:
                    arrived.append(True)
                    counts.update(backwards=len(gradient))

            for tensor in (output, inputs[0]):
                if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
                    tensor.register_hook(once)

    handles = [
        nn.modules.module.register_module_forward_pre_hook(enter),
        nn.modules.module.register_module_forward_hook(leave),
    ]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize(
    "method", [key for key in METHODS if METHODS[key].family in ("gradient", "cam", "perturbation")]
)
@pytest.mark.parametrize("name", ["plain", "residual"])
def test_declared_cost_is_what_is_spent(method, name):
    model = tiny(name)
    fields = METHODS[method].Params.model_fields
    tiled = {"segmentation": "tiles"} if "segmentation" in fields else {}  # SLIC may give fewer segments
    passes = Passes.of(model)
    (
        passes.plan("forward"),
        passes.plan("gradient"),
    )  # measuring is not the method's cost, nor is asking whether it fits
    assert METHODS[method].is_compatible(model).ok
    with counted_passes(model.input.shape) as counts:
        result = explain(method, name, **tiled)
    settings = METHODS[method].Params(**quick(method), **tiled)
    declared = METHODS[method].cost(model, settings)
    assert (result.forwards, result.backwards) == (declared.forwards, declared.backwards)
    assert (counts["forwards"], counts["backwards"]) == (declared.forwards, declared.backwards)


@pytest.mark.parametrize("method", GRADUAL)
def test_batch_size_does_not_change_the_map(method, monkeypatch):
    x, found = picture(), []
    for most in (64, 1, 7):
        monkeypatch.setattr("backend.attribution.network.passes.MOST", {"cpu": most, "cuda": most})
        model = build("residual")
        assert Passes.of(model).plan("forward").batch <= most
        found.append(backend.explain(model, x, method, target=0, **quick(method)).values)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=2e-4 * np.abs(found[0]).max())


@pytest.mark.parametrize("method", list(METHODS))
def test_form_can_be_drawn(method):
    schema = METHODS[method].Params.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        assert field.get("title"), name
        assert len(field.get("description", "")) > 10, name
        assert "default" in field, name
        if field.get("type") in ("integer", "number"):
            assert "minimum" in field, name
            assert "maximum" in field, name
    for name in ("n_samples", "n_steps", "n_orders"):
        if name in schema.get("properties", {}):
            assert schema["properties"][name]["scales_cost"] is True
    assert METHODS[method].summary.endswith(".")
    assert METHODS[method].paper


def test_whole_numbers_of_numpy_and_torch_are_classes_seeds_and_parameters():
    model, x = tiny("plain"), picture()
    wanted = backend.explain(model, x, "smooth_grad", target=1, seed=5, n_samples=4)
    for kind in (np.int64, np.uint8, torch.tensor):
        n_samples = np.int32(4) if kind is torch.tensor else kind(4)
        same = backend.explain(model, x, "smooth_grad", target=kind(1), seed=kind(5), n_samples=n_samples)
        assert (type(same.target), same.target, type(same.seed), same.seed) == (int, 1, int, 5)
        np.testing.assert_array_equal(same.values, wanted.values)


def test_what_is_no_class_no_seed_and_no_input_is_refused_in_words():
    model, x = tiny("plain"), picture()
    for target in (True, np.True_, torch.tensor(True), 1.0, "1", -1, len(model.labels)):
        with pytest.raises(BadParameter, match="class must be a whole number"):
            backend.explain(model, x, "gradient", target=target)
    for seed in (-1, 1.5, True, "1", 2**70):
        with pytest.raises(BadParameter, match="seed must be a whole number"):
            backend.explain(model, x, "smooth_grad", seed=seed)
    for nothing in (None, x.numpy(), "photo.png"):
        with pytest.raises(BadParameter, match=r"model\.prepare"):
            backend.explain(model, nothing, "gradient")
    for name in (None, 3, []):
        with pytest.raises(NotFound, match="no method of that name"):
            backend.explain(model, x, name)


@pytest.mark.parametrize("method", list(METHODS))
def test_unknown_parameter_is_refused_with_the_nearest_name(method):
    with pytest.raises(BadParameter, match="no such parameter") as caught:
        explain(method, "plain", banana=1)
    assert caught.value.field == "params"
    fields = METHODS[method].Params.model_fields
    if fields:
        name = next(iter(fields))
        with pytest.raises(BadParameter, match=f"did you mean {name}"):
            explain(method, "plain", **{f"{name}s": 1})


@pytest.mark.parametrize("method", list(METHODS))
def test_out_of_bounds_is_refused_without_echo(method):
    for name, field in METHODS[method].Params.model_json_schema().get("properties", {}).items():
        if "maximum" in field:
            with pytest.raises(BadParameter) as caught:
                explain(method, "plain", **{name: type(field["maximum"])(field["maximum"] * 1237 + 1)})
            assert caught.value.field == f"params.{name}"
            assert "1237" not in caught.value.detail


@pytest.mark.parametrize("method", list(METHODS))
def test_defaults_for_a_model_are_valid(method):
    for name in BUILDERS:
        METHODS[method].Params(**METHODS[method].defaults(tiny(name)))


class Smooth(nn.Sequential):
    """No rectifier anywhere."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )


class Flat(nn.Sequential):
    """No feature maps at all."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("module", [Smooth, Flat])
def test_what_does_not_fit_says_so_before_running(method, module):
    torch.manual_seed(0)
    model = models.wrap(module(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    verdict = METHODS[method].is_compatible(model)
    if verdict.ok:
        assert backend.explain(model, picture(), method, target=0, **quick(method)).values.shape == (32, 32)
    else:
        assert verdict.reason.endswith(".")
        with pytest.raises(Incompatible) as caught:
            backend.explain(model, picture(), method, target=0, **quick(method))
        assert caught.value.detail == verdict.reason


def test_methods_that_need_something_refuse_what_lacks_it():
    """Otherwise the test above could pass with every method fitting everything."""
    torch.manual_seed(0)
    smooth, flat = (
        models.wrap(module(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
        for module in (Smooth, Flat)
    )
    assert not METHODS["guided_backprop"].is_compatible(smooth).ok
    assert not METHODS["guided_grad_cam"].is_compatible(smooth).ok
    assert (
        METHODS["deconvolution"].is_compatible(smooth).reason.startswith("Deconvolution is defined for ReLU")
    )
    assert METHODS["grad_cam"].is_compatible(smooth).ok
    assert not METHODS["grad_cam"].is_compatible(flat).ok
    assert METHODS["lime"].is_compatible(flat).ok


def test_every_tiny_network_is_explained_by_the_first_methods():
    for method in ("grad_cam", "lime", "smooth_grad", "integrated_gradients", "guided_backprop"):
        assert all(fits(method, name) for name in BUILDERS)
    assert SMALL > 1
