"""Shared by the metrics of robustness: how much the maps of noisy copies differ from the map."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case
from backend.attribution.types import Params

CopiesParam = Annotated[
    int,
    Field(
        ge=2,
        le=500,
        title="Noisy copies",
        description="How many copies are explained; each takes as long as the map itself.",
        json_schema_extra={"scales_cost": True},
    ),
]


class SensitivityParams(Params):
    n_samples: CopiesParam = 10
    lower_bound: float = Field(
        0.2,
        ge=1e-6,
        le=10.0,
        title="Noise",
        description="Each value moves by at most so much, in units of the network's input.",
    )


def sensitivities(case: Case, params: SensitivityParams) -> np.ndarray:
    """|R - R(x + noise)| / |R| with Frobenius norms, for each copy, float64 `[n]`; the noise is uniform."""
    length = float(np.linalg.norm(case.values))
    if length == 0 or not np.isfinite(length):
        raise Unmeasured("The numbers of this map are too small or too large to compare maps with.")
    copies = (
        case.again.noisy("uniform", params.lower_bound, number)[1] for number in range(params.n_samples)
    )
    return np.array([np.linalg.norm(case.values - other) / length for other in copies])


def interval_of_mean(values: np.ndarray) -> tuple[float, float] | None:
    """95 % interval by Student's t; None for a single value."""
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        return None
    reach = float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n))
    return float(values.mean()) - reach, float(values.mean()) + reach
