"""Grad-CAM: where the layer's feature maps push the class up, weighted by their mean gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.methods import register
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.types import Attribution, Context, Cost, Family, Method, Params, Progress, Stage
from models.model import Model


def cam(weights: Tensor, activations: Tensor) -> Tensor:
    """relu(sum_k w_k A_k): weights `[1, C]`, activations `[1, C, h, w]` -> `[h, w]`."""
    return torch.relu(torch.einsum("nc,nchw->hw", weights, activations))


def enlarged(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: `[h, w]` to the display grid."""
    grown = F.interpolate(values[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return grown.clamp_min(0).cpu().numpy()


def cam_attribution(x: Tensor, values: Tensor, context: Context) -> Attribution:
    """The result of a class activation map: the enlarged map, and the map at the layer's resolution as the
    stage `native`."""
    return Attribution(
        values=enlarged(values, (x.shape[-2], x.shape[-1])),
        signed=False,
        native=(values.shape[0], values.shape[1]),
        stages={"native": Stage(f"Map at the resolution of {context.layer}", values.cpu().numpy(), False)},
        forwards=1,
        backwards=1,
    )


class NoParams(Params):
    """Nothing to choose but the layer."""


@register
class GradCam(Method[NoParams]):
    """relu(sum_k w_k A_k) with w_k = mean_ij dy_c/dA_k; A_k are the feature maps of the chosen layer, y_c the
    logit.

    On a network that ends in global average pooling and a linear layer this is CAM up to a constant factor.
    """

    key: ClassVar[str] = "grad_cam"
    title: ClassVar[str] = "Grad-CAM"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv 1610.02391"
    summary: ClassVar[str] = (
        "Bright where the features of one layer push the class up; coarse, but follows the class."
    )
    signed: ClassVar[bool] = False
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    default_on: ClassVar[bool] = True
    order: ClassVar[int] = 10
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        if context.layer is None:
            raise Incompatible("Grad-CAM needs a layer with a spatial output.", field="layer")
        activations, gradients = activations_and_gradients(model, x, context.layer, context.target)
        result = cam_attribution(x, cam(gradients.mean((2, 3)), activations), context)
        report(1, 1, result.values)
        return result
