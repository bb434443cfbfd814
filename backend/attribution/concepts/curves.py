"""Erasing and insertion curves: probability of a class as a concept is removed, and as only its positions are
shown. Ours; run on the head alone.

erasing    F(t) = F - t M_ij max(0, <v, F_ij>) v / |v|^2, t from 0 to 1: the component along v, only where the concept is recognised
insertion  positions of F shown on zero feature maps in the order of the concept map, strongest first
Controls are erasing curves of random pseudo-concepts: erasing a concept that matters costs more probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.attribution.concepts.attribution import concept_maps
from backend.attribution.concepts.significance import PseudoConcepts
from backend.attribution.concepts.vectors import ConceptVector
from backend.attribution.network.head import At, Head, suffix
from models.model import Model

STEPS = 6


@dataclass(frozen=True, eq=False)
class Curves:
    """share: `[S]`, erased or shown part. erasing, insertion: probability of the class `[S]`."""

    share: Tensor
    erasing: Tensor
    insertion: Tensor


@torch.no_grad()
def concept_curves(
    model: Model,
    x: Tensor,
    layer: str,
    vector: ConceptVector,
    target: int,
    *,
    steps: int = STEPS,
    at: At | None = None,
) -> Curves:
    """Probability of `target` along both curves. x: `[1, C, H, W]`. at: as in `attribution_field`."""
    features, head = at or suffix(model, layer).at(x)
    share = torch.linspace(0, 1, steps, device=features.device)
    emblems = torch.tensor([vector.emblems], device=features.device)
    directions = vector.direction[None].to(features)
    erased = _component(features, directions, emblems)
    _, maps = concept_maps(features[0], directions, emblems)
    order = maps[0].flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(order.numel(), device=order.device)
    visible = (rank.reshape(maps[0].shape)[None] < (share * order.numel()).round()[:, None, None]).to(
        features
    )
    return Curves(
        share,
        _scores(model, head, features - share[:, None, None, None] * erased[0], target),
        _scores(model, head, features * visible[:, None], target),
    )


@torch.no_grad()
def control_curves(
    model: Model,
    x: Tensor,
    layer: str,
    pseudo: PseudoConcepts,
    target: int,
    *,
    steps: int = STEPS,
    at: At | None = None,
) -> Tensor:
    """Erasing curve of each pseudo-concept, `[P, S]`: the same for all concepts that share them."""
    features, head = at or suffix(model, layer).at(x)
    share = torch.linspace(0, 1, steps, device=features.device)
    parts = _component(features, pseudo.directions.to(features), pseudo.emblems.to(features))
    return torch.stack(
        [_scores(model, head, features - share[:, None, None, None] * part, target) for part in parts]
    )


@torch.no_grad()
def without(
    model: Model,
    x: Tensor,
    layer: str,
    directions: Tensor,
    emblems: Tensor,
    targets: Sequence[int],
    *,
    at: At | None = None,
) -> Tensor:
    """Probability of each target when each concept is erased completely: directions `[K, C]`, emblems
    `[K, 2]` -> `[K, T]`. at: as in `attribution_field`."""
    features, head = at or suffix(model, layer).at(x)
    parts = _component(features, directions.to(features), emblems.to(features))
    outputs = head(features - parts)
    return torch.stack([probability(model, outputs, target) for target in targets], dim=1)


def _component(features: Tensor, directions: Tensor, emblems: Tensor) -> Tensor:
    """M_ij max(0, <v, F_ij>) v / |v|^2 for each direction: `[K, C, h, w]`."""
    raw, maps = concept_maps(features[0], directions, emblems)
    square = directions.square().sum(1).clamp_min(torch.finfo(directions.dtype).tiny)
    return torch.einsum("khw,kc->kchw", raw * maps / square[:, None, None], directions)


def _scores(model: Model, head: Head, features: Tensor, target: int) -> Tensor:
    return probability(model, head(features), target)


def probability(model: Model, outputs: Tensor, target: int) -> Tensor:
    """Calibrated probability of `target` (as `Model.predict`), `[N]`, from the module's raw outputs `[N, K]`."""
    if outputs.shape[1] == 1:
        return torch.sigmoid(model.select(outputs, target) / model.spec.temperature)
    return model.probabilities(outputs)[:, target]
