"""The network's answers to altered inputs, sent through the engine in batches.

They belong to the input, not to a map: where the alterations do not depend on the map either (random cells, patches), all
maps of the same input that are measured one after the other share them. Passes are in float32: what one small patch
changes would be lost in half the bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.network.cache import cached
from backend.attribution.network.passes import Passes
from backend.attribution.network.plan import Plan
from models.model import Model
from models.spec import Baseline

KEPT = 4
"""Inputs whose answers a process keeps."""


@dataclass(frozen=True, eq=False)
class Answers:
    """To n inputs. score: the logit of the class. probability: calibrated. top: whether the class is the first guess."""

    score: np.ndarray
    probability: np.ndarray
    top: np.ndarray


class Sweep:
    """One input `[1, C, H, W]` and the class whose answers are asked for. Use `Sweep.of`."""

    def __init__(self, model: Model, x: Tensor, target: int) -> None:
        self.model, self.x, self.target = model, x, target
        self._known: dict[tuple[Baseline, str], Answers] = {}
        self._ready: dict[Baseline, tuple[Tensor, Tensor]] = {}
        self._own: Answers | None = None

    @classmethod
    def of(cls, model: Model, x: Tensor, target: int) -> Sweep:
        """The sweep of this input, kept for the next map of it."""
        key = (hashlib.sha256(x.cpu().contiguous().numpy().data).hexdigest(), target)
        return cached(model, "sweep", key, lambda: cls(model, x.clone(), target), capacity=KEPT)

    @property
    def plan(self) -> Plan:
        return Passes.of(self.model).precise

    @property
    def score(self) -> float:
        """Of the input as it is."""
        return float(self.own.score[0])

    @property
    def own(self) -> Answers:
        if self._own is None:
            self._own = self.answers([self.x])
        return self._own

    def baseline(self, kind: Baseline) -> Tensor:
        """`[1, C, H, W]`. Raises BadParameter for a kind that this input does not offer."""
        offered = self.model.input.baselines
        if kind not in offered:
            raise BadParameter(
                f"This input's evidence can be replaced by {', '.join(offered[:-1])} or {offered[-1]}.",
                field="params.baseline",
            )
        return self.model.input.baseline(self.x, kind)

    def second(self, kind: Baseline) -> Baseline | None:
        """Another kind, to see whether a ranking depends on it; None where only one is offered."""
        return next((other for other in self.model.input.baselines if other != kind), None)

    def removed(
        self, kind: Baseline, masks: Callable[[], Iterable[Tensor]], name: str | None = None
    ) -> Answers:
        """Answers to the input with all but what is kept replaced.

        masks: makes batches of what is kept, bool `[n, H, W]` for whole cells or `[n, C, H, W]`. name: of masks that do not
        depend on the map: they are scored once.
        """
        if name is not None and (kind, name) in self._known:
            return self._known[kind, name]
        if kind not in self._ready:
            plan = self.plan
            self._ready[kind] = (plan.laid_out(self.x), plan.laid_out(self.baseline(kind)))
        x, removed = self._ready[kind]

        def batches() -> Iterable[Tensor]:
            for keep in masks():
                for part in keep.split(self.plan.batch):
                    part = part.to(x.device)
                    yield torch.where(part[:, None] if part.ndim == 3 else part, x, removed)

        answers = self.answers(batches())
        if name is not None:
            self._known[kind, name] = answers
        return answers

    def answers(self, batches: Iterable[Tensor]) -> Answers:
        """batches: of inputs `[n, C, H, W]`, at most `plan.batch` each."""
        plan, outputs = self.plan, []
        with torch.inference_mode():
            for batch in batches:
                outputs.append(plan.network(plan.laid_out(batch.clone())).float().cpu())
            raw = torch.cat(outputs)
            logits = self.model.paired(raw)
            return Answers(
                self.model.select(raw, self.target).double().numpy(),
                self.model.probabilities(logits)[:, self.target].double().numpy(),
                (logits.argmax(dim=1) == self.target).numpy(),
            )
