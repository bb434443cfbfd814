"""Captum over the engine's passes: one forward function that gives every algorithm of Captum the fast network,
progress, partial maps, stop, pass counts, a seed of its own and the precision for the record.

    forward = Forward(model, context, report, passes=1)
    gradient = forward.attribute(Saliency(forward), x, abs=False)
    return forward.attribution(gradient[0].sum(0), signed=True)

Captum asks for a forward function and does not look behind it. Handed this one, its algorithms cost what the
passes cost (docs/benchmark.md). It is not safe among threads (hooks on the modules, random numbers of the whole
process): each worker is a process with a copy of the model of its own, and `attribute` lets one algorithm run at
a time in a process.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import captum
import numpy as np
import torch
from torch import Tensor, nn

from app.core.errors import Incompatible
from backend.attribution.network.passes import Passes
from backend.attribution.network.randomness import Stream
from backend.attribution.network.run import SMALL
from backend.attribution.types import Attribution, Context, Progress
from models.model import Model

ENGINE = f"captum {captum.__version__}"
"""Recorded as the engine of maps that Captum computed."""
INNER_BYTES = 512 * 2**20
"""Most that the layers of the images of one pass may take, all together."""


class Forward:
    """The explained logit as Captum's forward function: `[N, C, H, W]` -> `[N]`.

    passes: images that the method will send; small numbers run on the module as given, and so do methods that
    look inside a layer (`exact`). noise: standard deviation of the noise over which the method averages gradients,
    in units of the input; single gradients then need not be exact. total: of the progress, the passes unless
    given. partial: the map so far, float32 `[H, W]`, or None while there is none. within: a context for each pass,
    e.g. another rule for the ReLUs.
    """

    def __init__(
        self,
        model: Model,
        context: Context,
        report: Progress,
        *,
        passes: int,
        exact: bool = False,
        noise: float = 0.0,
        total: int | None = None,
        partial: Callable[[], np.ndarray | None] = lambda: None,
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.model, self.context = model, context
        self.run = Passes.of(model).run(context.target, 0 if exact else passes, noise)
        self._gradients: Tensor | None = None
        self._report, self._partial, self._within = report, partial, within
        self._done, self._total = 0, passes if total is None else total
        self._in_rounds = False
        self._stream = Stream(context.seed)

    def __call__(self, x: Tensor) -> Tensor:
        has_gradient = torch.is_grad_enabled() and x.requires_grad
        self.run.plan("gradient" if has_gradient else "forward")  # not chosen under another rule
        with self._within():
            if has_gradient:
                return self.run.differentiable(x, self._arrived)
            scores = self.run.scores(x)
        self._advance(x.shape[0])
        return scores

    def _arrived(self, gradients: Tensor) -> None:
        self._gradients = gradients
        self._advance(gradients.shape[0])

    @property
    def gradients(self) -> Tensor:
        """Of the latest backward pass, float32 `[N, C, H, W]`."""
        assert self._gradients is not None, "no backward pass has reached the input"
        return self._gradients

    def _advance(self, images: int) -> None:
        if self._in_rounds:
            return
        self._done = min(self._done + images, self._total)
        self._report(self._done, self._total, self._partial())

    def rounds(self, n: int, enough: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Sizes of the rounds in which `n` samples are sent, a batch each, for algorithms whose rounds can be
        added up and that would otherwise hold all samples at once. Progress is reported after each round.

        enough: asked after each round; the rounds end when it is true.
        """
        batch, self._in_rounds = self.run.batch("gradient"), True
        for start in range(0, n, batch):
            stop = min(n, start + batch)
            yield stop - start
            finished = stop == n or enough()
            self._report(n if finished else stop, n, self._partial())
            if finished:
                return

    def attribute(self, algorithm: Any, x: Tensor, **arguments: Any) -> Tensor:
        """`algorithm.attribute(x, **arguments)`, detached. Random numbers come from the seed of the context and
        go on from call to call; the global state is left alone."""
        with self._stream.drawn(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Captum announces its hooks and gradient flags
            leaf = x.detach().clone().requires_grad_(not isinstance(self, LayerForward))
            result: Tensor = algorithm.attribute(leaf, **arguments)
        return result.detach()

    def attribution(self, values: Tensor | np.ndarray, *, signed: bool, **more: Any) -> Attribution:
        """The result. values: `[H, W]`. more: fields of `Attribution`; `extras` are laid over the precision."""
        array: np.ndarray = values.float().cpu().numpy() if isinstance(values, Tensor) else values
        extras = {"precision": self.run.precision, **more.pop("extras", {})}
        more.setdefault("native", array.shape)
        return Attribution(
            values=array,
            signed=signed,
            extras=extras,
            engine=ENGINE,
            forwards=self.run.forwards,
            backwards=self.run.backwards,
            **more,
        )


def layer_of(model: Model, context: Context) -> nn.Module:
    """The module of the chosen layer. Raises Incompatible where none is chosen."""
    if context.layer is None:
        raise Incompatible("This method needs a layer with a spatial output.", field="layer")
    return model.module.get_submodule(context.layer)


class LayerForward(Forward):
    """A `Forward` for Captum's layer algorithms, on the module as given.

    layer: the module to hand to the algorithm. The backward pass ends there. Captum keeps the layer's output and
    lets the network go on with a copy, so an in-place operation behind the layer does not change what is kept.
    """

    def __init__(self, model: Model, context: Context, report: Progress, **arguments: Any) -> None:
        self.layer = layer_of(model, context)
        super().__init__(model, context, report, exact=True, **arguments)

    def __call__(self, x: Tensor) -> Tensor:
        x = x.detach()  # nothing before the layer is kept for the backward pass
        scores = self.run.differentiable(x) if torch.is_grad_enabled() else self.run.scores(x)
        self._advance(x.shape[0])
        return scores

    @staticmethod
    def batch(model: Model) -> int:
        """Images that a path method may hold at once (`internal_batch_size`): 3 to 8, so that what all layers give
        fits into `INNER_BYTES`. It does not depend on the layer, so that the cost is known before one is chosen."""
        image = 4 * sum(math.prod(layer.shape) for layer in model.layers)
        return max(3, min(SMALL, INNER_BYTES // max(1, image)))
