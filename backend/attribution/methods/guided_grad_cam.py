"""Guided Grad-CAM: the fine edges of guided backpropagation inside the coarse area of Grad-CAM."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from captum.attr import Saliency
from torch import Tensor

from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import enlarged, grad_cam
from backend.attribution.network.captum_adapter import Forward, LayerForward
from backend.attribution.network.rectifiers import guided, verdict
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Family,
    Method,
    NoParams,
    Progress,
    Stage,
    silent,
)
from models.model import Model


@register
class GuidedGradCam(Method[NoParams]):
    """values = (sum over channels of the guided gradient) * enlarged Grad-CAM. Stages: both factors.

    Both by Captum, as in the methods of those names. Captum's own `GuidedGradCam` shares the limits of its
    guided backpropagation.
    """

    key: ClassVar[str] = "guided_grad_cam"
    title: ClassVar[str] = "Guided Grad-CAM"
    family: ClassVar[Family] = "cam"
    paper: ClassVar[str] = "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv 1610.02391"
    summary: ClassVar[str] = "Fine edges inside the area that Grad-CAM marks for the class; zero outside it."
    signed: ClassVar[bool] = True
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "passes"
    order: ClassVar[int] = 70
    Params = NoParams

    def is_compatible(self, model: Model) -> Compatibility:
        area = super().is_compatible(model)
        return verdict(model) if area.ok else area

    def cost(self, model: Model, params: NoParams) -> Cost:
        return Cost(forwards=2, backwards=2)

    def run(
        self, model: Model, x: Tensor, context: Context, params: NoParams, report: Progress
    ) -> Attribution:
        layered = LayerForward(model, context, silent, passes=1)
        coarse = grad_cam(layered, x)
        area = enlarged(coarse, (x.shape[-2], x.shape[-1]))
        report(1, 2)
        forward = Forward(model, context, silent, passes=1, within=guided)
        edges: np.ndarray = forward.attribute(Saliency(forward), x, abs=False)[0].sum(0).cpu().numpy()
        values = edges * area
        report(2, 2, values)
        return replace(
            forward.attribution(
                values,
                signed=True,
                native=(coarse.shape[0], coarse.shape[1]),
                stages={
                    "grad_cam": Stage("Grad-CAM", area, False),
                    "guided": Stage("Guided backpropagation", edges, True),
                },
            ),
            forwards=2,
            backwards=2,
        )
