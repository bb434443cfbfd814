"""Ours against public implementations: same network, picture, class, number of samples, and for the methods of
segments the same segments. Captum twice: over the engine's passes, and as people use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import backend
from backend.attribution.methods import METHODS
from backend.attribution.methods.occlusion import bands
from backend.bench import captum_work as captum
from backend.bench import other_work as other
from backend.bench.captum_work import as_used, over_engine
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import NOISE, SEGMENTS, Subject, resnet_subject

TITLE = "Against public implementations (ResNet-18, 224 x 224): theirs / ours"
ORDER = 20
SAMPLES, FEW = 1000, 64
COPIES = STEPS = 50
SHARE, PART = 4, 8
"""Slow peers whose time is proportional to their samples run a quarter of them, the slowest an eighth."""
WARM = 32
"""Samples with which a slow peer is warmed up."""
OVER_ENGINE = "Captum over the engine"


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per method and peer."""
    subject = resnet_subject()
    samples = FEW if setting.quick else SAMPLES
    copies = 16 if setting.quick else COPIES
    for method, name, params, peers in (
        ("grad_cam", "Grad-CAM", {}, _grad_cam(subject)),
        ("gradient", "Gradient", {}, _gradient(subject)),
        ("guided_backprop", "Guided backpropagation", {}, _guided(subject)),
        ("smooth_grad", f"SmoothGrad, {copies} copies", {"n_samples": copies, "noise": NOISE}, _smooth_grad(subject, copies)),
        ("integrated_gradients", f"Integrated gradients, {copies} steps", {"n_steps": copies}, _integrated(subject, copies)),
        ("lime", f"LIME, {samples:,} samples", {"n_samples": samples, "segments": SEGMENTS}, _lime(subject, samples)),
        ("kernel_shap", f"Kernel SHAP, {samples:,} samples", {"n_samples": samples, "segments": SEGMENTS}, _shap(subject, samples)),
        ("occlusion", "Occlusion", {}, _occlusion(subject, setting)),
        ("lrp", "LRP", {}, _lrp(subject)),
        ("fused", "Grad-CAM x LRP", {}, _fused(subject)),
    ):  # fmt: skip
        # The segments of ours are cut by the method from the same picture with the same settings: they are
        # the ones handed to the peers.
        ours = partial(backend.explain, subject.model, subject.x, method, target=subject.target, **params)
        yield from contest(name, ours, peers, setting)


def _grad_cam(subject: Subject) -> list[Peer]:
    return [
        Peer(OVER_ENGINE, lambda: captum.grad_cam_over_engine(subject), over_engine=True),
        Peer("Captum LayerGradCam", lambda: as_used(subject, captum.grad_cam)),
        Peer("grad-cam", lambda: other.grad_cam(subject)),
    ]


def _gradient(subject: Subject) -> list[Peer]:
    return [
        Peer(OVER_ENGINE, lambda: over_engine(subject, captum.gradient, 1), over_engine=True),
        Peer("Captum Saliency", lambda: as_used(subject, captum.gradient)),
    ]


def _guided(subject: Subject) -> list[Peer]:
    return [
        Peer(OVER_ENGINE, lambda: captum.guided_over_engine(subject), note="Saliency under our rule for ReLUs.", over_engine=True),
        Peer("Captum GuidedBackprop", lambda: as_used(subject, captum.guided_backprop)),
    ]  # fmt: skip


def _smooth_grad(subject: Subject, copies: int) -> list[Peer]:
    algorithm = captum.smooth_grad(copies)
    return [
        Peer(
            OVER_ENGINE,
            lambda: over_engine(subject, algorithm, copies, noise=subject.sigma),
            over_engine=True,
        ),
        Peer("Captum NoiseTunnel(Saliency)", lambda: as_used(subject, algorithm), 5, amx=True),
    ]


def _integrated(subject: Subject, steps: int) -> list[Peer]:
    algorithm = captum.integrated_gradients(steps)
    return [
        Peer(OVER_ENGINE, lambda: over_engine(subject, algorithm, steps), over_engine=True),
        Peer("Captum IntegratedGradients", lambda: as_used(subject, algorithm), 3, amx=True),
    ]


def _lime(subject: Subject, samples: int) -> list[Peer]:
    return [
        _share_of("lime", partial(other.lime, subject), samples, SHARE, goal=4.5),
        _over_engine(subject, captum.lime, samples, goal=1),
        _default(subject, "Lime", captum.lime, samples, goal=7),
        _in_batches(subject, "Lime", captum.lime, samples),
    ]


def _shap(subject: Subject, samples: int) -> list[Peer]:
    return [
        _over_engine(subject, captum.kernel_shap, samples),
        _default(subject, "KernelShap", captum.kernel_shap, samples),
    ]


def _over_engine(
    subject: Subject, algorithm: Callable[[int], captum.Algorithm], samples: int, goal: float | None = None
) -> Peer:
    # A shorter run that announces as many passes meets the same network.
    def make() -> tuple[Work, Work]:
        return (
            over_engine(subject, algorithm(samples), samples),
            over_engine(subject, algorithm(WARM), samples),
        )

    return Peer(OVER_ENGINE, make, goal, over_engine=True)


def _default(
    subject: Subject,
    name: str,
    algorithm: Callable[[int], captum.Algorithm],
    samples: int,
    goal: float | None = None,
) -> Peer:
    def make(count: int) -> Work:
        return as_used(subject, algorithm(count))

    return _share_of(f"Captum {name}, 1 sample a pass (its default)", make, samples, PART, goal)


def _in_batches(
    subject: Subject, name: str, algorithm: Callable[[int], captum.Algorithm], samples: int
) -> Peer:
    def make(count: int) -> Work:
        return as_used(subject, algorithm(count), at_once=32)

    return _share_of(f"Captum {name}, 32 samples a pass", make, samples, SHARE)


def _share_of(
    name: str, make: Callable[[int], Work], samples: int, part: int, goal: float | None = None
) -> Peer:
    """A peer that runs a share of the samples, multiplied up. The goals are those for AMX."""
    share = samples // part
    note = f"Measured with {share:,} samples, times {part}."
    return Peer(name, lambda: _with_short(make, share), goal, note, part, amx=goal is not None)


def _with_short(make: Callable[[int], Work], samples: int) -> tuple[Work, Work]:
    return make(samples), make(min(samples, WARM))


def _occlusion(subject: Subject, setting: Setting) -> list[Peer]:
    """Captum as used moves its window in steps twice as wide and high: about a quarter of the work."""
    params: Any = METHODS["occlusion"].Params()
    side = subject.x.shape[-1]  # of a square
    window, step = (max(1, round(share * side)) for share in (params.window, params.stride))
    count = len(bands(side, params)) ** 2
    wide = len(range(0, side - window + 2 * step, 2 * step)) ** 2
    note = f"Measured with {wide} of {count} windows, multiplied."
    return [
        Peer(
            OVER_ENGINE, lambda: over_engine(subject, captum.occlusion(window, step), count), over_engine=True
        ),
        Peer(
            "Captum Occlusion, 1 window a pass (its default)",
            lambda: as_used(subject, captum.occlusion(window, 2 * step)),
            None,
            note,
            count / wide,
        ),
    ]


def _lrp(subject: Subject) -> list[Peer]:
    return [
        Peer("Zennit EpsilonPlusFlat", lambda: other.zennit(subject)),
        Peer("Captum LRP", lambda: as_used(subject, captum.lrp), note=_captum_lrp_error(subject)),
    ]


def _captum_lrp_error(subject: Subject) -> str:
    """What tells that Captum's LRP is no LRP where branches are added: relevance should add up to the score."""
    score = float(subject.model.logits(subject.x)[0, subject.target])
    total = float(captum.lrp(captum.AsUsed(subject)).detach().sum())
    return f"Its relevance adds up to {total / score:.3g} times the score."


def _fused(subject: Subject) -> list[Peer]:
    def make() -> Work:
        works = as_used(subject, captum.grad_cam), other.zennit(subject)
        return lambda: [work() for work in works]

    return [Peer("Captum LayerGradCam and Zennit EpsilonPlusFlat", make)]
