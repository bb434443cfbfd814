"""A network at one moment of its training: what two passes over the calibration inputs say about its layers.

G_l [n, C]   spatial means of layer l
K_l [n, n]   G_l centred, K = G G' / ||G G'||_F: linear CKA of two moments is the sum of K * K' (Kornblith et al. 2019)
T_l [C]      mean over inputs of |sum_ij dy/dA_k (A_k - mean map of k)|, y the logit of the network's own answer: the
             first-order (Taylor) estimate of replacing filter k by its mean map, from one backward pass for all layers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.attribution.internals.correlation import correlation, effective_dimension, redundancy
from models.model import Model

BATCH = 32
DEAD = 1e-6
"""A filter is dead when no cell of its map changes by more than this share of the layer's largest magnitude."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """By layer. likeness: K_l, float16, on the CPU; None where the layer is the same for every input. dead: filters whose
    map is the same for every input. importance: T_l. redundancy, effective_dimension: of the correlations of G_l's living
    filters, None where there are too few. answers: `[n]` class of every input. finite: no activation was NaN or
    infinite."""

    likeness: Mapping[str, Tensor | None]
    dead: Mapping[str, list[int]]
    importance: Mapping[str, Tensor]
    redundancy: Mapping[str, float | None]
    effective_dimension: Mapping[str, float | None]
    answers: Tensor
    finite: bool


@dataclass(eq=False)
class _Layer:
    """What is summed up of one layer while batches go by."""

    means: list[Tensor] = field(default_factory=list)
    total: Tensor | None = None
    low: Tensor | None = None
    high: Tensor | None = None
    largest: float = 0.0

    def take(self, a: Tensor) -> None:
        self.means.append(a.mean((2, 3)).double().cpu())
        total, low, high = a.sum(0), a.amin(0), a.amax(0)
        self.total = total if self.total is None else self.total + total
        self.low = low if self.low is None else torch.minimum(self.low, low)
        self.high = high if self.high is None else torch.maximum(self.high, high)
        self.largest = max(self.largest, float(a.abs().max()))

    @property
    def pooled(self) -> Tensor:
        """G `[n, C]`."""
        return torch.cat(self.means)

    @property
    def dead(self) -> list[int]:
        assert self.high is not None
        assert self.low is not None
        spread = (self.high - self.low).flatten(1).amax(1)
        return torch.nonzero(spread <= DEAD * self.largest).flatten().tolist()


def take(model: Model, x: Tensor, layers: Sequence[str], batch: int = BATCH) -> Snapshot:
    """x: `[n, C, H, W]`. layers: modules whose outputs are `[n, C, h, w]`; one that runs several times counts at its last
    run."""
    seen, answers = _first_pass(model, x, layers, batch)
    maps = {name: layer.total / len(x) for name, layer in seen.items() if layer.total is not None}
    spread = {name: _spread(layer.pooled.numpy(), layer.dead) for name, layer in seen.items()}
    return Snapshot(
        likeness={name: _gram(layer.pooled) for name, layer in seen.items()},
        dead={name: layer.dead for name, layer in seen.items()},
        importance=_importance(model, x, maps, answers, batch),
        redundancy={name: pair[0] for name, pair in spread.items()},
        effective_dimension={name: pair[1] for name, pair in spread.items()},
        answers=answers,
        finite=all(bool(layer.pooled.isfinite().all()) for layer in seen.values()),
    )


@torch.no_grad()
def _first_pass(
    model: Model, x: Tensor, layers: Sequence[str], batch: int
) -> tuple[dict[str, _Layer], Tensor]:
    """What each layer gave, and the answers `[n]`."""
    seen = {name: _Layer() for name in layers}
    answers = []
    with outputs_of(model.module, layers) as outputs:
        for part in x.split(batch):
            answers.append(model.logits(part).argmax(1).cpu())
            for name, layer in seen.items():
                layer.take(outputs[name])
    return seen, torch.cat(answers)


def _importance(
    model: Model, x: Tensor, maps: Mapping[str, Tensor], answers: Tensor, batch: int
) -> dict[str, Tensor]:
    """T_l `[C]` on the CPU."""
    totals = {name: torch.zeros(mean.shape[0], dtype=torch.float64) for name, mean in maps.items()}
    with outputs_of(model.module, list(maps), gradients=True) as outputs, torch.enable_grad():
        for part, top in zip(x.split(batch), answers.split(batch), strict=True):
            logits = model.logits(part.requires_grad_(False))
            chosen = logits.gather(1, top[:, None].to(logits.device)).sum()
            tensors = [outputs[name] for name in maps]
            gradients = torch.autograd.grad(chosen, tensors, allow_unused=True)
            for name, a, slope in zip(maps, tensors, gradients, strict=True):
                if slope is not None:
                    change = (slope * (a.detach() - maps[name])).sum((2, 3))
                    totals[name] += change.abs().sum(0).double().cpu()
    return {name: total / len(x) for name, total in totals.items()}


@contextmanager
def outputs_of(
    module: nn.Module, layers: Sequence[str], gradients: bool = False
) -> Iterator[Mapping[str, Tensor]]:
    """Inside, what each layer put out in the latest pass. The network continues on a copy, so that an in-place operation
    behind a layer changes nothing of it. gradients: a graph begins at the first layer, though the weights are frozen."""
    outputs: dict[str, Tensor] = {}

    def recorder(name: str) -> Callable[..., Tensor]:
        def record(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            if gradients and not output.requires_grad:
                output = output.detach().requires_grad_(True)
            outputs[name] = output
            return output.clone()

        return record

    handles = [module.get_submodule(name).register_forward_hook(recorder(name)) for name in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _gram(pooled: Tensor) -> Tensor | None:
    """K of G `[n, C]`."""
    centred = pooled - pooled.mean(0)
    gram = centred @ centred.T
    size = gram.norm()
    return (gram / size).half() if bool(size.isfinite()) and float(size) > 0 else None


def cka(one: Tensor | None, other: Tensor | None) -> float | None:
    """Linear CKA of two moments from their K, 0..1."""
    if one is None or other is None:
        return None
    one, other = one.double(), other.double()
    return float((one * other).sum() / (one.norm() * other.norm()))


def _spread(pooled: np.ndarray, dead: Sequence[int]) -> tuple[float | None, float | None]:
    """Redundancy and effective dimension of G `[n, C]`."""
    if not np.isfinite(pooled).all():
        return None, None
    matrix = correlation(pooled)
    living = [k for k in range(len(matrix)) if k not in set(dead)]
    return redundancy(matrix, living), effective_dimension(matrix, living)
