"""The two networks on controlled pictures: an honest one, and one led astray by a sticker."""

from __future__ import annotations

import json
from pathlib import Path

from models.architectures.shapes_net import INPUT, shapes_net
from models.catalog import register
from models.spec import ModelSpec
from models.synthetic.shapes import LABELS

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def _spec(key: str, title: str) -> ModelSpec:
    card = json.loads((WEIGHTS / f"{key}.json").read_text())
    return ModelSpec(
        key=key, title=title, build=shapes_net, input=INPUT, labels=LABELS, weights=WEIGHTS / f"{key}.safetensors", sha256=card["sha256"],
        source=card["data"], licence=card["licence"], default_layer="relu5", card=card,
    )  # fmt: skip


@register
def shapes() -> ModelSpec:
    return _spec("shapes", "Shapes: known evidence")


@register
def shapes_shortcut() -> ModelSpec:
    return _spec("shapes_shortcut", "Shapes: led astray by a sticker")
