"""Real maps of every method side by side: what the figures of a table look like.

Two bundled photographs through SqueezeNet, a drawn shape and a generated cough with a wheeze through the networks that
were trained on their like; every method with its default parameters, for the class that is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

import models
from backend.attribution.explain import explain
from backend.attribution.methods import METHODS
from backend.rendering.overlay import Look, render
from backend.studies.drawing import DPI, INK
from models.model import Model
from models.samples.photos import FOLDER
from models.spec import Prepared
from models.synthetic import coughs, shapes

SEED = 90_001
BLOCKS = 2
"""Columns of methods."""
OUTLINE = "#ff2bd6"
STRONGEST = 99.0
"""Percentile of the strengths of a map that has full colour: a few single cells would leave the others invisible."""
PHOTOS = {"photo_cat.jpg": 285, "photo_rocket.jpg": 657}
"""File -> the class of ImageNet that is shown on it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """evidence: bool `[H, W]` where it is known, to be outlined."""

    title: str
    model: Model
    prepared: Prepared
    target: int
    evidence: np.ndarray | None = None

    @property
    def x(self) -> Tensor:
        return self.prepared.x

    @property
    def upside_down(self) -> bool:
        return self.prepared.y_axis.origin == "lower"


def subjects() -> Iterator[Subject]:
    """What is explained; only generated inputs and bundled photographs."""
    squeezenet = models.load("squeezenet1_1")
    for file, target in PHOTOS.items():
        title = squeezenet.labels[target].split(",")[0]
        yield Subject(title, squeezenet, squeezenet.input.prepare(FOLDER / file), target)
    drawn, network = shapes.generate(1, seed=SEED), models.load("shapes")
    label = int(drawn.labels[0])
    yield Subject(
        network.labels[label], network, network.input.prepare(drawn.images[0]), label, drawn.masks[0]
    )
    network = models.load("cnnexplain_synthetic")
    item = next(item for item in coughs.generate(20, seed=SEED, hum="none") if item.boxes)
    prepared = network.input.prepare((item.waveform, item.rate))
    evidence = coughs.box_mask(item.boxes, (prepared.y_axis, prepared.x_axis))
    yield Subject(network.labels[item.label], network, prepared, item.label, evidence)


def keys(of: list[Subject]) -> list[str]:
    """The methods that fit all networks, without the concept maps, which need a concept to ask for."""
    return [
        key
        for key, method in METHODS.items()
        if method.family != "concept" and all(method.is_compatible(each.model).ok for each in of)
    ]


def montage(out: Path, report: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Writes the picture; returns the keys of its methods."""
    shown = list(subjects())
    methods = keys(shown)
    lines = -(-len(methods) // BLOCKS)
    figure = Figure(figsize=(BLOCKS * 1.05 * (len(shown) + 0.55), 0.92 * (lines + 1)), layout="constrained")
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    grid = figure.subplots(lines + 1, BLOCKS * len(shown), squeeze=False)
    total = len(methods) * len(shown)
    for place, axes in enumerate(grid[0]):
        subject = shown[place % len(shown)]
        _draw(axes, subject, np.zeros(subject.x.shape[-2:]), signed=False)
        axes.set_title(subject.title, fontsize=7, color=INK, pad=2)
    for number, key in enumerate(methods):
        block, line = divmod(number, lines)
        for column, subject in enumerate(shown):
            result = explain(subject.model, subject.x, key, target=subject.target)
            axes = grid[line + 1][block * len(shown) + column]
            _draw(axes, subject, result.values, signed=result.signed)
            if column == 0:
                axes.set_ylabel(
                    METHODS[key].title, fontsize=7, color=INK, rotation=0, ha="right", va="center"
                )
            report(number * len(shown) + column + 1, total)
    for axes in grid[1 + len(methods) - (BLOCKS - 1) * lines :, (BLOCKS - 1) * len(shown) :].ravel():
        axes.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=DPI, metadata={"Software": None})
    return methods


def _draw(axes: Axes, subject: Subject, values: np.ndarray, signed: bool) -> None:
    """The map over the grey input, the known evidence outlined."""
    limit = float(np.percentile(np.abs(values), STRONGEST)) or None
    look = Look(opacity=0.85, scale=1, signed=signed, upside_down=subject.upside_down, limit=limit)
    axes.imshow(render(subject.prepared.display, values, look), aspect="auto", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if subject.evidence is not None:
        outline = subject.evidence[::-1] if subject.upside_down else subject.evidence
        axes.contour(outline.astype(float), levels=[0.5], colors=OUTLINE, linewidths=0.8)
