"""Which rule for which layer: the presets.

epsilon_plus    z+ for convolutions, epsilon for linear layers; Zennit's EpsilonPlus (EpsilonPlusFlat with input rule "flat")
gamma_epsilon   gamma for the lower half of the convolutions, epsilon above. For VGG-16 this is the split at layer 16 that the authors
                of the fused map use; the first layer takes epsilon when the input rule is "same", as theirs does
epsilon         epsilon for all of them

A linear layer that runs over the channels of a map (ConvNeXt) is a 1 x 1 convolution, and treated as one. The
convolutions that read the input itself take the input rule. Everything without weights has one rule only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, fx, nn

from backend.attribution.lrp.layers import (
    ACTIVATIONS,
    CONVOLUTIONS,
    WEIGHTED,
    Activation,
    Add,
    Affine,
    Average,
    Gate,
    Move,
    Normalise,
)
from backend.attribution.lrp.linear import SignedWeights
from backend.attribution.lrp.rules import (
    Bias,
    Epsilon,
    Flat,
    Gamma,
    Pass,
    Route,
    Rule,
    Share,
    Signal,
    ZBox,
    ZPlus,
)

Preset = Literal["epsilon_plus", "gamma_epsilon", "epsilon"]
InputRule = Literal["zB", "flat", "same"]


def rules_for(
    network: fx.GraphModule,
    bounds: tuple[Tensor, Tensor],
    preset: Preset = "epsilon_plus",
    *,
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    input_rule: InputRule = "zB",
    bias: Bias = "share",
    half: bool = False,
) -> Mapping[str, Rule]:
    """A rule for every step of a canonical network. bounds: lowest and highest possible input,
    `[1, C, H, W]` each. half: z+ and zB compute in bfloat16 where a layer gains by it."""
    steps = {str(node.target): node for node in network.graph.nodes if node.op == "call_module"}
    layers = {path: network.get_submodule(path) for path in steps}
    spatial = [
        path
        for path, layer in layers.items()
        if isinstance(layer, CONVOLUTIONS) or steps[path].meta.get("over_channels")
    ]
    lower = set(spatial[: -(-len(spatial) // 2)])
    first = _first(network)
    shifted = _shifted(network) if bias == "share" else set()
    weights = SignedWeights(half)
    boxes = _boxes(network, bounds, first) if input_rule == "zB" else {}
    rules: dict[str, Rule] = {}
    for path, layer in layers.items():
        if not isinstance(layer, WEIGHTED):
            rules[path] = _unweighted(layer, bias, steps[path] in shifted)
        elif steps[path] in first and input_rule != "same":
            rules[path] = ZBox(*boxes[steps[path]], bias, weights) if input_rule == "zB" else Flat()
        elif preset == "epsilon_plus" and path in spatial:
            rules[path] = ZPlus(bias, weights)
        elif preset == "gamma_epsilon" and path in lower and steps[path] not in first:
            rules[path] = Gamma(gamma, bias)
        else:
            rules[path] = Epsilon(epsilon, bias)
    return rules


def _unweighted(layer: nn.Module, bias: Bias, shifted: bool) -> Rule:
    if isinstance(layer, (Affine, Normalise, Activation, *ACTIVATIONS)):
        return Pass(bias)
    if isinstance(layer, Move):
        return Route()
    if isinstance(layer, (Add, Average)):
        return Share(absolute=shifted)
    assert isinstance(layer, Gate), type(layer)
    return Signal()


def _shifted(network: fx.GraphModule) -> set[fx.Node]:
    """Steps whose relevance need not vanish with their output, because a shift or a centring lies between
    them and the next weighted layer."""
    shifted: set[fx.Node] = set()
    for node in reversed(network.graph.nodes):
        for reader in node.users:
            layer = network.get_submodule(str(reader.target)) if reader.op == "call_module" else None
            moved = isinstance(layer, Normalise) or (isinstance(layer, Affine) and bool(layer.shift.any()))
            if moved or (reader in shifted and isinstance(layer, (Affine, Activation, Move, *ACTIVATIONS))):
                shifted.add(node)
    return shifted


def _first(network: fx.GraphModule) -> set[fx.Node]:
    """The first weighted layers: they read the input itself, perhaps padded or rescaled."""
    pixels: set[fx.Node] = set()
    first = set()
    for node in network.graph.nodes:
        if node.op == "placeholder":
            pixels.add(node)
        elif node.op == "call_module" and len(node.args) == 1 and node.args[0] in pixels:
            layer = network.get_submodule(str(node.target))
            if isinstance(layer, WEIGHTED):
                first.add(node)
            elif isinstance(layer, (Affine, Move)):
                pixels.add(node)
    return first


def _boxes(
    network: fx.GraphModule, bounds: tuple[Tensor, Tensor], first: set[fx.Node]
) -> dict[fx.Node, tuple[Tensor, Tensor]]:
    """The bounds at the input of each first layer, after rescaling (which may swap them) and padding."""
    boxes = {}
    for node in first:
        chain, source = [], node.args[0]
        while source.op == "call_module":  # type: ignore[union-attr]
            chain.append(network.get_submodule(str(source.target)))  # type: ignore[union-attr]
            source = source.args[0]  # type: ignore[union-attr]
        low, high = bounds
        for layer in reversed(chain):
            low, high = layer(low), layer(high)
        boxes[node] = (torch.minimum(low, high), torch.maximum(low, high))
    return boxes
