"""The six maps that the compare view shows first, against computing them with Captum and lime one after
another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import backend
from backend.bench import peers
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import NOISE, SEGMENTS, Subject, resnet_subject

TITLE = "The compare view (ResNet-18, 224 x 224): theirs / ours"
ORDER = 30


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row."""
    subject = resnet_subject()
    samples = peers.FEW if setting.quick else peers.SAMPLES
    methods: dict[str, dict[str, Any]] = {
        "grad_cam": {},
        "lime": {"n_samples": samples, "segments": SEGMENTS},
        "smooth_grad": {"n_samples": peers.COPIES, "noise": NOISE},
        "integrated_gradients": {"n_steps": peers.STEPS},
        "lrp": {},
        "fused": {},
    }

    def ours() -> None:
        for key, params in methods.items():
            backend.explain(subject.model, subject.x, key, target=subject.target, **params)

    def warm() -> None:
        for key, params in methods.items():
            short = params | ({"n_samples": peers.WARM} if key == "lime" else {})
            backend.explain(subject.model, subject.x, key, target=subject.target, **short)

    name = "lime and Captum one after another; LRP by Zennit"
    note = f"LIME with {samples:,} samples; their fused map takes one Grad-CAM and one LRP more."
    yield from contest(
        "Six maps", ours, [Peer(name, lambda: _one_by_one(subject, samples), 5, note)], setting, warm=warm
    )


def _one_by_one(subject: Subject, samples: int) -> tuple[Work, Work]:
    """Captum has no LRP for this network (a ReLU module is used twice, sums are functional), so Zennit
    stands in for it."""
    cam, relevance = peers.captum_grad_cam(subject), peers.zennit(subject)
    works = [
        peers.captum_smooth_grad(subject),
        peers.captum_integrated_gradients(subject),
        cam,
        relevance,
        cam,
        relevance,
    ]

    def run(count: int) -> None:
        for work in (peers.lime(subject, count), *works):
            work()

    return lambda: run(samples), lambda: run(peers.WARM)
