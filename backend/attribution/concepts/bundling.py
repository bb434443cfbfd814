"""Makes the files of `shipped`: the first built-in concepts at the last layers of the bundled networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from backend.attribution.concepts import shipped
from backend.attribution.concepts.layer import REDRAWS
from backend.attribution.concepts.library import BLOCK, EXAMPLES, Library
from backend.attribution.network.cache import steady
from models.model import Model
from models.synthetic.concepts import CONCEPTS

LAYERS, REFS, BLOCKS = 3, 4, 2
"""What a page asks first, and the blocks of random concepts that so many tests take."""
SEED = 0


def first_layers(model: Model) -> tuple[str, ...]:
    """The default layer and those of its kind before it."""
    names = [layer.name for layer in model.layers]
    default = names.index(model.default_layer)
    kind = model.layers[default].kind
    return tuple(layer.name for layer in model.layers[: default + 1] if layer.kind == kind)[-LAYERS:]


def first_concepts(model: Model) -> tuple[str, ...]:
    """Built-in ones for what the model takes."""
    modality = "image" if "image" in model.input.modalities else "audio"
    return tuple(key for key, concept in CONCEPTS.items() if concept.modality == modality)[:REFS]


class _FromExamples(Library):
    """Takes nothing from files made before."""


def numbers(model: Model) -> dict[str, Tensor]:
    """Computed from the examples; the names are those that `Library` asks for."""
    with steady(model):
        return dict(_numbers(model, _FromExamples(), first_layers(model), first_concepts(model)))


def _numbers(
    model: Model, library: Library, layers: tuple[str, ...], refs: tuple[str, ...]
) -> Iterator[tuple[str, Tensor]]:
    library.prepare(model, layers, refs)
    for layer in layers:
        counters = {library.counter_for(model, ref) for ref in refs}
        for counter in counters:
            yield shipped.named("minus", layer, counter), library.minus(model, layer, counter).pooled
            drawn = library.pseudo(model, layer, EXAMPLES, BLOCKS * BLOCK, negatives=counter, seed=SEED)
            for block, emblems in enumerate(drawn.emblems.split(BLOCK)):
                yield shipped.named("pseudo", layer, counter, EXAMPLES, block, SEED), emblems.clone()
        for ref in refs:
            counter = library.counter_for(model, ref)
            yield shipped.named("plus", layer, ref), library.plus(model, layer, ref).pooled
            yield (
                shipped.named("vector", layer, ref, counter),
                torch.tensor(library.vector(model, layer, ref).emblems),
            )
            redrawn = library.redrawn(model, layer, ref, REDRAWS, negatives=counter, seed=SEED + 1)
            yield shipped.named("redrawn", layer, ref, counter, REDRAWS, SEED + 1), redrawn.emblems


def bundle(keys: tuple[str, ...], folder: Path = shipped.FOLDER) -> Iterator[Path]:
    """One file per bundled model."""
    import models

    for key in keys:
        model = models.load(key)
        yield shipped.write(model, numbers(model), folder)
