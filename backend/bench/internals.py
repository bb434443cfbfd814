"""Importance of 64 filters over 64 inputs: the part behind the layer alone, against a full forward pass per filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

import models
from backend.attribution.internals.answers import kl
from backend.attribution.internals.importance import effects
from backend.attribution.internals.pooled import pooled
from backend.bench.harness import LeftOut, Peer, Row, Setting, contest
from backend.bench.subject import resnet_subject
from models import Model

TITLE = "Importance of filters by mean ablation: a full forward pass per filter / ours"
ORDER = 45
FILTERS, INPUTS = 64, 64
SHARE = 8
"""The peer measures every eighth filter, and its time is multiplied by that."""
GOAL = 3.0


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per network and layer."""
    yield from _row("cnnexplain", models.load("cnnexplain_synthetic"), "relu3", setting)
    yield from _row("ResNet-18", resnet_subject().model, "layer3", setting)


def _row(name: str, model: Model, layer: str, setting: Setting) -> Iterator[Row | LeftOut]:
    inputs, filters = (16, list(range(16))) if setting.quick else (INPUTS, list(range(FILTERS)))
    x = torch.rand(inputs, *model.input.shape, generator=torch.Generator().manual_seed(0))
    mean_map, some = pooled(model, layer, x).mean_map, filters[::SHARE]
    peer = Peer(
        "a full forward pass of all inputs per filter",
        lambda: lambda: by_full_passes(model, layer, x, mean_map, some),
        GOAL,
        times=len(filters) / len(some),
        note=f"The peer took {len(some)} of the filters.",
    )
    yield from contest(
        f"{len(filters)} filters of {layer} x {inputs} inputs, {name}",
        lambda: effects(model, layer, x, mean_map, [[k] for k in filters]),
        [peer],
        setting,
    )


@torch.no_grad()
def by_full_passes(model: Model, layer: str, x: Tensor, mean_map: Tensor, filters: list[int]) -> np.ndarray:
    """E KL(p || p(a_k <- mean map)) by a hook that replaces the map, `[filters]`."""
    before, values = model.logits(x).double(), []
    for k in filters:

        def put(_module: Any, _inputs: Any, output: Tensor, k: int = k) -> Tensor:
            changed = output.clone()
            changed[:, k] = mean_map[k]
            return changed

        handle = model.module.get_submodule(layer).register_forward_hook(put)
        try:
            after = model.logits(x).double()
        finally:
            handle.remove()
        values.append(float(kl(model, before, after).mean()))
    return np.array(values)
