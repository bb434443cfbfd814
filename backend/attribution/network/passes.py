"""The engine that runs the many forward and backward passes of the perturbation and path methods.

A method that needs hundreds of passes asks `Passes.of(model).run(target, passes=n)` for a `Run` and sends it
batches. The engine runs them on the first network of this list that gives the *same numbers*:

    bfloat16                    a copy with batch norm merged into the convolutions, channels-last, in half the bits (forward only)
    bfloat16 backward           the folded copy, forward in float32, gradients of the convolutions in bfloat16
    folded                      the copy in float32; same function
    as given                    the model's own module, float32

The list is ordered by measured speed (docs/decisions.md), so the choice depends on no clock, only on the
processor, the kind of pass and the network. bfloat16 is tried where the processor computes in it. A copy is
used only if it agrees with the module on trial inputs (`AGREEMENT`), compared on one thread. The same request
therefore gives the same bits in every process, beside any other work. Gradients
of a bfloat16 forward pass are never used: rounding flips ReLUs, and on ResNet-18 the gradient map then
correlates 0.93 with the right one. With exact masks and only the way back rounded it is 0.997 to 1.

The batch size depends on the machine's memory, not on how much of it is free, for the same reason. On a CPU
throughput is flat from about 16 images on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.attribution.network import randomness
from backend.attribution.network.bfloat16 import backward_in_bfloat16, has_bfloat16
from backend.attribution.network.cache import cached
from models.model import Model

Kind = Literal["forward", "gradient"]

AGREEMENT = 0.99
"""Least rank correlation with the float32 module, of outputs over perturbed probes or of the gradient map."""
CLOSE = 1e-3
"""A float32 copy must agree to this share of the largest output or gradient."""
SMALL = 8
"""Fewer passes than this run on the module as given: choosing a copy would cost more than it saves."""
AS_GIVEN = "as given, float32"
"""Description of a run without this engine."""
MAP_BYTES = 80 * 2**20
"""Most that one feature map of a batch may take on a CPU."""
WORKER_BYTES, LEAST_BYTES = 500 * 2**20, 128 * 2**20
"""Bytes on a CPU for weights, their copies and the activations saved for the backward pass (with torch itself
a worker takes 1.5 GiB); the saved activations may always take the second number."""
COPIES = 3
MOST = {"cpu": 32, "cuda": 256}
CUDA_SHARE = 8
"""A batch on a GPU may take this part of its memory."""
PROBES: dict[Kind, int] = {"forward": 8, "gradient": 2}


@dataclass(frozen=True)
class Plan:
    """How passes of one kind are run. description: the same in words, for the record. agreement: rank
    correlation with the module's float32 results."""

    network: Callable[[Tensor], Tensor]
    precision: str
    description: str
    dtype: torch.dtype
    channels_last: bool
    batch: int
    agreement: float = 1.0


class Passes:
    """The plans of one model, chosen at first use. Use `Passes.of`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._plans: dict[Kind, Plan] = {}
        self._folded: nn.Module | None = None

    @classmethod
    def of(cls, model: Model) -> Passes:
        """The passes of this model, cached. A changed network gets new ones."""
        return cached(model, "passes", None, lambda: cls(model))

    def run(self, target: int, passes: int) -> Run:
        """passes: how many images the method will send; small numbers run on the module as given."""
        return Run(self, target, exact=passes < SMALL)

    def plan(self, kind: Kind) -> Plan:
        """The fastest way to run passes of this kind on this processor that is faithful to this network."""
        if kind not in self._plans:
            with _undisturbed(self.model.module), one_thread(), randomness.undisturbed():
                self._plans[kind] = self._choose(kind)
        return self._plans[kind]

    @property
    def exact(self) -> Plan:
        """The module as given."""
        return Plan(self.model.module, "float32", AS_GIVEN, torch.float32, False, SMALL)

    def _choose(self, kind: Kind) -> Plan:
        probes = _probe_inputs(self.model, PROBES[kind])
        reference = self._plan(kind, self.model.module, "float32", AS_GIVEN, channels_last=False)
        evaluate, parts = _outputs if kind == "forward" else _gradients, probes.split(reference.batch)
        expected = torch.cat([evaluate(reference, part) for part in parts])
        for plan in self._candidates(kind):
            try:
                actual = torch.cat([evaluate(plan, part) for part in parts])
            except (RuntimeError, NotImplementedError):  # an operation that has no kernel for this type
                continue
            agreement = _agreement(actual, expected, kind, exact=plan.precision == "float32")
            if agreement >= AGREEMENT:
                return replace(plan, agreement=agreement)
        return reference

    def _candidates(self, kind: Kind) -> Iterator[Plan]:
        """Copies to try, the fastest first."""
        if has_bfloat16(self.model.device):
            if kind == "forward":
                half = copy.deepcopy(self.folded).to(torch.bfloat16)
                yield self._plan(kind, half, "bfloat16", "folded, bfloat16 forward", dtype=torch.bfloat16)
            else:
                network, description = (
                    backward_in_bfloat16(self.folded),
                    "folded, float32 forward, bfloat16 backward",
                )
                yield self._plan(kind, network, "float32, bfloat16 backward", description)
        yield self._plan(kind, self.folded, "float32", "folded, float32")

    def _plan(
        self,
        kind: Kind,
        network: nn.Module,
        precision: str,
        description: str,
        *,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
    ) -> Plan:
        batch = self._batch(kind, network, dtype)
        return Plan(network, precision, f"{description}, batch {batch}", dtype, channels_last, batch)

    @property
    def folded(self) -> nn.Module:
        """A channels-last copy, batch norm merged where `torch.fx` can trace the network. The same
        function up to float32 rounding."""
        if self._folded is None:
            try:
                from torch.fx.experimental.optimization import fuse

                folded = fuse(self.model.module)
            except Exception:  # fx raises many types for control flow it cannot trace
                folded = copy.deepcopy(self.model.module)
            self._folded = folded.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._folded

    def _batch(self, kind: Kind, network: nn.Module, dtype: torch.dtype) -> int:
        """The largest power of two within the memory bounds."""
        device = self.model.device
        largest = dtype.itemsize * max(
            math.prod(shape)
            for shape in (self.model.input.shape, *(layer.shape for layer in self.model.layers))
        )
        saved = self._saved_bytes(network) if kind == "gradient" else 0
        if device.type == "cuda":
            images = torch.cuda.mem_get_info(device)[1] / CUDA_SHARE / (saved + 4 * largest)
        else:
            weights = sum(tensor.nbytes for tensor in self.model.module.parameters())
            images = min(
                MAP_BYTES / largest, max(LEAST_BYTES, WORKER_BYTES - COPIES * weights) / max(1, saved)
            )
        return int(2 ** math.floor(math.log2(max(1.0, min(images, MOST[device.type])))))

    def _saved_bytes(self, network: nn.Module) -> int:
        """Bytes that autograd saves per image for the backward pass, weights not counted."""
        sizes: dict[int, int] = {}
        weights = {
            tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())
        }

        def record(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        x = torch.zeros(1, *self.model.input.shape, device=self.model.device, requires_grad=True)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
            network(x.clone())
        return sum(sizes.values())


class Run:
    """One method's use of the engine: the class explained, and the passes spent.

    forwards, backwards: counted per image. precision: what the record shows.
    """

    def __init__(self, passes: Passes, target: int, exact: bool = False) -> None:
        self.passes, self.target, self.model = passes, target, passes.model
        self._exact = exact
        self.forwards = self.backwards = 0
        self._used: set[str] = set()

    @property
    def precision(self) -> str:
        """`float32`, `bfloat16`, or `float32, bfloat16 backward`."""
        return max(self._used, key=len, default="float32")

    def plan(self, kind: Kind) -> Plan:
        return self.passes.exact if self._exact else self.passes.plan(kind)

    def _use(self, kind: Kind) -> Plan:
        plan = self.plan(kind)
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
        return _in_layout_of(x.to(self.model.device), plan)

    def scores(self, x: Tensor) -> Tensor:
        """`x [N, C, H, W]` -> the explained logit, float32 `[N]`, in one batch. A network that works in
        place may overwrite `x`."""
        plan = self._use("forward")
        self.forwards += x.shape[0]
        with torch.inference_mode():
            return self.model.select(plan.network(_in_layout_of(x, plan)).float(), self.target).clone()

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
        plan = self._use("gradient")
        self.forwards += x.shape[0]
        inner = x.clone()  # a network may overwrite its input, which a leaf does not allow
        if arrived is not None:
            inner.register_hook(arrived)
        score = self.model.select(plan.network(_in_layout_of(inner, plan)), self.target).float()
        score.register_hook(self._count_backward)
        return score

    def _count_backward(self, upstream: Tensor) -> None:
        self.backwards += upstream.shape[0]

    def exact_scores(self, x: Tensor) -> Tensor:
        """The explained logit by the module as given, in float32: for the two ends of a path."""
        self.forwards += x.shape[0]
        with torch.no_grad():
            return self.model.select(self.model.module(x.clone()), self.target)


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


def _probe_inputs(model: Model, n: int) -> Tensor:
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


def _outputs(plan: Plan, probes: Tensor) -> Tensor:
    with torch.inference_mode():
        return plan.network(_in_layout_of(probes, plan)).float().clone()


def _gradients(plan: Plan, probes: Tensor) -> Tensor:
    """Gradients of the whole picture's largest logit, summed over channels: `[n, H, W]`."""
    with torch.enable_grad():
        leaf = _in_layout_of(probes, plan).detach().requires_grad_(True)
        outputs = plan.network(leaf.clone())
        return torch.autograd.grad(outputs[:, int(outputs[0].argmax())].sum(), leaf)[0].float().sum(1)


def _agreement(actual: Tensor, expected: Tensor, kind: Kind, exact: bool) -> float:
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


def _in_layout_of(x: Tensor, plan: Plan) -> Tensor:
    return x.to(
        plan.dtype, memory_format=torch.channels_last if plan.channels_last else torch.contiguous_format
    )


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
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
