"""The fused map: the product of Grad-CAM++ (where) and LRP (which cells, with which sign)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.lrp.composites import Preset
from backend.attribution.lrp.prepared import relevance, relevance_and_gradient, step_of, verdict
from backend.attribution.lrp.propagate import Relevance
from backend.attribution.methods import METHODS, register
from backend.attribution.methods.grad_cam import enlarged
from backend.attribution.methods.grad_cam_pp import weighted
from backend.attribution.methods.lrp import Arithmetic, LrpParams, checked, cost_of, settings_of, summary_of
from backend.attribution.network.activations import activations_and_gradients
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Method,
    Params,
    Progress,
    Stage,
)
from models.model import Model

KERNEL = 5
CAM = "grad_cam_pp"
Product = Literal["signed", "positive", "root"]


class FusedParams(Params):
    tau: float = Field(
        0.2,
        ge=0.0,
        le=0.6,
        title="Noise threshold",
        description="Taken off the Grad-CAM++ map (0 to 1) before multiplying: removes its haze.",
    )
    sigma: float = Field(
        1.1,
        ge=0.0,
        le=4.0,
        title="Blur",
        description="Standard deviation in cells of the 5 x 5 Gaussian at the end; the paper's readings are 1.1 and 4, 0 is none.",
    )
    preset: Preset = Field(
        "epsilon_plus", title="LRP rules", description="The rules of the LRP map that is multiplied in."
    )
    product: Product = Field(
        "signed",
        title="Product",
        description="Signed: L . C'; positive: only what speaks for the class; root: the geometric mean, which lifts weak cells.",
    )
    abs: bool = Field(
        False, title="Size only", description="Show how strongly a cell counts, without its sign."
    )


def min_max(values: np.ndarray) -> np.ndarray:
    """To [0, 1]; a flat map carries nothing and becomes zero."""
    span = float(values.max() - values.min())
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)


def by_maximum(values: np.ndarray) -> np.ndarray:
    """Divided by the largest absolute value; zero stays zero."""
    top = float(np.abs(values).max(initial=0.0))
    return values / top if top > 0 else np.zeros_like(values)


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Convolved with a 5 x 5 Gaussian (sampled, sum 1); the map is mirrored at its borders. `[H, W]`,
    sides of at least 3."""
    if sigma == 0:
        return values
    reach = KERNEL // 2
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    line = line / line.sum()
    grid = torch.from_numpy(values.astype(np.float64))[None, None]
    grid = F.pad(grid, (reach,) * 4, mode="reflect")
    return F.conv2d(grid, torch.outer(line, line)[None, None])[0, 0].numpy().astype(np.float32)


def product_of(lrp: np.ndarray, cam: np.ndarray, form: Product) -> np.ndarray:
    """Both `[H, W]`; cam in [0, 1]. signed: L . C'; positive: max(L, 0) . C'; root: sign(L) sqrt(|L| . C')."""
    if form == "positive":
        return np.maximum(lrp, 0.0) * cam
    if form == "root":
        return np.sign(lrp) * np.sqrt(np.abs(lrp) * cam)
    return lrp * cam


@register
class Fused(Method[FusedParams]):
    """C = min-max of Grad-CAM++; C' = clip(C - tau, 0, 1); L = mean over channels of LRP / max|.|; H =
    G_sigma * (L . C'), / max|H|.

    C and L explain the same class at one input, from one forward pass of the network as LRP rewrites it. Stages:
    grad_cam_pp (C), denoised (C'), lrp (L), product (L . C'), fused (H).

    Two other forms of the product are ours: positive, max(L, 0) . C', leaves out what speaks against the class;
    root, sign(L) sqrt(|L| . C'), is the geometric mean of the parents and keeps the sign.

    Our reading: the paper says "Grad-CAM is processed to remove noise, multiplied element-wise with LRP, then
    blurred"; Grad-CAM++, the threshold tau and the 5 x 5 kernel follow descriptions of its code. L is divided
    by its own largest absolute value.
    """

    key = "fused"
    title = "Grad-CAM x LRP"
    family = "fusion"
    paper = "arXiv:2405.12175, our reading"
    summary = "Cells that count for LRP inside the area that Grad-CAM++ marks: positive speaks for the class, negative against it."
    signed = True
    uses_layer = True
    unit = "maps"
    default_on = True
    order = 50
    Params = FusedParams

    def is_compatible(self, model: Model) -> Compatibility:
        cam = METHODS[CAM].is_compatible(model)
        return verdict(model) if cam.ok else cam

    def cost(self, model: Model, params: FusedParams) -> Cost:
        lrp = cost_of(params.preset)  # its forward pass serves Grad-CAM++ too
        return Cost(lrp.forwards, lrp.backwards + 1)

    def run(
        self, model: Model, x: Tensor, context: Context, params: FusedParams, report: Progress
    ) -> Attribution:
        parents = _parents(model, x, context, LrpParams(preset=params.preset))
        result = parents.lrp
        cam = min_max(enlarged(parents.cam, (x.shape[-2], x.shape[-1])))
        denoised = np.clip(cam - params.tau, 0.0, 1.0)
        report(1, 2, denoised)
        lrp = by_maximum(result.relevance[0].mean(0).cpu().numpy())
        product = product_of(lrp, denoised, params.product)
        signed = params.product != "positive"
        values = by_maximum(blurred(product, params.sigma))
        values = np.abs(values) if params.abs else values
        gap, extras, notes = summary_of(result)
        cost = self.cost(model, params)
        report(2, 2, values)
        return Attribution(
            values=values,
            signed=signed and not params.abs,
            native=(parents.cam.shape[0], parents.cam.shape[1]),
            gap=None,
            plan=parents.arithmetic.plan,
            forwards=cost.forwards + (0 if parents.shared else 1),
            backwards=cost.backwards,
            stages={
                "grad_cam_pp": Stage("Grad-CAM++, 0 to 1", cam, signed=False),
                "denoised": Stage("Grad-CAM++ without haze", denoised, signed=False),
                "lrp": Stage("LRP, mean over channels", lrp, signed=True),
                "product": Stage("Product", product, signed=signed),
                "fused": Stage("Fused map", values, signed=signed and not params.abs),
            },
            extras={
                "conservation": extras["conservation"],
                "lrp_gap": gap,
                "precision": parents.arithmetic.precision,
                "area": float((denoised > 0).mean()),
            },
            notes=(*notes, *_emptiness(cam, denoised, params.tau)),
        )


@dataclass(frozen=True, eq=False)
class _Parents:
    """cam: Grad-CAM++ `[h, w]`. lrp: with its map. shared: both from one forward pass."""

    cam: Tensor
    lrp: Relevance
    arithmetic: Arithmetic
    shared: bool


def _parents(model: Model, x: Tensor, context: Context, params: LrpParams) -> _Parents:
    """Both maps from one forward pass of the rewritten network, where it has the layer as a step; else the layer's
    activations come from a pass of the module."""
    if context.layer is None:
        raise Incompatible("The fused map needs a layer with a spatial output.", field="layer")
    arithmetic, settings = checked(model, params), settings_of(params)
    step = step_of(model, context.layer)
    if step is None:
        activations, g = activations_and_gradients(model, x, context.layer, context.target)
        lrp = relevance(model, x, context.target, settings, half=arithmetic.half, magnitudes=False)
    else:
        lrp, activations, g = relevance_and_gradient(
            model, x, context.target, settings, step, half=arithmetic.half
        )
    return _Parents(weighted(activations, g), lrp, arithmetic, step is not None)


def _emptiness(cam: np.ndarray, denoised: np.ndarray, tau: float) -> tuple[str, ...]:
    if not cam.any():
        return (
            "Grad-CAM++ marks nothing for this class at this layer, so there is nothing to multiply: the fused map is empty.",
        )
    if not denoised.any():
        return (
            f"No cell of Grad-CAM++ is above the noise threshold of {tau}: the fused map is empty. Lower the threshold.",
        )
    return ()
