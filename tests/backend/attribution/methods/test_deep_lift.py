"""DeepLIFT: by hand, complete on every network it accepts, Captum directly where Captum is right."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from app.core.errors import Incompatible
from backend.attribution.lrp.rescale import Windows, rescalable
from backend.attribution.methods import METHODS
from tests.backend.attribution.lrp import networks
from tests.backend.attribution.methods.test_gradients import close, gradient, target_of, twin
from tests.tiny import BUILDERS, build, picture


def wrapped(module: nn.Module) -> models.Model:
    return models.wrap(module, labels=["a", "b"], input=models.ImageInput(size=(32, 32)))


class Hand(nn.Module):
    """y_0 = 2 relu(x_1 + x_2 - 1), y_1 = 0."""

    def forward(self, x: Tensor) -> Tensor:
        y = 2 * F.relu(x.flatten(1).sum(1, keepdim=True) - 1)
        return torch.cat([y, 0 * y], 1)


def test_rescale_by_hand():
    """x = (2, 1), b = 0: the sum goes from -1 to 2, the ReLU from 0 to 2, so m = 2 * 2 / 3. The gradient is 2."""
    spec = models.ImageInput(size=(1, 2), channels=1, mean=(0.0,), std=(1.0,))
    model = models.wrap(Hand(), labels=["a", "b"], input=spec)
    result = backend.explain(model, torch.tensor([2.0, 1.0]).view(1, 1, 1, 2), "deep_lift", target=0)
    np.testing.assert_allclose(result.values, [[8 / 3, 4 / 3]], rtol=1e-6)
    assert result.gap < 1e-6
    assert (result.extras["score"], result.extras["baseline_score"]) == (4, 0)


class Excited(nn.Module):
    """Squeeze and excitation, SiLU, Hardswish, GELU in one: none of them has a rule in Captum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.squeeze, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Linear(8, 2)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv(x))
        x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = self.act(F.hardswish(F.max_pool2d(x, 3, 2, 1, ceil_mode=True)))
        return self.fc(torch.clamp(x, min=-0.1).mean((2, 3)))


def excited() -> models.Model:
    torch.manual_seed(0)
    return wrapped(Excited())


@pytest.mark.parametrize("name", [*networks.NAMES, "excited"])
def test_is_complete_on_every_network_without_norms_over_one_input(name):
    model = excited() if name == "excited" else networks.build(name)
    if "norms" in name or name == "channels_last":
        assert "norm" in METHODS["deep_lift"].is_compatible(model).reason
        return
    target = target_of(name) if name in BUILDERS and name != "single_logit" else 0
    for baseline in model.input.baselines:
        result = backend.explain(model, picture(), "deep_lift", target=target, baseline=baseline)
        assert result.gap < 1e-3
        assert result.notes == ()
        with torch.no_grad():
            ends = [
                model.select(model.module(end.clone()), target)
                for end in (picture(), model.input.baseline(picture(), baseline))
            ]
        assert result.values.sum(dtype=np.float64) == pytest.approx(
            float(ends[0] - ends[1]), rel=2e-3, abs=1e-6
        )


class Apart(nn.Sequential):
    """Max pooling without overlap that touches no ReLU."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.MaxPool2d(3),
            nn.Flatten(), nn.Linear(96, 4), nn.Sigmoid(), nn.Linear(4, 2),
        )  # fmt: skip


def apart() -> models.Model:
    torch.manual_seed(0)
    return wrapped(Apart())


@pytest.mark.parametrize("name", ["residual", "dense", "apart"])
@pytest.mark.parametrize("target", [0, 1])
def test_is_captums_where_captum_is_right(name, target):
    """On networks of modules that are neither shared nor in place, without one right behind another."""
    model, x = apart() if name == "apart" else build(name), picture()
    start = model.input.baseline(x)
    captum = DeepLift(model.module if name == "apart" else twin(name, model))
    theirs = captum.attribute(x.clone().requires_grad_(True), baselines=start, target=target)
    ours = backend.explain(model, x, "deep_lift", target=target).values
    close(ours, theirs[0].sum(0).detach(), 1e-4)
    plain = ((x - start) * gradient(model, x, target))[0].sum(0).numpy()
    assert np.abs(ours - plain).max() > 0.02 * np.abs(ours).max()


@pytest.mark.parametrize("name", ["batch_normed", "dense", "mobile"])
def test_captum_alone_is_wrong_without_a_word(name):
    """Max pooling right behind a ReLU, functional ReLUs, ReLU6: the reason for the rewriting."""
    model, x, target = build(name), picture(), target_of(name)
    start = model.input.baseline(x, "mean")
    module = twin(name, model) if name == "batch_normed" else model.module
    theirs = DeepLift(module).attribute(x.clone().requires_grad_(True), baselines=start, target=target)
    with torch.no_grad():
        difference = float((model.module(x.clone()) - model.module(start.clone()))[0, target])
    assert abs(float(theirs.detach().sum()) - difference) > 0.02 * abs(difference)


def test_of_a_linear_network_is_the_difference_times_the_weights():
    torch.manual_seed(0)
    model, x = wrapped(nn.Sequential(nn.Flatten(), nn.Linear(3072, 2))), picture()
    weights = model.module[1].weight[1].view(3, 32, 32)
    result = backend.explain(model, x, "deep_lift", target=1)
    close(result.values, ((x - model.input.baseline(x))[0] * weights).sum(0), 1e-5)


def test_pooling_of_windows_side_by_side_is_the_pooling():
    x, tried = torch.randn(2, 3, 11, 14, generator=torch.Generator().manual_seed(0)), 0
    for kernel, stride, padding, dilation, ceil in itertools.product(
        (2, 3, (2, 3)), (1, 2, 3, (3, 2)), (0, 1), (1, 2), (False, True)
    ):
        pool = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
        side = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        assert torch.equal(F.max_pool2d(Windows(pool)(x), side), pool(x)), pool
        tried += 1
    assert tried == 96


class Normed(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 3),
            nn.GroupNorm(2, 4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 2),
        )


class Peaked(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )


class Alone(nn.Module):
    """Takes one input at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x)).view(1, 4, 900).mean(2))


@pytest.mark.parametrize(("module", "words"), [(Normed, "'1'"), (Peaked, "'2'"), (Alone, "one input")])
def test_what_cannot_be_carried_is_refused_by_name_before_running(module, words):
    torch.manual_seed(0)
    model = wrapped(module())
    verdict = METHODS["deep_lift"].is_compatible(model)
    assert not verdict.ok
    assert words in verdict.reason
    assert "DeepLIFT" in verdict.reason
    assert "LRP" not in verdict.reason
    assert "Use Grad-CAM" in verdict.reason
    with pytest.raises(Incompatible):
        backend.explain(model, picture(), "deep_lift", target=0)


def test_leaves_the_network_of_lrp_as_it_was():
    """They share its linear layers."""
    model, x = build("residual"), picture()
    before = backend.explain(model, x, "lrp", target=1).values
    backend.explain(model, x, "deep_lift", target=1)
    assert not any(part._forward_hooks or part._backward_hooks for part in rescalable(model).modules())
    np.testing.assert_array_equal(backend.explain(model, x, "lrp", target=1).values, before)
