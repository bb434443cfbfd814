"""Guided Grad-CAM: the fine edges of guided backpropagation inside the coarse area of Grad-CAM."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from app.core.errors import Incompatible
from backend.attribution.methods import register
from backend.attribution.methods.grad_cam import NoParams, cam, enlarged
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.network.guided import guided_gradient, verdict
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Family,
    Method,
    Progress,
    Stage,
)
from models.model import Model


@register
class GuidedGradCam(Method[NoParams]):
    """values = (sum over channels of the guided gradient) * enlarged Grad-CAM. Stages: both factors."""

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
        if context.layer is None:
            raise Incompatible("Guided Grad-CAM needs a layer with a spatial output.", field="layer")
        activations, gradients = activations_and_gradients(model, x, context.layer, context.target)
        coarse = cam(gradients.mean((2, 3)), activations)
        area = enlarged(coarse, (x.shape[-2], x.shape[-1]))
        report(1, 2)
        edges: np.ndarray = guided_gradient(model, x, context.target)[0].sum(0).cpu().numpy()
        values = edges * area
        report(2, 2, values)
        return Attribution(
            values=values,
            signed=True,
            native=(coarse.shape[0], coarse.shape[1]),
            forwards=2,
            backwards=2,
            stages={
                "grad_cam": Stage("Grad-CAM", area, False),
                "guided": Stage("Guided backpropagation", edges, True),
            },
        )
