"""The layer lens: what the network would answer if it stopped at a layer.

Our reading of the "forward propagation mechanism" of the Hybrid CNN-Interpreter (arXiv 2211.00185), whose equations are
not known to us. With a_l `[C, h, w]` the layer's maps, g_l their means over the places (of each quarter with
`grid=2`), standardised by mean mu_l and deviation s_l of the calibration inputs that are fitted on, and z the input of
the final linear layer, y = W z + beta:

    A_l, b_l = argmin sum_i ||z_i - A g_l(x_i) - b||^2 + lambda ||A||_F^2        closed form, float64
    y^l = W (A_l g_l + b_l) + beta,    layer prediction softmax(y^l / T_l)
    M^l_c(i, j) = sum_k (W A_l)_{c,k} (a_{l,k}(i, j) - mu_k) / s_k,   mean_ij M^l_c + constant = y^l_c

lambda is the best of `PENALTIES` over five folds of the fitted sources, T_l the temperature with the smallest KL to the
model on the held-out inputs; R2 and agreement are measured there too. The calibration inputs need no labels. The last
layer of a prediction is z itself, whose logits are the model's. "Decoded by a fitted linear map: what is present at a
layer, not a cause."
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import check_input, pristine, resolve_target
from backend.attribution.internals import lens_quality as quality
from backend.attribution.internals.answers import divergence, log_probabilities
from backend.attribution.internals.calibration import Calibration, calibration_of
from backend.attribution.internals.linear_head import Head, head_of, no_linear_head
from backend.attribution.internals.passes import Reading, cells, read
from backend.attribution.internals.readable import Read, readable_layers
from backend.attribution.internals.ridge import fit_ridge
from backend.attribution.network.cache import steady
from backend.attribution.types import Progress, silent
from models.model import Model
from models.spec import Layer

if TYPE_CHECKING:
    from backend.attribution.internals.layer_store import Totals

BATCH = 8
EXACT = 1e-4
"""Most by which the head may miss the model's logits on a calibration input, relative to the largest (or 1)."""


@dataclass(frozen=True, eq=False)
class LayerLens:
    """One layer's fitted map, straight to the logits. mean, scale: mu and 1/s `[F]`, scale 0 for a filter that never
    changes. weight: W A `[classes, F]`, float32; bias: W b + beta `[classes]`. F = grid^2 C, cell by cell.

    Controls: direct: agreement of the direct logit lens, W mean(a) + beta, where the layer has as many filters as z;
    probe: held-out accuracy of a ridge classifier on the labels, where the calibration inputs have some."""

    layer: Layer
    grid: int
    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor
    penalty: float
    temperature: float
    r2: float
    agreement: float
    trusted: bool
    direct: float | None
    probe: float | None

    def logits(self, pooled: Tensor) -> Tensor:
        """`[N, F]` -> `[N, classes]`."""
        return ((pooled.double() - self.mean) * self.scale) @ self.weight.double().T + self.bias

    def cam(self, maps: Tensor, target: int) -> tuple[Tensor, float]:
        """M of maps `[C, h, w]` for a class: float64 `[h, w]`, and the constant that its mean lacks to the logit."""
        channels, height, width = maps.shape
        out = torch.empty(height, width, dtype=torch.float64)
        coefficients = (self.weight[target].double() * self.scale).view(self.grid**2, channels)
        means = self.mean.view(self.grid**2, channels)
        for cell, (rows, columns) in enumerate(cells(height, width, self.grid)):
            part = maps[:, rows, columns].double().cpu()
            values = torch.einsum("k,kij->ij", coefficients[cell], part - means[cell, :, None, None])
            out[rows, columns] = values * (height * width / values.numel())
        return out, float(self.bias[target])


@dataclass(frozen=True, eq=False)
class LensPrediction:
    """One input read at every layer. layers: names in depth order, the head last. logits: float32 `[L, classes]` as
    `Model.logits` gives them; the last row is the model's own. probabilities: `[L, classes]`. kl: of the model's
    answer from the layer's, nats. entropy: nats. margin: between the two likeliest classes. top: class numbers.
    decided_from: the first layer from which on every layer's class is the model's, if it can be trusted; None where
    only the head decides. direct: by layer, the logits of the direct logit lens `[classes]`, where shapes match."""

    layers: tuple[str, ...]
    logits: Tensor
    probabilities: Tensor
    kl: tuple[float, ...]
    entropy: tuple[float, ...]
    margin: tuple[float, ...]
    top: tuple[int, ...]
    decided_from: str | None
    direct: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Lens:
    """A fitted lens. layers: those that are read, in depth order. listed: those that are not, too. majority: how often
    the model's most frequent class is its answer to a held-out input. accuracy: of the model on the labels of the
    held-out inputs, None without labels. note: what is special about this network."""

    model: Model = field(repr=False)
    title: str
    count: int
    held_out: int
    grid: int
    majority: float
    accuracy: float | None
    layers: tuple[LayerLens, ...]
    listed: tuple[Read, ...]
    note: str | None

    @property
    def head(self) -> Head:
        return head_of(self.model)

    def predict(self, x: Tensor) -> LensPrediction:
        """x: float32 `[1, C, H, W]`. Raises BadParameter (another shape, numbers that are not finite)."""
        with steady(self.model), pristine(self.model):
            x = check_input(self.model, x)
            reading = read(self.model, self.head, [part.layer.name for part in self.layers], x, self.grid)
            return self.of(reading)

    def cam(self, x: Tensor, layer: str, target: int | None = None) -> tuple[np.ndarray, float]:
        """M of one layer for one class, float32 `[h, w]`, and the constant: `cam.mean() + constant` is the layer's
        logit. target: None takes the predicted class. Raises BadParameter."""
        chosen = next((part for part in self.layers if part.layer.name == layer), None)
        if chosen is None:
            names = ", ".join(part.layer.name for part in self.layers)
            raise BadParameter(f"The lens does not read that layer; it reads {names}.", field="layer")
        with steady(self.model), pristine(self.model):
            x = check_input(self.model, x)
            target = resolve_target(self.model, x, target)
            reading = read(self.model, self.head, [layer], x, self.grid, maps=True)
        values, constant = chosen.cam(reading.maps[layer][0], target)
        return values.float().numpy(), constant

    def of(self, reading: Reading) -> LensPrediction:
        """What was read in one pass over one input."""
        weight, bias = self.head.for_classes(self.model.single_logit)
        final = reading.z.double() @ weight.cpu().T + bias.cpu()
        rows = [part.logits(reading.pooled[part.layer.name])[0] for part in self.layers]
        logits = torch.stack([*rows, final[0]])
        own = self.model.spec.temperature
        temperatures = [*(part.temperature for part in self.layers), own]
        logs = torch.stack(
            [
                log_probabilities(row / temperature, self.model.independent)
                for row, temperature in zip(logits, temperatures, strict=True)
            ]
        )
        answer, top = logs[-1], logits.argmax(1)
        best = logs.exp()[..., 0].topk(min(2, logs.shape[1])).values
        return LensPrediction(
            layers=(*(part.layer.name for part in self.layers), self.head.name),
            logits=logits.float(),
            probabilities=logs.exp()[..., 0].float(),
            kl=tuple(divergence(answer.expand_as(logs), logs).tolist()),
            entropy=tuple((-(logs.exp() * logs).nan_to_num(0.0)).sum((1, 2)).tolist()),
            margin=tuple((best[:, 0] - best[:, -1]).tolist()),
            top=tuple(int(number) for number in top),
            decided_from=self._decided_from(top.tolist()),
            direct={
                part.layer.name: (reading.pooled[part.layer.name][0] @ weight.cpu().T + bias.cpu()).float()
                for part in self.layers
                if part.direct is not None
            },
        )

    def _decided_from(self, top: Sequence[int]) -> str | None:
        first = len(self.layers)
        while first > 0 and top[first - 1] == top[-1]:
            first -= 1
        return next((part.layer.name for part in self.layers[first:] if part.trusted), None)


def fit_lens(
    model: Model,
    calibration: Calibration | Tensor | Sequence[object] | None = None,
    *,
    grid: int = 1,
    report: Progress = silent,
) -> Lens:
    """Fits the lens of every readable layer.

    calibration: prepared inputs `[N, C, H, W]`, unlabelled, at least ten, better a hundred; or what
    `calibration_of` takes; None takes the program's own for this kind of network. grid: 2 reads each quarter of the
    maps apart. report: called after each batch.

    Raises BadParameter (too few inputs, another shape), Incompatible (no final linear layer, no layer to read, numbers
    that are not finite).
    """
    if grid not in (1, 2):
        raise BadParameter("The grid must be 1 (whole maps) or 2 (quarters).", field="grid")
    return fit_going_on(model, calibration_of(model, calibration), Begun(), grid=grid, report=report)


@dataclass(eq=False)
class Begun:
    """What a fit has read of its calibration inputs, in their order; one that is stopped can go on from there. totals:
    what else is gathered in the same pass."""

    parts: list[Reading] = field(default_factory=list)
    totals: Totals | None = None

    @property
    def done(self) -> int:
        return sum(len(part.z) for part in self.parts)

    def whole(self) -> Reading:
        first = self.parts[0]
        pooled = {name: torch.cat([part.pooled[name] for part in self.parts]) for name in first.pooled}
        z, logits = (torch.cat([getattr(part, name) for part in self.parts]) for name in ("z", "logits"))
        return Reading(pooled, z, logits, {})


def fit_going_on(
    model: Model, calibration: Calibration, begun: Begun, *, grid: int = 1, report: Progress = silent
) -> Lens:
    """As `fit_lens`; `begun` grows as inputs are read."""
    with steady(model), pristine(model):
        head, listed = head_of(model), readable_layers(model)
        names = [part.name for part in listed if part.reason is None]
        reading = _read_all(model, head, names, calibration, begun, grid, report)
        return _fitted(model, head, listed, reading, calibration, grid, report)


def _read_all(
    model: Model,
    head: Head,
    names: list[str],
    calibration: Calibration,
    begun: Begun,
    grid: int,
    report: Progress,
) -> Reading:
    """Every calibration input, in batches. Raises Incompatible for numbers that are not finite."""
    totals = begun.totals
    for x in calibration.batches(BATCH, begun.done):
        if totals is not None:
            totals.next(begun.done, x)
        begun.parts.append(read(model, head, names, x, grid, seen=None if totals is None else totals.take))
        report(begun.done, calibration.count)
    whole = begun.whole()
    for name, values in (*whole.pooled.items(), (head.name, whole.z), ("the answer", whole.logits)):
        bad = int((~torch.isfinite(values)).any(1).sum())
        if bad:
            raise Incompatible(
                f"At {name} the network gives numbers that are not finite (NaN or infinite) on {bad} of {calibration.count} calibration "
                "inputs, so nothing after it can be read; check its weights and its normalisation.",
                code="not_finite",
                field="model",
            )
    weight, bias = (part.cpu() for part in head.for_classes(model.single_logit))
    missed = (whole.z.double() @ weight.T + bias - whole.logits.double()).abs().max()
    if float(missed) > EXACT * max(1.0, float(whole.logits.abs().max())):
        raise no_linear_head()  # on noise it looked like one
    return whole


def _fitted(
    model: Model,
    head: Head,
    listed: list[Read],
    reading: Reading,
    calibration: Calibration,
    grid: int,
    report: Progress,
) -> Lens:
    held_out = torch.from_numpy(calibration.held_out)
    weight, bias = (part.cpu() for part in head.for_classes(model.single_logit))
    answers = reading.logits.double()[held_out]
    classes = answers.argmax(1)
    majority = float(classes.bincount().max()) / len(classes)
    sources = len(
        {source for source, out in zip(calibration.sources, calibration.held_out, strict=True) if out}
    )
    wanted = log_probabilities(answers / model.spec.temperature, model.independent)
    layers = []
    for part in (part for part in listed if part.reason is None):
        report(calibration.count, calibration.count)  # may be stopped between two layers
        pooled = reading.pooled[part.name].double()
        mean, scale = quality.standard(pooled[~held_out])
        g = (pooled - mean) * scale
        fit = fit_ridge(g[~held_out], reading.z.double()[~held_out], quality.folds(calibration))
        r2 = quality.explained(reading.z.double()[held_out], g[held_out] @ fit.weight.T + fit.bias)
        direct, constant = weight @ fit.weight, weight @ fit.bias + bias
        logits = g[held_out] @ direct.float().double().T + constant
        agreement = float((logits.argmax(1) == classes).double().mean())
        layers.append(
            LayerLens(
                part.layer,
                grid,
                mean,
                scale,
                direct.float(),
                constant,
                fit.penalty,
                quality.best_temperature(logits, wanted, model),
                r2,
                agreement,
                quality.trusted(agreement, majority, r2, sources),
                quality.direct_agreement(pooled[held_out], weight, bias, classes)
                if quality.matching(head, part.layer, grid)
                else None,
                quality.probe(g, calibration, len(model.labels)),
            )
        )
    return Lens(
        model,
        calibration.title,
        calibration.count,
        int(held_out.sum()),
        grid,
        majority,
        quality.accuracy(classes, calibration),
        tuple(layers),
        tuple(listed),
        head.note,
    )
