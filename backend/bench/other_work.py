"""The work of other public packages on a subject: lime, grad-cam, Zennit. Each function imports its package and
returns the work."""

from __future__ import annotations

import copy
import io
from contextlib import redirect_stderr
from typing import Any

import numpy as np
import torch

from backend.bench.harness import Work
from backend.bench.subject import Subject


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


def grad_cam(subject: Subject) -> Work:
    """On a copy whose weights take gradients, without which the package cannot work."""
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

    start = torch.eye(len(subject.model.labels))[[subject.target]]

    def run() -> Any:
        with Gradient(subject.module, EpsilonPlusFlat(canonizers=[ResNetCanonizer()])) as explainer:
            return explainer(subject.x.clone(), start)

    return run
