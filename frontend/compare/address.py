"""What the address bar holds. The page writes it (assets/evident/dash/address.mjs); here it is read back,
leniently: a bad part is ignored, not an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Look:
    """How maps are drawn; decided in the browser, never in a method."""

    opacity: int = 70
    top: int = 100
    sign: str = "both"
    scale: str = "shared"
    colours: str = "cividis"
    cell: str = "auto"

    SIGNS = ("for", "both", "against")
    SCALES = ("own", "shared", "raw")
    COLOURS = ("cividis", "viridis", "jet")
    CELLS = ("auto", "1", "4", "8", "16")


@dataclass(frozen=True)
class Beside:
    """What stands beside the view: another input under the same network, or the same input under another network."""

    kind: Literal["input", "model"]
    key: str


@dataclass(frozen=True)
class View:
    """One state of the Compare page."""

    model: str | None = None
    input: str | None = None
    start: float | None = None
    target: int | None = None
    methods: tuple[str, ...] | None = None
    layer: str | None = None
    seed: int = 0
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    look: Look = Look()
    evidence: bool = True
    """Known evidence is outlined, where it is known: what is said about a sample speaks of its outline."""
    along: str | None = None
    """An input to be opened if the model takes such inputs: it was open when the model was chosen on another page."""
    beside: Beside | None = None
    paired: bool = False
    """The two maps of a pair share the end of their colour scale."""


def read(query: Mapping[str, str]) -> View:
    """The view that a query asks for."""
    methods = query.get("methods")
    beside = _beside(query)
    return View(
        model=query.get("model") or None,
        input=query.get("input") or None,
        along=query.get("along") or None,
        start=_number(query.get("start"), 0, 1e6),
        target=_whole(query.get("target"), 0, 10**6),
        methods=tuple(part for part in methods.split(",") if part) if methods is not None else None,
        layer=query.get("layer") or None,
        seed=_whole(query.get("seed"), 0, 2**31 - 1) or 0,
        params=_params(query.get("params")),
        look=_look(query.get("look", "")),
        evidence=query.get("evidence") != "0",
        beside=beside,
        paired=beside is not None and query.get("paired") == "1",
    )


def _beside(query: Mapping[str, str]) -> Beside | None:
    """`input:ID` or `model:KEY`; nothing stands beside itself."""
    kind, _, key = query.get("beside", "").partition(":")
    if kind not in {"input", "model"} or not key or key == query.get(kind):
        return None
    return Beside("input" if kind == "input" else "model", key)


def _number(text: str | None, low: float, high: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if low <= value <= high else None


def _whole(text: str | None, low: int, high: int) -> int | None:
    value = _number(text, low, high)
    return None if value is None or value != int(value) else int(value)


def _params(text: str | None) -> dict[str, dict[str, Any]]:
    try:
        methods = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(methods, dict):
        return {}
    return {str(method): dict(values) for method, values in methods.items() if isinstance(values, dict)}


def _look(text: str) -> Look:
    """`70,100,both,own,cividis,8`; the cell size may be missing."""
    parts = text.split(",")
    plain = Look()
    if len(parts) not in {5, 6}:
        return plain
    cell = parts[5] if len(parts) == 6 else plain.cell
    opacity, top = _whole(parts[0], 0, 100), _whole(parts[1], 1, 100)
    return Look(
        opacity=plain.opacity if opacity is None else opacity,
        top=plain.top if top is None else top,
        sign=parts[2] if parts[2] in Look.SIGNS else plain.sign,
        scale=parts[3] if parts[3] in Look.SCALES else plain.scale,
        colours=parts[4] if parts[4] in Look.COLOURS else plain.colours,
        cell=cell if cell in Look.CELLS else plain.cell,
    )
