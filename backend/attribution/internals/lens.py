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

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import check_input, pristine, resolve_target
from backend.attribution.internals.answers import divergence, log_probabilities
from backend.attribution.internals.calibration import Calibration, calibration_of
from backend.attribution.internals.passes import Reading, cells, read
from backend.attribution.internals.readable import Head, Read, head_of, no_linear_head, readable_layers
from backend.attribution.internals.ridge import fit_ridge
from backend.attribution.network.cache import steady
from backend.attribution.types import Progress, silent
from models.model import Model
from models.spec import Layer

BATCH = 8
WIDEST = 100.0
"""Temperatures are looked for from 1/100 to 100 times the model's own."""
CLEARLY = 2.0
"""Standard errors above the majority rate from which a layer is trusted."""
ONE_ANSWER = 0.95
"""Majority rate from which agreement can tell nothing: there R2 decides."""
EXACT = 1e-4
"""Most by which the head may miss the model's logits on a calibration input, relative to the largest (or 1)."""
EXPLAINS = 0.5
"""R2 from which a layer is trusted there."""


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
    chosen = calibration_of(model, calibration)
    with steady(model), pristine(model):
        head, listed = head_of(model), readable_layers(model)
        names = [part.name for part in listed if part.reason is None]
        reading = _read_all(model, head, names, chosen, grid, report)
        return _fitted(model, head, listed, reading, chosen, grid, report)


def _read_all(
    model: Model, head: Head, names: list[str], calibration: Calibration, grid: int, report: Progress
) -> Reading:
    """Every calibration input, in batches. Raises Incompatible for numbers that are not finite."""
    parts: list[Reading] = []
    done = 0
    for x in calibration.batches(BATCH):
        parts.append(read(model, head, names, x, grid))
        done += len(x)
        report(done, calibration.count)
    pooled = {name: torch.cat([part.pooled[name] for part in parts]) for name in names}
    whole = Reading(
        pooled, torch.cat([part.z for part in parts]), torch.cat([part.logits for part in parts]), {}
    )
    for name, values in (*pooled.items(), (head.name, whole.z), ("the answer", whole.logits)):
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
        mean, scale = standard(pooled[~held_out])
        g = (pooled - mean) * scale
        fit = fit_ridge(g[~held_out], reading.z.double()[~held_out], _folds(calibration))
        r2 = explained(reading.z.double()[held_out], g[held_out] @ fit.weight.T + fit.bias)
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
                best_temperature(logits, wanted, model),
                r2,
                agreement,
                _trusted(agreement, majority, r2, sources),
                _direct(pooled[held_out], weight, bias, classes)
                if matching(head, part.layer, grid)
                else None,
                _probe(g, calibration, len(model.labels)),
            )
        )
    return Lens(
        model,
        calibration.title,
        calibration.count,
        int(held_out.sum()),
        grid,
        majority,
        _accuracy(classes, calibration),
        tuple(layers),
        tuple(listed),
        head.note,
    )


def standard(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and one over the deviation of each column `[N, F]`; 0 for a column that does not change (a dead filter)."""
    mean, deviation = values.mean(0), values.std(0, correction=0)
    changes = deviation > 1e-7 * values.abs().amax(0).clamp_min(1e-30)
    return mean, torch.where(changes, 1 / deviation.where(changes, torch.ones_like(deviation)), 0.0)


def explained(actual: Tensor, predicted: Tensor) -> float:
    """R2 over all columns together `[N, D]`: the share of the squared distance from the mean that is explained. NaN
    where nothing changes."""
    total = float((actual - actual.mean(0)).square().sum())
    return 1 - float((actual - predicted).square().sum()) / total if total > 0 else float("nan")


def best_temperature(logits: Tensor, wanted: Tensor, model: Model) -> float:
    """The temperature whose probabilities are nearest to the model's: smallest mean KL. wanted: log probabilities."""
    own = model.spec.temperature

    def distance(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return float(divergence(wanted, log_probabilities(scaled, model.independent)).mean())

    reach = (np.log(own / WIDEST), np.log(own * WIDEST))
    found = minimize_scalar(distance, bounds=reach, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def matching(head: Head, layer: Layer, grid: int) -> bool:
    """Whether the layer's pooled maps may stand in for z."""
    return grid == 1 and head.number is not None and head.weight.shape[1] == layer.shape[0]


def _direct(pooled: Tensor, weight: Tensor, bias: Tensor, classes: Tensor) -> float:
    return float(((pooled @ weight.T + bias).argmax(1) == classes).double().mean())


def _probe(g: Tensor, calibration: Calibration, classes: int) -> float | None:
    """Held-out accuracy of the likeliest of one ridge per class, on the labels."""
    if calibration.labels is None:
        return None
    labels, out = torch.tensor(calibration.labels), torch.from_numpy(calibration.held_out)
    wanted = torch.nn.functional.one_hot(labels, classes).double()
    fit = fit_ridge(g[~out], wanted[~out], _folds(calibration))
    return float(((g[out] @ fit.weight.T + fit.bias).argmax(1) == labels[out]).double().mean())


def _accuracy(classes: Tensor, calibration: Calibration) -> float | None:
    if calibration.labels is None:
        return None
    labels = torch.tensor(calibration.labels)[torch.from_numpy(calibration.held_out)]
    return float((classes == labels).double().mean())


def _folds(calibration: Calibration) -> np.ndarray:
    """A number 0 to 4 for each fitted input, the same for all views of a source."""
    sources = [s for s, out in zip(calibration.sources, calibration.held_out, strict=True) if not out]
    numbers = {source: place % 5 for place, source in enumerate(sorted(set(sources)))}
    return np.array([numbers[source] for source in sources])


def _trusted(agreement: float, majority: float, r2: float, sources: int) -> bool:
    """Clearly above what naming the most frequent class would reach; where that is nearly always right, by R2."""
    if majority >= ONE_ANSWER:
        return bool(r2 >= EXPLAINS)
    return agreement >= majority + CLEARLY * float(np.sqrt(majority * (1 - majority) / sources))
