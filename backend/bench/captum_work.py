"""Captum's public algorithms on a subject, each by two routes: as people use it, and over the engine's passes.

An algorithm is one function of a route; the route says what stands for the network and how many images go in
one pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from backend.attribution.network.captum_adapter import Forward, LayerForward
from backend.attribution.network.plan import Kind
from backend.attribution.network.rectifiers import guided
from backend.attribution.network.runtime import at_work
from backend.attribution.types import Context, silent
from backend.bench.harness import Work
from backend.bench.subject import Subject


class Route(Protocol):
    """forward: what Captum takes for the network. layer: where Grad-CAM looks."""

    subject: Subject
    forward: Any

    @property
    def layer(self) -> nn.Module: ...

    def batch(self, kind: Kind) -> int | None:
        """Images in one pass; None leaves it to Captum's default."""

    def call(self, algorithm: Any, **arguments: Any) -> Tensor:
        """`algorithm.attribute` for the subject's input and class."""


class AsUsed:
    """The module itself, Captum's defaults. at_once: images in one pass of the perturbation methods."""

    def __init__(self, subject: Subject, at_once: int | None = None) -> None:
        self.subject, self.at_once = subject, at_once
        self.forward = subject.module

    @property
    def layer(self) -> nn.Module:
        return self.subject.layer

    def batch(self, kind: Kind) -> int | None:
        return self.at_once

    def call(self, algorithm: Any, **arguments: Any) -> Tensor:
        # A fresh copy, because Captum makes it a leaf and some networks work in place.
        x = self.subject.x.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Captum announces its hooks
            result: Tensor = algorithm.attribute(x, target=self.subject.target, **arguments)
        return result


class OverEngine:
    """The engine's forward function, in the batches that it likes. passes: images that will be sent."""

    def __init__(self, subject: Subject, passes: int, seed: int = 0, **options: Any) -> None:
        self.subject = subject
        context = Context(subject.target, seed=seed)
        self.forward = Forward(subject.model, context, silent, passes=passes, **options)

    @property
    def layer(self) -> nn.Module:
        return self.subject.layer

    def batch(self, kind: Kind) -> int | None:
        return self.forward.run.batch(kind)

    def call(self, algorithm: Any, **arguments: Any) -> Tensor:
        with at_work():
            return self.forward.attribute(algorithm, self.subject.x, **arguments)


class OverEngineAtLayer(OverEngine):
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        context = Context(subject.target, subject.model.default_layer)
        self.forward = LayerForward(subject.model, context, silent, passes=1)


Algorithm = Callable[[Route], Tensor]


def as_used(subject: Subject, algorithm: Algorithm, at_once: int | None = None) -> Work:
    return lambda: algorithm(AsUsed(subject, at_once))


def over_engine(subject: Subject, algorithm: Algorithm, passes: int, **options: Any) -> Work:
    """options: of `Forward`."""
    return lambda: algorithm(OverEngine(subject, passes, **options))


def guided_over_engine(subject: Subject) -> Work:
    """Guided backpropagation as the engine has it: the gradient under the guided rule."""
    return over_engine(subject, gradient, 1, within=guided)


def grad_cam_over_engine(subject: Subject) -> Work:
    return lambda: grad_cam(OverEngineAtLayer(subject))


# -- algorithms -----------------------------------------------------------------------------------------------


def gradient(route: Route) -> Tensor:
    from captum.attr import Saliency

    return route.call(Saliency(route.forward), abs=False)


def guided_backprop(route: Route) -> Tensor:
    from captum.attr import GuidedBackprop

    return route.call(GuidedBackprop(route.forward))


def grad_cam(route: Route) -> Tensor:
    from captum.attr import LayerAttribution, LayerGradCam

    coarse = route.call(LayerGradCam(route.forward, route.layer), relu_attributions=True)
    size: Any = tuple(route.subject.x.shape[-2:])
    return LayerAttribution.interpolate(coarse, size, "bilinear")


def lrp(route: Route) -> Tensor:
    """With its default rule, epsilon."""
    from captum.attr import LRP

    return route.call(LRP(route.forward))


def smooth_grad(copies: int) -> Algorithm:
    from captum.attr import NoiseTunnel, Saliency

    return lambda route: route.call(
        NoiseTunnel(Saliency(route.forward)),
        nt_samples=copies,
        nt_samples_batch_size=route.batch("gradient"),
        stdevs=route.subject.sigma,
        abs=False,
    )


def integrated_gradients(steps: int) -> Algorithm:
    from captum.attr import IntegratedGradients

    return lambda route: route.call(
        IntegratedGradients(route.forward),
        baselines=route.subject.black,
        n_steps=steps,
        internal_batch_size=route.batch("gradient"),
    )


def lime(samples: int) -> Algorithm:
    """With Captum's default surrogate and kernel."""
    from captum.attr import Lime

    return lambda route: _surrogate(route, Lime, samples)


def kernel_shap(samples: int) -> Algorithm:
    from captum.attr import KernelShap

    return lambda route: _surrogate(route, KernelShap, samples)


def _surrogate(route: Route, algorithm: Any, samples: int) -> Tensor:
    return route.call(
        algorithm(route.forward),
        baselines=route.subject.black,
        feature_mask=torch.from_numpy(route.subject.cut)[None, None],
        n_samples=samples,
        perturbations_per_eval=route.batch("forward") or 1,
    )


def occlusion(window: int, step: int) -> Algorithm:
    """window, step: in cells."""
    from captum.attr import Occlusion

    def run(route: Route) -> Tensor:
        channels = route.subject.x.shape[1]
        return route.call(
            Occlusion(route.forward),
            sliding_window_shapes=(channels, window, window),
            strides=(channels, step, step),
            baselines=route.subject.black,
            perturbations_per_eval=route.batch("forward") or 1,
        )

    return run
