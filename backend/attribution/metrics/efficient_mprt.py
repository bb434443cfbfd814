"""Efficient model parameter randomisation: whether the map falls apart when the network's weights do."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from backend.attribution.measuring.again import randomised
from backend.attribution.measuring.noise import interval_of_mean
from backend.attribution.measuring.reasons import Unmeasured
from backend.attribution.measuring.types import Case, Direction, Family, Metric, Need, Value
from backend.attribution.methods import METHODS
from backend.attribution.metrics import register
from backend.attribution.types import Params
from models.model import Model

BINS = 100
TRIES = 4
"""Further networks that are drawn where a map by random weights is flat."""


class EfficientMprtParams(Params):
    n_repeats: int = Field(1, ge=1, le=20, json_schema_extra={"scales_cost": True}, title="Networks", description="How many networks with random weights are explained; from two on there is an interval.")  # fmt: skip


@register
class EfficientMprt(Metric[EfficientMprtParams]):
    """(H(R') - H(R)) / H(R), with R' the map `[H, W]` by the network with all weights drawn anew, and H the entropy of a histogram of a
    map's values in 100 bins between its smallest and largest, in nats. Quantus' number, for its seed the same weights; networks
    whose map is flat are drawn again (there -100 %, of a network that is dead for this input). The interval, for two networks or more, is Student's over them."""

    key: ClassVar[str] = "efficient_mprt"
    title: ClassVar[str] = "Parameter randomisation (efficient)"
    short: ClassVar[str] = "random weights"
    family: ClassVar[Family] = "randomisation"
    paper: ClassVar[str] = "Hedstroem et al., Sanity Checks Revisited, 2024, arXiv 2401.06465; after Adebayo et al., NeurIPS 2018, arXiv 1810.03292"  # fmt: skip
    summary: ClassVar[str] = (
        "How much more disordered the map gets when the network's weights are random; a map that does not change does not show the network."
    )
    meaning: ClassVar[str] = "With random weights the map's entropy changes by {:+.0%}."
    better: ClassVar[Direction] = "higher"
    low: ClassVar[float | None] = None
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 51
    needs: ClassVar[frozenset[Need]] = frozenset({"explain"})
    Params = EfficientMprtParams

    def why_not(self, model: Model, method: str | None) -> str:
        if method is not None and METHODS[method].family == "concept":
            return "A concept map rests on examples that the trained network has seen; random weights have seen none."
        return super().why_not(model, method)

    def measure(self, case: Case, params: EfficientMprtParams) -> Value:
        own = disorder(case.values)
        if own == 0:
            raise Unmeasured("All cells of this map are alike: it has no entropy to compare with.")
        rises: list[float] = []
        for number in range(params.n_repeats + TRIES):
            if len(rises) == params.n_repeats:
                break
            other = case.again.map(model=randomised(case.model, case.seed + number))
            if (
                np.ptp(other) > 0
            ):  # else the network's layers are dead for this input, and the map says nothing
                rises.append((disorder(other) - own) / own)
        if not rises:
            raise Unmeasured(
                "With random weights this network answers the same to any input: there is no map to compare with."
            )
        return Value(float(np.mean(rises)), interval=interval_of_mean(np.array(rises)))


def disorder(values: np.ndarray) -> float:
    """Entropy of the histogram of a map's values, in nats."""
    counts = np.histogram(values, bins=BINS)[0]
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(shares * np.log(shares)).sum()))
