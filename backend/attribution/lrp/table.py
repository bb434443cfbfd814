"""Conservation of relevance per model and preset: `python -m backend.attribution.lrp.table MODEL...` prints a
Markdown table.

MODEL is a key of the catalogue, or `timm:NAME` / `torchvision:NAME`; without weights on this machine these
get random ones.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from tabulate import tabulate

import models
from app.core.errors import Incompatible, WeightsUnavailable
from backend.attribution.lrp.composites import Preset
from backend.attribution.lrp.prepared import Settings, growth, probe_input, relevance, verdict
from models.model import Model


@dataclass(frozen=True)
class Row:
    """conservation: sum(R) / score of the predicted class on the probe input. growth: sum|R| at the input
    over that behind the classifier. Both None where the network cannot be rewritten. reason: why it is
    refused, empty if it is not."""

    model: str
    preset: str
    conservation: float | None
    growth: float | None
    reason: str


def rows_of(model: Model, name: str) -> list[Row]:
    """One row per preset."""
    x = probe_input(model)
    with torch.no_grad():
        target = int(model.logits(x).argmax())
    rows = []
    for preset in get_args(Preset):
        settings = Settings(preset=preset)
        reason = verdict(model, settings).reason
        try:
            result = relevance(model, x, target, settings)
        except Incompatible:
            rows.append(Row(name, preset, None, None, reason))
        else:
            rows.append(Row(name, preset, result.conservation, growth(result), reason))
    return rows


def load(key: str) -> Model:
    """The model with its weights if they are on this machine, else with random ones from seed 0."""
    try:
        return models.load(key)
    except WeightsUnavailable:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module, spec = models.architecture(key, 10)
        return models.wrap(module, [str(index) for index in range(10)], spec, key=key)


def markdown(rows: Sequence[Row]) -> str:
    """The table, refused rows with their reason's first sentence."""
    cells = [
        [
            row.model,
            row.preset,
            "-" if row.conservation is None else f"{row.conservation:.4g}",
            "-" if row.growth is None else f"{row.growth:.3g}",
            "refused" if row.reason else "",
        ]
        for row in rows
    ]
    return tabulate(
        cells, ["model", "preset", "sum / score", "growth", ""], tablefmt="github", disable_numparse=True
    )


def main(keys: Sequence[str]) -> None:
    """Measure and print."""
    sys.stdout.write(markdown([row for key in keys for row in rows_of(load(key), key)]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
