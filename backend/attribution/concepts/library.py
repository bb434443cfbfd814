"""Examples of a concept by reference: the key of a built-in concept, or the digest of a user's manifest.

A manifest is a JSON blob that lists the examples of one concept by content:
`{"modality", "examples": [{"array", "modality", "rate", "box"}]}`. array: sha256 of a decoded input; box: an
optional part of it, `[x0, y0, x1, y1]` in pixels or `[t0, t1, f0, f1]` in seconds and Hz. The manifest's own
sha256 is the concept's digest: a reference never changes its meaning, so results keyed by it stay true.

Activations and directions are cached with their model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from app.core.errors import InvalidInput, NotFound
from backend.attribution.concepts.domains import Kind, picture_classifier
from backend.attribution.concepts.separability import HeldOut, Rule, held_out
from backend.attribution.concepts.shipped import shipped
from backend.attribution.concepts.significance import PseudoConcepts, pseudo_concepts, redrawn
from backend.attribution.concepts.vectors import (
    Activations,
    ConceptVector,
    check_examples,
    identical_sets,
    vector_from,
)
from backend.attribution.network.cache import cached
from models.model import Model
from models.photographs import photographs
from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES, RATE

if TYPE_CHECKING:
    from backend.store.blobs import Blobs

RANDOM = "random"
"""Counter-examples of the concept's own kind: one of the three below."""
PHOTOGRAPHS, PICTURES, ROOMS = "photographs", "random_pictures", "random_rooms"
COUNTER_NAMES = {PHOTOGRAPHS: "Photographs", PICTURES: "Drawn pictures", ROOMS: "Generated rooms"}
COUNTER_KINDS: dict[str, Kind] = {
    PHOTOGRAPHS: "photographs",
    PICTURES: "drawn pictures",
    ROOMS: "generated sounds",
}
EXAMPLES = 40
COUNTERS = 100
CAPACITY = 64
"""Most example sets and their feature maps cached in one process."""
SMALL = 512
"""Most directions, blocks of pseudo-concepts and accuracies cached in one process."""
BLOCK = 200
"""Pseudo-concepts drawn at once: a larger number begins with the same ones."""
SPREAD = 7919
"""Between the seeds of two blocks, so that neighbouring seeds share none."""
TOGETHER_BYTES = 512 * 1024 * 1024
"""Feature maps of an analysis that are made for all its layers in one pass."""
T = TypeVar("T")


class Library:
    """Examples, activations and directions. `blobs` is None outside a server: built-ins only."""

    def __init__(self, blobs: Blobs | None = None) -> None:
        self.blobs = blobs
        self.ran = 0
        """Examples run through networks so far."""

    def content(self, ref: str) -> Hashable:
        """Identity of the examples that a reference stands for now: equal values mean equal examples.

        References of this class never change their meaning. A subclass shares no cached value with this class
        unless it overrides this.
        """
        return ref if type(self) is Library else (self, ref)

    def name(self, ref: str) -> str:
        """The concept's title."""
        if ref in CONCEPTS:
            return CONCEPTS[ref].title
        if ref in COUNTER_NAMES:
            return COUNTER_NAMES[ref]
        return str(self._manifest(ref).get("name", "Your concept"))

    def examples(self, model: Model, ref: str) -> Tensor:
        """Prepared examples `[N, C, H, W]`. Raises NotFound, InvalidInput (another modality, too few)."""
        if ref in CONCEPTS:
            _same_modality(CONCEPTS[ref].modality, model)
            return _generated(model, CONCEPTS[ref].make(EXAMPLES))
        prepared = self._from_manifest(model, ref)
        check_examples(len(prepared))
        return prepared

    def raw_examples(self, ref: str, most: int) -> list[Any]:
        """The first `most` examples before preparation, cropped to their boxes: uint8 pictures,
        `(waveform, rate)`, or spectrogram arrays."""
        if ref == PHOTOGRAPHS:
            return list(photographs(most))
        generators = {
            **CONCEPTS,
            RANDOM: COUNTER_EXAMPLES["image"],
            PICTURES: COUNTER_EXAMPLES["image"],
            ROOMS: COUNTER_EXAMPLES["audio"],
        }
        if ref in generators:
            generated = generators[ref].make(most)
            return [(example, RATE) if example.ndim == 1 else example for example in generated]
        manifest = self._manifest(ref)
        assert self.blobs is not None
        return [
            _cut(_raw(self.blobs, example), example.get("box")) for example in manifest["examples"][:most]
        ]

    def counter_examples(self, model: Model, ref: str = RANDOM) -> Tensor:
        """Prepared counter-examples: the bundled photographs, generated pictures or rooms, or a set of the
        user's. RANDOM: the generated ones."""
        if ref == RANDOM:
            ref = PICTURES if "image" in model.input.modalities else ROOMS
        if ref not in COUNTER_NAMES:
            return self.examples(model, ref)
        _same_modality("audio" if ref == ROOMS else "image", model)
        if ref == PHOTOGRAPHS:
            return torch.cat([model.prepare(photo) for photo in photographs()])
        return _generated(model, COUNTER_EXAMPLES["audio" if ref == ROOMS else "image"].make(COUNTERS))

    def kind(self, model: Model, ref: str) -> Kind:
        """The kind of the examples; that of pictures from outside follows from their texture."""
        if ref in COUNTER_KINDS:
            return COUNTER_KINDS[ref]
        if ref in CONCEPTS:
            return "drawn pictures" if CONCEPTS[ref].modality == "image" else "generated sounds"
        if "image" not in model.input.modalities:
            return "recordings"
        classify = self._cached(model, ("kinds",), lambda: picture_classifier(model))
        return self._cached(model, ("kind", self.content(ref)), lambda: classify(self.examples(model, ref)))

    def counter_for(self, model: Model, ref: str, negatives: str = RANDOM) -> str:
        """Reference of a concept's counter-examples: `negatives`, or for RANDOM those of the concept's kind.
        Raises InvalidInput for the concept itself."""
        if negatives != RANDOM:
            if self.content(negatives) == self.content(ref):
                raise identical_sets()
            return negatives
        if "image" not in model.input.modalities:
            return ROOMS
        return PHOTOGRAPHS if self.kind(model, ref) == "photographs" else PICTURES

    def vector(self, model: Model, layer: str, ref: str, negatives: str = RANDOM) -> ConceptVector:
        """Direction and emblems."""
        counter = self.counter_for(model, ref, negatives)
        return self._cached(
            model,
            ("vector", layer, self.content(ref), self.content(counter)),
            lambda: vector_from(
                model,
                self.plus(model, layer, ref),
                self.minus(model, layer, counter),
                name=self.name(ref),
                emblems=self._shipped(model, "vector", layer, ref, counter),
            ),
        )

    def plus(self, model: Model, layer: str, ref: str) -> Activations:
        """Activations of the examples."""
        return self._activations(model, layer, "plus", ref)

    def minus(self, model: Model, layer: str, negatives: str = RANDOM) -> Activations:
        """Activations of the counter-examples."""
        return self._activations(model, layer, "minus", negatives)

    def prepare(
        self, model: Model, layers: Sequence[str], refs: Sequence[str], negatives: str = RANDOM
    ) -> None:
        """Makes the activations of these concepts at all these layers, each example in one pass, where they may
        be held all at once; otherwise each layer makes its own."""
        shapes = {layer.name: layer.shape for layer in model.layers}
        cells = sum(math.prod(shapes[layer]) for layer in layers if layer in shapes)
        if (
            len(layers) < 2
            or 4 * cells * (EXAMPLES * len(refs) + COUNTERS) > TOGETHER_BYTES
            or self.known(model, layers, refs, negatives)
        ):
            return
        for ref in dict.fromkeys(refs):
            self._at_layers(model, layers, "plus", ref)
        for ref in dict.fromkeys(self.counter_for(model, ref, negatives) for ref in refs):
            self._at_layers(model, layers, "minus", ref)

    def known(
        self, model: Model, layers: Sequence[str], refs: Sequence[str], negatives: str = RANDOM
    ) -> bool:
        """Whether all of these come with the program: no example has to be run."""
        return all(
            self._shipped(model, "vector", layer, ref, self.counter_for(model, ref, negatives)) is not None
            for layer in layers
            for ref in refs
        )

    def pseudo(
        self, model: Model, layer: str, size: int, count: int, *, negatives: str = RANDOM, seed: int = 0
    ) -> PseudoConcepts:
        """Random pseudo-concepts of that size."""

        def block(number: int) -> PseudoConcepts:
            key = ("pseudo", layer, self.content(negatives), size, number, seed)
            minus = partial(self.minus, model, layer, negatives)
            known = self._shipped(model, "pseudo", layer, negatives, size, number, seed)
            return self._cached(
                model,
                key,
                lambda: pseudo_concepts(minus(), size, BLOCK, seed + SPREAD * number, known),
            )

        return PseudoConcepts.together([block(number) for number in range(-(-count // BLOCK))]).first(count)

    def redrawn(
        self, model: Model, layer: str, ref: str, count: int, *, negatives: str, seed: int = 0
    ) -> PseudoConcepts:
        """The concept with its examples and its counter-examples drawn anew."""
        key = ("redrawn", layer, self.content(ref), self.content(negatives), count, seed)
        return self._cached(
            model,
            key,
            lambda: redrawn(
                self.plus(model, layer, ref),
                self.minus(model, layer, negatives),
                count,
                seed=seed,
                emblems=self._shipped(model, "redrawn", layer, ref, negatives, count, seed),
            ),
        )

    def separability(
        self, model: Model, layer: str, ref: str, negatives: str, rule: Rule, seed: int = 0
    ) -> HeldOut:
        """Held-out accuracy of a rule that tells the concept from its counter-examples."""
        key = ("separability", layer, self.content(ref), self.content(negatives), rule, seed)
        return self._cached(
            model,
            key,
            lambda: held_out(self.plus(model, layer, ref), self.minus(model, layer, negatives), rule, seed),
        )

    def _cached(self, model: Model, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        return cached(model, "concepts", key, make, capacity=SMALL)

    def _shipped(self, model: Model, *question: Hashable) -> Tensor | None:
        return shipped(model, *question) if type(self) is Library else None

    def _set(self, model: Model, side: str, ref: str) -> Tensor:
        made = self.examples(model, ref) if side == "plus" else self.counter_examples(model, ref)
        self.ran += len(made)
        return made

    def _activations(self, model: Model, layer: str, side: str, ref: str) -> Activations:
        def make() -> Activations:
            pooled = self._shipped(model, side, layer, ref)
            if pooled is None:
                return Activations(model, layer, self._set(model, side, ref))
            return Activations.known(model, layer, lambda: [self._set(model, side, ref)], pooled)

        return cached(model, "examples", (side, layer, self.content(ref)), make, capacity=CAPACITY)

    def _at_layers(self, model: Model, layers: Sequence[str], side: str, ref: str) -> None:
        made: dict[str, Activations] = {}

        def at(layer: str) -> Activations:
            if not made:
                made.update(Activations.at_layers(model, layers, self._set(model, side, ref)))
            return made[layer]

        for layer in layers:
            key = (side, layer, self.content(ref))
            cached(model, "examples", key, partial(at, layer), capacity=CAPACITY)

    def _manifest(self, digest: str) -> dict[str, Any]:
        missing = NotFound(
            "There is no such concept; it may have been deleted. Choose one of the list.",
            code="unknown_concept",
            field="concept",
        )
        if self.blobs is None or len(digest) != 64:
            raise missing
        try:
            return json.loads(self.blobs.get(digest))
        except (NotFound, ValueError):
            raise missing from None

    def _from_manifest(self, model: Model, digest: str) -> Tensor:
        manifest = self._manifest(digest)
        _same_modality(manifest["modality"], model)
        assert self.blobs is not None
        return torch.cat(
            [_boxed(model, _raw(self.blobs, example), example.get("box")) for example in manifest["examples"]]
        )


def _same_modality(modality: str, model: Model) -> None:
    if modality not in model.input.modalities:
        takes = " or ".join(model.input.modalities)
        raise InvalidInput(
            f"This concept is made of {modality} examples, the model takes {takes}; choose another concept.",
            code="wrong_modality",
        )


def _generated(model: Model, examples: np.ndarray) -> Tensor:
    return torch.cat(
        [model.prepare((example, RATE) if example.ndim == 1 else example) for example in examples]
    )


def _raw(blobs: Blobs, example: dict[str, Any]) -> Any:
    array = blobs.array(example["array"])
    return (array, int(example["rate"])) if example["modality"] == "audio" else array


def _cut(raw: Any, box: list[float] | None) -> Any:
    if box is None:
        return raw
    if isinstance(raw, tuple):
        waveform, rate = raw
        return waveform[
            max(0, int(box[0] * rate)) : max(int(box[0] * rate) + rate // 4, int(box[1] * rate))
        ], rate
    x0, y0, x1, y1 = (max(0, round(side)) for side in box)
    return raw[y0:y1, x0:x1]


def _boxed(model: Model, raw: Any, box: list[float] | None) -> Tensor:
    """The prepared example. A picture is cropped to its box; of a sound every cell outside the box is
    silenced."""
    if box is None:
        return model.prepare(raw)
    if "image" in model.input.modalities:
        return model.prepare(np.ascontiguousarray(_cut(raw, box)))
    t0, t1, f0, f1 = box
    span = model.input.prepare(raw).x_axis.values
    prepared = model.input.prepare(raw, start=max(0.0, (t0 + t1 - (span[-1] - span[0])) / 2))
    inside = ((prepared.x_axis.values >= t0) & (prepared.x_axis.values <= t1))[None] & (
        (prepared.y_axis.values >= f0) & (prepared.y_axis.values <= f1)
    )[:, None]
    if not inside.any():
        raise InvalidInput(
            "A box lies outside the recording or between two cells of the spectrogram; draw it larger.",
            code="empty_box",
        )
    inside_box = torch.as_tensor(inside)[None, None]
    return torch.where(inside_box, prepared.x, model.input.baseline(prepared.x)).to(model.device)
