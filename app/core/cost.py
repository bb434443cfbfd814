"""Estimated seconds of a method with changed parameters; API and dashboard use the same rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.core.schemas import Fit


def estimate(schema: Mapping[str, Any], fit: Fit, params: Mapping[str, Any]) -> float | None:
    """Measured seconds with default parameters, times `ratio` of every parameter that scales the work; None
    if nothing was measured."""
    if fit.seconds is None:
        return None
    return fit.seconds * math.prod(ratio(name, schema, fit, params) for name in scaling(schema))


def scaling(schema: Mapping[str, Any]) -> list[str]:
    """Names of the parameters that multiply the work."""
    return [name for name, part in schema.get("properties", {}).items() if part.get("scales_cost")]


def ratio(name: str, schema: Mapping[str, Any], fit: Fit, params: Mapping[str, Any]) -> float:
    """A parameter over its default on this model; 1 where either is no number."""
    usual = fit.defaults.get(name, schema["properties"][name].get("default"))
    value = params.get(name)
    if not isinstance(usual, int | float) or not isinstance(value, int | float) or usual <= 0:
        return 1.0
    return float(value) / float(usual)
