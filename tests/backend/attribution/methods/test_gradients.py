"""Gradient and path methods against their limit cases, slow second implementations and Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from tests.tiny import BUILDERS, Dense, Residual, build, picture

NAMES = [name for name in BUILDERS if name != "single_logit"]


def gradient(model: models.Model, x: Tensor, target: int) -> Tensor:
    leaf = x.clone().requires_grad_(True)
    return torch.autograd.grad(model.select(model.module(leaf.clone()), target).sum(), leaf)[0]


def close(found: np.ndarray, expected: Tensor | np.ndarray, rtol: float = 1e-3) -> None:
    expected = np.asarray(expected)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())


def target_of(name: str) -> int:
    """The first class whose score depends on the picture: the class maps of `fire` may be dead."""
    model = build(name)
    return next(target for target in range(len(model.labels)) if gradient(model, picture(), target).any())


@pytest.mark.parametrize("name", NAMES)
def test_simple_gradients_are_autograds(name):
    model, x, target = build(name), picture(), target_of(name)
    plain = gradient(model, x, target)[0]
    close(backend.explain(model, x, "gradient", target=target).values, plain.sum(0), 1e-5)
    close(backend.explain(model, x, "saliency", target=target).values, plain.abs().amax(0), 1e-5)
    close(backend.explain(model, x, "input_x_gradient", target=target).values, (x[0] * plain).sum(0), 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_smooth_grad_without_noise_is_the_gradient(name):
    model, x, target = build(name), picture(), target_of(name)
    for n in (1, 20):
        found = backend.explain(model, x, "smooth_grad", target=target, n_samples=n, noise=0.0)
        close(found.values, gradient(model, x, target)[0].sum(0))
        assert found.stages["variance"].values.max() <= 1e-6 * np.abs(found.values).max() ** 2
    magnitude = backend.explain(model, x, "smooth_grad", target=target, n_samples=1, noise=0.0, sign="abs")
    close(magnitude.values, gradient(model, x, target)[0].abs().sum(0))
    assert not magnitude.signed


def test_smooth_grad_is_the_mean_over_its_noise():
    """A loop over single copies, the same seeded noise."""
    model, x = build("residual"), picture()
    result = backend.explain(model, x, "smooth_grad", target=1, n_samples=30, noise=0.2, seed=5)
    generator = torch.Generator().manual_seed(5)
    sigma = 0.2 * float(x.max() - x.min())
    maps = torch.stack(
        [gradient(model, x + sigma * torch.randn(x.shape[1:], generator=generator), 1)[0] for _ in range(30)]
    )
    close(result.values, maps.mean(0).sum(0))
    close(result.stages["variance"].values, maps.sum(1).var(0))
    assert result.extras["sigma"] == pytest.approx(sigma)
    error = (maps.sum(1).var(0).mean() / 30).sqrt() / maps.mean(0).sum(0).std(correction=0)
    assert result.extras["uncertainty"] == pytest.approx(float(error), rel=1e-3)
    magnitude = backend.explain(
        model, x, "smooth_grad", target=1, n_samples=30, noise=0.2, seed=5, sign="abs"
    )
    close(magnitude.values, maps.mean(0).abs().sum(0))


def test_smooth_grad_agrees_with_captum_in_the_limit():
    model, x = build("plain"), picture()
    ours = backend.explain(model, x, "smooth_grad", target=1, n_samples=600, noise=0.1).values
    torch.manual_seed(0)
    tunnel = NoiseTunnel(Saliency(model.module))
    sigma = 0.1 * float(x.max() - x.min())
    theirs = tunnel.attribute(
        x.clone(),
        nt_type="smoothgrad",
        nt_samples=600,
        nt_samples_batch_size=100,
        stdevs=sigma,
        target=1,
        abs=False,
    )
    theirs = theirs[0].sum(0).detach().numpy()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98
    assert np.abs(ours).sum() == pytest.approx(np.abs(theirs).sum(), rel=0.05)


def test_noise_of_smooth_grad_falls_with_the_square_root():
    model, x = build("dense"), picture()
    few, many = (
        backend.explain(model, x, "smooth_grad", target=1, n_samples=n, noise=0.3) for n in (25, 400)
    )
    assert few.extras["uncertainty"] / many.extras["uncertainty"] == pytest.approx(4, rel=0.35)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("baseline", ["black", "mean", "blur"])
def test_integrated_gradients_are_captums(name, baseline):
    model, x, target = build(name), picture(), target_of(name)
    start = model.input.baseline(x, baseline)
    theirs = IntegratedGradients(lambda batch: model.module(batch.clone())).attribute(
        x, baselines=start, target=target, n_steps=24, method="gausslegendre"
    )
    ours = backend.explain(model, x, "integrated_gradients", target=target, n_steps=24, baseline=baseline)
    close(ours.values, theirs[0].sum(0).detach())


@pytest.mark.parametrize("name", NAMES)
def test_integrated_gradients_are_the_sum_over_the_path(name):
    """One gradient after the other by autograd."""
    model, x, target = build(name), picture(), target_of(name)
    start = model.input.baseline(x)
    points, weights = np.polynomial.legendre.leggauss(12)
    expected = sum(
        weight / 2 * gradient(model, start + (point + 1) / 2 * (x - start), target)
        for point, weight in zip(points.tolist(), weights.tolist(), strict=True)
    )
    ours = backend.explain(model, x, "integrated_gradients", target=target, n_steps=12)
    close(ours.values, ((x - start) * expected)[0].sum(0), 1e-5)
    assert (ours.forwards, ours.backwards) == (14, 12)


@pytest.mark.parametrize("intervals", [8, 16, 32])
def test_nested_rules_of_integrated_gradients_are_trapezoid_rules(intervals):
    """A tolerance that is never reached: the last rule, by the definition, from gradients at all its points."""
    model, x, target = build("residual"), picture(), target_of("residual")
    start = model.input.baseline(x)
    gradients = [gradient(model, start + k / intervals * (x - start), target) for k in range(intervals + 1)]
    expected = (sum(gradients) - (gradients[0] + gradients[-1]) / 2) / intervals
    ours = backend.explain(model, x, "integrated_gradients", target=target, n_steps=intervals, tolerance=1e-9)
    close(ours.values, ((x - start) * expected)[0].sum(0), 1e-5)
    assert ours.extras["samples"] == ours.backwards == intervals + 1


def test_integrated_gradients_stop_when_two_rules_agree():
    model, x, target = build("residual"), picture(), target_of("residual")
    exact = backend.explain(model, x, "integrated_gradients", target=target, n_steps=600).values
    points = []
    for tolerance in (0.5, 0.05, 0.01):
        result = backend.explain(
            model, x, "integrated_gradients", target=target, n_steps=512, tolerance=tolerance
        )
        assert result.extras["change"] <= tolerance
        assert np.linalg.norm(result.values - exact) <= tolerance * np.linalg.norm(exact)
        assert result.backwards == result.extras["samples"] < 513
        points.append(result.backwards)
    assert points == sorted(points)
    assert points[0] < points[-1]


@pytest.mark.parametrize("name", NAMES)
def test_integrated_gradients_are_complete(name):
    model, x, target = build(name), picture(), target_of(name)
    result = backend.explain(model, x, "integrated_gradients", target=target, n_steps=300)
    with torch.no_grad():
        ends = [float(model.module(end)[0, target]) for end in (x, model.input.baseline(x))]
    assert result.extras["score"] == pytest.approx(ends[0], rel=1e-4, abs=1e-6)
    assert result.extras["baseline_score"] == pytest.approx(ends[1], rel=1e-4, abs=1e-6)
    missing = abs(float(result.values.sum(dtype=np.float64)) - (ends[0] - ends[1]))
    assert result.gap == pytest.approx(missing / abs(ends[0] - ends[1]), abs=1e-3)
    assert result.gap < 0.01


def test_integrated_gradients_of_a_linear_model_take_two_steps():
    torch.manual_seed(0)
    model = models.wrap(
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)),
        labels=["a", "b"],
        input=models.ImageInput(size=(32, 32), mean=(0.5,), std=(0.5,)),
    )
    x = picture()
    result = backend.explain(model, x, "integrated_gradients", target=1, n_steps=2)
    weights = model.module[1].weight[1].view(3, 32, 32)
    close(result.values, ((x[0] - model.input.baseline(x)[0]) * weights).sum(0), 1e-5)
    assert result.gap < 1e-4


def test_rough_integrated_gradients_say_so():
    torch.manual_seed(0)

    class Wavy(nn.Module):
        """Oscillates along the path faster than two points can follow."""

        def forward(self, x: Tensor) -> Tensor:
            s = 40 * x.mean((1, 2, 3))
            return torch.stack([torch.sin(s) + 0.1 * s, -s], dim=1)

    model = models.wrap(Wavy(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    result = backend.explain(model, picture().abs() + 0.2, "integrated_gradients", target=0, n_steps=2)
    assert result.gap > 0.05
    assert any("more steps" in note for note in result.notes)


# -- guided backpropagation -----------------------------------------------------------------------------------------------------------


class ResidualInModules(Residual):
    """The same network with a ReLU module of its own, not in place, at every place: what Captum can hook."""

    def __init__(self) -> None:
        super().__init__()
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relus[0](self.bn0(self.stem(x)))
        out = self.relus[1](self.bn1(self.conv1(x)))
        out = self.relus[2](self.bn2(self.conv2(out)) + self.down(x))
        return self.fc(out.mean((2, 3)))


class DenseInModules(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.stem(x), 2)
        x = torch.cat([x, self.conv1(self.relus[0](self.norm1(x)))], 1)
        x = torch.cat([x, self.conv2(self.relus[1](self.norm2(x)))], 1)
        return self.fc(self.relus[2](self.norm3(x)).mean((2, 3)))


def twin(name: str, model: models.Model) -> nn.Module:
    """A network Captum gets right, with the weights of `model`."""
    if name in ("residual", "dense"):
        module = {"residual": ResidualInModules, "dense": DenseInModules}[name]()
        module.load_state_dict(model.module.state_dict(), strict=False)
        return module.eval()
    import copy

    module = copy.deepcopy(model.module)
    for part in module.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False
    return module


RULES = {"guided_backprop": GuidedBackprop, "deconvolution": Deconvolution}


@pytest.mark.parametrize("name", ["plain", "batch_normed", "residual", "dense"])
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("method", RULES)
def test_rules_for_rectifiers_are_captums(method, name, target):
    model, x = build(name), picture()
    algorithm = RULES[method](twin(name, model))
    theirs = algorithm.attribute(x.clone().requires_grad_(True), target=target)[0].sum(0).detach()
    ours = backend.explain(model, x, method, target=target).values
    close(ours, theirs)
    assert np.abs(ours - gradient(model, x, target)[0].sum(0).numpy()).max() > 0.1 * np.abs(ours).max()


class Hand(nn.Module):
    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        back = torch.tensor([1.0, -1.0, 2.0, 5.0])
        return (self.act(x[:, 0, 0]) * back).sum(1, keepdim=True).expand(-1, 2)


ACTS = [nn.ReLU(), nn.ReLU6(), nn.ReLU(inplace=True), nn.ReLU6(inplace=True)]


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_rules_for_rectifiers_by_hand(act):
    """relu(w x), two layers: guided, the gradient passes where the unit is on and what comes back is positive,
    and ReLU6 is off above 6 too; deconvolved, only what comes back counts."""
    x = torch.tensor([3.0, 2.0, -1.0, 9.0]).view(1, 1, 1, 4)
    guided = [1.0, 0, 0, 0 if isinstance(act, nn.ReLU6) else 5]
    model = models.wrap(Hand(act), labels=["a", "b"], input=models.ImageInput(size=(1, 4), channels=1))
    assert backend.explain(model, x, "guided_backprop", target=0).values.ravel().tolist() == guided
    assert backend.explain(model, x, "deconvolution", target=0).values.ravel().tolist() == [1.0, 0, 2, 5]


def test_guided_mode_does_not_change_scores():
    for name in BUILDERS:
        model, x = build(name), picture()
        from backend.attribution.network.rectifiers import guided

        with torch.no_grad():
            before = model.module(x)
            with guided() as seen:
                after = model.module(x)
        assert torch.equal(before, after)
        assert seen.rectifiers >= 2


@pytest.mark.parametrize("name", NAMES)
def test_guided_grad_cam_is_the_product_and_zero_outside(name):
    model, x = build(name), picture()
    seen = 0
    for target in range(len(model.labels)):
        result = backend.explain(model, x, "guided_grad_cam", target=target)
        area = backend.explain(model, x, "grad_cam", target=target).values
        edges = backend.explain(model, x, "guided_backprop", target=target).values
        np.testing.assert_array_equal(result.values, edges * area)
        assert not result.values[area == 0].any()
        seen += bool(result.values.any())
    assert seen >= 1
