"""A plan: one way to run passes on a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from backend.attribution.network.narrowed import explaining
from models.model import Model

Kind = Literal["forward", "gradient", "noisy"]
"""What is asked of a pass: the score; the gradient; the gradient of a copy with noise, one of many to be averaged."""
AS_GIVEN = "as given, float32"
"""Description of a run without this engine."""


@dataclass(frozen=True)
class Plan:
    """How passes of one kind are run. description: the same in words, for the record. agreement: rank
    correlation with the module's float32 results. narrowed: whether the network can answer for one class alone."""

    network: Callable[[Tensor], Tensor]
    precision: str
    description: str
    dtype: torch.dtype
    channels_last: bool
    batch: int
    agreement: float = 1.0
    narrowed: bool = False

    def logits(self, model: Model, x: Tensor, target: int) -> Tensor:
        """The explained logits `[N]` of what is `laid_out`. A network that works in place may overwrite `x`."""
        if not self.narrowed:
            return model.select(self.network(x), target)
        with explaining(target):
            return self.network(x)[:, 0]

    def laid_out(self, x: Tensor) -> Tensor:
        """`x` in the network's type and memory layout."""
        return x.to(
            self.dtype, memory_format=torch.channels_last if self.channels_last else torch.contiguous_format
        )


class Plans(Protocol):
    """Where a run gets its plans from; `passes.Passes` says what each is."""

    model: Model

    @property
    def exact(self) -> Plan: ...
    @property
    def precise_gradient(self) -> Plan: ...
    def plan(self, kind: Kind) -> Plan: ...
    def noisy(self, noise: float, copies: int) -> Plan: ...
    def fused(self, planned: int) -> Plan | None: ...
