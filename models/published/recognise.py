"""Which architecture a file of weights belongs to, told from the names and shapes of its tensors alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from app.core.errors import ModelRejected
from models.header import without_prefix
from models.published import Architecture, architectures
from models.published.fingerprint import TRACKED, Shapes, fingerprint, similarity, sketch
from models.published.names import MOST

LIKE = 0.25
"""Estimated share of tensors in common below which a network is not named as the nearest."""
MOSTLY = 0.9


@dataclass(frozen=True)
class Recognised:
    """candidates: architectures that every tensor fits, the likeliest first. outputs: rows of the head."""

    candidates: tuple[Architecture, ...]
    outputs: int
    tensors: int


def recognise(shapes: Shapes, file_name: str = "") -> Recognised:
    """file_name: decides between architectures with the same tensors. Raises ModelRejected, which names the nearest
    architecture."""
    own = {name: shape for name, shape in without_prefix(shapes).items() if not name.endswith(TRACKED)}
    if not own:
        raise ModelRejected("There are no weights in this file.", code="unknown_architecture", field="file")
    fitting = [
        entry
        for heads in _heads()
        if _rows(own, heads)
        for entry in _by_print().get(fingerprint(own, heads), ())
        if entry.heads == heads
    ]
    if not fitting:
        raise ModelRejected(_refusal(own), code="unknown_architecture", field="architecture")
    ranked = sorted(fitting, key=lambda entry: _rank(entry, file_name))
    usable = [entry for entry in ranked if entry.convolutional]
    if not usable:
        raise ModelRejected(
            f"These are weights of {ranked[0].key}, which is not a convolutional network (it has no feature maps to look at); choose a CNN.",
            code="not_convolutional",
            field="architecture",
        )
    outputs = outputs_of(usable[0], own)
    if outputs > MOST:
        raise ModelRejected(
            f"A network may have at most {MOST:,} outputs.", code="too_many_outputs", field="file"
        )
    return Recognised(tuple(usable), outputs, len(own))


def outputs_of(entry: Architecture, shapes: Shapes) -> int:
    """Rows of the head in a file of this architecture; 0 where it is not in there."""
    return _rows(shapes, entry.heads) or _rows(without_prefix(shapes), entry.heads) or 0


def _rows(shapes: Shapes, heads: tuple[str, ...]) -> int | None:
    """Rows that all of these tensors share, None if one is missing or they differ."""
    rows = {shapes[name][0] if shapes.get(name) else 0 for name in heads}
    return rows.pop() if len(rows) == 1 and 0 not in rows else None


@cache
def _heads() -> tuple[tuple[str, ...], ...]:
    """Every set of names that an architecture gives the tensors of its head."""
    return tuple(sorted({entry.heads for entry in architectures().values()}))


@cache
def _by_print() -> Mapping[str, tuple[Architecture, ...]]:
    groups: dict[str, list[Architecture]] = {}
    for entry in architectures().values():
        groups.setdefault(entry.fingerprint, []).append(entry)
    return {mark: tuple(group) for mark, group in groups.items()}


def _rank(entry: Architecture, file_name: str) -> tuple[bool, float, bool, bool, int, str]:
    """A name that the file's holds comes first, the longest of them; then published weights, then the plainest name."""
    name, told = entry.key.rpartition(":")[2], file_name.lower()
    held = name.lower() in told
    library = bool(entry.key.partition(":")[1]) and entry.key.partition(":")[0] not in told
    return not held, -len(name) if held else 0.0, not entry.hub, library, len(name), entry.key


def _refusal(shapes: Shapes) -> str:
    marks, count = sketch(shapes), len(shapes)
    near = max(
        architectures().values(),
        key=lambda entry: (similarity(marks, entry.sketch), -abs(entry.tensors - count), entry.key),
    )
    alike = similarity(marks, near.sketch)
    share = "nearly all" if alike > MOSTLY else f"about {100 * alike:.0f} %"
    hint = f" The nearest is {near.key}, with {share} of the tensors in common." if alike >= LIKE else ""
    return (
        f"The {count:,} tensors of this file fit no architecture known here.{hint} "
        "A network that was changed opens from Python with app.show."
    )
