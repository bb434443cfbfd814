"""Concept directions and emblems: Visual-TCAV, steps 1 and 2.

v = mean_{D+} GAP(F) - mean_{D-} GAP(F). No classifier, no normalisation. p = max(0, <v, F_ij>), e(x) = sum
p^2 / (sum p + eps); e+ and e- are the medians of e over D+ and D-, the median being the sorted value number
round((N - 1) / 2), half to even: an element, not an interpolated one.

Source: De Santis et al., Visual-TCAV, arXiv 2411.05698, and the authors' code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter, InvalidInput
from backend.attribution.network.cache import stamp
from backend.attribution.network.head import hooked, suffix
from models.model import Model

EPS = 1e-7
BATCH = 16
KEEP_BYTES = 256 * 1024 * 1024
"""Activations of an example set up to this size are stored between the two passes, larger ones computed
twice."""

BLOCK_BYTES = 4 * 1024 * 1024
"""Size of the blocks in which projections of one batch on many directions are computed and summed."""

Examples = Tensor | Callable[[], Iterable[Tensor]]
"""`[N, C, H, W]`, or a function that yields batches of that form each time it is called (for sets too
large to hold)."""


@dataclass(frozen=True, eq=False)
class ConceptVector:
    """direction: `[C]`. emblems: (e+, e-). positives, negatives: number of examples. digest: of network,
    layer and both sets."""

    direction: Tensor
    emblems: tuple[float, float]
    layer: str
    positives: int
    negatives: int
    digest: str = ""
    name: str = ""

    @property
    def recognised(self) -> bool:
        """e+ > e-: the examples activate the direction more than the counter-examples do. Otherwise every map
        is zero."""
        return self.emblems[0] > self.emblems[1]

    @property
    def length(self) -> float:
        """|v|."""
        return float(self.direction.norm())


class Activations:
    """Activations of one example set at one layer: pooled `[N, C]`, and in a second pass emblems for any
    directions. `at_layers` makes those of several layers from one pass."""

    def __init__(self, model: Model, layer: str, examples: Examples) -> None:
        self._start(model, layer, examples)
        hasher = hashlib.sha256()
        for x, features in self._run():
            _digest(hasher, x)
            self._take(features, KEEP_BYTES)
        self._finish(hasher.hexdigest())

    @classmethod
    def at_layers(cls, model: Model, layers: Sequence[str], examples: Examples) -> dict[str, Activations]:
        """The same as one of these per layer; every example passes through the network once."""
        sets = {}
        for layer in layers:
            sets[layer] = cls.__new__(cls)
            sets[layer]._start(model, layer, examples)
        hasher = hashlib.sha256()
        for x in _checked(model, examples):
            _digest(hasher, x)
            for layer, features in _outputs(model, layers, x).items():
                sets[layer]._take(features, KEEP_BYTES // len(sets))
        for activations in sets.values():
            activations._finish(hasher.hexdigest())
        return sets

    @classmethod
    def known(
        cls, model: Model, layer: str, examples: Callable[[], Iterable[Tensor]], pooled: Tensor
    ) -> Activations:
        """From pooled activations made before; the examples are run only if emblems of new directions are asked
        for. The digest is that of the numbers."""
        made = cls.__new__(cls)
        made._start(model, layer, examples)
        made._kept, made._fresh = None, True
        made.pooled, made.digest = pooled, hashlib.sha256(pooled.cpu().numpy().tobytes()).hexdigest()
        return made

    def _start(self, model: Model, layer: str, examples: Examples) -> None:
        self._model, self._layer, self._examples = model, layer, examples
        self._pooled: list[Tensor] = []
        self._kept: list[Tensor] | None = []
        self._size = 0
        self._fresh = False
        """Not run yet."""

    def _take(self, features: Tensor, limit: int) -> None:
        self._pooled.append(features.mean((2, 3)))
        self._size += features.numel() * features.element_size()
        self._kept = None if self._kept is None or self._size > limit else [*self._kept, features]

    def _finish(self, digest: str) -> None:
        if not sum(map(len, self._pooled)):
            raise InvalidInput(
                "A concept needs examples and counter-examples; one of the two sets is empty.",
                code="too_few_examples",
            )
        self.pooled, self.digest = torch.cat(self._pooled), digest
        del self._pooled

    def _run(self) -> Iterator[tuple[Tensor, Tensor]]:
        split = suffix(self._model, self._layer)
        for part in _checked(self._model, self._examples):
            yield part, split.features(part)

    def _features(self) -> Iterator[Tensor]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Tensor] | None = [] if self._fresh else None
        for _, features in self._run():
            self._size += features.numel() * features.element_size()
            kept = None if kept is None or self._size > KEEP_BYTES else [*kept, features]
            yield features
        self._kept, self._fresh = kept, False

    def emblems(self, directions: Tensor) -> Tensor:
        """e(x) for each example and direction: `[N, K]` from directions `[K, C]`."""
        emblems = []
        for features in self._features():
            places = features.flatten(2)
            block = max(1, BLOCK_BYTES // (4 * places.shape[0] * places.shape[2]))
            parts = []
            for chunk in directions.split(block):
                p = torch.matmul(chunk, places).relu_()
                parts.append(torch.linalg.vector_norm(p, dim=2).square() / (p.sum(2) + EPS))
            emblems.append(torch.cat(parts, dim=1))
        return torch.cat(emblems)


def _checked(model: Model, examples: Examples) -> Iterator[Tensor]:
    """The examples on the model's device, in batches of bounded size. Raises BadParameter."""
    for batch in examples() if callable(examples) else examples.split(BATCH):
        if batch.ndim != 4 or tuple(batch.shape[1:]) != model.input.shape:
            raise BadParameter(
                f"Examples must have shape [N, {', '.join(map(str, model.input.shape))}].", field="examples"
            )
        if not torch.isfinite(batch).all():
            raise BadParameter("An example holds NaN or infinite numbers.", field="examples")
        yield from batch.to(model.device, torch.float32).split(BATCH)


def _outputs(model: Model, layers: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """What each layer puts out, at its last call, in one pass of the network."""
    for layer in layers:
        suffix(model, layer)  # refuses what is no layer to look at
    outputs: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[[Tensor], None]:
        def record(output: Tensor) -> None:
            outputs[layer] = output.detach().clone()  # an in-place step behind the layer must not change it

        return record

    with torch.no_grad(), ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(hooked(model.module, layer, keep(layer)))
        model.module(x)
    return outputs


def _digest(hasher: hashlib._Hash, x: Tensor) -> None:
    hasher.update(np.ascontiguousarray(x.detach().cpu().numpy()).tobytes())


def median_element(values: Tensor) -> Tensor:
    """Sorted value number round((N - 1) / 2), half to even, along the first axis."""
    return values.sort(dim=0).values[round((values.shape[0] - 1) / 2)]


def concept_vector(
    model: Model, layer: str, positives: Examples, negatives: Examples, *, name: str = ""
) -> ConceptVector:
    """Direction and emblems of one concept at one layer.

    positives, negatives: prepared inputs `[N, C, H, W]` (see `Model.prepare`), or functions yielding batches
    of them. Raises InvalidInput for identical sets, BadParameter for wrong shapes, Incompatible for a layer
    without spatial extent.
    """
    return vector_from(
        model, Activations(model, layer, positives), Activations(model, layer, negatives), name=name
    )


def identical_sets() -> InvalidInput:
    return InvalidInput(
        "Examples and counter-examples are the same: there is nothing to tell apart. Choose other counter-examples.",
        code="identical_sets",
    )


def vector_from(
    model: Model, plus: Activations, minus: Activations, *, name: str = "", emblems: Tensor | None = None
) -> ConceptVector:
    """Direction and emblems from activations of examples and counter-examples. emblems: `[2]`, if they are known.
    Raises InvalidInput for identical sets."""
    if plus.digest == minus.digest:
        raise identical_sets()
    direction = plus.pooled.mean(0) - minus.pooled.mean(0)
    if emblems is None:
        emblems = torch.stack([median_element(side.emblems(direction[None]))[0] for side in (plus, minus)])
    e_plus, e_minus = emblems.tolist()
    digest = hashlib.sha256(
        "/".join([stamp(model), plus._layer, plus.digest, minus.digest]).encode()
    ).hexdigest()
    return ConceptVector(
        direction, (e_plus, e_minus), plus._layer, len(plus.pooled), len(minus.pooled), digest, name
    )


def check_examples(count: int, minimum: int = 10) -> None:
    """Raises InvalidInput below `minimum` examples, whose direction would be mostly chance."""
    if count < minimum:
        raise InvalidInput(
            f"A concept needs at least {minimum} examples, this one has {count}; add more.",
            code="too_few_examples",
        )


def as_json(vector: ConceptVector) -> dict[str, Any]:
    """JSON: emblems, length, sizes, digest."""
    return {
        "name": vector.name,
        "layer": vector.layer,
        "emblem_plus": vector.emblems[0],
        "emblem_minus": vector.emblems[1],
        "recognised": vector.recognised,
        "length": vector.length,
        "positives": vector.positives,
        "negatives": vector.negatives,
        "digest": vector.digest,
    }
