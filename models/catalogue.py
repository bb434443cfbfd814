"""Bundled models: `weights/KEY.safetensors` and its card `weights/KEY.json`. Two new files are a new model;
there is no list to edit.

A card names its `architecture`, `title`, `labels`, `sha256`, `licence` and either `command` (how this project
trained it) or `source` (who did), a `temperature` if it was calibrated, in `default_for` the kinds of input it is
chosen for unless somebody asks for another, and any figures to show. A card without `architecture` belongs to an
experiment and is not listed.
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
    """Specs by key, read from the cards at first use and again after a card has changed (training replaces
    cards)."""

    _seen: tuple[object, ...] = ()
    _from_cards: frozenset[str] = frozenset()

    def _load(self) -> None:
        if self._loaded and not self._seen:
            return  # a process that brings its own models
        cards = sorted(WEIGHTS.glob("*.json"))
        seen = tuple(
            (path, stat.st_mtime_ns, stat.st_size, stat.st_ino) for path in cards for stat in (path.stat(),)
        )
        if seen != self._seen:
            specs = {
                path.stem: spec_of(path)
                for path in cards
                if "architecture" in json.loads(path.read_text(encoding="utf-8"))
            }
            registered = {key: spec for key, spec in self._entries.items() if key not in self._from_cards}
            self._entries, self._from_cards = {**registered, **specs}, frozenset(specs)
            self._seen, self._loaded = seen, True


def spec_of(path: Path) -> ModelSpec:
    """The spec of the weights beside a card."""
    card = json.loads(path.read_text(encoding="utf-8"))
    network = ARCHITECTURES[card["architecture"]]
    return ModelSpec(
        key=path.stem,
        title=card["title"],
        build=partial(network.build, len(card["labels"])),
        input=network.input,
        labels=tuple(card["labels"]),
        weights=path.with_suffix(".safetensors"),
        sha256=card["sha256"],
        source=card.get("source") or f"trained by this project: {card['command']}",
        licence=card["licence"],
        paper=network.paper,
        default_layer=network.default_layer,
        temperature=card.get("temperature", 1.0),
        default_for=tuple(card.get("default_for", ())),
        card=card,
    )


MODELS = Bundled("model", "models")
