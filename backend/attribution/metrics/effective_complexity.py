"""Effective complexity: how many cells are not dark."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from backend.attribution.measuring.types import Case, Direction, Family, Metric, Value
from backend.attribution.metrics import register
from backend.attribution.types import Params


class EffectiveComplexityParams(Params):
    eps: float = Field(1e-5, ge=0.0, le=1.0, title="Threshold", description="A cell counts when it exceeds this share of the largest absolute value.")  # fmt: skip


@register
class EffectiveComplexity(Metric[EffectiveComplexityParams]):
    """Number of cells of the map `[H, W]` with |R_i| / max |R| > eps. Quantus' number. With the usual threshold nearly every cell counts,
    except for maps that are cut off at 0: raise it to compare others."""

    key: ClassVar[str] = "effective_complexity"
    title: ClassVar[str] = "Effective complexity"
    short: ClassVar[str] = "cells used"
    family: ClassVar[Family] = "complexity"
    paper: ClassVar[str] = "Nguyen and Martinez, On Quantitative Aspects of Model Interpretability, 2020, arXiv 2007.07584"  # fmt: skip
    summary: ClassVar[str] = "How many cells the map uses at all; low for a map that is quick to read."
    meaning: ClassVar[str] = "{:.0f} cells of the map are not dark."
    better: ClassVar[Direction] = "lower"
    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = None
    order: ClassVar[int] = 32
    Params = EffectiveComplexityParams

    def measure(self, case: Case, params: EffectiveComplexityParams) -> Value:
        sizes = np.abs(case.values)
        return Value(float((sizes / sizes.max() > params.eps).sum()))
