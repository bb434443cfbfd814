"""Forward passes of a traced copy whose operations oneDNN runs as a few large ones.

Between two operations of an eager network the numbers go to memory and back, and in bfloat16 that is half of the
time. oneDNN's graph compiler joins convolutions with what follows them; for that it needs a traced network with
frozen weights and a fixed number of images, so a smaller batch is filled up.

A trace holds the branch that its example took. Only networks that `torch.fx` could trace from symbols are traced
here: with control flow that depends on numbers, sizes or types it gives up. What comes out is compared with the
eager network on inputs that the trace was not made with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeGuard

import torch
from torch import Tensor, fx, nn

WARM_UP = 2
"""Runs in which torch's executor looks at the sizes and compiles."""


class Fused:
    """`[n, C, H, W]` -> `[n, K]` for n up to `batch`."""

    def __init__(self, script: torch.jit.ScriptModule, batch: int) -> None:
        self._script, self.batch = script, batch

    def __call__(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        if n < self.batch:
            x = torch.cat([x, x[-1:].expand(self.batch - n, -1, -1, -1)])
        y: Tensor = self._script(x.contiguous(memory_format=torch.channels_last))
        return y[:n]


def can_fuse(network: Callable[[Tensor], Tensor]) -> TypeGuard[fx.GraphModule]:
    """Whether a fused copy may be expected to be right and faster: without control flow, and without batch norms
    that could not be merged, which fall out of the joined operations (DenseNet: slower)."""
    return isinstance(network, fx.GraphModule) and not any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()
    )


def fuse(network: fx.GraphModule, example: Tensor) -> Fused:
    """The network for batches of the example's size, compiled.

    example: `[batch, C, H, W]`, in the network's type and layout. Raises RuntimeError and others where it cannot
    be traced or compiled.
    """
    with _fusion(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        script = torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        fused = Fused(script, len(example))
        with torch.inference_mode():
            for _ in range(WARM_UP):
                fused(example.clone())
    return fused


def fills_quietly(fused: Fused, probes: Tensor) -> bool:
    """Whether the logits of the probes have the same bits whatever fills the rest of the batch: a network may mix
    the images of a batch."""
    n, others = len(probes), fused.batch - len(probes)
    if not others:
        return True
    rest = -probes.flip(0).repeat(others // n + 1, 1, 1, 1)[:others]
    with torch.inference_mode():
        return torch.equal(fused(torch.cat([probes, rest]))[:n].clone(), fused(probes))


@contextmanager
def _fusion() -> Iterator[None]:
    """Inside, torch hands traced graphs to oneDNN; a process-wide switch, as it was afterwards."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(before)
