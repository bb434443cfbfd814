"""One map, with everything it holds under: method, target, layer, parameters, versions, passes, seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.attribution.types import Attribution
    from backend.store.blobs import Blobs
    from models import Model, Prepared


@register
class Explanation(Task):
    """payload: {input: InputRow.as_payload(), model, upload, method, target, layer, params, seed, start}.

    result: `app.core.schemas.Record`. Blobs: `values` (float32 [H, W]), `stages/NAME`, `arrays/NAME`.
    """

    key = "explanation"
    lane = "interactive"

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from backend.attribution.concepts.library import Library
        from backend.attribution.explain import explain, resolve_params
        from backend.attribution.methods import METHODS
        from backend.tasks.models import model_of, prepare

        method = METHODS[payload["method"]]
        report(0, 0, unit=method.unit)
        model = model_of(payload, files)
        prepared = prepare(model, payload, files)
        result = explain(
            model,
            prepared.x,
            method.key,
            target=payload.get("target"),
            layer=payload.get("layer"),
            seed=payload.get("seed", 0),
            report=report,
            library=Library(files),
            **payload.get("params", {}),
        )
        params = resolve_params(method, model, payload.get("params", {})).model_dump(mode="json")
        arrays = {"values": result.values}
        arrays |= {f"stages/{name}": stage.values for name, stage in result.stages.items()}
        arrays |= {f"arrays/{name}": array for name, array in result.arrays.items()}
        return Outcome(record(model, prepared, result, params, payload.get("seed", 0)), arrays)


def record(
    model: Model, prepared: Prepared, result: Attribution, params: dict[str, Any], seed: int
) -> dict[str, Any]:
    """`app.core.schemas.Record` as JSON."""
    import hashlib
    from datetime import UTC, datetime

    from backend.attribution.methods import METHODS
    from backend.tasks.models import axis_info, versions

    stages = [
        {
            "name": name,
            "title": stage.title,
            "signed": stage.signed,
            "shape": [int(side) for side in stage.values.shape],
        }
        for name, stage in result.stages.items()
    ]
    return {
        "method": result.method,
        "method_title": METHODS[result.method].title,
        "model": model.key,
        "weights_sha256": model.digest,
        "target": result.target,
        "target_label": model.labels[result.target],
        "layer": result.layer,
        "params": params,
        "seed": seed,
        "signed": result.signed,
        "shape": [int(side) for side in result.values.shape],
        "native": [int(side) for side in result.native],
        "vmin": float(result.values.min()),
        "vmax": float(result.values.max()),
        "gap": finite(result.gap),
        "stages": stages,
        "arrays": [
            {"name": name, "dtype": str(array.dtype), "shape": list(array.shape)}
            for name, array in result.arrays.items()
        ],
        "extras": finite(dict(result.extras)),
        "notes": [*prepared.notes, *result.notes],
        "seconds": result.seconds,
        "forwards": result.forwards,
        "backwards": result.backwards,
        "device": device_name(model),
        "precision": str(result.extras.get("precision", "float32")),
        "plan": result.plan,
        "engine": result.engine,
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "values_sha256": hashlib.sha256(result.values.tobytes()).hexdigest(),
        "window": None if prepared.window is None else [float(moment) for moment in prepared.window],
        "y_axis": axis_info(prepared.y_axis),
        "x_axis": axis_info(prepared.x_axis),
    }


def finite(value: Any) -> Any:
    """JSON has no NaN and no numpy: numbers become Python's, what is not finite becomes null."""
    import math

    import numpy as np

    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def device_name(model: Model) -> str:
    """The device in words: the processor or graphics card that computed the map."""
    import platform

    import torch

    if model.device.type == "cuda":
        return str(torch.cuda.get_device_name(model.device))
    return f"CPU, {torch.get_num_threads()} threads ({platform.machine()})"
