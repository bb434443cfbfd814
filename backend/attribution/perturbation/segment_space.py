"""Captum in segment space: an algorithm sees which segments are shown, the engine sees the masked inputs.

To Captum the input is `ones [1, S]`, everything shown, and the baseline zeros. It sends rows `[n, S]` of ones and
zeros; `SegmentForward` builds the masked inputs on the device, a batch at a time, and scores them on the
engine's passes. So there are no feature masks, no images kept per sample and no loops over cells, and the
algorithms cost what the passes cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from captum.attr import LimeBase
from torch import Tensor

from backend.attribution.network.captum_adapter import Forward
from backend.attribution.perturbation.removal import Removal
from backend.attribution.perturbation.surrogate import relative_error
from backend.attribution.types import Attribution, Context, Progress
from models.model import Model
from models.spec import Baseline

REFIT = 64
"""Samples between two maps of a surrogate: the first picture comes after this many, two batches of 32, which a
ResNet-50 on one core sends in about two seconds."""


class SegmentForward(Forward):
    """The explained logit as a function of the segments shown: `[n, S]` of 0 and 1 -> `[n]`.

    shown: rows, bool `[n, S]` -> cells, bool `[n, H, W]`; see `by_label`. partial: the map so far from `rows` and
    `scores`, float32 `[H, W]` or None; asked for every `refit` samples.
    rows, scores: all that was scored so far, bool `[n, S]` and float64 `[n]`.
    """

    def __init__(
        self,
        model: Model,
        x: Tensor,
        baseline: Baseline,
        shown: Callable[[Tensor], Tensor],
        context: Context,
        report: Progress,
        *,
        passes: int,
        partial: Callable[[], np.ndarray | None] = lambda: None,
        refit: int = 1,
    ) -> None:
        super().__init__(model, context, report, passes=passes, partial=partial)
        self._removal = Removal(self.run, x, model.input.baseline(x, baseline))
        self._shown, self._refit, self._next = shown, refit, refit
        self._rows: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    @property
    def batch(self) -> int:
        """Rows to a pass."""
        return self.run.batch("forward")

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate(self._rows)

    @property
    def scores(self) -> np.ndarray:
        return np.concatenate(self._scores)

    def __call__(self, rows: Tensor) -> Tensor:
        return torch.cat([self._score(part) for part in (rows > 0.5).split(self.batch)])

    def _score(self, rows: Tensor) -> Tensor:
        scores = self.run.scores(self._removal.batch(self._shown(rows)))
        self._rows.append(rows.cpu().numpy())
        self._scores.append(scores.double().cpu().numpy())
        self._advance(rows.shape[0])
        return scores

    def _advance(self, images: int) -> None:
        """The last report is that of the result."""
        self._done += images
        if self._done >= self._total:
            return
        ready = self._done >= self._next
        self._next = self._done + self._refit if ready else self._next
        self._report(self._done, self._total, self._partial() if ready else None)

    def everything(self, segments: int) -> Tensor:
        """Captum's input: all segments shown, ones `[1, S]`."""
        return torch.ones(1, segments, device=self.model.device)

    def attribution(self, values: Tensor | np.ndarray, *, signed: bool, **more: Any) -> Attribution:
        result = super().attribution(values, signed=signed, **more)
        self._report(self._total, self._total, result.values)
        return result


def by_label(labels: np.ndarray, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Rows `[n, S]` -> cells `[n, H, W]` for segments `labels [H, W]`."""
    where = torch.from_numpy(labels).to(device)
    return lambda rows: rows[:, where]


class SegmentModel(ABC):
    """A linear model of the score over segments, to be fitted by Captum's `LimeBase`.

    coefficients, errors: of the latest `solve`, float64 `[S]`; errors are standard errors. enough: whether the
    samples suffice for them. uncertainty: root mean square of the errors over the standard deviation of the
    coefficients, None where unknown.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    enough: bool
    uncertainty: float | None = None

    @abstractmethod
    def solve(self, on: np.ndarray, scores: np.ndarray) -> None:
        """Fits to samples, bool `[n, S]`, and their scores, float64 `[n]`."""

    def keep(self, coefficients: np.ndarray, errors: np.ndarray, enough: bool) -> None:
        self.coefficients, self.errors, self.enough = coefficients, errors, enough
        relative = relative_error(errors, coefficients)
        self.uncertainty = relative if enough and np.isfinite(relative) else None

    def fit(self, samples: Any) -> None:
        """samples: Captum's data loader. Its tensors are taken as they are: it would collect them row by row."""
        on, scores, _ = samples.dataset.tensors
        self.solve(on.bool().cpu().numpy(), scores.double().cpu().numpy())

    def representation(self) -> Tensor:
        return torch.from_numpy(self.coefficients)


def fit_by_captum(
    forward: SegmentForward, on: np.ndarray, model: SegmentModel, enough: Callable[[], bool]
) -> None:
    """Scores the samples `on`, bool `[n, S]`, and fits `model` to them. enough: asked between samples; the
    samples end when it is true."""
    rows, weight = torch.from_numpy(on).to(forward.model.device), torch.ones(1)

    def draw(_: Tensor, **__: Any) -> Iterator[Tensor]:
        for row in rows.split(1):
            if enough():
                return
            yield row

    algorithm = LimeBase(
        forward,
        interpretable_model=model,
        similarity_func=lambda *_, **__: weight,
        perturb_func=draw,
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda row, *_, **__: row,
        to_interp_rep_transform=None,
    )
    forward.attribute(
        algorithm,
        forward.everything(on.shape[1]),
        n_samples=len(on),
        perturbations_per_eval=forward.batch,
    )
