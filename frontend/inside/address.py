"""The address of the Inside page: what it asks for. Written by assets/evident/dash/address.mjs.

`?model=KEY&input=ID&class=2&start=1.2&layer=NAME&filter=6` or `?view=training&...` (frontend/inside/training.py reads
the rest). What is left out is chosen by the page; a bad part is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

TRAINING = "training"
INPUT = "input"


@dataclass(frozen=True)
class Link:
    """target: None is the predicted class. start: first second of the window of a recording. layer, filter: what the
    page shows first. anyway: a score that the gate withholds was asked for."""

    model: str | None = None
    input: str | None = None
    target: int | None = None
    start: float | None = None
    layer: str | None = None
    filter: int | None = None
    anyway: bool = False
    view: str = INPUT


def read(query: Mapping[str, str]) -> Link:
    return Link(
        model=query.get("model") or None,
        input=query.get("input") or None,
        target=_whole(query.get("class")),
        start=_seconds(query.get("start")),
        layer=query.get("layer") or None,
        filter=_whole(query.get("filter")),
        anyway=query.get("anyway") == "1",
        view=TRAINING if query.get("view") == TRAINING else INPUT,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 7 else None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1e6 else None
