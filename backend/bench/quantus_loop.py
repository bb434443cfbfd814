"""A study of explanations, six methods by five metrics, against the loop that people write around Quantus: its metrics, and
Captum for the maps, as both come. Ours runs as studies do: a process for each core, which takes whole inputs, warm as the
workers of the server are."""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from captum.attr import (
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

import backend
import models
from backend.attribution.network.runtime import share_cores
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import NOISE, SAMPLES
from models.hub import ensure_operations
from models.model import Model

TITLE = "A study: 6 methods x 5 metrics (SqueezeNet, 224 x 224): Quantus' loop / ours"
ORDER = 25
MODEL = "squeezenet1_1"
PHOTOGRAPHS = ("photo_cat.jpg", "photo_ship.jpg")
STEPS = COPIES = 16
WINDOW = {"window": 0.3, "stride": 0.15}
RUNS, SUBSET, SAMPLED, BOUND = 100, 224, 10, 0.2
"""Of the study of the fused map: Quantus' settings for ImageNet, with 100 runs of the correlation."""
BOTH = "Both remove the subsets with two replacements, as our metric always does: ranks may depend on it."
ONE = "Theirs removes the subsets once, ours with two replacements."
METHOD_PARAMS: dict[str, dict[str, Any]] = {
    "gradient": {},
    "input_x_gradient": {},
    "integrated_gradients": {"n_steps": STEPS},
    "smooth_grad": {"n_samples": COPIES, "noise": NOISE},
    "grad_cam": {},
    "occlusion": WINDOW,
}


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row for the whole study, and one for what the processes bring."""
    model = models.load(MODEL)  # trained: Quantus refuses maps that are negative everywhere
    names = PHOTOGRAPHS[: 1 if setting.quick else 2]
    inputs = [model.prepare(SAMPLES / name) for name in names]
    runs, sampled = (10, 2) if setting.quick else (RUNS, SAMPLED)
    name = f"{len(METHOD_PARAMS)} methods x 5 metrics x {len(inputs)} inputs"
    asked = partial(theirs, model, inputs, runs, sampled)
    peers = [
        Peer("Quantus, maps by Captum", asked, goal=5, amx=True, note=BOTH),
        Peer("Quantus with one replacement", partial(asked, replacements=("black",)), note=ONE),
    ]
    seeds = (
        itertools.count()
    )  # other subsets each time: answers are kept, and a study that was there before would cost nothing

    def alone() -> None:
        ours(model, inputs, runs, sampled, next(seeds))

    processes = min(os.cpu_count() or 1, len(inputs))
    if processes == 1:
        yield from contest(name, alone, peers[:1], setting)
        return
    in_one = Peer(
        "ours in one process",
        lambda: alone,
        over_engine=True,
        note=f"With {torch.get_num_threads()} threads.",
    )
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, share_cores, (processes,)) as pool:

        def together() -> None:
            seed = next(seeds)
            list(pool.map(measured, names, *(itertools.repeat(each) for each in (runs, sampled, seed))))

        yield from contest(f"{name}, {processes} processes", together, [*peers, in_one], setting)


def measured(photograph: str, runs: int, sampled: int, seed: int) -> None:
    """One input, in a process of its own."""
    model = _loaded()
    ours(model, [model.prepare(SAMPLES / photograph)], runs, sampled, seed)


@cache
def _loaded() -> Model:
    return models.load(MODEL)


def middle(x: Tensor) -> np.ndarray:
    """A region to localise in, bool `[H, W]`."""
    height, width = x.shape[-2:]
    mask = np.zeros((height, width), bool)
    mask[height // 4 : -height // 4, width // 4 : -width // 4] = True
    return mask


def ours(
    model: Model, inputs: Sequence[Tensor], runs: int, sampled: int, seed: int = 0
) -> dict[str, list[dict[str, float | None]]]:
    """Scores by method and input."""
    params: dict[str, dict[str, Any]] = {
        "faithfulness_correlation": {"n_runs": runs, "subset_size": SUBSET},
        "avg_sensitivity": {"n_samples": sampled, "lower_bound": BOUND},
        "relevance_rank_accuracy": {},
        "sparseness": {},
        "random_logit": {"n_classes": 1},
    }
    table: dict[str, list[dict[str, float | None]]] = {method: [] for method in METHOD_PARAMS}
    for x in inputs:
        for method, settings in METHOD_PARAMS.items():
            result = backend.explain(model, x, method, **settings)
            scores = backend.evaluate_all(model, x, result, list(params), middle(x), params, seed)
            table[method].append({key: score.value for key, score in scores.items()})
    return table


def theirs(
    model: Model,
    inputs: Sequence[Tensor],
    runs: int,
    sampled: int,
    replacements: Sequence[str] = ("black", "mean"),
) -> Work:
    """Quantus' loop. replacements: of what is removed for faithfulness. Raises ModuleNotFoundError."""
    ensure_operations()
    quantus: Any = importlib.import_module("quantus")  # not declared: see docs/decisions.md
    batch = torch.cat(list(inputs)).numpy()
    with torch.no_grad():
        classes = model.logits(torch.from_numpy(batch)).argmax(1).numpy()
    masks = np.stack([middle(x) for x in inputs])[:, None]
    usual = {"disable_warnings": True}
    metrics = [
        *(
            quantus.FaithfulnessCorrelation(
                nr_runs=runs, subset_size=SUBSET, return_aggregate=False, perturb_baseline=kind, **usual
            )
            for kind in replacements
        ),
        quantus.AvgSensitivity(nr_samples=sampled, lower_bound=BOUND, **usual),
        quantus.RelevanceRankAccuracy(**usual),
        quantus.Sparseness(**usual),
        quantus.RandomLogit(num_classes=len(model.labels), **usual),
    ]

    def work() -> dict[str, list[Any]]:
        table: dict[str, list[Any]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for method in METHOD_PARAMS:
                explain = explainer(model, method)
                maps = explain(model.module, batch, classes)
                table[method] = [
                    metric(
                        model=model.module,
                        x_batch=batch,
                        y_batch=classes,
                        a_batch=maps.copy(),
                        s_batch=masks,
                        explain_func=explain,
                        channel_first=True,
                    )
                    for metric in metrics
                ]
        return table

    return work


def explainer(model: Model, method: str) -> Callable[..., np.ndarray]:
    """What Quantus calls for maps `[N, 1, H, W]`: Captum's, of the module that it hands over."""
    layer = model.default_layer

    def explain(module: nn.Module, inputs: Any, targets: Any) -> np.ndarray:
        x, classes = torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)
        maps = ALGORITHMS[method](Request(module, x, classes, layer, model.input.baseline(x, "black")))
        return maps.sum(1, keepdim=True).detach().numpy()

    return lambda model, inputs, targets, **_: explain(model, inputs, targets)


@dataclass(frozen=True, eq=False)
class Request:
    """x, black: `[N, C, H, W]`. classes: `[N]`. layer: where Grad-CAM looks."""

    module: nn.Module
    x: Tensor
    classes: Tensor
    layer: str
    black: Tensor


def _grad_cam(asked: Request) -> Tensor:
    algorithm = LayerGradCam(asked.module, asked.module.get_submodule(asked.layer))
    maps = algorithm.attribute(asked.x, target=asked.classes, relu_attributions=True)
    enlarged: Tensor = LayerAttribution.interpolate(maps, tuple(asked.x.shape[-2:]), "bilinear")
    return enlarged


def _integrated(asked: Request) -> Tensor:
    maps: Tensor = IntegratedGradients(asked.module).attribute(
        asked.x, baselines=asked.black, target=asked.classes, n_steps=STEPS
    )
    return maps


def _smooth_grad(asked: Request) -> Tensor:
    sigma = NOISE * float(asked.x.max() - asked.x.min())
    maps: Tensor = NoiseTunnel(Saliency(asked.module)).attribute(
        asked.x, nt_samples=COPIES, stdevs=sigma, target=asked.classes, abs=False
    )
    return maps


def _occlusion(asked: Request) -> Tensor:
    side, channels = asked.x.shape[-1], asked.x.shape[1]
    window, step = (max(1, round(share * side)) for share in (WINDOW["window"], WINDOW["stride"]))
    maps: Tensor = Occlusion(asked.module).attribute(
        asked.x,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, step, step),
        baselines=asked.black,
        target=asked.classes,
    )
    return maps[:, :1]  # the same in all channels


Algorithm = Callable[[Request], Tensor]
ALGORITHMS: dict[str, Algorithm] = {
    "gradient": lambda asked: Saliency(asked.module).attribute(asked.x, target=asked.classes, abs=False),
    "input_x_gradient": lambda asked: InputXGradient(asked.module).attribute(asked.x, target=asked.classes),
    "integrated_gradients": _integrated,
    "smooth_grad": _smooth_grad,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
}
