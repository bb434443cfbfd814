"""LRP on a model: its canonical network, the bounds of its input, and a check of conservation on one input.

The canonical network of the latest model only is cached (it may take as much memory as the model); verdicts
are cached for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.lrp.composites import InputRule, Preset, rules_for
from backend.attribution.lrp.propagate import Relevance, Step, propagate, run_steps
from backend.attribution.lrp.rewrite import canonical
from backend.attribution.lrp.rules import Bias, Rule
from backend.attribution.lrp.trace import WAY_OUT
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.network.bfloat16 import has_bfloat16
from backend.attribution.network.cache import cached
from backend.attribution.network.passes import AGREEMENT
from backend.attribution.network.trials import one_thread, rank_correlation
from backend.attribution.types import OK, Compatibility
from models.model import Model
from models.spec import InputSpec

TOLERANCE = 0.05
"""A model is refused when |sum(R) / score - 1| exceeds this on the probe input."""
GROWTH = 1000.0
"""A model is refused when sum|R| at the input exceeds this times sum|R| behind the classifier: positive and
negative relevance that merely cancels."""
SAME = 1e-4
"""Largest difference, of the largest number, between a layer's output or gradient and that of its step."""
DRIFT = 0.005
"""bfloat16 may move the sum of a map by this share of the score."""


@dataclass(frozen=True)
class Settings:
    """The rules; the fields are the parameters of the method `lrp`."""

    preset: Preset = "epsilon_plus"
    epsilon: float = 1e-6
    gamma: float = 0.25
    input_rule: InputRule = "zB"
    bias: Bias = "share"


@dataclass(eq=False)
class Prepared:
    """A canonical network and the rules of the latest settings, with the weights that they have split."""

    network: fx.GraphModule
    rules: dict[tuple[Settings, bool], Mapping[str, Rule]]


def relevance(
    model: Model, x: Tensor, target: int, settings: Settings, *, half: bool = False, magnitudes: bool = True
) -> Relevance:
    """Relevance of every input number for the score of `target`. x: `[N, C, H, W]`. half: z+ and zB walk back
    in bfloat16. magnitudes: of the steps, for `growth`. Raises Incompatible."""
    prepared = _prepared(model)
    rules = _rules(model, prepared, settings, half)
    return propagate(prepared.network, x, _score(model, target), rules, magnitudes=magnitudes)


def relevance_and_gradient(
    model: Model, x: Tensor, target: int, settings: Settings, step: str, *, half: bool = False
) -> tuple[Relevance, Tensor, Tensor]:
    """`relevance`, and from the same forward pass the output A of a step of the canonical network and dy_c/dA,
    both `[N, C, h, w]`."""
    prepared = _prepared(model)
    values = run_steps(prepared.network, x, leaf=step)
    activations, gradient = _slope(model, prepared.network, values, target, step)
    rules = _rules(model, prepared, settings, half)
    result = propagate(prepared.network, x, _score(model, target), rules, values, magnitudes=False)
    return result, activations, gradient


def step_of(model: Model, layer: str) -> str | None:
    """The step of the canonical network that computes what `layer` computes: the first whose output and gradient
    on a fixed probe input are the layer's. None where there is none, as for a convolution whose batch norm was
    merged into it."""
    return cached(model, "lrp step of layer", layer, lambda: _find_step(model, layer))


def _find_step(model: Model, layer: str) -> str | None:
    network, x = canonical_of(model), probe_input(model)
    wanted = activations_and_gradients(model, x, layer, 0)
    plain = run_steps(network, x)
    for node, value in plain.items():
        if node.op == "call_module" and _close(value, wanted[0]):
            values = run_steps(network, x, leaf=str(node.target))
            if _close(_slope(model, network, values, 0, str(node.target))[1], wanted[1]):
                return str(node.target)
    return None


def _close(actual: Tensor, expected: Tensor) -> bool:
    return actual.shape == expected.shape and float((actual - expected).abs().max()) <= SAME * float(
        expected.abs().max()
    )


def _slope(
    model: Model, network: fx.GraphModule, values: dict[fx.Node, Tensor], target: int, step: str
) -> tuple[Tensor, Tensor]:
    """(output of the step, d score of `target` / d output) from the graph that `run_steps` left."""
    nodes = {node.target: node for node in network.graph.nodes}
    activations, outputs = values[nodes[step]], values[nodes["output"].args[0]]
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(model.select(outputs, target).sum(), activations)
    return activations.detach(), gradient


def walks_in_half(model: Model, settings: Settings) -> bool:
    """Whether LRP may walk back in bfloat16: where the device computes in it, and the map of a fixed probe input
    ranks its cells as in float32 and adds up as well. The forward pass stays in float32."""
    if settings.preset != "epsilon_plus" or not has_bfloat16(model.device):
        return False
    return cached(model, "lrp in bfloat16", settings, lambda: _agrees_in_half(model, settings))


def _agrees_in_half(model: Model, settings: Settings) -> bool:
    exact, rounded = _trial(model, settings), _probed(model, settings, half=True)
    maps = [result.relevance.sum(1) for result in (exact, rounded)]
    drift = abs(rounded.conservation - exact.conservation)
    return drift <= DRIFT and rank_correlation(*maps) >= AGREEMENT


def _trial(model: Model, settings: Settings) -> Relevance:
    """Of the predicted class of the probe input, in float32: what the verdict and bfloat16 are judged by."""
    return cached(model, "lrp trial", settings, lambda: _probed(model, settings, half=False), capacity=1)


def _probed(model: Model, settings: Settings, *, half: bool) -> Relevance:
    x = probe_input(model)
    with one_thread():  # no judgement may depend on how sums are split
        with torch.no_grad():
            target = int(model.logits(x).argmax())
        return relevance(model, x, target, settings, half=half)


def _rules(model: Model, prepared: Prepared, settings: Settings, half: bool) -> Mapping[str, Rule]:
    if (settings, half) not in prepared.rules:
        prepared.rules.clear()  # they hold split weights, as large as the network
        example = torch.zeros(1, *model.input.shape, device=model.device)
        prepared.rules[settings, half] = rules_for(
            prepared.network,
            bounds(model.input, example),
            settings.preset,
            epsilon=settings.epsilon,
            gamma=settings.gamma,
            input_rule=settings.input_rule,
            bias=settings.bias,
            half=half,
        )
    return prepared.rules[settings, half]


def canonical_of(model: Model) -> fx.GraphModule:
    """The model's canonical network, built on first use. Raises Incompatible."""
    return _prepared(model).network


def _prepared(model: Model) -> Prepared:
    def prepare() -> Prepared:
        return Prepared(canonical(model.module, probe_input(model)), {})

    return cached(model, "canonical network", None, prepare, capacity=1)


def verdict(model: Model, settings: Settings | None = None) -> Compatibility:
    """Whether these rules conserve relevance on this model, by one run on a fixed probe input."""
    rules = settings or Settings()
    return cached(model, "lrp verdict", rules, lambda: _verdict(model, rules))


def _verdict(model: Model, settings: Settings) -> Compatibility:
    try:
        return _judge(model, settings)
    except Incompatible as error:
        return Compatibility(False, error.detail)


def _judge(model: Model, settings: Settings) -> Compatibility:
    result = _trial(model, settings)
    if growth(result) <= GROWTH and abs(result.conservation - 1) <= TOLERANCE:
        return OK
    step = _leakiest_step(result)
    other = (
        "Choose the preset epsilon_plus, or let the bias absorb its part."
        if settings.preset != "epsilon_plus"
        else WAY_OUT
    )
    return Compatibility(
        False,
        f"LRP does not keep its relevance on this model: {_loss_in_words(result)} at the input, and the layer {step.layer!r} "
        f"(rule {step.rule}) is where most is lost or made. {other}",
    )


def growth(result: Relevance) -> float:
    """sum|R| at the input over sum|R| behind the classifier."""
    first = next((step.magnitude for step in result.steps if step.magnitude), 0.0)
    total = float(result.relevance.abs().sum())
    return total / first if first else 0.0 if total == 0 else float("inf")


def _loss_in_words(result: Relevance) -> str:
    ratio = result.conservation
    if abs(ratio - 1) <= TOLERANCE:
        return f"positive and negative parts of {growth(result):.0f} times the score cancel each other"
    if 0 <= ratio < 10:
        return f"{ratio:.0%} of the score arrives"
    return "many times the score arrives"


def _leakiest_step(result: Relevance) -> Step:
    if growth(result) <= GROWTH:
        return max(result.steps, key=lambda step: abs(step.leak))
    before = 1.0
    worst, step = 0.0, result.steps[0]
    for current in result.steps:
        if current.magnitude / before > worst:
            worst, step = current.magnitude / before, current
        before = current.magnitude or before
    return step


def _score(model: Model, target: int) -> Callable[[Tensor], Tensor]:
    """Relevance of the raw outputs `[N, K]`: the explained score at the column it comes from, 0 elsewhere. For
    the first class of a single-logit model that is -y at the only column."""

    def start(outputs: Tensor) -> Tensor:
        leaf = outputs.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(model.select(leaf, target).sum(), leaf)
        return gradient * outputs

    return start


def bounds(spec: InputSpec, x: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest possible input `[1, C, H, W]`: black and white on the network's scale, 0 and 1 for
    inputs without normalisation."""
    ends = torch.zeros_like(x[:1]), torch.ones_like(x[:1])
    normalise = getattr(spec, "normalise", None)
    low, high = (normalise(end) for end in ends) if normalise else ends
    return torch.minimum(low, high), torch.maximum(low, high)


def probe_input(model: Model) -> Tensor:
    """A fixed input within the bounds: soft blobs under fine noise, `[1, C, H, W]`."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, *model.input.shape)
    coarse = F.interpolate(
        torch.rand(*shape[:2], 6, 6, generator=generator),
        size=shape[2:],
        mode="bilinear",
        align_corners=False,
    )
    unit = (0.8 * coarse + 0.2 * torch.rand(shape, generator=generator)).to(model.device)
    low, high = bounds(model.input, unit)
    return low + (high - low) * unit
