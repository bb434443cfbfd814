"""Expected seconds of a method: measured per pass, corrected by what its last runs really took, scaled by the
parameters. API and dashboard use the same rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from app.core.schemas import Fit

REMEMBERED = 10
"""Runs that a correction is made of, the newest."""
LARGEST = 8.0
"""A correction multiplies or divides by at most this."""
NEAR = 4.0
"""Runs of up to so many times more or fewer passes say most about a run: those of another size spent another
share on what is done once."""
BATCHED = 8
"""Passes from which on a run is one of batches, which cost another time each."""


class Run(NamedTuple):
    """A finished run: passes really spent, which a run that stopped early has fewer of, and seconds."""

    passes: int
    seconds: float


def corrected(fits: Mapping[str, Fit], runs: Mapping[str, Sequence[Run]]) -> dict[str, Fit]:
    """The fits of one model with `seconds` as its last runs took. runs: by method, newest first.

    A method that never ran is corrected as the others of its kind were: with or without gradients, in batches
    or not. The correction is the median, so that one run beside other work does not move it.
    """
    measured = {
        name: fit.seconds for name, fit in fits.items() if fit.seconds and fit.forwards + fit.backwards
    }
    factors = {name: _factor(fits[name], measured[name], runs[name]) for name in measured if runs.get(name)}
    alike: dict[tuple[bool, bool], list[float]] = {}
    for name, factor in factors.items():
        alike.setdefault(_kind(fits[name]), []).append(math.log(factor))
    result = dict(fits)
    for name, seconds in measured.items():
        usual = math.exp(median(alike.get(_kind(fits[name]), [0.0])))
        now = {"seconds": seconds * factors.get(name, usual), "runs": len(runs.get(name, ()))}
        result[name] = fits[name].model_copy(update=now)
    return result


def _kind(fit: Fit) -> tuple[bool, bool]:
    return fit.backwards > 0, fit.forwards + fit.backwards >= BATCHED


def _factor(fit: Fit, seconds: float, runs: Sequence[Run]) -> float:
    """Seconds that the runs took over those expected of the passes they spent. seconds: expected by default."""
    usual = fit.forwards + fit.backwards
    near = [run for run in runs if 1 / NEAR <= run.passes / usual <= NEAR] or runs
    ratios = [math.log(run.seconds / run.passes * usual / seconds) for run in near[:REMEMBERED]]
    return min(LARGEST, max(1 / LARGEST, math.exp(median(ratios))))


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
