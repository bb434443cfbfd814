"""What tensor names and shapes say about a network: one hash that only an equal network shares, and a sketch that tells
how much two networks have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

Shapes = Mapping[str, tuple[int, ...]]
TRACKED = "num_batches_tracked"
"""Counters of batch norms, which many exports leave out: they never count."""
SKETCH = 8


def fingerprint(shapes: Shapes, heads: Collection[str]) -> str:
    """16 hex digits over every name and shape. heads: tensors with one row per class, whose number of rows does
    not count."""
    lines = sorted(
        f"{name}:{'x'.join(map(str, shape[1:] if name in heads else shape))}:{name in heads}"
        for name, shape in shapes.items()
        if not name.endswith(TRACKED)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def sketch(shapes: Shapes) -> tuple[str, ...]:
    """The smallest hashes among those of all (name, shape): of two sketches, the share of the smallest of their
    union that is in both estimates the share of tensors in common (MinHash, Broder 1997)."""
    hashes = (
        hashlib.sha256(f"{name}:{shape}".encode()).hexdigest()[:8]
        for name, shape in shapes.items()
        if not name.endswith(TRACKED)
    )
    return tuple(sorted(hashes)[:SKETCH])


def similarity(one: Collection[str], other: Collection[str]) -> float:
    """Estimated share of tensors in common, 0 to 1."""
    union = sorted({*one, *other})[:SKETCH]
    return sum(mark in one and mark in other for mark in union) / max(1, len(union))
