"""Networks that end in a softmax, overwrite their input, or keep their last activation in a function call,
against twins that do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from models.model import Model
from tests import tiny

SPEC = models.ImageInput(size=(tiny.SIZE, tiny.SIZE))
METHODS = ("grad_cam", "saliency", "input_x_gradient", "lrp", "guided_backprop")


class Body(nn.Module):
    """A small network whose last step is `ending`; its gate uses the very layer that may also be the last
    step."""

    def __init__(
        self, ending: Callable[[Tensor], Tensor] | None = None, outputs: int = 3, scale: float = 5.0
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.gate, self.fc = nn.Sigmoid(), nn.Linear(12, outputs)
        with torch.no_grad():
            self.fc.weight *= scale
        self.ending = ending or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x * self.gate(x.mean((2, 3), keepdim=True))))
        return self.ending(self.fc(x.mean((2, 3))))


class Functional(Body):
    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(super().forward(x), dim=1)


class Shared(Body):
    """The gate's own sigmoid is the last step."""

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(super().forward(x))


class Deep(nn.Module):
    """The softmax is called by a part, over the channels of a map of one cell, and flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Functional()

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.body(x)[:, :, None, None], 1)


class Branching(Body):
    """Cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1 or bool((x.detach().abs() < -1).any()):
            x = x.repeat(1, 3, 1, 1)
        return super().forward(x).softmax(-1)


class ByHand(Body):
    def forward(self, x: Tensor) -> Tensor:
        e = torch.exp(super().forward(x))
        return e / e.sum(1, keepdim=True)


def wrap(module: nn.Module, outputs: int = 3) -> Model:
    return models.wrap(module, [f"class {i}" for i in range(max(2, outputs))], SPEC)


PEELED = {
    "softmax layer": lambda: Body(nn.Softmax(dim=1)),
    "log-softmax layer": lambda: Body(nn.LogSoftmax(dim=-1)),
    "sigmoid layer": lambda: Body(nn.Sigmoid()),
    "sequential": lambda: nn.Sequential(Body(), nn.Softmax(1)),
    "function": Functional,
    "sigmoid of a gate": Shared,
    "deep": Deep,
    "branching": Branching,
}


@pytest.mark.parametrize("name", PEELED)
def test_a_last_squashing_step_is_taken_off(name: str) -> None:
    """Logits, maps and probabilities against the network without that step."""
    module, x = PEELED[name]().eval(), tiny.picture(1)
    with torch.no_grad():
        own = module(x)
    model, bare = wrap(module), wrap(Body())
    assert model.spec.ending is not None
    assert model.spec.ending.exact
    assert "maps explain the logits" in str(model.spec.card["outputs"])
    torch.testing.assert_close(model.logits(x), bare.logits(x), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.predict(x), own.exp() if "log" in name else own, atol=1e-5, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(module(x), own)  # the user's own network still ends as it did
    for method in METHODS:
        if name == "branching" and method == "lrp":
            continue
        prefix = {"sequential": "0.", "deep": "body."}.get(name, "")
        found, wanted = (
            backend.explain(
                m, x, method, target=1, layer=f"{path}conv2" if method == "grad_cam" else None
            ).values
            for m, path in ((model, prefix), (bare, ""))
        )
        assert np.abs(found - wanted).max() <= 1e-4 * max(1.0, np.abs(wanted).max()), method


def test_a_certain_answer_stays_certain() -> None:
    """[0, 1, 0] was shown as 0.21 / 0.58 / 0.21, with maps near zero."""
    module = Body(nn.Softmax(1), scale=4000.0)
    x = tiny.picture(1)
    with torch.no_grad():
        own = module(x)
    assert sorted(own[0].tolist()) == [0.0, 0.0, 1.0]
    model = wrap(module)
    assert torch.equal(model.predict(x), own)
    assert np.abs(backend.explain(model, x, "saliency").values).max() > 1e-2


def test_a_single_sigmoid_speaks_for_the_second_class() -> None:
    module, x = Body(nn.Sigmoid(), outputs=1), tiny.picture(1)
    model, bare = wrap(module, 1), wrap(Body(outputs=1), 1)
    with torch.no_grad():
        torch.testing.assert_close(model.predict(x)[:, 1], module(x)[:, 0])
    torch.testing.assert_close(model.module(x), bare.module(x))
    assert not model.independent


def test_independent_classes_keep_their_own_probabilities() -> None:
    model = wrap(Body(nn.Sigmoid()))
    assert model.independent
    assert float(model.predict(tiny.picture(1)).sum()) != pytest.approx(1, abs=0.01)


def test_a_softmax_written_by_hand_is_explained_by_its_logarithm() -> None:
    module, x = ByHand(), tiny.picture(1)
    model = wrap(module)
    assert model.spec.ending is not None
    assert not model.spec.ending.exact
    with torch.no_grad():
        torch.testing.assert_close(model.predict(x), module(x))
        torch.testing.assert_close(model.logits(x), module(x).log())


@pytest.mark.parametrize("name", tiny.BUILDERS)
def test_logits_are_left_alone(name: str) -> None:
    assert tiny.build(name).spec.ending is None


def test_small_logits_between_0_and_1_are_no_probabilities() -> None:
    module = Body(outputs=1, scale=0.01)
    with torch.no_grad():
        module.fc.bias.fill_(0.5)
    assert wrap(module, 1).spec.ending is None


# -- input overwritten ----------------------------------------------------------------------------------------------------------------


class Overwriting(nn.Module):
    """Normalises its input in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = tiny.Plain()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.sub_(0.5).mul_(2.0))


def test_the_callers_tensor_is_never_changed() -> None:
    model, x, others = (
        wrap(Overwriting()),
        tiny.picture(1),
        torch.cat([tiny.picture(i) for i in range(2, 14)]),
    )
    before, before_others = x.clone(), others.clone()
    model.predict(x)
    model.logits(x)
    model.module(x)
    vector = backend.concept_vector(model, "body.1", others[:6], others[6:])
    backend.concept_attribution(model, x, "body.1", [vector], targets=[0])
    from backend.attribution.methods import METHODS

    for key, method in METHODS.items():
        if key != "visual_tcav" and method.is_compatible(model).ok:
            backend.explain(model, x, key)
    assert torch.equal(x, before)
    assert torch.equal(others, before_others)


def test_the_interval_of_a_prediction_is_of_the_input_itself() -> None:
    """A network working in place had shifted what was shown of it."""
    from backend.tasks.steadiness import of_picture

    model = wrap(Overwriting())
    prepared = model.input.prepare(
        np.random.default_rng(0).random((tiny.SIZE, tiny.SIZE, 3), dtype=np.float32)
    )
    before = prepared.x.clone()
    of_picture(model, prepared)
    assert torch.equal(prepared.x, before)


# -- last step as a function call -----------------------------------------------------------------------------------------------------


class WithModules(nn.Module):
    """A residual network whose every step is a module."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem, self.conv1 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.conv2, self.down = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(8, 16, 1, stride=2)
        self.act0, self.act1, self.last = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act0(self.stem(x))
        out = self.conv2(self.act1(self.conv1(x)))
        return self.fc(self.last(out + self.down(x)).mean((2, 3)))


class WithFunctions(WithModules):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        out = self.conv2(F.relu(self.conv1(x), inplace=True))
        out += self.down(x)
        return self.fc(F.relu(out).mean((2, 3)))


class WithClamps(WithModules):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).clamp(min=0)
        out = self.conv2(torch.maximum(self.conv1(x), torch.zeros(())))
        return self.fc(F.threshold(out + self.down(x), 0.0, 0.0).mean((2, 3)))


@pytest.mark.parametrize("kind", [WithFunctions, WithClamps])
@pytest.mark.parametrize(
    "method", ["grad_cam", "grad_cam_pp", "guided_grad_cam", "guided_backprop", "lrp", "fused"]
)
def test_functions_are_explained_as_the_modules_they_stand_for(kind: type[nn.Module], method: str) -> None:
    x = tiny.picture(4)
    found, wanted = (
        backend.explain(wrap(make()), x, method, target=1).values for make in (kind, WithModules)
    )
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max(), rtol=1e-4)


def test_the_default_layer_holds_the_last_activation() -> None:
    model, x = wrap(WithFunctions()), tiny.picture(4)
    seen: list[Tensor] = []
    handle = model.module.get_submodule(model.default_layer).register_forward_hook(
        lambda _m, _i, out: seen.append(out)
    )
    model.logits(x)
    handle.remove()
    with torch.no_grad():
        twin, hooked = WithModules(), []
        twin.last.register_forward_hook(lambda _m, _i, out: hooked.append(out))
        twin(x)
    torch.testing.assert_close(seen[0], hooked[0])
    assert float(seen[0].min()) == 0


class Fresh(WithFunctions):
    """Makes a tensor of the batch's size, which cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.zeros(x.shape[0], 3)


@pytest.mark.parametrize("method", ["grad_cam", "guided_grad_cam"])
def test_a_last_step_in_code_that_cannot_be_traced(method: str) -> None:
    model, x = wrap(Fresh()), tiny.picture(4)
    assert model.default_layer == "relu"
    found, wanted = (
        backend.explain(model, x, method, target=1),
        backend.explain(wrap(WithModules()), x, method, target=1),
    )
    np.testing.assert_allclose(
        found.values, wanted.values, atol=1e-5 * np.abs(wanted.values).max(), rtol=1e-4
    )


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + self.down(x))


def test_a_block_that_returns_the_sum_is_named_itself() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )
    model = models.wrap(module, ["a", "b"], SPEC)
    assert model.default_layer == "2"
    assert {name for name, _ in model.module.named_modules()} == {name for name, _ in module.named_modules()}


@pytest.mark.parametrize("kind", [WithFunctions, Overwriting, lambda: Body(nn.Softmax(1))])
def test_what_is_added_is_in_evaluation_mode_like_the_rest(kind: Callable[[], nn.Module]) -> None:
    assert not any(part.training for part in wrap(kind().train()).module.modules())


def test_a_sigmoid_behind_a_clamp_and_the_logarithm_of_a_softmax() -> None:
    torch.manual_seed(2)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )

    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, x):
            return torch.sigmoid(self.body(x)).clamp(1e-7, 1 - 1e-7)

    class Logarithm(Clamped):
        def forward(self, x):
            return torch.log(torch.softmax(self.body(x), 1))

    x, spec = torch.rand(2, 3, 16, 16), models.ImageInput(size=(16, 16))
    clamped = models.wrap(Clamped(), labels="abc", input=spec)
    torch.testing.assert_close(clamped.predict(x), torch.sigmoid(body(x)))
    torch.testing.assert_close(clamped.logits(x), body(x), atol=1e-4, rtol=0)
    logarithm = models.wrap(Logarithm(), labels="abc", input=spec)
    torch.testing.assert_close(logarithm.predict(x), torch.softmax(body(x), 1))
    assert "their logarithm" in logarithm.spec.card["outputs"]
