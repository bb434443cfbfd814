"""Layer-wise relevance propagation: the score is redistributed from layer to layer back to the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor

from app.core.errors import Incompatible
from backend.attribution.lrp.composites import InputRule, Preset
from backend.attribution.lrp.prepared import TOLERANCE, Settings, relevance, verdict, walks_in_half
from backend.attribution.lrp.propagate import Relevance
from backend.attribution.lrp.rules import Bias
from backend.attribution.methods import register
from backend.attribution.types import Attribution, Compatibility, Context, Cost, Method, Params, Progress
from models.model import Model

QUIET = {"pass", "route", "signal"}
"""Rules that cannot lose relevance; `extras["layers"]` omits them."""


class LrpParams(Params):
    preset: Preset = Field(
        "epsilon_plus",
        title="Rules",
        description="epsilon_plus: only evidence for the class in the convolutions, the calmest map. gamma_epsilon: evidence for the "
        "class is favoured in the lower half. epsilon: evidence for and against alike, the most detailed and the noisiest.",
    )
    epsilon: float = Field(
        1e-6,
        ge=1e-9,
        le=1.0,
        title="Epsilon",
        description="Absorbs weak and contradictory evidence; larger is sparser.",
    )
    gamma: float = Field(
        0.25,
        ge=0.0,
        le=10.0,
        title="Gamma",
        description="How much evidence for the class is favoured (gamma_epsilon).",
    )
    input_rule: InputRule = Field(
        "zB",
        title="First layer",
        description="zB: knows that values lie between black and white (or silence and full level), so dark places can count. "
        "flat: evenly over the receptive field. same: like the other layers; black places get nothing.",
    )
    bias: Bias = Field(
        "share",
        title="Bias",
        description="share: the bias's part goes to the inputs, the sum of the map is the score. drop: left out. absorb: lost.",
    )


def settings_of(params: LrpParams) -> Settings:
    return Settings(params.preset, params.epsilon, params.gamma, params.input_rule, params.bias)


def cost_of(preset: Preset) -> Cost:
    """The forward pass, a second one with other weights for z+ and gamma, and one backward pass."""
    return Cost(1, 1) if preset == "epsilon" else Cost(2, 1)


@dataclass(frozen=True)
class Arithmetic:
    """How relevance walks back. half: z+ and zB in bfloat16. precision, plan: the same for the record."""

    half: bool

    @property
    def precision(self) -> str:
        return "float32, bfloat16 backward" if self.half else "float32"

    @property
    def plan(self) -> str:
        return f"rewritten step by step, {'float32 forward, bfloat16 walk back' if self.half else 'float32'}"


def checked(model: Model, params: LrpParams) -> Arithmetic:
    """The arithmetic for these parameters. Raises Incompatible for a preset that does not conserve relevance on
    this model."""
    tried = Settings(preset=params.preset, input_rule=params.input_rule)
    if params.bias == "share":  # the other two lose relevance by choice
        compatibility = verdict(model, tried)
        if not compatibility.ok:
            raise Incompatible(compatibility.reason, field="params.preset")
    return Arithmetic(walks_in_half(model, tried))


def summary_of(result: Relevance) -> tuple[float, dict[str, Any], tuple[str, ...]]:
    """(gap, extras, notes): how far the sum of the map is from the score, in all and layer by layer."""
    ratio = result.conservation
    extras = {
        "conservation": ratio,
        "score": result.start,
        "layers": [
            {"layer": step.layer, "rule": step.rule, "received": step.received, "passed": step.passed}
            for step in result.steps
            if step.rule not in QUIET
        ],
    }
    notes = (
        ()
        if abs(ratio - 1) <= TOLERANCE
        else (f"The map adds up to {ratio:.0%} of the score instead of 100%.",)
    )
    return abs(ratio - 1), extras, notes


@register
class Lrp(Method[LrpParams]):
    """R = score at the output; each layer hands its relevance to its inputs by share of contribution, until
    the input has it all.

    values = sum over channels of R_input; their sum is the score (`extras["conservation"]` is the ratio,
    `gap` its distance from 1). Negative scores are explained as they are: the relevance of a class that the
    model speaks against is mostly negative. The first class of a single-logit model y has the score -y.

    Ours, not Captum's: see `backend/attribution/lrp/rules.py` for what Captum lacks and where the two are
    held together by the tests. Deviation: bias `share` (there); the bounds of zB are widened to an input that
    leaves them.
    """

    key = "lrp"
    title = "LRP"
    family = "propagation"
    paper = (
        "Bach et al. 2015, doi:10.1371/journal.pone.0130140; z+ and zB: Montavon et al. 2017, arXiv:1512.02479; "
        "composites: Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10"
    )
    summary = "Each cell's share of the score: positive cells speak for the class, negative ones against it, and all add up to the score."
    signed = True
    sum_rule = True
    default_on = True
    order = 40
    Params = LrpParams

    def is_compatible(self, model: Model) -> Compatibility:
        return verdict(model)

    def cost(self, model: Model, params: LrpParams) -> Cost:
        return cost_of(params.preset)

    def run(
        self, model: Model, x: Tensor, context: Context, params: LrpParams, report: Progress
    ) -> Attribution:
        arithmetic = checked(model, params)
        result = relevance(
            model, x, context.target, settings_of(params), half=arithmetic.half, magnitudes=False
        )
        values: np.ndarray = result.relevance[0].sum(0).cpu().numpy()
        gap, extras, notes = summary_of(result)
        cost = self.cost(model, params)
        report(1, 1, values)
        return Attribution(
            values=values,
            signed=True,
            native=(values.shape[0], values.shape[1]),
            gap=gap,
            extras={**extras, "precision": arithmetic.precision},
            plan=arithmetic.plan,
            notes=notes,
            forwards=cost.forwards,
            backwards=cost.backwards,
        )
