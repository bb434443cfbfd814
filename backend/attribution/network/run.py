"""A method's run over the engine: batches in, scores and gradients out, passes counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from backend.attribution.network.plan import Kind, Plan, Plans

SMALL = 8
"""Fewer passes than this run on the module as given: choosing a copy would cost more than it saves, unless the run is one
of many."""
LONG = 256
"""From so many forward passes on a fused network may pay."""
FIRST = 100
"""Images that come before the fused network is used: LIME's first picture is made of them."""


class Run:
    """One method's use of the engine: the class explained, and the passes spent.

    forwards, backwards: counted per image. precision: what the record shows. planned: images that the method will
    send. noise: standard deviation of the noise that it averages over, in units of the input.
    """

    def __init__(self, passes: Plans, target: int, planned: int, noise: float = 0.0) -> None:
        self.passes, self.target, self.model = passes, target, passes.model
        self._planned, self._noise = planned, noise
        self.forwards = self.backwards = 0
        self._used: set[str] = set()

    @property
    def precision(self) -> str:
        """`float32`, `bfloat16`, or `float32, bfloat16 backward`."""
        return max(self._used, key=len, default="float32")

    def plan(self, kind: Kind) -> Plan:
        if self._planned < SMALL:
            many = self._planned > 0 and kind == "gradient" and _one_of_many.get()
            return self.passes.precise_gradient if many else self.passes.exact
        if kind == "gradient" and self._noise > 0:
            return self.passes.noisy(self._noise, self._planned)
        return self.passes.plan(kind)

    def _scoring_plan(self, images: int) -> Plan:
        """The first images of a long run go through the eager network, also when the fused one is ready: it would
        keep the first picture waiting, and the same request is to give the same bits. So does a batch that would
        mostly be filled up."""
        plan = self.plan("forward")
        if self._planned < LONG or self.forwards < FIRST or not plan.batch < 2 * images <= 2 * plan.batch:
            return plan
        return self.passes.fused(self._planned) or plan

    def _use(self, plan: Plan) -> Plan:
        self._used.add(plan.precision)
        used = _used_plans.get()
        if used is not None:
            used.setdefault(plan.description)
        return plan

    def batch(self, kind: Kind) -> int:
        """Images per pass."""
        return self.plan(kind).batch

    def ready(self, x: Tensor, kind: Kind) -> Tensor:
        """`x` in the network's type and memory layout, so that batches built from it need no conversion."""
        plan = self.plan(kind)
        return plan.laid_out(x.to(self.model.device))

    def scores(self, x: Tensor) -> Tensor:
        """`x [N, C, H, W]` -> the explained logit, float32 `[N]`, in one batch. A network that works in
        place may overwrite `x`."""
        plan = self._use(self._scoring_plan(x.shape[0]))
        self.forwards += x.shape[0]
        with torch.inference_mode():
            return plan.logits(self.model, plan.laid_out(x), self.target).float().clone()

    def gradients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x [N, C, H, W]` -> d logit / d x, float32 `[N, C, H, W]`, and the logits `[N]`."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            score = self.differentiable(leaf)
            gradient = torch.autograd.grad(score.sum(), leaf)[0]
        return gradient, score.detach()

    def differentiable(self, x: Tensor, arrived: Callable[[Tensor], None] | None = None) -> Tensor:
        """`x [N, C, H, W]` -> the explained logits, float32 `[N]`, with the graph back to `x` or to whatever
        inside the network asks for a gradient.

        arrived: called in the backward pass with d logit / d x, float32 `[N, C, H, W]`.
        """
        plan = self._use(self.plan("gradient"))
        self.forwards += x.shape[0]
        inner = x.clone()  # a network may overwrite its input, which a leaf does not allow
        if arrived is not None:
            inner.register_hook(arrived)
        score = plan.logits(self.model, plan.laid_out(inner), self.target).float()
        score.register_hook(self._count_backward)
        return score

    def _count_backward(self, upstream: Tensor) -> None:
        self.backwards += upstream.shape[0]

    def exact_scores(self, x: Tensor) -> Tensor:
        """`x [N, C, H, W]` -> the explained logits in float32 `[N]`: for the ends of a path. In one batch."""
        plan = self.plan("gradient")
        if plan.dtype != torch.float32:
            plan = self.passes.exact
        self.forwards += x.shape[0]
        with torch.no_grad():
            return plan.logits(self.model, plan.laid_out(x.clone()), self.target).clone()


_one_of_many: ContextVar[bool] = ContextVar("one_of_many", default=False)


@contextmanager
def one_of_many() -> Iterator[None]:
    """Inside, a map of a few passes is one of many that are compared: it pays to choose a copy, in float32."""
    token = _one_of_many.set(True)
    try:
        yield
    finally:
        _one_of_many.reset(token)


_used_plans: ContextVar[dict[str, None] | None] = ContextVar("taken", default=None)


@contextmanager
def plans_used() -> Iterator[dict[str, None]]:
    """Collects the descriptions of the plans used inside, in the order of first use."""
    used: dict[str, None] = {}
    token = _used_plans.set(used)
    try:
        yield used
    finally:
        _used_plans.reset(token)
