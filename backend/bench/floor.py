"""Each method over its floor: the bare loop of the forward and backward passes it declares, at the best
batch, layout and precision that the engine has for this network. Three networks: small, usual, large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

import backend
import models
from backend.attribution.methods import METHODS
from backend.attribution.network.passes import Passes
from backend.attribution.network.plan import Plan
from backend.attribution.network.run import LONG
from backend.bench.harness import Row, Setting, over_floor, seconds
from backend.bench.subject import Subject, network, resnet_subject, subject_of

TITLE = "Cost over the floor: ours / bare passes"
ORDER = 10
MOST = 1.15
LEAST = {"lrp": 1.5, "fused": 1.5}
"""Methods whose way back does more per layer than a gradient."""
BARE = "its bare passes"
NETWORKS: tuple[tuple[str, Callable[[], Subject], dict[str, int]], ...] = (
    ("ResNet-18", resnet_subject, {"n_samples": 50, "n_steps": 50, "lime": 1000}),
    ("cnnexplain", lambda: subject_of(models.load("cnnexplain")), {"n_samples": 50, "n_steps": 50, "lime": 1000}),
    (
        "ResNet-50",
        lambda: subject_of(network("torchvision:resnet50")),
        {"n_samples": 16, "n_steps": 16, "lime": 300},
    ),
)  # fmt: skip
TRIALS = 3
"""Batches in which the plans that the engine offers are compared."""
FEW = 16
"""Passes in a quick run."""


def rows(setting: Setting) -> Iterator[Row]:
    """One row per network and method."""
    for name, build, sizes in NETWORKS:
        if setting.quick:
            sizes = dict.fromkeys(sizes, FEW)
        methods: dict[str, dict[str, Any]] = {
            "grad_cam": {},
            "smooth_grad": {"n_samples": sizes["n_samples"]},
            "integrated_gradients": {"n_steps": sizes["n_steps"]},
            "lime": {"n_samples": sizes["lime"]},
            "lrp": {},
            "fused": {},
        }
        subject = build()
        for key, params in methods.items():
            yield _over(name, subject, key, params, setting)


def _over(name: str, subject: Subject, key: str, params: dict[str, Any], setting: Setting) -> Row:
    method = METHODS[key]
    cost = method.cost(subject.model, method.Params(**(method.defaults(subject.model) | params)))
    label = " ".join(
        [method.title, *(f"{value:,} {name.removeprefix('n_')}" for name, value in params.items())]
    )
    noise = subject.sigma if "noise" in method.Params.model_fields else 0.0
    bare, plans = floor(subject, cost.forwards, cost.backwards, noise)
    return over_floor(
        f"{label}, {name}",
        lambda: backend.explain(subject.model, subject.x, key, target=subject.target, **params),
        bare,
        setting,
        most=LEAST.get(key, MOST),
        name=BARE,
        note=f"{cost.forwards:,} forward, {cost.backwards:,} backward: {plans}.",
    )


def floor(
    subject: Subject, forwards: int, backwards: int, noise: float = 0.0
) -> tuple[Callable[[], None], str]:
    """The loop of passes, and in words how it runs. Every backward pass has its forward pass; the rest are
    forward only.

    noise: for a method that averages gradients of noisy copies, its standard deviation.
    """
    passes = Passes.of(subject.model)
    works: list[Callable[[], None]] = []
    words = []
    if forwards > backwards:
        number = forwards - backwards
        plan, work = _fastest(subject, _forward_plans(passes, number), number, forward_only=True)
        works.append(work)
        words.append(f"{plan.description}, used with {min(plan.batch, number)}")
    if backwards:
        plan, work = _fastest(subject, _gradient_plans(passes, backwards, noise), backwards, forward_only=False)  # fmt: skip
        works.append(work)
        words.append(f"{plan.description}, used with {min(plan.batch, backwards)}")

    def run() -> None:
        for work in works:
            work()

    return run, " and ".join(dict.fromkeys(words))


def _forward_plans(passes: Passes, number: int) -> list[Plan]:
    fused = passes.fused(number) if number >= LONG else None
    return [passes.exact, passes.plan("forward"), *([fused] if fused else [])]


def _gradient_plans(passes: Passes, number: int, noise: float) -> list[Plan]:
    noisy = [passes.noisy(noise, number)] if noise > 0 else []
    return [passes.exact, passes.plan("gradient"), *noisy]


def _fastest(
    subject: Subject, plans: Sequence[Plan], number: int, *, forward_only: bool
) -> tuple[Plan, Callable[[], None]]:
    """The plan that takes the least time an image, and the loop of `number` passes with it."""

    def per_image(plan: Plan) -> float:
        images = min(plan.batch, number)
        batch = _loop(plan, subject, images, forward_only=forward_only)
        batch()
        return min(seconds(batch) for _ in range(TRIALS)) / images

    best = plans[0] if len(plans) == 1 else min(plans, key=per_image)
    return best, _loop(best, subject, number, forward_only=forward_only)


def _loop(plan: Plan, subject: Subject, number: int, *, forward_only: bool) -> Callable[[], None]:
    """`number` passes on ready-made batches; nothing is kept."""
    layout = torch.channels_last if plan.channels_last else torch.contiguous_format
    sizes = [min(plan.batch, number - start) for start in range(0, number, plan.batch)]
    batches = {
        size: subject.x.repeat(size, 1, 1, 1).to(plan.dtype, memory_format=layout) for size in set(sizes)
    }

    def forward(x: Tensor) -> None:
        with torch.inference_mode():
            plan.logits(subject.model, x, subject.target)

    def both(x: Tensor) -> None:
        leaf = x.detach().requires_grad_(True)
        torch.autograd.grad(plan.logits(subject.model, leaf, subject.target).sum(), leaf)

    def run() -> None:
        for size in sizes:
            (forward if forward_only else both)(batches[size])

    return run
