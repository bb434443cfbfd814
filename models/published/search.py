"""Search among the names of timm and torchvision."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from models.published import Architecture, architectures, tags

POPULAR = (
    "timm:resnet18", "timm:resnet50", "timm:mobilenetv2_100", "timm:densenet121", "timm:efficientnet_b0", "timm:vgg16",
    "timm:convnext_tiny", "torchvision:resnet50",
)  # fmt: skip
"""What is offered before anything is typed."""
PICKLE = "published as a pickle only, which can run code: convert it elsewhere and drop the safetensors"
NOTHING = "no weights that name classes are published"
TOKENS = "not a convolutional network: no feature maps to look at"


@dataclass(frozen=True)
class Name:
    """One name that weights may be asked for. size: bytes of the download, about. reason: why it cannot be fetched or
    explained; empty where it can."""

    key: str
    family: str
    parameters: int
    size: int
    shape: tuple[int, int, int]
    classes: int
    licence: str
    hub: str
    reason: str


@cache
def names() -> tuple[Name, ...]:
    """Every architecture of the libraries, then every further set of weights by its whole name."""
    entries = {key: entry for key, entry in architectures().items() if ":" in key}
    plain = [
        _name(entry, entry.key, entry.shape, entry.classes, entry.licence, entry.hub)
        for entry in entries.values()
    ]
    tagged = [
        _name(entry, tag.key, tag.shape, tag.classes, tag.licence, tag.hub)
        for tag in tags().values()
        if (entry := entries.get(tag.key.partition(".")[0])) is not None
    ]
    return (*plain, *tagged)


def _name(
    entry: Architecture, key: str, shape: tuple[int, int, int], classes: int, licence: str, hub: str
) -> Name:
    parameters = entry.parameters(classes)
    why = (
        TOKENS
        if not entry.convolutional
        else ""
        if hub and classes
        else PICKLE
        if key.startswith("torchvision:")
        else NOTHING
    )
    return Name(key, entry.family, parameters, 4 * parameters, shape, classes, licence, hub, why)


@cache
def by_key() -> dict[str, Name]:
    return {name.key: name for name in names()}


def count() -> int:
    """Architectures that can be searched; sets of weights of one architecture count once."""
    return sum("." not in name.key for name in names())


def search(query: str) -> list[Name]:
    """Names that hold every word of the query, in their key or family, the likeliest first. Whole names of sets of
    weights (`resnet50.a1_in1k`) only where the query has a dot."""
    words = query.lower().split()
    if not words:
        return [by_key()[key] for key in POPULAR if key in by_key()]
    dotted = "." in query
    found = [
        name
        for name in names()
        if dotted == ("." in name.key)
        and all(word in name.key.lower() or word in name.family.lower() for word in words)
    ]
    return sorted(found, key=lambda name: _rank(name, words[0]))


def _rank(name: Name, word: str) -> tuple[int, bool, int, list[tuple[int, str]]]:
    """The very name, then names that begin with it, then names with a part that does, then the rest; in each what can
    be used first, then the larger family, and 18 before 101."""
    stem = name.key.partition(":")[2].lower()
    place = (
        0
        if word in (stem, name.key)
        else 1
        if stem.startswith(word) or name.key.startswith(word)
        else 2
        if re.search(rf"[_.]{re.escape(word)}", stem)
        else 3
    )
    return place, bool(name.reason), -_members()[_letters(stem)], _natural(stem)


@cache
def _members() -> Counter[str]:
    """How many names begin with the same letters: large families are asked for more often."""
    return Counter(_letters(name.key.partition(":")[2]) for name in names())


def _letters(stem: str) -> str:
    return re.match(r"[a-z]*", stem.lower()).group()  # type: ignore[union-attr]


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", text)]


def nearest(query: str) -> str | None:
    """A name that may have been meant."""
    stems = {name.key.partition(":")[2]: name.key for name in names() if not name.reason}
    near = difflib.get_close_matches(query.lower().rpartition(":")[2][:60], stems, n=1)
    return stems[near[0]] if near else None
