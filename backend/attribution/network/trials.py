"""Trial runs: whether a faster network gives the numbers of the module as given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.attribution.network.plan import Kind, Plan
from models.model import Model

TIMINGS = 3
CLOSE = 1e-3
"""A float32 copy must agree to this share of the largest output or gradient."""


def probe_inputs(model: Model, n: int) -> Tensor:
    """Trial inputs `[n, C, H, W]`: one smooth seeded picture, first whole, then with random parts replaced
    by the baseline."""
    generator = torch.Generator().manual_seed(0)
    channels, height, width = model.input.shape
    coarse = torch.rand(1, channels, 12, 12, generator=generator)
    picture = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)
    picture = picture + 0.05 * torch.randn(1, channels, height, width, generator=generator)
    normalise = getattr(
        model.input, "normalise", None
    )  # pictures: 0..1 to the network's scale; sound is 0..1 already
    picture = normalise(picture) if normalise else picture
    removed = model.input.baseline(picture)
    visible = F.interpolate(
        (torch.rand(n, 1, 6, 6, generator=generator) > 0.3).float(), size=(height, width), mode="nearest"
    )
    visible[0] = 1
    return (picture * visible + removed * (1 - visible)).to(model.device)


class Trial:
    """The module's own results for some inputs, and how well those of other plans agree with them. All on one
    thread: sums are split among threads and round accordingly, and the choice of a plan must not depend on their
    number."""

    def __init__(self, kind: Kind, reference: Plan, probes: Tensor) -> None:
        self.kind, self._parts = kind, probes.split(reference.batch)
        with one_thread():
            self._expected = self.run(reference)

    def run(self, plan: Plan) -> Tensor:
        evaluate = outputs if self.kind == "forward" else gradients
        return torch.cat([evaluate(plan, part) for part in self._parts])

    def agreement(self, plan: Plan) -> float:
        """Rank correlation; 0 where the plan fails."""
        try:
            with one_thread():
                actual = self.run(plan)
        except (RuntimeError, NotImplementedError):  # an operation that has no kernel for this type
            return 0.0
        return agreement(actual, self._expected, self.kind, exact=plan.precision == "float32")


@dataclass(frozen=True)
class NoiseError:
    """What rounding adds to gradients of noisy copies, per cell: square of its mean, its variance, and the variance
    of the exact gradients."""

    bias: float
    variance: float
    sampling: float

    def share(self, copies: int) -> float:
        """Mean square of what rounding adds to the average of so many copies, over the variance of the average."""
        added = self.bias + self.variance / copies
        return added * copies / self.sampling if self.sampling > 0 else math.inf


def noise_error(exact: Plan, rounded: Plan, x: Tensor, noise: float, draws: int) -> NoiseError | None:
    """By the gradients of so many copies of x `[1, C, H, W]` with normal noise; None where they overflow."""
    generator = torch.Generator().manual_seed(0)
    copies = x + noise * torch.randn(draws, *x.shape[1:], generator=generator).to(x.device)
    batch = min(exact.batch, rounded.batch)
    with one_thread():
        target = int(outputs(exact, x)[0].argmax())
        true, ours = (
            torch.cat([gradients(plan, part, target) for part in copies.split(batch)]).double()
            for plan in (exact, rounded)
        )
    if not torch.isfinite(ours).all():
        return None
    added = ours - true
    variance = float(added.var(0).mean())
    bias = max(0.0, float((added.mean(0) ** 2).mean()) - variance / draws)
    return NoiseError(bias, variance, float(true.var(0).mean()))


def seconds(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Processor seconds of all threads, the least of a few runs of each, in turns: a clock on the wall would count
    what other programs did meanwhile, and what is measured once holds until its file is deleted."""
    least = dict.fromkeys(work, math.inf)
    for _ in range(TIMINGS):
        for name, run in work.items():
            started = time.process_time()
            run()
            least[name] = min(least[name], time.process_time() - started)
    return least


def outputs(plan: Plan, probes: Tensor) -> Tensor:
    with torch.inference_mode():
        return plan.network(plan.laid_out(probes)).float().clone()


def gradients(plan: Plan, probes: Tensor, target: int | None = None) -> Tensor:
    """Gradients of a logit, the first picture's largest unless given, summed over channels: `[n, H, W]`."""
    with torch.enable_grad():
        leaf = plan.laid_out(probes).detach().requires_grad_(True)
        logits = plan.network(leaf.clone())
        column = int(logits[0].argmax()) if target is None else target
        return torch.autograd.grad(logits[:, column].sum(), leaf)[0].float().sum(1)


def agreement(actual: Tensor, expected: Tensor, kind: Kind, exact: bool) -> float:
    """Rank correlation; 0 where the top class differs, or a float32 copy differs by more than rounding."""
    if not torch.isfinite(actual).all():
        return 0.0
    if (
        kind == "forward"
        and actual.shape[1] > 1
        and not torch.equal(actual.argmax(1)[:1], expected.argmax(1)[:1])
    ):
        return 0.0
    if exact:
        return float((actual - expected).abs().max() <= CLOSE * expected.abs().max().clamp(min=1e-6))
    if kind == "forward":  # what perturbation methods read is how a class's score moves from probe to probe
        actual, expected = actual - actual.mean(0), expected - expected.mean(0)
        return rank_correlation(actual, expected)
    return min(rank_correlation(a, b) for a, b in zip(actual, expected, strict=True))


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, of all elements; 1 for two constants."""
    ranks = torch.stack([t.flatten().argsort().argsort().double() for t in (a, b)])
    return 1.0 if a.numel() < 2 or float(b.max() - b.min()) == 0 else float(torch.corrcoef(ranks)[0, 1])


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Restores the training flags, which tracing and trial runs change."""
    flags = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, training in flags:
            part.training = training


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch uses one thread: sums are split among threads and round accordingly, and the choice of a
    plan must not depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
