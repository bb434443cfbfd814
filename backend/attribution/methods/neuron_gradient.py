"""Neuron gradient: which cells of the input drive one feature map of a layer."""

from __future__ import annotations

from typing import Any, ClassVar

from captum.attr import LayerActivation
from captum.attr import NeuronGradient as CaptumNeuronGradient
from pydantic import Field
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import Forward, LayerForward, layer_of
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


@register
class NeuronGradient(Method[FeatureMapParams]):
    """values = sum over channels of da/dx; a the mean over its cells of one feature map of the chosen layer. The class
    does not matter. By Captum's `NeuronGradient`. extras.explains: what the map explains, in words, which the page shows
    in place of the class; extras.feature_map: its number; extras.activation: a, where the
    strongest was asked for. Raises BadParameter for a number that the layer does not have.
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
        return Cost(forwards=2 if params.feature_map == STRONGEST else 1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: FeatureMapParams, report: Progress
    ) -> Attribution:
        forward = Forward(model, context, report, passes=1, exact=True)
        extras: dict[str, Any] = {}
        number, layer = params.feature_map, layer_of(model, context)
        if number == STRONGEST:
            looking = LayerForward(model, context, silent, passes=1)
            means = looking.attribute(LayerActivation(looking, layer), x)[0].mean((1, 2))
            forward.run.forwards += looking.run.forwards
            number = int(means.argmax())
            extras["activation"] = float(means[number])
        maps = next(candidate.shape[0] for candidate in model.layers if candidate.name == context.layer)
        if number >= maps:
            raise BadParameter(
                f"This layer has {maps} feature maps, numbered from 0 to {maps - 1}.",
                field="params.feature_map",
            )
        algorithm = CaptumNeuronGradient(forward, layer)
        gradient = forward.attribute(
            algorithm, x, neuron_selector=lambda output: output[:, number].mean((1, 2))
        )
        forward.run.backwards += 1  # from the layer down: the score's own gradient is not asked for
        return forward.attribution(
            gradient[0].sum(0),
            signed=True,
            extras={
                "explains": f"feature map {number} of {context.layer}",
                "feature_map": number,
                **extras,
            },
        )
