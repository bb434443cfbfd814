"""The rows of a recording: how far the network is at each epoch, and how like its last.

    agreement, settled, r2, decision depth     from the layer lens, fitted anew at every epoch, on held-out inputs
    redundancy, effective dimension, dead      from the spatial means of the filters over all calibration inputs
    cka_to_last                                linear CKA of these means with those of the last epoch
    kendall_tau                                tau-b of the filters' Taylor importance with that of the last epoch

Every epoch is measured on its checkpoint, so float16 weights: what a row says can be computed again from the folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.core.training_results import DecisionDepth, EpochRow, LayerRow
from backend.attribution.explain import pristine
from backend.attribution.internals import passes, snapshot
from backend.attribution.internals.calibration import Calibration
from backend.attribution.internals.correlation import kendall
from backend.attribution.internals.lens import fit_lens
from backend.attribution.internals.readable import readable_layers
from backend.attribution.internals.snapshot import Snapshot
from models.model import Model
from models.spec import Layer

IMPORTANCE = "Taylor estimate of mean ablation: |gradient x (map - mean map)|, mean over the inputs"
SETTLED = 0.95
"""Share of the inputs that decides: where they keep their answer, the layer has decided; where they all get the same one,
nothing is decided yet."""
DIGITS = 5
BATCH = 32
NOT_FINITE = "The weights or activations hold numbers that are not finite (NaN or infinite), so this epoch cannot be measured."


@dataclass(frozen=True, eq=False)
class Reading:
    """What the lens reads. layers: in depth order, without the head. tops: `[len(layers) + 1, n]` classes of the held-out
    inputs, the last row the network's own. r2, trusted: per layer, as the lens has them."""

    layers: tuple[str, ...]
    tops: Tensor
    r2: Sequence[float]
    trusted: Sequence[bool]


def layers_read(model: Model) -> list[Layer]:
    """The layers that are read, in depth order."""
    return [part.layer for part in readable_layers(model) if part.reason is None]


def read_layers(model: Model, calibration: Calibration) -> Reading:
    """What the lens, fitted for this network, reads on the held-out inputs. Raises Incompatible."""
    lens = fit_lens(model, calibration)
    names = tuple(part.layer.name for part in lens.layers)
    held_out = calibration.x[torch.from_numpy(calibration.held_out).to(model.device)]
    with torch.no_grad(), pristine(model):
        parts = [passes.read(model, lens.head, list(names), x, lens.grid) for x in held_out.split(BATCH)]
    tops = [
        part.logits(torch.cat([p.pooled[part.layer.name] for p in parts])).argmax(1) for part in lens.layers
    ]
    own = torch.cat([part.logits for part in parts]).argmax(1)
    return Reading(
        names,
        torch.stack([*tops, own]),
        [part.r2 for part in lens.layers],
        [part.trusted for part in lens.layers],
    )


def depths(tops: Tensor, trusted: Sequence[bool]) -> Tensor:
    """`[n]` first trusted layer from which the class never changes, from the classes `[L + 1, n]`; L where only the
    network's own answer is that class. (A lens that names the most frequent class whatever it sees has decided nothing.)"""
    same = (tops == tops[-1]).flip(0)  # from the network's own answer backwards
    first = len(tops) - same.long().cumprod(0).sum(0)
    places = [place for place, good in enumerate(trusted) if good] + [len(trusted)]
    following = torch.tensor([next(p for p in places if p >= layer) for layer in range(len(tops))])
    return following[first]


def decision(reading: Reading) -> tuple[list[float], DecisionDepth]:
    """Share of the inputs settled at each layer, and the decision depth."""
    depth = depths(reading.tops, reading.trusted)
    settled = [float((depth <= layer).double().mean()) for layer in range(len(reading.tops))]
    p95 = next(layer for layer, share in enumerate(settled) if share >= SETTLED)
    return settled[:-1], DecisionDepth(mean=_figure(float(depth.double().mean())) or 0.0, p95=p95)


def is_one_answer(answers: Tensor) -> bool:
    """Whether at least 95 % of the inputs get the same class."""
    return float(torch.bincount(answers).max()) / len(answers) >= SETTLED


class Measured:
    """Rows of the epochs so far. moments: what each is compared with the last by; None for one that could not be
    measured."""

    def __init__(
        self, x: Tensor, held_out: Sequence[int], labels: Tensor | None, layers: Sequence[str]
    ) -> None:
        self.x, self.held_out, self.labels, self.layers = x, list(held_out), labels, tuple(layers)
        self.rows: list[EpochRow] = []
        self.moments: list[Snapshot | None] = []

    def add(
        self,
        epoch: int,
        model: Model | None,
        reading: Reading | None,
        *,
        loss: float | None = None,
        accuracy: float | None = None,
        note: str | None = None,
        since: float | None = None,
    ) -> None:
        """One more epoch. model: as its checkpoint is; None where it cannot be measured (`note` says why). accuracy: None
        takes that of the labelled inputs. since: when its measuring began."""
        started = time.time() if since is None else since
        moment = None if model is None else snapshot.take(model, self.x, self.layers)
        if moment is not None and not moment.finite:
            moment, note = None, note or NOT_FINITE
        if moment is not None and accuracy is None and self.labels is not None:
            held = torch.tensor(self.held_out)
            accuracy = float((moment.answers[held] == self.labels[held]).double().mean())
        self.moments.append(moment)
        self.rows.append(
            EpochRow(
                epoch=epoch,
                accuracy=_figure(accuracy),
                loss=_figure(loss),
                layers=self._layers(moment, reading if moment is not None else None),
                decision_depth=decision(reading)[1] if reading is not None and moment is not None else None,
                one_answer=moment is not None and is_one_answer(moment.answers[self.held_out]),
                note=note,
                recorded=round(time.time(), 1),
                seconds=round(time.time() - started, 2),
            )
        )

    def leave_accuracy(self) -> None:
        """The training tells it from now on: what was measured here is of other inputs."""
        self.labels = None
        self.rows = [row.model_copy(update={"accuracy": None}) for row in self.rows]

    def _layers(self, moment: Snapshot | None, reading: Reading | None) -> list[LayerRow]:
        settled = decision(reading)[0] if reading is not None else []
        read = {name: place for place, name in enumerate(reading.layers)} if reading is not None else {}
        rows = []
        for name in self.layers:
            row = LayerRow(name=name)
            if moment is not None:
                row = row.model_copy(
                    update={
                        "dead": moment.dead[name],
                        "redundancy": _figure(moment.redundancy[name]),
                        "effective_dimension": _figure(moment.effective_dimension[name]),
                    }
                )
            if reading is not None and name in read:
                place = read[name]
                agreement = float((reading.tops[place] == reading.tops[-1]).double().mean())
                update = {
                    "agreement": _figure(agreement),
                    "settled": _figure(settled[place]),
                    "r2": _figure(reading.r2[place]),
                    "trusted": bool(reading.trusted[place]),
                }
                row = row.model_copy(update=update)
            rows.append(row)
        return rows

    def epochs(self) -> list[EpochRow]:
        """All rows, compared with the last epoch that could be measured."""
        last = next((moment for moment in reversed(self.moments) if moment is not None), None)
        return [
            self._compared(row, moment, last) for row, moment in zip(self.rows, self.moments, strict=True)
        ]

    def _compared(self, row: EpochRow, moment: Snapshot | None, last: Snapshot | None) -> EpochRow:
        if moment is None or last is None:
            return row
        layers = [
            layer.model_copy(
                update={
                    "cka_to_last": _figure(
                        snapshot.cka(moment.likeness[layer.name], last.likeness[layer.name])
                    ),
                    "kendall_tau": _figure(
                        kendall(moment.importance[layer.name].tolist(), last.importance[layer.name].tolist())
                    ),
                }
            )
            for layer in row.layers
        ]
        return row.model_copy(update={"layers": layers})


def _figure(value: float | None) -> float | None:
    """As it is written: five digits, null for what is no number."""
    return None if value is None or not math.isfinite(value) else round(float(value), DIGITS)
