"""Layer gradient x activation (HiResCAM): what each cell of a layer adds to the score, to first order."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from captum.attr import LayerGradientXActivation
from torch import Tensor
from torch.nn import functional as F

from backend.attribution.methods import register
from backend.attribution.network.captum_adapter import LayerForward
from backend.attribution.types import (
    Attribution,
    Context,
    Cost,
    Family,
    Method,
    NoParams,
    Progress,
    Stage,
)
from models.model import Model


def of_layer(forward: LayerForward, shares: Tensor, x: Tensor, **more: Any) -> Attribution:
    """The result of a layer method. shares: `[1, C, h, w]`, of every number of the layer.

    values: their sum over channels, enlarged (bilinear). Stage `native`: the same at the layer's resolution.
    arrays.channels: the sum of each feature map, float32 `[C]`, which ranks the filters.
    """
    coarse = shares.sum(1)
    grown = F.interpolate(coarse[None], size=tuple(x.shape[-2:]), mode="bilinear", align_corners=False)[0, 0]
    title = f"Map at the resolution of {forward.context.layer}"
    channels: np.ndarray = shares[0].sum((1, 2)).cpu().numpy()
    return forward.attribution(
        grown,
        signed=True,
        native=tuple(coarse.shape[1:]),
        stages={"native": Stage(title, coarse[0].cpu().numpy(), True)},
        arrays={"channels": channels},
        **more,
    )


@register
class LayerGradXActivation(Method[NoParams]):
    """values = sum over channels of A * dy_c/dA at the chosen layer, enlarged; A its feature maps. By Captum's
    `LayerGradientXActivation`. arrays.channels `[C]`: the sum of each feature map.

    On a network that is linear behind the layer this is exact: CAM with its sign. Grad-CAM averages the gradient over
    the map first, and may so mark cells that the network does not use.
    """

    key: ClassVar[str] = "layer_grad_x_activation"
    title: ClassVar[str] = "Layer gradient x activation (HiResCAM)"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = (
        "Draelos and Carin, Use HiResCAM instead of Grad-CAM for Faithful Explanations of Convolutional Neural Networks, "
        "2020, arXiv 2011.08891"
    )
    summary: ClassVar[str] = (
        "What each area of one layer adds to the score, or takes from it, if the rest of the network were linear."
    )
    signed: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 174
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        forward = LayerForward(model, context, report, passes=1)
        return of_layer(forward, forward.attribute(LayerGradientXActivation(forward, forward.layer), x), x)
