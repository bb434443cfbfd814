"""Concept directions and emblems: Visual-TCAV, steps 1 and 2.

v = mean_{D+} GAP(F) - mean_{D-} GAP(F). No classifier, no normalisation. p = max(0, <v, F_ij>), e(x) = sum
p^2 / (sum p + eps); e+ and e- are the medians of e over D+ and D-, the median being the sorted value number
round((N - 1) / 2), half to even: an element, not an interpolated one.

Source: De Santis et al., Visual-TCAV, arXiv 2411.05698, and the authors' code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter, InvalidInput
from backend.attribution.network.cache import stamp
from backend.attribution.network.head import suffix
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
    directions."""

    def __init__(self, model: Model, layer: str, examples: Examples) -> None:
        self._model, self._layer = model, layer
        self._batches: Callable[[], Iterable[Tensor]] = (
            examples if callable(examples) else lambda: examples.split(BATCH)
        )
        pooled: list[Tensor] = []
        stored: list[Tensor] | None = []
        size = 0
        hasher = hashlib.sha256()
        for x, features in self._run():
            hasher.update(np.ascontiguousarray(x.detach().cpu().numpy()).tobytes())
            pooled.append(features.mean((2, 3)))
            size += features.numel() * features.element_size()
            stored = None if stored is None or size > KEEP_BYTES else [*stored, features]
        if not sum(map(len, pooled)):
            raise InvalidInput(
                "A concept needs examples and counter-examples; one of the two sets is empty.",
                code="too_few_examples",
            )
        self.pooled = torch.cat(pooled)
        self.digest = hasher.hexdigest()
        self._kept = stored

    def _run(self) -> Iterable[tuple[Tensor, Tensor]]:
        split = suffix(self._model, self._layer)
        for batch in self._batches():
            if batch.ndim != 4 or tuple(batch.shape[1:]) != self._model.input.shape:
                raise BadParameter(
                    f"Examples must have shape [N, {', '.join(map(str, self._model.input.shape))}].",
                    field="examples",
                )
            if not torch.isfinite(batch).all():
                raise BadParameter("An example holds NaN or infinite numbers.", field="examples")
            for part in batch.to(self._model.device, torch.float32).split(BATCH):
                yield part, split.features(part)

    def emblems(self, directions: Tensor) -> Tensor:
        """e(x) for each example and direction: `[N, K]` from directions `[K, C]`."""
        emblems = []
        features_of = (
            iter(self._kept) if self._kept is not None else (features for _, features in self._run())
        )
        for features in features_of:
            places = features.flatten(2)
            block = max(1, BLOCK_BYTES // (4 * places.shape[0] * places.shape[2]))
            parts = []
            for chunk in directions.split(block):
                p = torch.matmul(chunk, places).relu_()
                parts.append(torch.linalg.vector_norm(p, dim=2).square() / (p.sum(2) + EPS))
            emblems.append(torch.cat(parts, dim=1))
        return torch.cat(emblems)


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


def vector_from(model: Model, plus: Activations, minus: Activations, *, name: str = "") -> ConceptVector:
    """Direction and emblems from activations of examples and counter-examples. Raises InvalidInput for
    identical sets."""
    if plus.digest == minus.digest:
        raise InvalidInput(
            "Examples and counter-examples are the same: there is nothing to tell apart. Choose other counter-examples.",
            code="identical_sets",
        )
    direction = plus.pooled.mean(0) - minus.pooled.mean(0)
    e_plus, e_minus = (float(median_element(side.emblems(direction[None]))[0]) for side in (plus, minus))
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
