"""What everyday changes of an input do to the score and to the map: a strip of cells, as a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.errors import EvidentError
from app.core.schemas import StressCell, StressResult
from app.core.schemas.stress import QuickMethod
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelOnInput

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs
    from backend.tasks.distortions import Distortion
    from models import Model, Prepared

STEADY = 0.005
"""Of a score: less is no movement when it is written with two digits."""
CAVEAT = (
    "These are the changes that were tried, one at a time and at one strength: a score that bears them may still move by others. "
    "The map is compared place by place, in the places that both hold."
)
FLAT = "The map is the same everywhere, so there is no order to compare."


class StressPayload(ModelOnInput):
    """The fields of `app.core.schemas.StressRequest`. request: as it was made, for the routes."""

    method: QuickMethod = "grad_cam"
    target: int | None = None
    request: dict[str, Any] = Field({})


@register
class Stress(Task[StressPayload, StressResult]):
    """One prediction and one map a change."""

    key = "stress"
    lane = "interactive"
    rank = 10
    Payload = StressPayload

    def compute(self, payload: StressPayload, files: Blobs, report: Report) -> Outcome[StressResult]:
        import time

        from backend.attribution.methods import METHODS
        from backend.tasks.distortions import distortions_of
        from backend.tasks.models import model_of, prepare, raw_of, versions

        report(0, 0, unit="changes")
        model = model_of(payload, files)
        started = time.perf_counter()
        prepared = prepare(model, payload, files)
        raw = raw_of(payload.input, files)
        if payload.input.modality == "image":
            import numpy as np

            raw = np.asarray(raw)
        tried = distortions_of(payload.input.modality, prepared)
        target, score, answer, strip = stressed(
            model, raw, prepared, tried, payload.method, payload.target, report
        )
        title, label = METHODS[payload.method].title, model.labels[target]
        told = StressResult(
            input=payload.input.id,
            model=model.key,
            weights_sha256=model.digest,
            target=target,
            target_label=label,
            method=payload.method,
            method_title=title,
            score=score,
            answer=answer,
            strip=strip,
            most_drift=max((abs(cell.drift) for cell in strip if cell.drift is not None), default=None),
            least_correlation=min(
                (cell.map_correlation for cell in strip if cell.map_correlation is not None), default=None
            ),
            words=sentences(label, score, answer, title, strip, {part.key: part.name for part in tried}),
            caveat=CAVEAT,
            seconds=time.perf_counter() - started,
            versions=versions(),
        )
        return Outcome(told)


def stressed(
    model: Model,
    raw: Any,
    prepared: Prepared,
    tried: Sequence[Distortion],
    method: str,
    target: int | None,
    report: Report,
) -> tuple[int, float, str, list[StressCell]]:
    """The target, its score and the answer on the input as it is, and a cell for every change. raw: as
    `InputSpec.prepare` takes it; prepared: the same, prepared."""
    import numpy as np

    from backend.tasks.distortions import carried_back, rank_correlation

    target, scores, values = _look(model, prepared, method, target)
    window = prepared.window or (0.0, 0.0)
    here = (prepared.y_axis, prepared.x_axis)
    values = values.astype(np.float64)
    if prepared.window is not None:  # what lies behind the end of the recording is no part of the map
        values = np.where(prepared.x_axis.values < window[1], values, np.nan)
    cells = []
    for done, change in enumerate(tried):
        report(done, len(tried), unit="changes")
        cell = StressCell(key=change.key, title=change.title)
        try:
            altered = change.make(raw, window)
            other = model.input.prepare(altered.raw, start=altered.start)
        except EvidentError as error:
            cells.append(cell.model_copy(update={"why": error.detail}))
            continue
        _, after, its_map = _look(model, other, method, target)
        back = carried_back(its_map, here, (other.y_axis, other.x_axis), (altered.y, altered.x))
        correlation = rank_correlation(values, back)
        cells.append(
            StressCell(
                key=change.key,
                title=change.title,
                score=float(after[target]),
                drift=float(after[target] - scores[target]),
                answer=model.labels[int(after.argmax())],
                map_correlation=correlation,
                why=FLAT if correlation is None else None,
            )
        )
    return target, float(scores[target]), model.labels[int(scores.argmax())], cells


def _look(
    model: Model, prepared: Prepared, method: str, target: int | None
) -> tuple[int, np.ndarray, np.ndarray]:
    """The class, the calibrated scores `[labels]` and the map `[H, W]` of it."""
    from backend.attribution.explain import explain

    scores = model.predict(prepared.x.to(model.device))[0].double().cpu().numpy()
    result = explain(model, prepared.x, method, target=target)
    return result.target, scores, result.values


def sentences(
    label: str, score: float, answer: str, title: str, strip: Sequence[StressCell], names: dict[str, str]
) -> str:
    """The strip in words."""
    moved = [(abs(cell.drift), cell) for cell in strip if cell.drift is not None]
    if not moved:
        return "None of the changes could be tried on this input."
    most, worst = max(moved, key=lambda pair: pair[0])
    said = (
        f"The score of {label} ({score:.2f}) does not move by any of the changes."
        if most < STEADY
        else f"The score of {label} ({score:.2f}) moves by at most {most:.2f}, by {names[worst.key]}."
    )
    turned = [f"{names[cell.key]} ({cell.answer})" for _, cell in moved if cell.answer != answer]
    said += (
        f" The answer turns with {listed(turned)}."
        if turned
        else f" The answer stays {answer} with all of them."
    )
    maps = [(cell.map_correlation, cell) for cell in strip if cell.map_correlation is not None]
    if maps:
        least, cell = min(maps, key=lambda pair: pair[0])
        said += (
            f" The {title} map keeps a rank correlation of {least:.2f} or more, least by {names[cell.key]}."
        )
    return said


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
