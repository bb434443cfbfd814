"""Every parameter of every method changes its map, or its field says why not. Drawn from the registry: a
new parameter is tested at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import backend
import models
from app.core.errors import EvidentError
from backend.attribution.methods import METHODS
from tests.tiny import build, picture

FIELDS = [(key, name) for key, method in METHODS.items() for name in method.Params.model_fields]
QUICK = {"n_samples": 128, "n_steps": 12, "n_random": 20, "n_orders": 6, "segments": 9}
COMPANY: dict[tuple[str, str], dict[str, Any]] = {
    ("lrp", "gamma"): {"preset": "gamma_epsilon"},
    ("lime", "tolerance"): {"n_samples": 600},
    ("internal_influence", "baseline"): {"layer": "1"},  # behind the last layer the networks are linear
    ("kernel_shap", "tolerance"): {"n_samples": 600},
    ("rise", "tolerance"): {"n_samples": 1200},
    ("shapley_sampling", "tolerance"): {"n_orders": 60},
    ("visual_tcav", "negatives"): {"concept": "striped"},  # by default these networks are asked for dots
}
"""Parameters that speak only beside another one."""
WORDS = {"concept": ("striped", "dotted"), "negatives": ("random", "dotted"), "feature_map": (0, 3)}
"""Two values of fields that take free text, or the number of something."""


@cache
def tiny(name: str) -> models.Model:
    return build(name)


def schema(method: str, name: str) -> dict[str, Any]:
    return METHODS[method].Params.model_json_schema()["properties"][name]


def values(method: str, name: str) -> list[Any]:
    """All of a choice, both of a flag, three of a number: its default, and halfway from there to its
    bounds."""
    field = schema(method, name)
    if "enum" in field:
        return list(field["enum"])
    if field["type"] == "boolean":
        return [False, True]
    if name in WORDS:
        return list(WORDS[name])
    middle = QUICK.get(name, field["default"])
    ends = [
        (middle + field["minimum"]) / 2,
        min(4 * middle, (middle + field["maximum"]) / 2) or field["maximum"] / 2,
    ]
    kind = int if field["type"] == "integer" else float
    return sorted({kind(value) for value in (middle, *ends)})


def maps(method: str, name: str, network: str) -> Iterator[tuple[Any, np.ndarray]]:
    """The map for each value that this network takes."""
    others = {
        key: value for key, value in QUICK.items() if key in METHODS[method].Params.model_fields
    } | COMPANY.get((method, name), {})
    for value in values(method, name):
        try:
            yield (
                value,
                backend.explain(
                    tiny(network), picture(), method, target=1, seed=3, **(others | {name: value})
                ).values,
            )
        except EvidentError:  # silence is no replacement for a picture
            continue


@pytest.mark.parametrize(("method", "name"), FIELDS, ids=str)
def test_every_value_of_a_parameter_has_a_map_of_its_own(method, name):
    """On one of three networks, pair by pair; a field that leaves the map as it is says so (`same_map`),
    and then every pair is equal."""
    reason = schema(method, name).get("same_map")
    alike: set[tuple[Any, Any]] | None = None
    for network in ("plain", "residual", "mobile"):
        if not METHODS[method].is_compatible(tiny(network)).ok:
            continue
        found = list(maps(method, name, network))
        assert len(found) >= 2
        same = {(a, b) for (a, x), (b, y) in combinations(found, 2) if np.array_equal(x, y)}
        alike = same if alike is None else alike & same
        if not alike:
            break
    if reason is None:
        assert alike == set()
    else:
        assert reason.endswith(".")
        assert len(alike or ()) == len(list(combinations(found, 2)))
