"""What a network loses without filters of one layer: mean ablation, alone and in groups, and curves that check it.

    I_k    = E KL(p || p(a_k <- mean map))              nats, over the inputs
    drop_kc = E [y_c - y_c(a_k <- mean map)]            logits; positive: the filter speaks for class c

The mean map is that of the calibration inputs: a filter replaced by it tells no two inputs apart. Only what lies behind
the layer is run, on the layer's activations made once, over inputs and filters together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.attribution.internals.answers import kl
from backend.attribution.internals.pooled import Inputs, batches, logits_of
from backend.attribution.network.head import suffix
from models.model import Model

TOGETHER_BYTES = 32 * 2**20
"""Feature maps that go through the rest of the network at once; smaller batches cost more per input."""
MOST_ROWS = 256
DRAWS = 8
"""Random orders of removal."""
POINTS = 10
"""Steps of a removal curve, the ends included."""
Reached = Callable[[int, Callable[[], "Effects"]], None]
"""Told the input x set pairs done, and how to get the effects over the inputs so far."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Of S sets of filters replaced, over N inputs. kl: mean KL(p || p without), float64 `[S]`. drops: mean loss of each
    logit, `[S, classes]`. kept: share of inputs whose answer stays, `[S]`."""

    kl: np.ndarray
    drops: np.ndarray
    kept: np.ndarray


def masks_of(sets: Sequence[Sequence[int]], filters: int) -> Tensor:
    """bool `[S, C]`."""
    masks = torch.zeros(len(sets), filters, dtype=torch.bool)
    for row, members in enumerate(sets):
        masks[row, list(members)] = True
    return masks


@torch.no_grad()
def effects(
    model: Model,
    layer: str,
    inputs: Inputs,
    replacement: Tensor,
    sets: Sequence[Sequence[int]],
    reached: Reached = lambda done, so_far: None,
) -> Effects:
    """replacement: maps `[C, h, w]` that filters are replaced by. sets: filters replaced together."""
    split, masks = suffix(model, layer), masks_of(sets, len(replacement)).to(model.device)
    sums = _EffectSums(model, len(sets))
    for x in batches(inputs, model):
        features, head = split.at_rows(x)
        rows = torch.arange(len(x), device=model.device)
        before = logits_of(head(features, rows)).double()
        per = max(1, _rows(features) // len(x))
        for start in range(0, len(sets), per):
            part = masks[start : start + per]
            after = head(_replaced(features, replacement, part), rows.repeat(len(part)))
            sums.take(start, before, logits_of(after).double().unflatten(0, (len(part), len(x))))
            reached(sums.inputs * len(sets) + (start + len(part)) * len(x), sums.so_far)
        sums.inputs += len(x)
    return sums.so_far()


def _rows(features: Tensor) -> int:
    size = features[0].numel() * features.element_size()
    return max(1, min(MOST_ROWS, TOGETHER_BYTES // size))


def _replaced(features: Tensor, replacement: Tensor, masks: Tensor) -> Tensor:
    """`[S * n, C, h, w]`: all inputs with the first set replaced, then with the second, ..."""
    return torch.where(masks[:, None, :, None, None], replacement, features[None]).flatten(0, 1)


class _EffectSums:
    def __init__(self, model: Model, count: int) -> None:
        self._model, self.inputs = model, 0
        self._kl = torch.zeros(count, dtype=torch.float64)
        self._kept = torch.zeros(count, dtype=torch.float64)
        self._drops: Tensor | None = None
        self._seen = torch.zeros(count, dtype=torch.float64)

    def take(self, start: int, before: Tensor, after: Tensor) -> None:
        """before `[n, K]`, after `[s, n, K]`."""
        if self._drops is None:
            self._drops = torch.zeros(len(self._kl), before.shape[1], dtype=torch.float64)
        rows = slice(start, start + len(after))
        self._kl[rows] += kl(self._model, before, after).sum(1).cpu()
        self._drops[rows] += (before - after).sum(1).cpu()
        self._kept[rows] += (after.argmax(2) == before.argmax(1)).sum(1).cpu()
        self._seen[rows] += before.shape[0]

    def so_far(self) -> Effects:
        """NaN for sets that no input has reached yet."""
        assert self._drops is not None
        seen = torch.where(self._seen > 0, self._seen, torch.nan)
        drops = (self._drops / seen[:, None]).numpy()
        return Effects((self._kl / seen).numpy(), drops, (self._kept / seen).numpy())


def taylor(model: Model, layer: str, inputs: Inputs, replacement: Tensor) -> np.ndarray:
    """First-order estimate of what each filter's replacement takes from the predicted class's logit:
    `E |sum_ij dy/dA_k (A_k - replacement_k)|`, float64 `[C]`, from one pass forward and back."""
    split = suffix(model, layer)
    total, count = torch.zeros(len(replacement), dtype=torch.float64), 0
    for x in batches(inputs, model):
        features, head = split.at_rows(x)
        rows = torch.arange(len(x), device=model.device)
        with torch.enable_grad():
            maps = features.detach().requires_grad_(True)
            logits = logits_of(head(maps, rows))
            (gradient,) = torch.autograd.grad(logits.amax(1).sum(), maps)
        change = (gradient * (features - replacement)).sum((2, 3))
        total += change.abs().sum(0, dtype=torch.float64).cpu()
        count += len(x)
    return (total / count).numpy()


@dataclass(frozen=True, eq=False)
class Curves:
    """Share of inputs whose answer stays with `counts` filters replaced: `[points]`, random `[draws, points]`."""

    counts: list[int]
    descending: np.ndarray
    ascending: np.ndarray
    random: np.ndarray


def removal(
    model: Model,
    layer: str,
    inputs: Inputs,
    replacement: Tensor,
    ranking: Sequence[int],
    seed: int = 0,
    reached: Callable[[int], None] = lambda done: None,
) -> Curves:
    """ranking: living filters, the most important first."""
    counts = steps_of(len(ranking))
    rng = np.random.default_rng(seed)
    orders = [list(ranking), list(ranking)[::-1]]
    orders += [[ranking[k] for k in rng.permutation(len(ranking))] for _ in range(DRAWS)]
    sets = [order[:count] for order in orders for count in counts]
    kept = effects(model, layer, inputs, replacement, sets, lambda done, _: reached(done)).kept
    curves = kept.reshape(len(orders), len(counts))
    return Curves(counts, curves[0], curves[1], curves[2:])


def steps_of(filters: int) -> list[int]:
    """0, a few small numbers, and on to all of them."""
    even = np.linspace(0, filters, POINTS)
    finer = [n for n in (1, 2, 4) if n < even[1]] if filters else []
    return sorted({*finer, *(round(n) for n in even)})
