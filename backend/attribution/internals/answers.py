"""Answers of a network as log probabilities, and how far two of them lie apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.model import Model


def log_probabilities(scaled: Tensor, independent: bool) -> Tensor:
    """`[..., classes]` -> `[..., classes, 1]`, of each class; where the classes are independent `[..., classes, 2]`, of
    each class and of its absence."""
    if independent:
        log = F.logsigmoid
        return torch.stack([log(scaled), log(-scaled)], dim=-1)
    return torch.log_softmax(scaled, dim=-1)[..., None]


def divergence(of: Tensor, against: Tensor) -> Tensor:
    """KL in nats along the last two sides, of `log_probabilities`. A probability of 0 adds nothing."""
    parts = (of.exp() * (of - against)).masked_fill(of == -torch.inf, 0.0)
    return parts.sum((-2, -1)).clamp_min(0.0)


def kl(model: Model, before: Tensor, after: Tensor) -> Tensor:
    """KL(p || q) of the model's probabilities, nats: logits `[n, K]` against `[..., n, K]` -> `[..., n]`. Classes that are
    judged independently add up."""
    p, q = (
        log_probabilities(logits / model.spec.temperature, model.independent) for logits in (before, after)
    )
    return divergence(p.expand_as(q), q)
