"""Sanity of a method on a network: does its map change with the network's weights, and with the class?

    a map that stays the same when all weights are random shows the input, not the network (Adebayo et al., Sanity
    Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292); one that stays the same for another class does not say
    why it was this class (Sixt et al., When Explanations Lie, ICML 2020, arXiv 1912.09818).

Random weights: every weight keeps its layer and its layer's values, in random order, so that signals neither die nor
explode; all layers at once, the last stage of the paper's cascade. It belongs to network, method, layer and
parameters, not to an input: a handful of the network's calibration inputs stands for all.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from app.core.errors import Incompatible
from backend.attribution.concepts.work import work_of
from backend.attribution.explain import explain, resolve_params
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.methods import METHODS
from backend.attribution.types import Attribution, Progress, silent
from models.model import Model

State = Literal["pass", "weak", "fail"]
MAPS = 3
"""Of each input: its own, one with random weights, one for another class."""
INPUTS, LEAST = 4, 1
SPEND, MOST = 2e11, 2e12
"""Multiplications that several inputs may cost, and that one may; a backward pass counts as two forward ones."""


@dataclass(frozen=True)
class Threshold:
    """ok: likeness up to which the map has changed. same: from which it looks the same."""

    ok: float
    same: float


THRESHOLDS: dict[str, Threshold] = {"randomised": Threshold(0.5, 0.75), "other_class": Threshold(0.9, 0.9)}
"""Likeness is Spearman's rank correlation: 1 is the same, 0 nothing in common, -1 opposite."""


@dataclass(frozen=True)
class Sanity:
    """randomised, other_class: likeness of the maps to those with random weights, and to those for another class.
    noise: likeness that maps of noise of this resolution stay below, 19 times in 20. n: inputs. words: for the panel. note: what
    is special about this check."""

    state: State
    randomised: float
    other_class: float
    noise: float
    n: int
    words: str
    note: str = ""


def sanity(
    model: Model,
    method_key: str,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    report: Progress = silent,
) -> Sanity:
    """Raises Incompatible (a concept map, no inputs of ours for this network, too dear), BadParameter, NotFound."""
    method, settings = METHODS[method_key], dict(params or {})
    if method.family == "concept":
        raise Incompatible(
            "A concept map is judged beside random concepts, not by random weights; see its verdict.",
            code="concept_map",
            field="method",
        )
    cost = method.cost(model, resolve_params(method, model, settings))
    count = affordable(model, cost.forwards + 2 * cost.backwards)
    rng = np.random.default_rng(seed)
    randomised, classes, cells = [], [], 1
    for number, x in enumerate(inputs_of(model, count, rng)):
        top, other = two_classes(model, x, rng)
        maps: list[Attribution] = []
        for network, target in ((model, top), (randomised_model(model, seed + number), top), (model, other)):
            report(MAPS * number + len(maps), MAPS * count)
            maps.append(explain(network, x, method_key, target=target, layer=layer, seed=seed, **settings))
        own, blank, another = (each.values for each in maps)
        cells = math.prod(maps[0].native)
        randomised.append(max(likeness(own, blank), likeness(np.abs(own), np.abs(blank))))
        classes.append(likeness(own, another))
    report(MAPS * count, MAPS * count)
    note = "" if count == INPUTS else f"Checked on {count} of {INPUTS} inputs: more are too dear."
    return judged(float(np.mean(randomised)), float(np.mean(classes)), noise_level(cells, count), count, note)


def judged(randomised: float, other_class: float, noise: float, n: int, note: str = "") -> Sanity:
    """The verdict on two likenesses: fail where the map looks the same with random weights, or much alike and the same
    for another class; weak where either is left."""
    weights, classes = THRESHOLDS["randomised"], THRESHOLDS["other_class"]
    alike, same_class = randomised > max(weights.ok, noise), other_class > classes.same
    state: State = "pass"
    words = "changes with random weights and with the class"
    if randomised > max(weights.same, noise):
        state, words = "fail", f"looks the same with random weights: {randomised:.2f} alike"
    elif alike and same_class:
        state = "fail"
        words = f"hardly changes with random weights ({randomised:.2f} alike) nor with the class ({other_class:.2f})"
    elif alike:
        state, words = "weak", f"changes little with random weights: {randomised:.2f} alike"
    elif same_class:
        state, words = "weak", f"looks the same for another class: {other_class:.2f} alike"
    return Sanity(state, randomised, other_class, noise, n, words, note)


def affordable(model: Model, passes: int) -> int:
    """Inputs that the price allows. Raises Incompatible where one is too dear."""
    price = float(MAPS * max(1, passes) * max(1, work_of(model)))
    if price > MOST:
        raise Incompatible(
            f"Not checked: three maps of {passes:,} passes each are too dear here; fewer samples or steps can be checked.",
            code="too_dear",
            field="params",
        )
    return max(LEAST, min(INPUTS, int(SPEND // price)))


def inputs_of(model: Model, count: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """`[1, C, H, W]` each, of different sources. Raises Incompatible."""
    calibration = calibration_of(model)
    chosen: dict[str, int] = {}
    for number in rng.permutation(calibration.count):
        chosen.setdefault(calibration.sources[number], int(number))
        if len(chosen) == count:
            break
    for number in chosen.values():
        prepared = calibration.prepared(number)
        assert prepared is not None
        yield prepared.x.to(model.device)


def two_classes(model: Model, x: Tensor, rng: np.random.Generator) -> tuple[int, int]:
    """The predicted class, and another one at random."""
    with torch.no_grad():
        top = int(model.logits(x.clone())[0].argmax())
    others = [index for index in range(len(model.labels)) if index != top]
    return top, int(rng.choice(others)) if others else top


def randomised_model(model: Model, seed: int) -> Model:
    """A copy whose weights stand in random order within each tensor; running statistics stay."""
    module = copy.deepcopy(model.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return Model(model.spec, module, model.digest, model.device)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties by their mean rank; 0 where either map is flat, which is like no other."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def noise_level(cells: int, n: int) -> float:
    """The 95th percentile of the mean likeness of n pairs of independent maps of so many cells: 1.645 / sqrt(n (cells - 1))."""
    return 1.0 if cells < 3 else 1.645 / math.sqrt(n * (cells - 1))


def meaning() -> str:
    """What is compared, and the thresholds, for the tooltip."""
    weights, classes = THRESHOLDS["randomised"], THRESHOLDS["other_class"]
    return (
        "Maps of the network's own test inputs are made again with the network's weights in random order, and for another class. "
        f"Alike is their rank correlation. With random weights: at most {weights.ok} is a pass, over {weights.same} fails. "
        f"For another class: over {classes.same} is weak, and fails where random weights change little too."
    )
