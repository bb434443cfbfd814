"""Ours against public implementations: same network, picture, class, number of samples, and for LIME the
same segments."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from typing import Any

import numpy as np
import torch

import backend
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import NOISE, SEGMENTS, Subject, resnet_subject

TITLE = "Against public implementations (ResNet-18, 224 x 224): theirs / ours"
ORDER = 20
SAMPLES, FEW = 1000, 100
COPIES = STEPS = 50
PART = 4
"""The slowest peer, whose time is proportional to its samples, runs this share of them."""
WARM = 32
"""Samples with which a slow peer is warmed up."""


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """LIME, SmoothGrad, integrated gradients, Grad-CAM, LRP."""
    subject = resnet_subject()
    samples = FEW if setting.quick else SAMPLES
    our_explain = partial(backend.explain, subject.model, subject.x, target=subject.target)
    # The segments of ours are cut by the method from the same picture with the same settings: they are the
    # ones handed to the peers.
    our_lime = partial(our_explain, "lime", segments=SEGMENTS)
    peers = [
        Peer("lime", lambda: _both(subject, samples, lime), 4.5),
        Peer(
            "Captum Lime, 1 sample a pass (its default)",
            lambda: _both(subject, samples // PART, partial(captum_lime, at_once=1)),
            7,
            f"Measured with {samples // PART:,} samples, times {PART}.",
            PART,
        ),
        Peer(
            "Captum Lime, 32 samples a pass",
            lambda: _both(subject, samples, partial(captum_lime, at_once=32)),
        ),
    ]
    yield from contest(
        f"LIME, {samples:,} samples",
        partial(our_lime, n_samples=samples),
        peers,
        setting,
        warm=partial(our_lime, n_samples=WARM),
    )
    peers = [Peer("Captum NoiseTunnel(Saliency)", lambda: captum_smooth_grad(subject), 8)]
    yield from contest(
        f"SmoothGrad, {COPIES} copies",
        partial(our_explain, "smooth_grad", n_samples=COPIES, noise=NOISE),
        peers,
        setting,
    )
    peers = [Peer("Captum IntegratedGradients", lambda: captum_integrated_gradients(subject), 6)]
    yield from contest(
        f"Integrated gradients, {STEPS} steps",
        partial(our_explain, "integrated_gradients", n_steps=STEPS),
        peers,
        setting,
    )
    peers = [
        Peer("Captum LayerGradCam", lambda: captum_grad_cam(subject)),
        Peer("grad-cam", lambda: grad_cam(subject)),
    ]
    yield from contest("Grad-CAM", partial(our_explain, "grad_cam"), peers, setting)
    peers = [Peer("Zennit EpsilonPlusFlat", lambda: zennit(subject))]
    yield from contest("LRP", partial(our_explain, "lrp"), peers, setting)


def _both(subject: Subject, samples: int, make: Callable[[Subject, int], Work]) -> tuple[Work, Work]:
    return make(subject, samples), make(subject, min(samples, WARM))


def lime(subject: Subject, samples: int, seed: int = 0) -> Work:
    """The lime package with its defaults, for the one class, on the same segments; the work returns its
    explanation."""
    from lime.lime_image import LimeImageExplainer

    picture = subject.model.input.denormalise(subject.x)[0].movedim(0, -1).double().numpy()  # type: ignore[attr-defined]

    def scores(images: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.asarray(images)).movedim(-1, 1).float()
        with torch.no_grad():
            outputs: np.ndarray = subject.module(subject.model.input.normalise(x)).numpy()  # type: ignore[attr-defined]
        return outputs

    def run() -> Any:
        with redirect_stderr(io.StringIO()):  # its progress bar cannot be turned off
            return LimeImageExplainer(random_state=seed).explain_instance(
                picture,
                scores,
                labels=(subject.target,),
                top_labels=None,
                hide_color=0,
                num_samples=samples,
                segmentation_fn=lambda _: subject.cut,
            )

    return run


def captum_lime(subject: Subject, samples: int, at_once: int) -> Work:
    """Captum's Lime with its default surrogate and kernel."""
    from captum.attr import Lime

    cut, explainer = torch.from_numpy(subject.cut)[None, None], Lime(subject.module)
    return lambda: explainer.attribute(
        subject.x,
        baselines=subject.black,
        target=subject.target,
        feature_mask=cut,
        n_samples=samples,
        perturbations_per_eval=at_once,
    )


def captum_smooth_grad(subject: Subject) -> Work:
    from captum.attr import NoiseTunnel, Saliency

    explainer = NoiseTunnel(Saliency(subject.module))
    return lambda: explainer.attribute(
        subject.x.clone(),
        nt_type="smoothgrad",
        nt_samples=COPIES,
        stdevs=subject.sigma,
        target=subject.target,
    )


def captum_integrated_gradients(subject: Subject) -> Work:
    from captum.attr import IntegratedGradients

    explainer = IntegratedGradients(subject.module)
    return lambda: explainer.attribute(
        subject.x, baselines=subject.black, target=subject.target, n_steps=STEPS
    )


def captum_grad_cam(subject: Subject) -> Work:
    from captum.attr import LayerAttribution, LayerGradCam

    explainer = LayerGradCam(subject.module, subject.layer)
    size = tuple(subject.x.shape[-2:])
    # Captum differentiates from the input on, which it makes a leaf itself; a fresh copy keeps ours
    # untouched.
    return lambda: LayerAttribution.interpolate(
        explainer.attribute(
            subject.x.clone().requires_grad_(), target=subject.target, relu_attributions=True
        ),
        size,
        "bilinear",
    )


def grad_cam(subject: Subject) -> Work:
    """On a copy whose weights take gradients, without which the package cannot work."""
    import copy

    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = copy.deepcopy(subject.module).requires_grad_(True)
    explainer = GradCAM(module, [module.get_submodule(subject.model.default_layer)])
    return lambda: explainer(subject.x.clone(), [ClassifierOutputTarget(subject.target)])


def zennit(subject: Subject) -> Work:
    """EpsilonPlusFlat with the canoniser for ResNets; the network is canonised and restored on every call,
    as the package is used."""
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer

    start = torch.eye(1000)[[subject.target]]

    def run() -> Any:
        with Gradient(subject.module, EpsilonPlusFlat(canonizers=[ResNetCanonizer()])) as explainer:
            return explainer(subject.x.clone(), start)

    return run
