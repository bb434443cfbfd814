"""One cell of a study (a method on an input, under all metrics) as a small job, and what a study is asked to do.

A cell is keyed by its content: every study that needs it takes it from the store, and one that was killed goes on where
it was. The study itself is driven by the server (`backend.jobs.evaluation`), which asks for its cells a few at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from app.core.errors import BadParameter
from app.core.evaluation_results import CellResult, CellScore, ScoreCurve
from app.core.schemas import Region
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelSource, Payload, StoredInput
from backend.tasks.sets import Sample, set_of

if TYPE_CHECKING:
    from backend.attribution.measuring.cell import Cell
    from backend.store.blobs import Blobs
    from models import Model, Prepared

BELOW = -10
"""Rank of a cell: whatever somebody waits for goes first."""
Target = Literal["predicted", "label"] | int


class CellPayload(ModelSource):
    """A stored `input`, with its true class and its evidence where they are known; or number `number` of a bundled
    `set`."""

    input: StoredInput | None = None
    start: float | None = None
    label: int | None = None
    name: str = ""
    place: Region | None = None
    set: str | None = None
    number: int = 0
    method: str
    params: dict[str, Any] = Field({})
    metrics: list[str]
    metric_params: dict[str, dict[str, Any]] = Field({})
    seed: int = 0
    target: Target = "predicted"


@register
class CellTask(Task[CellPayload, CellResult]):
    """Arrays: `values` (the map, float32 [H, W]), `mask` (uint8 [H, W], where the evidence is known). Files:
    `picture.png`, the input in greys as a person sees it."""

    key = "cell"
    lane = "batch"
    rank = BELOW
    Payload = CellPayload

    def compute(self, payload: CellPayload, files: Blobs, report: Report) -> Outcome[CellResult]:
        from backend.tasks.models import model_of

        report(0, 0, unit="steps")
        return measure(model_of(payload, files), sample_of(payload, files), payload, report)


def sample_of(payload: CellPayload, files: Blobs) -> Sample:
    """Raises NotFound for a set or a blob that is not there."""
    from backend.tasks.models import raw_of

    if payload.set is not None:
        return set_of(payload.set).make(payload.number)
    assert payload.input is not None
    return Sample(payload.name, raw_of(payload.input, files), payload.label, payload.place, payload.start)


def measure(model: Model, sample: Sample, payload: CellPayload, report: Report) -> Outcome[CellResult]:
    """The cell of any sample; the shell asks for its own. Raises what preparing, explaining and measuring raise."""
    import numpy as np

    from backend.attribution.measuring.cell import measure_cell
    from backend.attribution.measuring.evaluate import resolve_params
    from backend.attribution.measuring.registry import METRICS
    from models.regions import cells_inside

    prepared = model.input.prepare(sample.raw, start=sample.start)
    region = sample.region
    mask = cells_inside(region, prepared.y_axis, prepared.x_axis) if region is not None else None
    target = payload.target
    if target == "label" and sample.label is None:
        raise BadParameter("This input has no label; explain the predicted class instead.", field="target")
    cell = measure_cell(
        model,
        prepared.x,
        payload.method,
        payload.metrics,
        mask,
        target=sample.label if target == "label" else None if target == "predicted" else int(target),
        params=payload.params,
        metric_params=payload.metric_params,
        seed=payload.seed,
        report=lambda done, total, partial=None: report(done, total),
    )
    arrays = {"values": cell.result.values}
    if mask is not None:
        arrays["mask"] = mask.astype(np.uint8)
    settings = {
        key: resolve_params(METRICS[key], model, payload.metric_params.get(key, {})).model_dump(mode="json")
        for key in payload.metrics
    }
    result = _result(sample, cell, prepared, mask is not None, settings)
    return Outcome(result, arrays, {"picture.png": picture(prepared)})


def _result(
    sample: Sample, cell: Cell, prepared: Prepared, masked: bool, metric_params: dict[str, dict[str, Any]]
) -> CellResult:
    from backend.tasks.models import versions

    height, width = cell.result.values.shape
    return CellResult(
        method=cell.result.method,
        name=sample.name,
        label=sample.label,
        target=cell.result.target,
        top=cell.top,
        layer=cell.result.layer,
        masked=masked,
        upright=prepared.y_axis.origin != "lower",
        shape=(height, width),
        scores={key: _score(score) for key, score in cell.scores.items()},
        metric_params=metric_params,
        notes=[*prepared.notes, *cell.result.notes],
        seconds=cell.seconds,
        versions=versions(),
    )


def _score(score: Any) -> CellScore:
    low, high = score.interval or (None, None)
    curve = score.curve and ScoreCurve(x=[round(float(x), 5) for x in score.curve.x], y=_short(score.curve.y))
    return CellScore(
        value=score.value,
        low=low,
        high=high,
        note=score.note,
        words=score.words,
        other=score.other,
        curve=curve,
    )


def _short(values: Any) -> list[float | None]:
    """Five digits draw a curve."""
    return [float(f"{value:.5g}") for value in values]


def picture(prepared: Prepared) -> bytes:
    """PNG in greys, the lowest frequency at the bottom."""
    import io

    import numpy as np
    from PIL import Image

    shown = prepared.display
    pixels = shown if shown.dtype == np.uint8 else np.round(255 * shown.clip(0, 1)).astype(np.uint8)
    grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    if prepared.y_axis.origin == "lower":
        grey = grey.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    return buffer.getvalue()


class PlannedInput(Payload):
    """An input of a study. input: id of a stored one, for whoever looks for what depends on it. reason: why it cannot be
    measured; it has no cells then."""

    input: dict[str, str] | None = None
    start: float | None = None
    name: str = ""
    label: int | None = None
    place: Region | None = None
    reason: str = ""


class PlannedMethod(Payload):
    """params: complete. reason: why it cannot explain this network; it has no cells then."""

    key: str
    title: str
    params: dict[str, Any] = Field({})
    reason: str = ""
    control: bool = False


class EvaluationPayload(ModelSource):
    """A study as it was accepted. identity: of the model's description, part of the cells' keys. labels: of the network,
    for names of classes. metrics: `MetricInfo` without schemas. request: as it was made."""

    identity: str
    labels: list[str]
    title: str = ""
    inputs: list[PlannedInput] = Field([])
    set: str | None = None
    set_title: str = ""
    count: int
    methods: list[PlannedMethod]
    metrics: list[dict[str, Any]]
    metric_params: dict[str, dict[str, Any]] = Field({})
    seed: int = 0
    target: Target = "predicted"
    request: dict[str, Any] = Field({})

    @property
    def places(self) -> list[tuple[int, str]]:
        """Its cells, input by input: number of the input, key of the method."""
        methods = [method.key for method in self.methods if not method.reason]
        left_out = {index for index, each in enumerate(self.inputs) if each.reason}
        return [(index, key) for index in range(self.count) if index not in left_out for key in methods]
