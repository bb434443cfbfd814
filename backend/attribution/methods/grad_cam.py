"""Grad-CAM: where the layer's feature maps push the class up, weighted by their mean gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from captum.attr import LayerGradCam
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


def enlarged(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: `[h, w]` to the display grid."""
    grown = F.interpolate(values[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return grown.clamp_min(0).cpu().numpy()


def native_stage(values: Tensor, layer: str | None) -> dict[str, Stage]:
    """The map `[h, w]` at the layer's own resolution."""
    return {"native": Stage(f"Map at the resolution of {layer}", values.cpu().numpy(), False)}


def grad_cam(forward: LayerForward, x: Tensor) -> Tensor:
    """relu(sum_k w_k A_k) at the layer's resolution `[h, w]`."""
    return weighted_sum(forward, x).relu()


def weighted_sum(forward: LayerForward, x: Tensor) -> Tensor:
    """sum_k w_k A_k, before what speaks against the class is cut off, `[h, w]`; by Captum's `LayerGradCam`."""
    return forward.attribute(LayerGradCam(forward, forward.layer), x)[0, 0]


@register
class GradCam(Method[NoParams]):
    """relu(sum_k w_k A_k) with w_k = mean_ij dy_c/dA_k; A_k are the feature maps of the chosen layer, y_c the
    logit. By Captum's `LayerGradCam`.
    extras.clipped: share of sum |sum_k w_k A_k| that the relu cuts off.

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
        forward = LayerForward(model, context, report, passes=1)
        signed = weighted_sum(forward, x)
        coarse, whole = signed.relu(), float(signed.abs().sum())
        return forward.attribution(
            enlarged(coarse, (x.shape[-2], x.shape[-1])),
            signed=False,
            native=tuple(coarse.shape),
            stages=native_stage(coarse, context.layer),
            extras={"clipped": float((coarse - signed).sum()) / whole} if whole else {},
        )
