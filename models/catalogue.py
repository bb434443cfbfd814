"""Bundled models: `weights/KEY.safetensors` and its card `weights/KEY.json`. Two new files are a new model; there is no list to edit.

A card names its `architecture`, `title`, `labels`, `sha256`, `licence` and `command` (how it was made), a `temperature` if it was
calibrated, and any figures to show. A card without `architecture` belongs to an experiment and is not listed.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from app.core.registry import Registry
from models.architectures import ARCHITECTURES
from models.spec import ModelSpec

WEIGHTS = Path(__file__).with_name("weights")


class Bundled(Registry[ModelSpec]):
    """Specs by key, read from the cards on first use."""

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            for path in sorted(WEIGHTS.glob("*.json")):
                if "architecture" in json.loads(path.read_text(encoding="utf-8")):
                    self.register(partial(spec_of, path))


def spec_of(path: Path) -> ModelSpec:
    """The spec of the weights beside a card."""
    card = json.loads(path.read_text(encoding="utf-8"))
    network = ARCHITECTURES[card["architecture"]]
    return ModelSpec(
        key=path.stem, title=card["title"], build=partial(network.build, len(card["labels"])), input=network.input,
        labels=tuple(card["labels"]), weights=path.with_suffix(".safetensors"), sha256=card["sha256"],
        source=f"trained by this project: {card['command']}", licence=card["licence"], paper=network.paper,
        default_layer=network.default_layer, temperature=card.get("temperature", 1.0), card=card,
    )  # fmt: skip


MODELS = Bundled("model", "models")
