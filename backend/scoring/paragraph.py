"""The methods paragraph of a study: everything that is needed to make it again, in words for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.core.evaluation_results import StudyMetric, StudyRow
from backend.scoring.intervals import FEWEST, RESAMPLES
from backend.scoring.table import BLOB, UNIFORM


def paragraph(
    *,
    model: str,
    digest: str | None,
    inputs: str,
    rows: Sequence[StudyRow],
    metrics: Sequence[StudyMetric],
    metric_params: Mapping[str, Mapping[str, Any]],
    layers: Mapping[str, str],
    target: str | int,
    seed: int,
    versions: Mapping[str, str],
) -> str:
    """inputs: how many of what. layers: that were read, by method. target: `predicted`, `label` or a class."""
    explained = {
        "predicted": "the predicted class",
        "label": "the true class",
    }.get(str(target), f"class {target}")
    used = [row for row in rows if not row.control and not row.reason]
    left_out = [row for row in rows if row.reason]
    controls = {row.method for row in rows if row.control}
    weights = f" (weights sha256 {digest[:12]})" if digest else ""
    sentences = [
        f"We explained {explained} of the network {model}{weights} on {inputs} with {_listed([_named(row.title, {**_layer(layers.get(row.method)), **row.params}) for row in used])}.",
    ]
    if left_out:
        sentences.append(
            f"{_listed([row.title for row in left_out])} could not explain this network and {'is' if len(left_out) == 1 else 'are'} left out."
        )
    if {BLOB, UNIFORM} <= controls:
        sentences.append(
            "Two maps that look at nothing were measured beside them: a Gaussian blob in the middle (standard deviation a quarter of each side) and a uniform map."
        )
    of_family: dict[str, list[str]] = {}
    for metric in metrics:
        arrow = "higher is better" if metric.better == "higher" else "lower is better"
        named = _named(metric.title, metric_params.get(metric.key, {}), arrow)
        of_family.setdefault(metric.family, []).append(named)
    sentences.append(
        f"Maps were measured by {'; '.join(f'{family}: {_listed(names)}' for family, names in of_family.items())}."
    )
    sentences.append(
        f"Means are over inputs; intervals are 95 % percentile bootstrap intervals over inputs ({RESAMPLES:,} resamples, ends widened "
        f"for small samples after Hesterberg 2015; none of fewer than {FEWEST} inputs), and methods are compared by paired "
        "differences, each at its own level (2.5 % on either side), without correction for their number."
    )
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    sentences.append(f"Seed {seed}; {made}." if made else f"Seed {seed}.")
    return " ".join(sentences)


def _named(title: str, params: Mapping[str, Any], *more: str) -> str:
    settings = [*more, *(f"{name} {_value(value)}" for name, value in params.items())]
    return f"{title} ({', '.join(settings)})" if settings else title


def _layer(name: str | None) -> dict[str, str]:
    return {"layer": name} if name else {}


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "nothing"
    return f"{', '.join(names[:-1])} and {names[-1]}"
