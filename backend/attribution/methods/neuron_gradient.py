"""Neuron gradient: which cells of the input drive one feature map of a layer."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import LayerActivation
from captum.attr import NeuronGradient as CaptumNeuronGradient
from pydantic import Field
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward, LayerForward
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, silent
from models.model import Model

STRONGEST = -1


class FeatureMapParams(Params):
    feature_map: int = Field(
        STRONGEST,
        ge=STRONGEST,
        le=65_535,
        title="Feature map",
        description="Its number in the layer, from 0; -1 takes the one with the highest mean on this input.",
    )


class FeatureMap:
    """One feature map of the chosen layer. number: its index. means: of its cells, for each input `[N]`."""

    def __init__(self, model: Model, context: Context, inputs: Tensor, number: int) -> None:
        """inputs: `[N, C, H, W]`; `STRONGEST` is found on the first of them. Raises BadParameter."""
        forward = LayerForward(model, context, silent, passes=len(inputs))
        means = forward.attribute(LayerActivation(forward, forward.layer), inputs).mean((2, 3))
        maps = means.shape[1]
        if number >= maps:
            raise BadParameter(
                f"This layer has {maps} feature maps, numbered from 0 to {maps - 1}.",
                field="params.feature_map",
            )
        self.layer, self.forwards = forward.layer, forward.run.forwards
        self.number = int(means[0].argmax()) if number == STRONGEST else number
        self.means = means[:, self.number]
        self.extras = {
            "explains": f"feature map {self.number} of {context.layer}",
            "feature_map": self.number,
        }

    def selector(self, output: Tensor) -> Tensor:
        """The layer's output `[N, C, h, w]` -> what is explained, `[N]`: Captum's `neuron_selector`."""
        return output[:, self.number].mean((1, 2))


@register
class NeuronGradient(Method[FeatureMapParams]):
    """values = sum over channels of da/dx; a the mean over its cells of one feature map of the chosen layer. The class
    does not matter. By Captum's `NeuronGradient`. extras.explains: what the map explains, in words, which the page shows
    in place of the class; extras.feature_map: its number; extras.activation: a. Raises BadParameter for a number that the layer does not have.
    """

    key: ClassVar[str] = "neuron_gradient"
    title: ClassVar[str] = "Neuron gradient"
    family: ClassVar[Family] = "gradient"
    paper: ClassVar[str] = (
        "Simonyan et al., Deep Inside Convolutional Networks, 2013, arXiv 1312.6034; of a feature map in place of a class"
    )
    summary: ClassVar[str] = (
        "Which cells one filter of a layer listens to: positive ones drive it up when brightened. Whatever the class."
    )
    signed: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 176
    Params = FeatureMapParams

    def cost(self, model: Model, params: FeatureMapParams) -> Cost:
        return Cost(forwards=2, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: FeatureMapParams, report: Progress
    ) -> Attribution:
        chosen = FeatureMap(model, context, x, params.feature_map)
        forward = Forward(model, context, report, passes=1, exact=True)
        algorithm = CaptumNeuronGradient(forward, chosen.layer)
        gradient = forward.attribute(algorithm, x, neuron_selector=chosen.selector)
        forward.run.forwards += chosen.forwards
        forward.run.backwards += 1  # from the layer down: the score's own gradient is not asked for
        return forward.attribution(
            gradient[0].sum(0), signed=True, extras={**chosen.extras, "activation": float(chosen.means[0])}
        )
