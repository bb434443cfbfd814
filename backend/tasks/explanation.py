"""One map, with everything it holds under: method, target, layer, parameters, versions, passes, seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.schemas import ArrayInfo, Record, StageInfo
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelOnInput

if TYPE_CHECKING:
    from backend.attribution.types import Attribution, Stage
    from backend.store.blobs import Blobs
    from models import Model, Prepared


class ExplanationPayload(ModelOnInput):
    """target: None takes the predicted class. layer: None takes the model's default. request, estimate: what
    was asked and the seconds it was expected to take, for the routes."""

    method: str
    target: int | None = None
    layer: str | None = None
    params: dict[str, Any] = Field({})
    seed: int = 0
    request: dict[str, Any] = Field({})
    estimate: float | None = None
    altered: dict[str, Any] | None = None
    """`app.core.schemas.Alteration`: the input is explained as it is without a region."""


@register
class Explanation(Task[ExplanationPayload, Record]):
    """Blobs: `values` (float32 [H, W]), `stages/NAME`, `arrays/NAME`."""

    key = "explanation"
    lane = "interactive"
    Payload = ExplanationPayload

    def compute(self, payload: ExplanationPayload, files: Blobs, report: Report) -> Outcome[Record]:
        from dataclasses import replace

        from backend.attribution.concepts.library import Library
        from backend.attribution.explain import explain, resolve_params
        from backend.attribution.methods import METHODS
        from backend.tasks.models import model_of, prepare
        from backend.tasks.whatif import altered_input

        method = METHODS[payload.method]
        report(0, 0, unit=method.unit)
        model = model_of(payload, files)
        prepared = prepare(model, payload, files)
        if payload.altered is not None:
            x, note = altered_input(model, prepared, payload.altered)
            prepared = replace(prepared, x=x, notes=(*prepared.notes, note))
        result = explain(
            model,
            prepared.x,
            method.key,
            target=payload.target,
            layer=payload.layer,
            seed=payload.seed,
            report=report,
            library=Library(files),
            **payload.params,
        )
        params = resolve_params(method, model, payload.params).model_dump(mode="json")
        arrays = {"values": result.values}
        arrays |= {f"stages/{name}": stage.values for name, stage in result.stages.items()}
        arrays |= {f"arrays/{name}": array for name, array in result.arrays.items()}
        return Outcome(record(model, prepared, result, params, payload.seed), arrays)


def record(
    model: Model, prepared: Prepared, result: Attribution, params: dict[str, Any], seed: int
) -> Record:
    """The conditions that the map holds under."""
    import hashlib
    from datetime import UTC, datetime

    from backend.attribution.methods import METHODS
    from backend.attribution.quality import quality_of
    from backend.tasks.models import axis_info, versions

    y_size, x_size = result.values.shape
    return Record(
        method=result.method,
        method_title=METHODS[result.method].title,
        model=model.key,
        weights_sha256=model.digest,
        target=result.target,
        target_label=model.labels[result.target],
        layer=result.layer,
        params=params,
        seed=seed,
        signed=result.signed,
        shape=(y_size, x_size),
        native=result.native,
        vmin=float(result.values.min()),
        vmax=float(result.values.max()),
        gap=result.gap,
        stages=[stage_info(name, stage) for name, stage in result.stages.items()],
        arrays=[
            ArrayInfo(name=name, dtype=str(array.dtype), shape=list(array.shape))
            for name, array in result.arrays.items()
        ],
        extras=dict(result.extras),
        notes=[*prepared.notes, *result.notes],
        quality=quality_of(result),
        seconds=result.seconds,
        forwards=result.forwards,
        backwards=result.backwards,
        device=device_name(model),
        precision=str(result.extras.get("precision", "float32")),
        plan=result.plan,
        engine=result.engine,
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        values_sha256=hashlib.sha256(result.values.tobytes()).hexdigest(),
        window=prepared.window,
        y_axis=axis_info(prepared.y_axis),
        x_axis=axis_info(prepared.x_axis),
    )


def stage_info(name: str, stage: Stage) -> StageInfo:
    y_size, x_size = stage.values.shape
    return StageInfo(name=name, title=stage.title, signed=stage.signed, shape=(y_size, x_size))


def device_name(model: Model) -> str:
    """The device in words: the processor or graphics card that computed the map."""
    import platform

    import torch

    if model.device.type == "cuda":
        return str(torch.cuda.get_device_name(model.device))
    threads = torch.get_num_threads()
    return f"CPU, {threads} {'thread' if threads == 1 else 'threads'} ({platform.machine()})"
