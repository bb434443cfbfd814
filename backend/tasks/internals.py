"""All about the filters of one layer, as a job: progress, the tables so far, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.internals_results import InternalsResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import InputWindow, ModelSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.attribution.internals.calibration import Calibration
    from backend.store.blobs import Blobs
    from models import Model


SETS = 2
"""Calibration sets of ours that one process keeps, with their prepared inputs where these are small."""


class InternalsPayload(ModelSource):
    """inputs: the user's own instead of the calibration set that belongs to the model. request: as it was made, for the
    routes."""

    layer: str
    inputs: list[InputWindow] | None = None
    labels: list[int] | None = None
    seed: int = 0
    request: dict[str, Any] = Field({})


@register
class Internals(Task[InternalsPayload, InternalsResult]):
    """Blobs: `correlation` float32 [C, C], `mean_map` float32 [C, h, w], `patches` uint8 [C, 4, ph, pw(, 3)], and where
    there are any `kernels` float32 [C, c, kh, kw] and `sounds` int16 [examples, n]. The partial array is float32
    [C, C + 2]: correlation, importance so far, Taylor's estimate."""

    key = "internals"
    lane = "batch"
    Payload = InternalsPayload

    def compute(self, payload: InternalsPayload, files: Blobs, report: Report) -> Outcome[InternalsResult]:
        from backend.attribution.internals.analysis import internals
        from backend.tasks.models import model_of, versions

        report(0, 0, unit="steps")
        model = model_of(payload, files)
        calibration = calibration_for(model, payload.inputs, files, payload.labels)
        found = internals(model, payload.layer, calibration, seed=payload.seed, report=report)
        return Outcome(found.result.model_copy(update={"versions": versions()}), found.arrays)


def calibration_for(
    model: Model, windows: list[InputWindow] | None, files: Blobs, labels: list[int] | None = None
) -> Calibration:
    """The inputs that a layer is looked at with: the user's own as they are stored, or ours. labels: of the user's own."""
    from functools import partial

    from backend.attribution.internals.calibration import Item, calibration_of
    from backend.attribution.network.cache import cached
    from backend.tasks.models import raw_of
    from models.inputs.files import check_modality

    if windows is None:
        return cached(model, "calibration", "ours", lambda: calibration_of(model), capacity=SETS)
    classes: Sequence[int | None] = labels or [None] * len(windows)
    for window in windows:
        check_modality(window.input.modality, model.input.modalities)
    items = [
        Item(
            f"input {number + 1}", window.input.id, partial(raw_of, window.input, files), window.start, label
        )
        for number, (window, label) in enumerate(zip(windows, classes, strict=True))
    ]
    return calibration_of(model, items)
