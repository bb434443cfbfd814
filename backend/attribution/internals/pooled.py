"""What a layer gives over a set of inputs, from one streamed pass: spatial means G, mean map, peaks, and the logits.

Nothing of the size of all feature maps is held: sums and extremes are kept as batches go by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter, Incompatible, InvalidInput
from backend.attribution.network.head import hooked
from models.model import Model

Inputs = Tensor | Callable[[], Iterable[Tensor]]
"""`[N, C, H, W]`, or what makes batches of it anew at every call."""
FEWEST = 10
"""Inputs without which nothing is said about filters."""
BATCH = 16
DEAD = 1e-6
"""A filter is dead when no cell of its map changes by more than this share of the layer's largest magnitude."""
Step = Callable[[int, Callable[[], np.ndarray]], None]
"""Told how many inputs went by, and how to get G of all so far."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """One layer over N inputs. means: G, spatial means, float64 `[N, C]`. mean_map: `[C, h, w]`, what an ablated filter
    is replaced by. peaks: largest value of each map, `[N, C]`, and peak_cells its flat cell number. logits: `[N, classes]`.
    living: filters whose map changes from input to input. others: G of further layers; mean_maps: of this
    and of those that run once. limits: smallest and largest number of any input."""

    layer: str
    means: np.ndarray
    mean_map: Tensor
    peaks: np.ndarray
    peak_cells: np.ndarray
    logits: np.ndarray
    living: list[int]
    others: Mapping[str, np.ndarray]
    mean_maps: Mapping[str, Tensor]
    limits: tuple[float, float]

    @property
    def dead(self) -> list[int]:
        """Filters whose map is the same for every input: nothing behind them can depend on them."""
        return sorted(set(range(self.means.shape[1])) - set(self.living))


def batches(inputs: Inputs, model: Model) -> Iterator[Tensor]:
    """On the model's device, at most `BATCH` at a time. Raises BadParameter."""
    for part in inputs() if callable(inputs) else inputs.split(BATCH):
        if part.ndim != 4 or tuple(part.shape[1:]) != model.input.shape:
            raise BadParameter(
                f"Inputs must have shape [N, {', '.join(map(str, model.input.shape))}].", field="inputs"
            )
        yield from part.to(model.device, torch.float32).split(BATCH)


def check_layer(model: Model, layer: str) -> None:
    """Raises Incompatible for what has no feature maps."""
    if layer not in {candidate.name for candidate in model.layers}:
        raise Incompatible(
            "This model has no such layer with feature maps; choose one of the layers that the model lists.",
            field="layer",
        )


@torch.no_grad()
def pooled(
    model: Model,
    layer: str,
    inputs: Inputs,
    step: Step = lambda n, means: None,
    others: Sequence[str] = (),
) -> Pooled:
    """One pass. others: layers of which only G is kept, at their last run; those that give something not finite are left
    out. Raises InvalidInput (fewer than `FEWEST` inputs, activations that are not finite), Incompatible (no such layer,
    or one that runs several times)."""
    for name in (layer, *others):
        check_layer(model, name)
    sums = _Sums()
    means: dict[str, list[np.ndarray]] = {name: [] for name in others}
    totals: dict[str, Tensor] = {}
    for x in batches(inputs, model):
        sums.look_at(x)
        outputs, result = _run(model, list(dict.fromkeys([layer, *others])), x)
        sums.take(layer, outputs[layer], _logits(result))
        for name in others:
            means[name].append(_means(outputs[name][-1]))
            if len(outputs[name]) == 1:
                added = outputs[name][0].sum(0, dtype=torch.float64)
                totals[name] = totals[name] + added if name in totals else added
        step(len(x), sums.means)
    joined = {name: np.concatenate(parts) for name, parts in means.items() if parts}
    finite = {name: values for name, values in joined.items() if np.isfinite(values).all()}
    return sums.finished(layer, finite, {name: totals[name] for name in finite if name in totals})


def _run(model: Model, layers: Sequence[str], x: Tensor) -> tuple[dict[str, list[Tensor]], Tensor]:
    """Every output of each layer, and the module's own, from one pass."""
    outputs: dict[str, list[Tensor]] = {layer: [] for layer in layers}

    def keep(layer: str, output: Tensor) -> None:
        outputs[layer].append(output.detach().clone())  # a step behind the layer may work in place

    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(hooked(model.module, layer, partial(keep, layer)))
        result = model.module(x.clone())
    return outputs, result


def _logits(outputs: Tensor) -> Tensor:
    return logits_of(outputs).double().cpu()


def logits_of(outputs: Tensor) -> Tensor:
    """`[N, classes]` from the module's raw outputs; a single logit y becomes (-y/2, y/2), as in `Model.logits`."""
    return torch.cat([-outputs / 2, outputs / 2], dim=1) if outputs.shape[1] == 1 else outputs


def _means(maps: Tensor) -> np.ndarray:
    means: np.ndarray = maps.double().mean((2, 3)).cpu().numpy()
    return means


class _Sums:
    """Sums and extremes while batches go by."""

    def __init__(self) -> None:
        self._means: list[np.ndarray] = []
        self._peaks: list[np.ndarray] = []
        self._cells: list[np.ndarray] = []
        self._logits: list[Tensor] = []
        self._sum = self._low = self._high = torch.empty(0)
        self._largest, self._wrong, self._count = 0.0, 0, 0
        self._limits = (float("inf"), float("-inf"))

    def look_at(self, x: Tensor) -> None:
        self._limits = (min(self._limits[0], float(x.min())), max(self._limits[1], float(x.max())))

    def take(self, layer: str, calls: list[Tensor], logits: Tensor) -> None:
        if len(calls) != 1:
            raise Incompatible(
                f"The layer {layer} runs {len(calls)} times in one pass: its maps are not one set of filters. Choose a layer "
                "that runs once, such as the block that holds it.",
                code="layer_used_twice",
                field="layer",
            )
        maps = calls[0]
        self._wrong += int((~torch.isfinite(maps)).flatten(1).any(1).sum())
        if self._count == 0:
            self._sum = torch.zeros(maps.shape[1:], dtype=torch.float64, device=maps.device)
            self._low, self._high = maps.amin(0), maps.amax(0)
        self._count += len(maps)
        self._sum += maps.sum(0, dtype=torch.float64)
        self._low, self._high = (
            torch.minimum(self._low, maps.amin(0)),
            torch.maximum(self._high, maps.amax(0)),
        )
        self._largest = max(self._largest, float(maps.abs().max()))
        values, cells = maps.flatten(2).max(2)
        self._means.append(_means(maps))
        self._peaks.append(values.cpu().numpy())
        self._cells.append(cells.cpu().numpy())
        self._logits.append(logits)

    def means(self) -> np.ndarray:
        """G so far."""
        return np.concatenate(self._means)

    def finished(self, layer: str, others: Mapping[str, np.ndarray], totals: Mapping[str, Tensor]) -> Pooled:
        if self._count < FEWEST:
            raise few_inputs(self._count)
        logits = torch.cat(self._logits).numpy()
        if self._wrong or not np.isfinite(logits).all():
            raise InvalidInput(
                f"The layer {layer} gives NaN or infinite numbers for {self._wrong or 'some'} of {self._count} inputs, so nothing "
                "can be said about its filters; look at an earlier layer, or at the weights of the network.",
                code="not_finite",
                field="layer",
            )
        spread = (self._high - self._low).flatten(1).amax(1)
        living = (spread > DEAD * self._largest).nonzero()[:, 0].tolist()
        mean_map = (self._sum / self._count).float()
        return Pooled(
            layer,
            self.means(),
            mean_map,
            np.concatenate(self._peaks),
            np.concatenate(self._cells),
            logits,
            living,
            others,
            {**{name: (total / self._count).float() for name, total in totals.items()}, layer: mean_map},
            self._limits,
        )


def few_inputs(count: int) -> InvalidInput:
    return InvalidInput(
        f"There are {count} inputs; at least {FEWEST} are needed to say something about filters. Give more.",
        code="too_few_inputs",
        field="inputs",
    )
