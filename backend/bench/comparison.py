"""The six maps that the compare view shows first, against computing them with Captum and lime one after
another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import backend
from backend.bench import captum_work as captum
from backend.bench import other_work as other
from backend.bench import peers
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import NOISE, SEGMENTS, Subject, resnet_subject

TITLE = "The compare view (ResNet-18, 224 x 224): theirs / ours"
ORDER = 30
MOST_ROUNDS = 2
"""A round takes half a minute."""


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per peer."""
    subject = resnet_subject()
    samples, copies = (peers.FEW, 16) if setting.quick else (peers.SAMPLES, peers.COPIES)
    methods: dict[str, dict[str, Any]] = {
        "grad_cam": {},
        "lime": {"n_samples": samples, "segments": SEGMENTS},
        "smooth_grad": {"n_samples": copies, "noise": NOISE},
        "integrated_gradients": {"n_steps": copies},
        "lrp": {},
        "fused": {},
    }

    def ours() -> None:
        for key, params in methods.items():
            backend.explain(subject.model, subject.x, key, target=subject.target, **params)

    note = f"LIME with {samples:,} samples; their fused map takes one Grad-CAM and one LRP more."
    yield from contest(
        "Six maps",
        ours,
        [
            Peer(
                "Captum over the engine; LRP by Zennit",
                lambda: _over_engine(subject, samples, copies),
                over_engine=True,
            ),
            Peer(
                "lime and Captum one after another; LRP by Zennit",
                lambda: _as_used(subject, samples, copies),
                5,
                note,
                amx=True,
            ),
        ],
        replace(setting, rounds=min(setting.rounds, MOST_ROUNDS)),
    )


def _over_engine(subject: Subject, samples: int, copies: int) -> Work:
    cam, relevance = captum.grad_cam_over_engine(subject), other.zennit(subject)
    return _in_turn(
        [
            cam,
            captum.over_engine(subject, captum.lime(samples), samples),
            captum.over_engine(subject, captum.smooth_grad(copies), copies, noise=subject.sigma),
            captum.over_engine(subject, captum.integrated_gradients(copies), copies),
            *(relevance, cam, relevance),
        ]
    )


def _as_used(subject: Subject, samples: int, copies: int) -> tuple[Work, Work]:
    """Zennit stands in for Captum's LRP, whose relevance does not add up on this network."""
    cam, relevance = captum.as_used(subject, captum.grad_cam), other.zennit(subject)
    works = [
        captum.as_used(subject, captum.smooth_grad(copies)),
        captum.as_used(subject, captum.integrated_gradients(copies)),
        *(cam, relevance, cam, relevance),
    ]
    return (
        _in_turn([other.lime(subject, samples), *works]),
        _in_turn([other.lime(subject, peers.WARM), *works]),
    )


def _in_turn(works: Sequence[Work]) -> Work:
    def run() -> None:
        for work in works:
            work()

    return run
