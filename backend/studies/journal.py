"""cnnexplain against MobileNetV2: are the maps of the small network better?

The journal form of cnnexplain (Healthcare Analytics 8, 2025, 100408) sets a custom network beside a pre-trained
MobileNetV2, explains both by Guided Grad-CAM and integrated gradients, and finds the custom network's maps coherent,
class-specific and better localised, MobileNetV2's diffuse and inconsistent. Its figures are not at hand, nor its data:
here the claim is made testable on generated coughs, whose evidence is known. Where we deviate: MobileNetV2 starts from
scratch, as cnnexplain does (both trained by the same settings, several seeds each).

Measured on recordings with a wheeze that every one of the trained networks judges rightly:

    coherence      Gini coefficient of |map| (higher: fewer cells carry it), and its entropy as a share of log(cells)
    specificity    1 - Pearson correlation of the maps of the two logits, 0..2; the higher, the more the map depends on
                   the class
    consistency    Pearson correlation of the map with the map of the same input under noise; and, cut out around the
                   wheeze, with the maps of the other inputs of the class
    localisation   share of the positive relevance inside the box of the wheeze
    faithfulness   mean probability of the class while cells of 4 x 4 are silenced, strongest first (deletion, lower is
                   better), or put back into silence, strongest first (insertion, higher is better)

Intervals are 95 % percentiles of a bootstrap over seeds and inputs; networks are compared on the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import models
from app.core.errors import BadParameter
from backend.attribution.explain import explain
from backend.attribution.methods import METHODS
from models.architectures.cnnexplain import CnnExplain
from models.model import Model
from models.synthetic import coughs
from models.synthetic.shapes import evidence_mass
from models.training import measures, sound

Report = Callable[[int, int], None]
METHOD_KEYS = ("guided_grad_cam", "integrated_gradients")
HIGHER_IS_BETTER = {
    "gini": True,
    "entropy": False,
    "specificity": True,
    "noise": True,
    "same_class": True,
    "mass": True,
    "deletion": False,
    "insertion": True,
}
SEED = 70_001
"""Of the recordings: far from the seeds that networks are trained with."""
NOISE, NOISY = 0.02, 3
"""Standard deviation of the noise on an input of 0..1 (1.6 dB), and how many noisy copies."""
CELL, STEPS = 4, 32
WINDOW = (16, 40)
"""Bands and frames around the middle of the wheeze that are compared between inputs."""
REPEATS = 2000


def mobilenet_v2() -> nn.Module:
    """torchvision's MobileNetV2 for one channel and two classes: 2.2 million parameters."""
    from models import hub

    hub.names("torchvision")  # its import has to come before torchvision's
    from torchvision.models import mobilenet_v2 as build

    module = build(num_classes=2)
    first = module.features[0][0]
    module.features[0][0] = nn.Conv2d(1, first.out_channels, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(module.features[0][0].weight, mode="fan_out")
    return module


NETWORKS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "cnnexplain": ("cnnexplain", CnnExplain),
    "mobilenet_v2": ("MobileNetV2", mobilenet_v2),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A recording with a wheeze. mask: bool `[H, W]`, middle: (row, column) of the evidence."""

    x: Tensor
    mask: np.ndarray
    middle: tuple[int, int]


def train(
    key: str, seed: int, epochs: int | None = None, progress: bool = True
) -> tuple[Model, dict[str, Any]]:
    """One trained network, and how well it does on recordings it never heard."""
    title, build = NETWORKS[key]
    module, history, temperature = sound.on_generated(
        build, epochs=epochs or sound.EPOCHS["cnnexplain_synthetic"], seed=seed, progress=progress
    )
    model = models.wrap(module, coughs.LABELS, sound.INPUT, key=key, title=title, temperature=temperature)
    x, y = sound.generated_inputs(*sound.TEST, "none")
    score = torch.cat([model.predict(part)[:, 1] for part in x.split(128)]).numpy()
    truth = y.numpy()
    return model, {
        "auc": measures.auc(truth, score),
        "accuracy": float(((score > 0.5) == truth).mean()),
        "parameters": sum(weights.numel() for weights in module.parameters()),
        "seconds": sum(epoch.seconds for epoch in history.epochs),
    }


def study(
    inputs: int = 24,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int | None = None,
    n_steps: int = 32,
    report: Report = lambda done, total: None,
    progress: bool = True,
) -> dict[str, Any]:
    """Trains both networks once a seed and measures their maps on the same recordings. JSON-able.

    Raises BadParameter for fewer than two inputs, and when the networks agree on too few recordings.
    """
    if inputs < 2 or not seeds:
        raise BadParameter("Give at least two inputs and one seed.", field="inputs")
    trained = {key: [train(key, seed, epochs, progress) for seed in seeds] for key in NETWORKS}
    cases = _cases(inputs, [model for runs in trained.values() for model, _ in runs])
    total, done = len(NETWORKS) * len(seeds) * len(METHOD_KEYS) * len(cases), 0
    values: dict[tuple[str, str], list[dict[str, list[float]]]] = {}
    for key, runs in trained.items():
        for method in METHOD_KEYS:
            options = {"n_steps": n_steps} if method == "integrated_gradients" else {}
            for model, _ in runs:
                rows = []
                crops = []
                for case in cases:
                    row, crop = _measured(model, case, method, options)
                    rows.append(row)
                    crops.append(crop)
                    done += 1
                    report(done, total)
                for row, alike in zip(rows, _alike(crops), strict=True):
                    row["same_class"] = alike
                values.setdefault((key, method), []).append(
                    {name: [row[name] for row in rows] for name in HIGHER_IS_BETTER}
                )
    return {
        "settings": {
            "inputs": len(cases),
            "seeds": list(seeds),
            "epochs": epochs or sound.EPOCHS["cnnexplain_synthetic"],
            "n_steps": n_steps,
            "noise": NOISE,
        },
        "networks": [
            {"key": key, "title": NETWORKS[key][0], "runs": [figures for _, figures in runs]}
            for key, runs in trained.items()
        ],
        "methods": {method: METHODS[method].title for method in METHOD_KEYS},
        "baselines": _baselines(cases),
        "chance": {key: _any_order([model for model, _ in runs], cases) for key, runs in trained.items()},
        "rows": [_compared(method, name, values) for method in METHOD_KEYS for name in HIGHER_IS_BETTER],
    }


def _cases(count: int, networks: Sequence[Model]) -> list[Case]:
    """The first recordings with a wheeze that all networks hear."""
    cases: list[Case] = []
    for item in coughs.generate(8 * count, seed=SEED, hum="none"):
        if not item.boxes:
            continue
        prepared = sound.INPUT.prepare((item.waveform, item.rate))
        mask = coughs.box_mask(item.boxes, (prepared.y_axis, prepared.x_axis))
        if mask.any() and all(int(model.predict(prepared.x).argmax()) == item.label for model in networks):
            rows, columns = np.nonzero(mask)
            cases.append(Case(prepared.x, mask, (int(rows.mean()), int(columns.mean()))))
        if len(cases) == count:
            return cases
    raise BadParameter(
        f"The networks agree on {len(cases)} of the recordings only; train for more epochs or ask for fewer inputs.",
        field="inputs",
    )


def _measured(
    model: Model, case: Case, method: str, options: dict[str, Any]
) -> tuple[dict[str, float], np.ndarray]:
    """The measures of one map, and the map around the wheeze."""

    def mapped(x: Tensor, target: int = 1) -> np.ndarray:
        return explain(model, x, method, target=target, **options).values.astype(np.float64)

    values = mapped(case.x)
    generator = torch.Generator().manual_seed(0)
    noisy = [case.x + NOISE * torch.randn(case.x.shape, generator=generator) for _ in range(NOISY)]
    row = {
        "gini": gini(values),
        "entropy": entropy(values),
        "specificity": 1 - correlation(values, mapped(case.x, 0)),
        "noise": float(np.mean([correlation(values, mapped(x)) for x in noisy])),
        "mass": mass_inside(values, case.mask),
        "deletion": curve(model, case.x, values, keep=False),
        "insertion": curve(model, case.x, values, keep=True),
    }
    return row, _around(values, case.middle)


def mass_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of the positive relevance inside the mask; of a map without any, the share of the area."""
    mass = evidence_mass(values, mask)
    return float(mask.mean()) if np.isnan(mass) else mass


def gini(values: np.ndarray) -> float:
    """Gini coefficient of |values| (Chalasani et al. 2020): 0 where all are equal, towards 1 where one carries all.
    0 for a map of zeros."""
    sizes = np.sort(np.abs(values).ravel())
    if not sizes[-1] > 0:
        return 0.0
    n = len(sizes)
    return float(np.dot(2 * np.arange(1, n + 1) - n - 1, sizes) / (n * sizes.sum()))


def entropy(values: np.ndarray) -> float:
    """Entropy of |values| as shares of their sum, divided by log(cells): 0 in one cell, 1 everywhere the same or
    nowhere."""
    sizes = np.abs(values).ravel()
    if not sizes.any():
        return 1.0
    shares = sizes[sizes > 0] / sizes.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(sizes)))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson; 0 where one of them is flat."""
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else 0.0


@torch.no_grad()
def curve(model: Model, x: Tensor, values: np.ndarray, keep: bool) -> float:
    """Mean probability of class 1 over `STEPS` steps from the input to silence, cells of `CELL` x `CELL` in the order of
    their relevance; keep: from silence to the input instead. Trapezoids."""
    height, width = values.shape
    cells = values.reshape(height // CELL, CELL, width // CELL, CELL).sum((1, 3))
    rank = np.empty(cells.size, np.int64)
    rank[np.argsort(-cells.ravel(), kind="stable")] = np.arange(cells.size)
    ranks = torch.from_numpy(rank.reshape(cells.shape).repeat(CELL, 0).repeat(CELL, 1))
    silence = model.input.baseline(x)
    counts = torch.linspace(0, cells.size, STEPS + 1).round()
    taken = ranks[None] < counts[:, None, None]
    picture = torch.where((taken if keep else ~taken)[:, None], x, silence)
    return float(np.trapezoid(model.predict(picture)[:, 1].numpy(), dx=1 / STEPS))


def _around(values: np.ndarray, middle: tuple[int, int]) -> np.ndarray:
    """The map in a window around the wheeze, zeros beyond the edge."""
    padded = np.pad(values, [(side, side) for side in WINDOW])
    top, left = (at + side - side // 2 for at, side in zip(middle, WINDOW, strict=True))
    return padded[top : top + WINDOW[0], left : left + WINDOW[1]]


def _alike(crops: Sequence[np.ndarray]) -> list[float]:
    """Per input, the mean correlation of its crop with those of the others."""
    table = np.array([[correlation(a, b) for b in crops] for a in crops])
    return [float(np.delete(row, number).mean()) for number, row in enumerate(table)]


def _baselines(cases: Sequence[Case]) -> dict[str, float]:
    """Relevance mass of two maps that look at nothing."""
    from backend.attribution.measuring.controls import centre_blob

    return {
        "the same everywhere": float(np.mean([case.mask.mean() for case in cases])),
        "the middle of the grid": float(
            np.mean([mass_inside(centre_blob(case.mask.shape), case.mask) for case in cases])
        ),
    }


def _any_order(networks: Sequence[Model], cases: Sequence[Case]) -> dict[str, float]:
    """Deletion and insertion where the order of the cells is drawn: what a curve has to differ from to say anything."""
    rng = np.random.default_rng(0)
    orders = [rng.random(case.mask.shape) for case in cases]
    return {
        name: float(
            np.mean(
                [
                    curve(model, case.x, order, keep=name == "insertion")
                    for model in networks
                    for case, order in zip(cases, orders, strict=True)
                ]
            )
        )
        for name in ("deletion", "insertion")
    }


def _compared(
    method: str, name: str, values: dict[tuple[str, str], list[dict[str, list[float]]]]
) -> dict[str, Any]:
    """One measure: both networks with intervals, their difference, and who is better if anybody is."""
    tables = {key: np.array([run[name] for run in values[key, method]]) for key in NETWORKS}
    rng = np.random.default_rng(0)
    draws = {key: np.empty(REPEATS) for key in tables}
    for repeat in range(REPEATS):
        columns = rng.integers(
            next(iter(tables.values())).shape[1], size=next(iter(tables.values())).shape[1]
        )
        for key, table in tables.items():
            rows = rng.integers(len(table), size=len(table))
            draws[key][repeat] = table[np.ix_(rows, columns)].mean()
    first, second = NETWORKS
    gap = draws[first] - draws[second]
    low, high = (float(q) for q in np.percentile(gap, [2.5, 97.5]))
    winner = None
    if low > 0 or high < 0:
        winner = first if (low > 0) == HIGHER_IS_BETTER[name] else second
    return {
        "method": method,
        "measure": name,
        "higher_is_better": HIGHER_IS_BETTER[name],
        "values": {
            key: {
                "mean": float(table.mean()),
                "low": float(np.percentile(draws[key], 2.5)),
                "high": float(np.percentile(draws[key], 97.5)),
                "runs": [float(run.mean()) for run in table],
            }
            for key, table in tables.items()
        },
        "difference": {"mean": float(tables[first].mean() - tables[second].mean()), "low": low, "high": high},
        "better": winner,
    }
