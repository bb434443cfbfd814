"""The engine that runs the many forward and backward passes of the perturbation and path methods.

A method that needs hundreds of passes asks `Passes.of(model).run(target, passes=n)` for a `Run` and sends it
batches. The engine runs them on the first network of this list that gives the *same numbers*:

    bfloat16                    a copy with batch norm merged into the convolutions, channels-last, in half the bits (forward only)
    bfloat16 backward           the folded copy, forward in float32, gradients of the convolutions in bfloat16
    folded                      the copy in float32; same function
    as given                    the module as it is, float32

Forward passes of the copies do each ReLU with the convolution before it (`joined`: the same numbers).
bfloat16 is tried where the processor computes in it. A copy is used only if it agrees with the module on trial
inputs (`AGREEMENT`), compared on one thread. The list is ordered by measured speed (docs/decisions.md), and no
process chooses by a clock of its own, so the same request gives the same bits in every process, beside any other work.

Gradients of a bfloat16 forward pass are not used for a single gradient: rounding flips ReLUs, and on ResNet-18 the
gradient map then correlates 0.93 with the right one. With exact masks and only the way back rounded it is 0.997 to
1. A method that averages gradients of noisy copies says so (`noise`), and bfloat16 both ways is used where it adds
at most `SHARE` of the variance that the copies have anyway.

Long runs of forward passes go on with a fused network after their first images (`fused`). It takes seconds to
prepare, and how much it gains differs: where a folder for measurements is set (`plan_store`), what the first process
measured on this machine decides for all.

The batch size depends on the machine's memory, not on how much of it is free, for the same reason. On a CPU
throughput is flat from about 16 images on.
"""

from __future__ import annotations

import copy
import math
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from backend.attribution.network import plan_store, randomness
from backend.attribution.network.bfloat16 import backward_in_bfloat16, has_bfloat16
from backend.attribution.network.cache import architecture, cached
from backend.attribution.network.fused import can_fuse, fills_quietly, fuse
from backend.attribution.network.joined import Joined, join
from backend.attribution.network.narrowed import is_narrowed, narrow
from backend.attribution.network.plan import AS_GIVEN, Kind, Plan
from backend.attribution.network.run import FIRST, SMALL, Run
from backend.attribution.network.runtime import give_back
from backend.attribution.network.trials import (
    NoiseError,
    Trial,
    noise_error,
    outputs,
    probe_inputs,
    seconds,
    undisturbed,
)
from models.model import Model

AGREEMENT = 0.99
"""Least rank correlation with the float32 module, of outputs over perturbed probes or of the gradient map."""
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
CLEARLY = 1.1
"""A fused network must be so many times as fast as the eager one to be used."""
SHARE = 0.1
"""Of the variance that noisy copies have, bfloat16 may add this much."""
DRAWS = 6
"""Noisy copies on which that is measured."""
FUSED_FROM = 400
"""Forward passes of a run that is worth a fused network, where nothing was measured."""
SERVES = 3
"""Runs that a fused network is expected to serve before the worker lets the model go."""
BOTH_WAYS = "folded, bfloat16 both ways"
Network = nn.Module | Joined
Name = Kind | Literal["precise", "precise gradient"]


class Passes:
    """The plans of one model, chosen at first use. Use `Passes.of`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._plans: dict[Name, Plan] = {}
        self._folded: nn.Module | None = None
        self._half: weakref.ref[nn.Module] | None = None
        self._noise: dict[float, NoiseError | None] = {}
        self._fused: dict[int, Plan | None] = {}
        """By the number of threads, which is compiled in."""

    @classmethod
    def of(cls, model: Model) -> Passes:
        """The passes of this model, cached. A changed network gets new ones."""
        return cached(model, "passes", None, lambda: cls(model))

    def run(self, target: int, passes: int, noise: float = 0.0) -> Run:
        """passes: how many images the method will send; small numbers run on the module as given.

        noise: for a method that averages the gradients of noisy copies, the standard deviation of the noise, in
        units of the input.
        """
        return Run(self, target, passes, noise)

    def plan(self, kind: Kind) -> Plan:
        """The fastest way to run passes of this kind on this processor that is faithful to this network."""
        if kind not in self._plans:
            with undisturbed(self.model.module), randomness.undisturbed():
                self._plans[kind] = self._choose(kind)
        return self._plans[kind]

    @property
    def precise(self) -> Plan:
        """Forward passes in float32 with batches: for small differences between scores, in which half the bits would
        be lost."""
        return self._precise("forward")

    @property
    def precise_gradient(self) -> Plan:
        """Both passes in float32: for maps of a single gradient, of which many are compared."""
        return self._precise("gradient")

    def _precise(self, kind: Kind) -> Plan:
        name: Name = "precise" if kind == "forward" else "precise gradient"
        if name not in self._plans:
            with undisturbed(self.model.module), randomness.undisturbed():
                self._plans[name] = self._choose(kind, precise=True)
        return self._plans[name]

    @property
    def exact(self) -> Plan:
        """The module as given."""
        return Plan(self.model.module, "float32", AS_GIVEN, torch.float32, False, SMALL)

    def _choose(self, kind: Kind, precise: bool = False) -> Plan:
        reference = self._plan(kind, self.model.module, "float32", AS_GIVEN, channels_last=False)
        trial = Trial(kind, reference, probe_inputs(self.model, PROBES[kind]))
        for make in self._ways(kind, precise):
            try:
                plan = make()  # may run the network, to see what a pass keeps
            except (RuntimeError, NotImplementedError):
                continue
            agreement = trial.agreement(plan)
            if agreement >= AGREEMENT:
                return replace(plan, agreement=agreement)
        return reference

    def _ways(self, kind: Kind, precise: bool) -> list[Callable[[], Plan]]:
        """Copies to try, the fastest first; none is made before its turn. precise: in float32."""
        full = partial(self._plan, kind, precision="float32", description="folded, float32")
        half = partial(
            self._plan,
            kind,
            precision="bfloat16",
            description="folded, bfloat16 forward",
            dtype=torch.bfloat16,
        )
        mixed = partial(
            self._plan,
            kind,
            precision="float32, bfloat16 backward",
            description="folded, float32 forward, bfloat16 backward",
        )
        rounded = has_bfloat16(self.model.device) and not precise
        if kind == "forward":
            ways = [lambda: full(join(self.folded)), lambda: full(self.folded)]
            return [lambda: half(join(self.half)), lambda: half(self.half), *ways] if rounded else ways
        ways = [lambda: full(self.folded)]
        back = partial(backward_in_bfloat16, self.folded)
        return [lambda: mixed(back()), lambda: mixed(back(join=False)), *ways] if rounded else ways

    def noisy(self, noise: float, copies: int) -> Plan:
        """The way to run gradients of so many noisy copies, which are averaged: bfloat16 both ways where that adds
        little to the variance of the average.

        noise: standard deviation in units of the input. The error is measured at the next smaller power of the
        square root of 2.
        """
        usual, level = self.plan("gradient"), 2 ** (math.floor(2 * math.log2(noise)) / 2)
        if level not in self._noise:
            with undisturbed(self.model.module), randomness.undisturbed():
                self._noise[level] = self._noise_error(level)
        error = self._noise[level]
        if error is None or error.share(copies) > SHARE:
            return usual
        if "noisy" not in self._plans:
            self._plans["noisy"] = self._both_ways()
        return self._plans["noisy"]

    def _both_ways(self) -> Plan:
        network = backward_in_bfloat16(self.half)
        return self._plan("gradient", network, "bfloat16", BOTH_WAYS, dtype=torch.bfloat16)

    def _noise_error(self, noise: float) -> NoiseError | None:
        if not has_bfloat16(self.model.device):
            return None
        exact = self._plan("gradient", self.folded, "float32", "folded, float32")
        try:
            return noise_error(exact, self._both_ways(), probe_inputs(self.model, 1), noise, DRAWS)
        except (RuntimeError, NotImplementedError):  # an operation that has no kernel for this type
            return None

    def fused(self, planned: int) -> Plan | None:
        """The fused network for a run of so many forward passes; None where it cannot be made, disagrees, is not
        faster, or would not pay.

        planned: passes of the run. Prepared at the first call that needs it (0.3 to 3 s).
        """
        eager = self.plan("forward")
        if eager.dtype != torch.bfloat16 or self.model.device.type != "cpu" or not can_fuse(self.half):
            return None
        if not plan_store.is_kept():
            return self._prepared(eager) if planned >= FUSED_FROM else None
        known = plan_store.measured(architecture(self.model), "fused", lambda: self._fused_seconds(eager))
        gain = known["eager"] - known["fused"]
        pays = (
            known["eager"] >= CLEARLY * known["fused"]
            and SERVES * gain * (planned - FIRST) >= known["prepare"]
        )
        return self._prepared(eager) if pays else None

    def _prepared(self, eager: Plan) -> Plan | None:
        threads = torch.get_num_threads()
        if threads not in self._fused:
            self._fused.clear()
            give_back()
            with randomness.undisturbed():
                self._fused[threads] = self._fuse(eager)
            give_back()
        return self._fused[threads]

    def _fuse(self, eager: Plan) -> Plan | None:
        probes = eager.laid_out(probe_inputs(self.model, PROBES["forward"])[: eager.batch])
        example = torch.rand(eager.batch, *self.model.input.shape, generator=torch.Generator().manual_seed(0))
        graph = self.half
        if not can_fuse(graph):
            return None
        try:
            network = fuse(graph, eager.laid_out(example))
            if not fills_quietly(network, probes):
                return None
        except Exception:  # the tracer and the compiler raise many types for what they do not know
            return None
        plan = replace(eager, network=network, description=f"fused, bfloat16 forward, batch {eager.batch}")
        reference = self._plan("forward", self.model.module, "float32", AS_GIVEN, channels_last=False)
        agreement = Trial("forward", reference, probes.float()).agreement(plan)
        return replace(plan, agreement=agreement) if agreement >= AGREEMENT else None

    def _fused_seconds(self, eager: Plan) -> dict[str, float]:
        """Processor seconds per image; to prepare, in all. A network that cannot be fused is never faster."""
        started = time.process_time()
        fused = self._prepared(eager)
        prepare = time.process_time() - started
        batch = probe_inputs(self.model, 1).repeat(eager.batch, 1, 1, 1)
        plans = {"eager": eager, "fused": fused or eager}
        timings = seconds({way: partial(outputs, plan, batch) for way, plan in plans.items()})
        return {way: timing / eager.batch for way, timing in timings.items()} | {"prepare": prepare}

    def _plan(
        self,
        kind: Kind,
        network: Network,
        precision: str,
        description: str,
        *,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
    ) -> Plan:
        shared = (self.model.module, self._folded, self._half and self._half())
        if not any(network is one for one in shared):
            narrow(network)
        batch = self._batch(kind, network, dtype)
        plan = Plan(network, precision, f"{description}, batch {batch}", dtype, channels_last, batch)
        return replace(plan, narrowed=is_narrowed(network, plan.laid_out(probe_inputs(self.model, 2))))

    @property
    def half(self) -> nn.Module:
        """The folded copy in bfloat16."""
        half = self._half() if self._half else None
        if half is None:  # kept by the plans that use it, and by nothing else
            half = copy.deepcopy(self.folded).to(torch.bfloat16)
            self._half = weakref.ref(half)
        return half

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

    def _batch(self, kind: Kind, network: Network, dtype: torch.dtype) -> int:
        """The largest power of two within the memory bounds."""
        device = self.model.device
        largest = dtype.itemsize * max(
            math.prod(shape)
            for shape in (self.model.input.shape, *(layer.shape for layer in self.model.layers))
        )
        saved = (
            self._saved_bytes(network, dtype) if isinstance(network, nn.Module) and kind == "gradient" else 0
        )
        if device.type == "cuda":
            images = torch.cuda.mem_get_info(device)[1] / CUDA_SHARE / (saved + 4 * largest)
        else:
            weights = sum(tensor.nbytes for tensor in self.model.module.parameters())
            images = min(
                MAP_BYTES / largest, max(LEAST_BYTES, WORKER_BYTES - COPIES * weights) / max(1, saved)
            )
        return int(2 ** math.floor(math.log2(max(1.0, min(images, MOST[device.type])))))

    def _saved_bytes(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> int:
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

        x = torch.zeros(1, *self.model.input.shape, device=self.model.device, dtype=dtype, requires_grad=True)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
            network(x.clone())
        return sum(sizes.values())
