"""An input without some filters, and the filters behind one spot of its map: answered while the user waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.internals_results import (
    AblationResult,
    CalibrationSet,
    ClassAnswer,
    Replacement,
    SpotFilter,
    SpotResult,
)
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.internals import calibration_for
from backend.tasks.payloads import ModelOnInput

if TYPE_CHECKING:
    from torch import Tensor

    from backend.store.blobs import Blobs
    from models import Model

SHOWN = 5
"""Classes listed beside the target: the likeliest of before, and that of after."""
LISTED = 12
"""Filters listed of a spot."""


class LayerOfInput(ModelOnInput):
    """One input at one layer. target: None takes the predicted class. request: as it was made, for the routes."""

    layer: str
    target: int | None = None
    request: dict[str, Any] = Field({})


class AblationPayload(LayerOfInput):
    filters: list[int]
    replacement: Replacement = "mean"


class SpotPayload(LayerOfInput):
    """x, y: in 0..1 of the display grid."""

    x: float
    y: float


@register
class Ablation(Task[AblationPayload, AblationResult]):
    """Blob: `maps` float32 [2, h, w], Grad-CAM at the layer before and after, raw and on one scale."""

    key = "ablation"
    lane = "short"
    rank = 15
    Payload = AblationPayload

    def compute(self, payload: AblationPayload, files: Blobs, report: Report) -> Outcome[AblationResult]:
        import time

        from backend.attribution.explain import resolve_target
        from backend.attribution.internals.switched_off import switched_off
        from backend.tasks.models import model_of, prepare, versions

        report(0, 2)
        model = model_of(payload, files)
        started = time.perf_counter()
        x = prepare(model, payload, files).x.to(model.device)
        replacement, calibration = _replacement(model, payload, files)
        report(1, 2)
        target = resolve_target(model, x, payload.target)
        off = switched_off(model, x, payload.layer, payload.filters, target, replacement)
        before, after = off.logits
        shown = _shown(before, after, target)
        result = AblationResult(
            model=model.key,
            weights_sha256=model.digest,
            layer=payload.layer,
            filters=sorted(set(payload.filters)),
            target=target,
            replacement=payload.replacement,
            before=_answers(model, before, shown),
            after=_answers(model, after, shown),
            top_before=int(before.argmax()),
            top_after=int(after.argmax()),
            kl=off.kl,
            calibration=calibration,
            shape=(off.maps.shape[1], off.maps.shape[2]),
            seconds=time.perf_counter() - started,
            versions=versions(),
        )
        return Outcome(result, {"maps": off.maps})


def _replacement(
    model: Model, payload: AblationPayload, files: Blobs
) -> tuple[Tensor | None, CalibrationSet | None]:
    """The maps put in the filters' place, and what they were averaged over; None for zero."""
    from backend.attribution.concepts.work import work_of
    from backend.attribution.internals.choice import inputs_of
    from backend.attribution.internals.layer_store import known_layer

    if payload.replacement == "zero":
        return None, None
    calibration = calibration_for(model, None, files)
    count = len(inputs_of(calibration, work_of(model)))
    about = CalibrationSet(title=calibration.title, count=count)
    return known_layer(model, payload.layer, calibration).mean_map, about


def _shown(before: Tensor, after: Tensor, target: int) -> list[int]:
    """The likeliest before, first; then that of after and the target where they are not among them."""
    order = before.argsort(descending=True)[:SHOWN].tolist()
    return list(dict.fromkeys([*order, int(after.argmax()), target]))


def _answers(model: Model, logits: Tensor, shown: list[int]) -> list[ClassAnswer]:
    probabilities = model.probabilities(logits)
    return [
        ClassAnswer(
            index=i, label=model.labels[i], logit=float(logits[i]), probability=float(probabilities[i])
        )
        for i in shown
    ]


@register
class Spot(Task[SpotPayload, SpotResult]):
    """Which filters made one spot of a Grad-CAM."""

    key = "spot"
    lane = "short"
    rank = 15
    Payload = SpotPayload

    def compute(self, payload: SpotPayload, files: Blobs, report: Report) -> Outcome[SpotResult]:
        import time

        import numpy as np

        from backend.attribution.explain import resolve_target
        from backend.attribution.internals.switched_off import spot
        from backend.tasks.models import model_of, prepare, versions

        report(0, 1)
        model = model_of(payload, files)
        started = time.perf_counter()
        x = prepare(model, payload, files).x.to(model.device)
        target = resolve_target(model, x, payload.target)
        made = spot(model, x, payload.layer, target, (payload.x, payload.y))
        whole = float(np.abs(made.parts).sum())
        shares = made.parts / whole if whole > 0 else made.parts
        listed = [int(k) for k in np.argsort(-np.abs(shares), kind="stable")[:LISTED] if shares[k] != 0]
        (row, column), (height, width) = made.cell, made.shape
        result = SpotResult(
            model=model.key,
            weights_sha256=model.digest,
            layer=payload.layer,
            target=target,
            cell=made.cell,
            shape=made.shape,
            box=(column / width, row / height, (column + 1) / width, (row + 1) / height),
            total=float(made.parts.sum()),
            filters=[
                SpotFilter(filter=k, share=float(shares[k]), value=float(made.values[k])) for k in listed
            ],
            rest=float(shares.sum() - sum(shares[k] for k in listed)),
            seconds=time.perf_counter() - started,
            versions=versions(),
        )
        return Outcome(result)
