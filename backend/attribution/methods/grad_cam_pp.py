"""Grad-CAM++: like Grad-CAM, with the gradients weighted so that several instances of an object count."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from app.core.errors import Incompatible
from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import enlarged, native_stage
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.types import Attribution, Context, Cost, Family, Method, NoParams, Progress
from models.model import Model

EPS = 1e-7


def weighted(activations: Tensor, g: Tensor) -> Tensor:
    """relu(sum_k w_k A_k) `[h, w]` of A and g `[1, C, h, w]`; the weights are the formula of the class below."""
    below = 2 * g**2 + activations.sum((2, 3), keepdim=True) * g**3 + EPS
    alpha = torch.where(below.abs() > torch.finfo(g.dtype).tiny, g**2 / below, 0.0)
    weights = (alpha * torch.relu(g)).sum((2, 3))
    return torch.relu(torch.einsum("nc,nchw->hw", weights, activations))


@register
class GradCamPlusPlus(Method[NoParams]):
    """relu(sum_k w_k A_k) with alpha_ij = g_ij^2 / (2 g_ij^2 + g_ij^3 sum_ab A_ab + 1e-7) and w_k = sum_ij
    alpha_ij relu(g_ij), g = dy_c/dA_k.

    Closed form for y = exp(logit), as in the paper's reference code. Own code: Captum has no Grad-CAM++.
    """

    key: ClassVar[str] = "grad_cam_pp"
    title: ClassVar[str] = "Grad-CAM++"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = "Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv 1710.11063"
    summary: ClassVar[str] = "Like Grad-CAM, but several places of the same kind all count."
    signed: ClassVar[bool] = False
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 80
    Params = NoParams

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=1, backwards=1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        if context.layer is None:
            raise Incompatible("Grad-CAM++ needs a layer with a spatial output.", field="layer")
        activations, g = activations_and_gradients(model, x, context.layer, context.target)
        coarse = weighted(activations, g)
        values = enlarged(coarse, (x.shape[-2], x.shape[-1]))
        report(1, 1, values)
        return Attribution(
            values=values,
            signed=False,
            native=(coarse.shape[0], coarse.shape[1]),
            stages=native_stage(coarse, context.layer),
            forwards=1,
            backwards=1,
        )
