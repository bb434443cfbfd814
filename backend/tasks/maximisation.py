"""A picture made to excite one filter, beside what real inputs reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.internals_results import MaximisationResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.internals import calibration_for
from backend.tasks.payloads import ModelSource

if TYPE_CHECKING:
    from torch import Tensor

    from backend.attribution.internals.calibration import Calibration
    from backend.store.blobs import Blobs


class MaximisationPayload(ModelSource):
    """steps: None takes the usual number."""

    layer: str
    filter: int
    seed: int = 0
    steps: int | None = None
    request: dict[str, Any] = Field({})


@register
class Maximisation(Task[MaximisationPayload, MaximisationResult]):
    """Blob: `picture` float32 [H, W] or [H, W, 3] in 0..1, rows as in the display grid. The partial array is the picture
    so far, in grey [H, W]."""

    key = "maximisation"
    lane = "interactive"
    Payload = MaximisationPayload

    def compute(
        self, payload: MaximisationPayload, files: Blobs, report: Report
    ) -> Outcome[MaximisationResult]:
        import time

        from backend.attribution.internals.layer_store import known_layer
        from backend.attribution.internals.maximisation import REGULARISER, STEPS, maximised
        from backend.tasks.models import model_of, versions

        report(0, 0, unit="steps")
        model = model_of(payload, files)
        started = time.perf_counter()
        calibration = calibration_for(model, None, files)
        known = known_layer(model, payload.layer, calibration)
        made = maximised(
            model,
            payload.layer,
            payload.filter,
            seed=payload.seed,
            steps=payload.steps or STEPS,
            limits=(float(known.limits[0]), float(known.limits[1])),
            real=_input(calibration, int(known.which[payload.filter])),
            report=report,
        )
        result = MaximisationResult(
            model=model.key,
            weights_sha256=model.digest,
            layer=payload.layer,
            filter=payload.filter,
            before=made.before,
            after=made.after,
            strongest=float(known.best[payload.filter]),
            source=calibration.names[int(known.which[payload.filter])],
            from_source=made.from_input,
            steps=made.steps,
            regulariser=REGULARISER,
            seed=payload.seed,
            seconds=time.perf_counter() - started,
            versions=versions(),
        )
        return Outcome(result, {"picture": made.picture})


def _input(calibration: Calibration, row: int) -> Tensor:
    """`[1, C, H, W]`."""
    prepared = calibration.prepared(row)
    return calibration.x[row : row + 1] if prepared is None else prepared.x
