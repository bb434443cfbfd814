"""Concept maps and concept attributions: Visual-TCAV, steps 3 to 6.

Map ("where", the same for every class):
    raw = max(0, <v, F_ij>); M = (clip(raw, e-, e+) - e-) / (e+ - e-) if e+ > e-, else 0. Never scaled per input.
Attribution field of class k (independent of concepts, so computed once per input and layer):
    z = h(F), z0 = h(0) with zero *feature maps*; r = max(0, z - z0); r^ = r / max_k r_k
    G = integrated gradients' mean gradient of h_k on the line from 0 to F, 51 points, trapezoid rule
    A = max(0, G * F); A <- A / (sum A + eps) * r^_k
Attribution ("how much"), 0 <= a <= r^_k <= 1:
    w = max(0, v) / max max(0, v), after flipping the sign of v_c where sum_ij F_cij M_ij < 0 (layers with negative values)
    a = sum_c w_c sum_ij A_cij M_ij
One logit for two classes: B = G * F; P, Q = sums of max(0, B) and max(0, -B), each over max(P, Q); they stand
in for r^ of the positive and the negative class, whose fields are max(0, B) and max(0, -B).

The mean gradient needs no scaling by the number of points: the field is normalised to r^ anyway.
Source: De Santis et al., Visual-TCAV, arXiv 2411.05698, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.concepts.vectors import EPS, ConceptVector
from backend.attribution.network.head import At, Head, suffix
from models.model import Model

POINTS = 51
CHUNK_BYTES = 64 * 1024 * 1024
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, eq=False)
class Field:
    """The attribution field of one input at one layer. It does not depend on concepts.

    features: F `[C, h, w]`. values: A `[T, C, h, w]`, one field per target, each summing to its `shares`
    entry. against: evidence against the class, max(0, -G * F) under the same normalisation as A,
    `[T, C, h, w]` (ours). slopes: sum_ij dh_k/dF_cij at F itself, `[T, C]`, whose product with a direction is
    TCAV's directional derivative. shares: r^ of the targets `[T]`. logits, baseline_logits: raw outputs of
    the module `[K]` at F and at zero feature maps.
    """

    features: Tensor
    values: Tensor
    against: Tensor
    slopes: Tensor
    shares: Tensor
    logits: Tensor
    baseline_logits: Tensor
    targets: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ConceptAttribution:
    """maps: `[K, h, w]` in [0, 1] at layer resolution. scores: `[K, T]`. raw: projections before clipping
    `[K, h, w]`."""

    maps: Tensor
    scores: Tensor
    raw: Tensor
    logits: Tensor
    baseline_logits: Tensor
    shares: Tensor
    targets: tuple[int, ...]
    field: Field


def attribution_field(
    model: Model, x: Tensor, layer: str, targets: Sequence[int] | None = None, *, at: At | None = None
) -> Field:
    """Step 4 (step 6 for single-logit models), for one input and any number of classes. x: `[1, C, H, W]`.
    at: `suffix(model, layer).at(x)`, if the caller has it already."""
    classes = tuple(range(len(model.labels))) if targets is None else tuple(targets)
    if not classes or any(isinstance(k, bool) or not 0 <= k < len(model.labels) for k in classes):
        raise BadParameter(f"Classes are whole numbers from 0 to {len(model.labels) - 1}.", field="targets")
    features, head = at or suffix(model, layer).at(x.to(model.device, torch.float32))
    with torch.no_grad():
        logits, baseline = head(features)[0], head(torch.zeros_like(features))[0]
    columns = [0] if model.single_logit else list(classes)
    mean, slopes = path_gradients(head, features, columns)
    products = mean * features
    if model.single_logit:
        signs = torch.tensor([1.0 if k == 1 else -1.0 for k in classes], device=products.device)
        products, slopes = products * signs[:, None, None, None], slopes * signs[:, None]
        larger = torch.stack([torch.relu(products[0]).sum(), torch.relu(-products[0]).sum()]).max()
        shares = torch.relu(products).sum((1, 2, 3)) / larger.clamp_min(TINY)
    else:
        rise = torch.relu(logits - baseline)
        shares = (rise / rise.max().clamp_min(TINY))[list(classes)]
    scale = shares[:, None, None, None] / (torch.relu(products).sum((1, 2, 3), keepdim=True) + EPS)
    return Field(
        features[0],
        torch.relu(products) * scale,
        torch.relu(-products) * scale,
        slopes,
        shares,
        logits,
        baseline,
        classes,
    )


def path_gradients(
    head: Head, features: Tensor, columns: Sequence[int], points: int = POINTS
) -> tuple[Tensor, Tensor]:
    """Trapezoid mean of dh_k/dF on the line from zero to `features [1, C, h, w]`, `[T, C, h, w]`, and the
    gradient at the end of the line, summed over positions, `[T, C]`.

    One forward pass serves all columns; points are run in chunks of bounded size.
    """
    steps = torch.linspace(0, 1, points, device=features.device)
    weights = torch.full_like(steps, 1 / (points - 1))
    weights[0] = weights[-1] = 0.5 / (points - 1)
    size = max(1, min(points, CHUNK_BYTES // max(1, features.numel() * 4 * 8)))
    total = torch.zeros(len(columns), *features.shape[1:], device=features.device)
    slopes = torch.zeros(len(columns), features.shape[1], device=features.device)
    for scale, weight in zip(steps.split(size), weights.split(size), strict=True):
        path = (scale[:, None, None, None] * features).requires_grad_(True)
        with torch.enable_grad():
            outputs = head(path)
        for index, column in enumerate(columns):
            (gradient,) = torch.autograd.grad(
                outputs[:, column].sum(), path, retain_graph=index + 1 < len(columns)
            )
            total[index] += torch.einsum("n,nchw->chw", weight, gradient)
            slopes[index] = gradient[-1].sum(
                (1, 2)
            )  # of the last chunk in the end: the input's own feature maps
    return total, slopes


def concept_maps(features: Tensor, directions: Tensor, emblems: Tensor) -> tuple[Tensor, Tensor]:
    """Step 3 for K concepts at once. features `[C, h, w]`, directions `[K, C]`, emblems `[K, 2]` -> (raw,
    maps), both `[K, h, w]`."""
    raw = torch.relu(torch.einsum("kc,chw->khw", directions, features))
    plus, minus = emblems[:, 0, None, None], emblems[:, 1, None, None]
    alive = plus > minus
    gap = torch.where(alive, plus - minus, torch.ones_like(plus))
    return raw, torch.where(
        alive, (torch.minimum(torch.maximum(raw, minus), plus) - minus) / gap, torch.zeros_like(raw)
    )


def concept_scores(field: Field, directions: Tensor, maps: Tensor, *, against: bool = False) -> Tensor:
    """Step 5 for K concepts and T targets at once: `[K, T]`. against: the same over `field.against` (ours)."""
    values = field.against if against else field.values
    activity = torch.einsum("chw,khw->kc", field.features, maps)
    weights = torch.relu(torch.where(activity < 0, -directions, directions))
    weights = weights / weights.amax(1, keepdim=True).clamp_min(TINY)
    evidence = torch.einsum("tchw,khw->ktc", values, maps)
    return torch.einsum("kc,ktc->kt", weights, evidence)


def concept_attribution(
    model: Model,
    x: Tensor,
    layer: str,
    vectors: Sequence[ConceptVector],
    targets: Sequence[int] | None = None,
    *,
    field: Field | None = None,
) -> ConceptAttribution:
    """Maps and attributions of several concepts for several classes of one input, in one pass.

    x: `[1, C, H, W]`. field: the attribution field of the same input, layer and targets, if it is known.
    Raises BadParameter when a vector belongs to another layer.
    """
    if not vectors:
        raise BadParameter("Give at least one concept.", field="concepts")
    if any(vector.layer != layer for vector in vectors):
        raise BadParameter(
            "A concept direction belongs to the layer it was made at; make it again at this layer.",
            field="layer",
        )
    field = field or attribution_field(model, x, layer, targets)
    directions = torch.stack([vector.direction for vector in vectors]).to(field.features)
    emblems = torch.tensor(
        [vector.emblems for vector in vectors], dtype=torch.float32, device=directions.device
    )
    raw, maps = concept_maps(field.features, directions, emblems)
    scores = concept_scores(field, directions, maps)
    return ConceptAttribution(
        maps, scores, raw, field.logits, field.baseline_logits, field.shares, field.targets, field
    )
