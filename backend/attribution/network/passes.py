"""The fast engine of forward and forward + backward passes that the perturbation and path methods run on.

A method that needs hundreds of passes asks `Passes.of(model).run(target, passes=n)` for a `Run` and hands it
batches. Behind it stands the first network of a short list that gives the *same numbers*:

    bfloat16                    a copy with batch norm merged into the convolutions, channels-last, in half the bits (forward only)
    bfloat16 backward           the folded copy, forward in float32, gradients of the convolutions in bfloat16
    folded                      the copy in float32; same function
    as given                    the model's own module, float32

The list is in the order of speed as measured (docs/decisions.md), so no clock takes part in the choice: it
follows from the processor, the kind of pass and the network. bfloat16 is on it where the processor computes
in it, and a copy is taken only if it agrees with the module on a probe input (`AGREEMENT`), always judged on
one thread. The same request therefore gives the same bits in every process, beside any other work. Gradients
of a bfloat16 forward pass are never used: rounding flips ReLUs, and on ResNet-18 the gradient map then
correlates 0.93 with the right one. With exact masks and only the way back rounded it is 0.997 to 1.

The batch size follows from memory alone and for the same reason: what the machine has, not what happens to be
free. On a CPU throughput is flat from about 16 images on.
"""

from __future__ import annotations

import copy
import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.attribution.network.kept import keep
from models.model import Model

Kind = Literal["forward", "gradient"]

AGREEMENT = 0.99
"""Least rank correlation with the float32 module, of outputs over perturbed probes or of the gradient map."""
CLOSE = 1e-3
"""A float32 copy must agree to this share of the largest output or gradient."""
SMALL = 8
"""Fewer passes than this run on the module as given: choosing would cost more than it saves."""
AS_GIVEN = "as given, float32"
"""How a method runs that does not use this engine."""
MAP_BYTES = 80 * 2**20
"""Most that one feature map of a batch may take on a CPU."""
WORKER_BYTES, LEAST_BYTES = 500 * 2**20, 128 * 2**20
"""What weights, their copies and everything kept for the way back may take together on a CPU (with torch
itself, a worker of 1.5 GiB); what is kept may always take the least."""
COPIES = 3
MOST = {"cpu": 32, "cuda": 256}
CUDA_SHARE = 8
"""A batch on a GPU may take this part of its memory."""
PROBES: dict[Kind, int] = {"forward": 8, "gradient": 2}


@dataclass(frozen=True)
class Plan:
    """How passes of one kind are run. words: the same for the record. agreement: rank correlation with
    float32."""

    network: Callable[[Tensor], Tensor]
    precision: str
    words: str
    dtype: torch.dtype
    channels_last: bool
    batch: int
    agreement: float = 1.0


class Passes:
    """The plans of one model, made when first needed. Use `Passes.of`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._plans: dict[Kind, Plan] = {}
        self._folded: nn.Module | None = None

    @classmethod
    def of(cls, model: Model) -> Passes:
        """Made anew when the network was changed (randomisation checks do that)."""
        return keep(model, "passes", None, lambda: cls(model))

    def run(self, target: int, passes: int) -> Run:
        """passes: how many images the method will send; small numbers run on the module as given."""
        return Run(self, target, exact=passes < SMALL)

    def plan(self, kind: Kind) -> Plan:
        """The fastest way to run passes of this kind on this processor that is faithful to this network."""
        if kind not in self._plans:
            with _undisturbed(self.model.module), _one_thread(), torch.random.fork_rng(devices=[]):
                self._plans[kind] = self._choose(kind)
        return self._plans[kind]

    @property
    def exact(self) -> Plan:
        """The module as given."""
        return Plan(self.model.module, "float32", AS_GIVEN, torch.float32, False, SMALL)

    def _choose(self, kind: Kind) -> Plan:
        probe = _probe(self.model, PROBES[kind])
        given = self._plan(kind, self.model.module, "float32", AS_GIVEN, channels_last=False)
        measure, parts = _outputs if kind == "forward" else _gradients, probe.split(given.batch)
        expected = torch.cat([measure(given, part) for part in parts])
        for plan in self._candidates(kind):
            try:
                found = torch.cat([measure(plan, part) for part in parts])
            except (RuntimeError, NotImplementedError):  # an operation that has no kernel for this type
                continue
            agreement = _agreement(found, expected, kind, exact=plan.precision == "float32")
            if agreement >= AGREEMENT:
                return replace(plan, agreement=agreement)
        return given

    def _candidates(self, kind: Kind) -> Iterator[Plan]:
        """Copies to try, the fastest first."""
        if has_bfloat16(self.model.device):
            if kind == "forward":
                half = copy.deepcopy(self.folded).to(torch.bfloat16)
                yield self._plan(kind, half, "bfloat16", "folded, bfloat16 forward", dtype=torch.bfloat16)
            else:
                network, words = (
                    _backward_in_bfloat16(self.folded),
                    "folded, float32 forward, bfloat16 backward",
                )
                yield self._plan(kind, network, "float32, bfloat16 backward", words)
        yield self._plan(kind, self.folded, "float32", "folded, float32")

    def _plan(
        self,
        kind: Kind,
        network: nn.Module,
        precision: str,
        words: str,
        *,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
    ) -> Plan:
        batch = self._batch(kind, network, dtype)
        return Plan(network, precision, f"{words}, batch {batch}", dtype, channels_last, batch)

    @property
    def folded(self) -> nn.Module:
        """A channels-last copy, batch norm merged where `torch.fx` can trace the network. The same
        function up to float32 rounding."""
        if self._folded is None:
            try:
                from torch.fx.experimental.optimization import fuse

                own = fuse(self.model.module)
            except Exception:  # fx raises many types for control flow it cannot trace
                own = copy.deepcopy(self.model.module)
            self._folded = own.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._folded

    def _batch(self, kind: Kind, network: nn.Module, dtype: torch.dtype) -> int:
        """The largest power of two within the memory bounds."""
        device = self.model.device
        largest = dtype.itemsize * max(
            math.prod(shape)
            for shape in (self.model.input.shape, *(layer.shape for layer in self.model.layers))
        )
        kept = self._saved_bytes(network) if kind == "gradient" else 0
        if device.type == "cuda":
            room = torch.cuda.mem_get_info(device)[1] / CUDA_SHARE / (kept + 4 * largest)
        else:
            weights = sum(tensor.nbytes for tensor in self.model.module.parameters())
            room = min(MAP_BYTES / largest, max(LEAST_BYTES, WORKER_BYTES - COPIES * weights) / max(1, kept))
        return int(2 ** math.floor(math.log2(max(1.0, min(room, MOST[device.type])))))

    def _saved_bytes(self, network: nn.Module) -> int:
        """Bytes that one image leaves behind for the way back, weights not counted."""
        sizes: dict[int, int] = {}
        own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}

        def seen(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        x = torch.zeros(1, *self.model.input.shape, device=self.model.device, requires_grad=True)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
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

    def _take(self, kind: Kind) -> Plan:
        plan = self.plan(kind)
        self._used.add(plan.precision)
        taken = _taken.get()
        if taken is not None:
            taken.setdefault(plan.words)
        return plan

    def batch(self, kind: Kind) -> int:
        """Images per pass."""
        return self.plan(kind).batch

    def ready(self, x: Tensor, kind: Kind) -> Tensor:
        """`x` in the type and layout of the network, so that batches built from it need no conversion."""
        plan = self.plan(kind)
        return _laid_out(x.to(self.model.device), plan)

    def scores(self, x: Tensor) -> Tensor:
        """`x [N, C, H, W]` -> the explained logit, float32 `[N]`, in one batch. A network that works in
        place may overwrite `x`."""
        plan = self._take("forward")
        self.forwards += x.shape[0]
        with torch.inference_mode():
            return self.model.select(plan.network(_laid_out(x, plan)).float(), self.target).clone()

    def gradients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x [N, C, H, W]` -> d logit / d x, float32 `[N, C, H, W]`, and the logits `[N]`."""
        plan = self._take("gradient")
        self.forwards += x.shape[0]
        self.backwards += x.shape[0]
        with torch.enable_grad():
            leaf = _laid_out(x.detach(), plan).requires_grad_(True)
            # A copy goes in: a network may overwrite its input, which a leaf does not allow.
            chosen = self.model.select(plan.network(leaf.clone()), self.target)
            gradient = torch.autograd.grad(chosen.sum(), leaf)[0]
        return gradient, chosen.detach()

    def exact_scores(self, x: Tensor) -> Tensor:
        """The explained logit by the module as given, in float32: for the two ends of a path."""
        self.forwards += x.shape[0]
        with torch.no_grad():
            return self.model.select(self.model.module(x.clone()), self.target)


_taken: ContextVar[dict[str, None] | None] = ContextVar("taken", default=None)


@contextmanager
def plans_taken() -> Iterator[dict[str, None]]:
    """The plans that passes are run by in here, in words and in the order of their first use."""
    taken: dict[str, None] = {}
    token = _taken.set(taken)
    try:
        yield taken
    finally:
        _taken.reset(token)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware (AVX512-BF16, AMX, ARM's own, or a GPU). Where
    oneDNN only emulates it, which it also calls supported, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if (
        device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return False
    intel = platform.machine().lower() in ("x86_64", "amd64")
    return not intel or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


# -- comparing ----------------------------------------------------------------------------------------------------------


def _probe(model: Model, n: int) -> Tensor:
    """`[n, C, H, W]`: one smooth seeded picture on the scale of the input's baselines, whole and with
    random parts removed."""
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
    keep = F.interpolate(
        (torch.rand(n, 1, 6, 6, generator=generator) > 0.3).float(), size=(height, width), mode="nearest"
    )
    keep[0] = 1
    return (picture * keep + removed * (1 - keep)).to(model.device)


def _outputs(plan: Plan, probe: Tensor) -> Tensor:
    with torch.inference_mode():
        return plan.network(_laid_out(probe, plan)).float().clone()


def _gradients(plan: Plan, probe: Tensor) -> Tensor:
    """Of the largest logit of the whole picture. The map of each image is compared, `[n, H, W]`."""
    with torch.enable_grad():
        leaf = _laid_out(probe, plan).detach().requires_grad_(True)
        outputs = plan.network(leaf.clone())
        return torch.autograd.grad(outputs[:, int(outputs[0].argmax())].sum(), leaf)[0].float().sum(1)


def _agreement(found: Tensor, expected: Tensor, kind: Kind, exact: bool) -> float:
    """Rank correlation, 0 when the top class changes or a float32 copy is further away than rounding."""
    if not torch.isfinite(found).all():
        return 0.0
    if (
        kind == "forward"
        and found.shape[1] > 1
        and not torch.equal(found.argmax(1)[:1], expected.argmax(1)[:1])
    ):
        return 0.0
    if exact:
        return float((found - expected).abs().max() <= CLOSE * expected.abs().max().clamp(min=1e-6))
    if kind == "forward":  # what perturbation methods read is how a class's score moves from probe to probe
        found, expected = found - found.mean(0), expected - expected.mean(0)
        return _rank_correlation(found, expected)
    return min(_rank_correlation(a, b) for a, b in zip(found, expected, strict=True))


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, of all elements; 1 for two constants."""
    ranks = torch.stack([t.flatten().argsort().argsort().double() for t in (a, b)])
    return 1.0 if a.numel() < 2 or float(b.max() - b.min()) == 0 else float(torch.corrcoef(ranks)[0, 1])


def _laid_out(x: Tensor, plan: Plan) -> Tensor:
    return x.to(
        plan.dtype, memory_format=torch.channels_last if plan.channels_last else torch.contiguous_format
    )


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Tracing and probing leave training flags as they were."""
    flags = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, training in flags:
            part.training = training


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are split among threads and round accordingly: a verdict must not hang on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# -- bfloat16 on the way back ---------------------------------------------------------------------------------------------------------


class _Convolution(torch.autograd.Function):
    """conv2d in float32; the gradient to its input from bfloat16 weights and gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Conv2d, half: Tensor) -> Tensor:
        ctx.layer, ctx.half, ctx.shape = layer, half, x.shape
        return F.conv2d(
            x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        layer = ctx.layer
        # Only the shape of the input is read when the weights' gradient is not asked for.
        like = torch.empty(
            ctx.shape, dtype=torch.bfloat16, device=ctx.half.device, memory_format=torch.channels_last
        )
        gradient = torch.ops.aten.convolution_backward(
            upstream[0].to(torch.bfloat16),
            like,
            ctx.half,
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            layer.groups,
            [True, False, False],
        )[0]
        return gradient.float(), None, None


class _HalfBack(nn.Module):
    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.narrow = layer.weight.detach().to(torch.bfloat16, memory_format=torch.channels_last)

    @property
    def weight(self) -> Tensor:
        """For code that reads a convolution's weights itself (positional embeddings, weight
        standardisation)."""
        return self.layer.weight

    @property
    def bias(self) -> Tensor | None:
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return _Convolution.apply(x, self.layer, self.narrow)


def _backward_in_bfloat16(network: nn.Module) -> nn.Module:
    """A network that shares the float32 weights with `network`; its plain convolutions send gradients back in
    bfloat16.

    Depthwise ones stay as they are: they read more than they compute, and the conversions cost them more than
    bfloat16 saves.
    """
    shared: dict[int, Any] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    own = copy.deepcopy(network, shared)
    for name, layer in list(own.named_modules()):
        plain = (
            type(layer) is nn.Conv2d
            and name
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        )
        if plain and not 1 < layer.groups == layer.in_channels:
            own.set_submodule(name, _HalfBack(layer))
    return own
