"""What stands in for removed evidence: the replacements that every kind of input offers beside its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from app.core.errors import InvalidInput
from models.spec import Baseline

BLUR = 0.05
"""Standard deviation of the blur, as a share of the longer side (11 px at 224): removes shapes and texture, keeps
colours."""


def replaced(
    x: Tensor,
    kind: Baseline | None,
    offered: Sequence[Baseline],
    takes: str,
    nothing: Callable[[], Tensor] | None = None,
) -> Tensor:
    """`x [N, C, H, W]` with its evidence removed, a tensor of its own. mean: each input's own mean, channel by
    channel. blur: a Gaussian of `BLUR`. Any other kind that is offered is `nothing()`, which broadcasts to x.

    kind: None takes the first that is offered. takes: what the model takes, for the sentence.
    Raises InvalidInput for a kind that is not offered.
    """
    kind = kind or offered[0]
    if kind not in offered:
        *others, last = offered
        raise InvalidInput(
            f"This model takes {takes}: the replacement must be {', '.join(others)} or {last}.",
            field="baseline",
        )
    if kind == "blur":
        return gaussian_blur(x, BLUR * max(x.shape[-2:]))
    if kind == "mean":
        return x.mean(dim=(2, 3), keepdim=True).expand_as(x).clone()
    assert nothing is not None, f"{kind} is offered and not made"
    return nothing().expand_as(x).clone()


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian over the last two sides of `[N, C, H, W]`, cut at 3 sigma, edges repeated (a
    constant stays itself)."""
    radius = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    pad = partial(F.pad, mode="replicate")
    channels = x.shape[1]
    rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    x = F.conv2d(pad(x, (0, 0, radius, radius)), rows, groups=channels)
    return F.conv2d(pad(x, (radius, radius, 0, 0)), columns, groups=channels)
