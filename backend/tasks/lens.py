"""One input at every layer: Grad-CAM and strongest filters first, then what the lens reads, as a job."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.errors import Incompatible
from app.core.lens_results import (
    FilterShare,
    LensCalibration,
    LensClass,
    LensLayer,
    LensResult,
    LogitLens,
    ModelClass,
)
from backend.tasks import Outcome, Report, Task, finite, register
from backend.tasks.payloads import InputWindow, ModelOnInput

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from backend.attribution.internals.layer_maps import Look
    from backend.attribution.internals.lens import LayerLens, Lens, LensPrediction
    from backend.attribution.internals.readable import Read
    from backend.store.blobs import Blobs
    from models import Model

SHOWN = 5
"""Classes of each layer, beside the target."""
REPEATED = 1.0
"""Seconds during which the first, partial result is sent with every report: one that comes too soon after another is
passed over."""


NO_LENS = "It cannot be read as an answer; its maps and filters are shown."


class LensPayload(ModelOnInput):
    """The fields of `app.core.schemas.LensRequest`, its inputs as they are stored. request: as it was made, for the
    routes."""

    target: int | None = None
    inputs: list[InputWindow] | None = None
    request: dict[str, Any] = Field({})


@register
class LensTask(Task[LensPayload, LensResult]):
    """Arrays: `layers/NAME` float32 [2 + k, h, w]: Grad-CAM, the lens map of the target, the maps of the layer's
    `features`; `features/NAME` uint8 [C, h, w]: the maps of all its filters, small. The partial array is `packed`: result and arrays without the lens."""

    key = "lens"
    lane = "interactive"
    Payload = LensPayload

    def compute(self, payload: LensPayload, files: Blobs, report: Report) -> Outcome[LensResult]:
        from backend.attribution.explain import check_input, check_target, pristine
        from backend.attribution.internals.calibration import calibration_of
        from backend.attribution.internals.layer_maps import layer_maps
        from backend.attribution.internals.lens_store import fitted_lens
        from backend.attribution.internals.linear_head import head_of
        from backend.attribution.internals.readable import readable_layers
        from backend.attribution.network.cache import steady
        from backend.tasks.models import model_of, prepare

        report(0, 0, unit="inputs")
        model = model_of(payload, files)
        x = check_input(model, prepare(model, payload, files).x)
        check_target(model, payload.target)
        with steady(model), pristine(model):
            listed = readable_layers(model)
            names = [part.name for part in listed if part.reason is None]
            try:
                head, calibration = head_of(model), calibration_of(model, _own(payload, files))
            except Incompatible as error:  # maps and filters can be looked at all the same
                look = layer_maps(model, x, names, payload.target)
                result = _first(model, payload, listed, look)
                _unread(result, error.detail)
                return Outcome(result, _arrays(look))
            look = layer_maps(model, x, names, payload.target, head)
            result = _first(model, payload, listed, look)
            first = packed(result, _arrays(look))
            began = time.monotonic()

            def reporting(done: int, total: int, *_: object, **__: object) -> None:
                report(done, total, first if time.monotonic() - began < REPEATED else None, unit="inputs")

            reporting(0, calibration.count)
            lens = fitted_lens(model, calibration, reporting)
            prediction = lens.of(look.reading(lens.grid))
        cams = {part.layer.name: part.cam(look.maps[part.layer.name][0], look.target) for part in lens.layers}
        _complete(result, model, lens, prediction, {name: constant for name, (_, constant) in cams.items()})
        return Outcome(result, _arrays(look, {name: cam for name, (cam, _) in cams.items()}))


def packed(result: LensResult, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Result and arrays as one float32 array, whose numbers mean nothing: the bytes of a zip of them, after their
    number."""
    import io

    import numpy as np

    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(finite(result.model_dump(by_alias=True))).encode(), np.uint8)
    np.savez(buffer, result=text, **arrays)  # type: ignore[arg-type]
    data = buffer.getvalue()
    whole = len(data).to_bytes(8, "little") + data
    return np.frombuffer(whole + bytes(-len(whole) % 4), np.float32)


def unpacked(values: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `packed` took."""
    import io

    import numpy as np

    whole = values.tobytes()
    length = int.from_bytes(whole[:8], "little")
    with np.load(io.BytesIO(whole[8 : 8 + length]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("result").tobytes()), arrays


def _own(payload: LensPayload, files: Blobs) -> list[Any] | None:
    """The user's calibration inputs; None where the program's own are taken."""
    from backend.attribution.internals.calibration import Item
    from backend.tasks.models import raw_of

    if payload.inputs is None:
        return None
    return [
        Item(window.input.id, window.input.id, partial(raw_of, window.input, files), window.start)
        for window in payload.inputs
    ]


def _first(model: Model, payload: LensPayload, listed: list[Read], look: Look) -> LensResult:
    """All but the lens."""
    from backend.attribution.internals.readable import UNUSED
    from backend.tasks.models import versions

    probabilities = model.probabilities(look.logits)[0]
    top, target = int(look.logits[0].argmax()), look.target
    order = [int(k) for k in probabilities.argsort(descending=True)[:SHOWN]]
    shown = [*order, *({target} - set(order))]
    layers = []
    for part in listed:
        layer = look.layers.get(part.name)
        reason = UNUSED if part.reason is None and layer is None else part.reason
        strongest = layer.strongest() if layer is not None else []
        layers.append(
            LensLayer(
                name=part.name,
                kind=part.layer.kind,
                shape=list(part.layer.shape),
                readable=reason is None,
                reason=reason,
                features=[FilterShare(filter=k, share=float(layer.share[k])) for k in strongest if layer],
                shares=_short(layer.share) if layer else [],
                means=_short(layer.maps.mean((1, 2))) if layer else [],
            )
        )
    return LensResult(
        model=model.key,
        weights_sha256=model.digest,
        input=payload.input.id,
        top=top,
        target=target,
        labels={str(k): model.labels[k] for k in {*shown, top}},
        probabilities=[
            ModelClass(index=k, label=model.labels[k], probability=float(probabilities[k])) for k in shown
        ],
        layers=layers,
        versions=versions(),
    )


def _unread(result: LensResult, why: str) -> None:
    """The whole result of a network that no lens can be fitted to."""
    result.note = why
    for layer in result.layers:
        layer.reason = layer.reason or NO_LENS


def _complete(
    result: LensResult,
    model: Model,
    lens: Lens,
    prediction: LensPrediction,
    constants: Mapping[str, float],
) -> None:
    """Adds what the lens read, and the head as the last layer."""
    result.calibration = LensCalibration(
        title=lens.title, count=lens.count, held_out=lens.held_out, accuracy=lens.accuracy
    )
    result.note, result.decided_from = lens.note, prediction.decided_from
    features = lens.head.weight.shape[1]
    result.layers.append(LensLayer(name=lens.head.name, kind="head", shape=[features, 1, 1]))
    fits = {part.layer.name: part for part in lens.layers}
    rows = {name: row for row, name in enumerate(prediction.layers[:-1])}
    for layer in result.layers:
        head = layer.kind == "head"
        if not head and (layer.name not in rows or not layer.readable):
            continue
        row = len(rows) if head else rows[layer.name]
        fit = None if head else fits[layer.name]
        layer.classes = _classes(model, prediction, row, result.target)
        layer.top, layer.kl = prediction.top[row], prediction.kl[row]
        layer.entropy, layer.margin = prediction.entropy[row], prediction.margin[row]
        layer.temperature = fit.temperature if fit else model.spec.temperature
        layer.r2, layer.agreement = (fit.r2, fit.agreement) if fit else (1.0, 1.0)
        layer.majority, layer.trusted = lens.majority, fit.trusted if fit else True
        layer.constant = None if head else constants[layer.name]
        if fit:
            layer.probe = fit.probe
            layer.direct = _direct(model, prediction, fit)
        for shown in layer.classes:
            result.labels[str(shown.index)] = shown.label


def _direct(model: Model, prediction: LensPrediction, fit: LayerLens) -> LogitLens | None:
    if fit.direct is None:
        return None
    top = int(prediction.direct[fit.layer.name].argmax())
    return LogitLens(top=top, label=model.labels[top], agreement=fit.direct)


def _classes(model: Model, prediction: LensPrediction, row: int, target: int) -> list[LensClass]:
    """At most `SHOWN`, the target always among them."""
    order = [int(k) for k in prediction.logits[row].argsort(descending=True)[:SHOWN]]
    if target not in order:
        order = [*order[: SHOWN - 1], target]
    return [
        LensClass(
            index=k,
            label=model.labels[k],
            probability=float(prediction.probabilities[row, k]),
            logit=float(prediction.logits[row, k]),
        )
        for k in order
    ]


def _short(values: Tensor) -> list[float]:
    """Four digits are enough for an order; a network has thousands of filters."""
    return [float(f"{value:.4g}") for value in values.double().tolist()]


def _arrays(look: Look, cams: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
    """The files of the readable layers; NaN for the lens map that is not there yet."""
    import torch

    from backend.attribution.internals.layer_maps import small, thumbnails

    arrays = {}
    for name, layer in look.layers.items():
        if layer is None:
            continue
        cam = cams[name] if cams else torch.full_like(layer.grad_cam, torch.nan)
        features = [layer.maps[k].double() for k in layer.strongest()]
        arrays[f"layers/{name}"] = small(torch.stack([layer.grad_cam.double(), cam.double(), *features]))
        if cams:
            arrays[f"features/{name}"] = thumbnails(layer.maps)
    return arrays
