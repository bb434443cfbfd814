"""Does a method's map change with the network's weights and with the class? Asked once per network and method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.check_results import SanityResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelSource

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class SanityPayload(ModelSource):
    """request: as it was made, for the routes."""

    method: str
    layer: str | None = None
    params: dict[str, Any] = Field({})
    request: dict[str, Any] = Field({})


@register
class SanityTask(Task[SanityPayload, SanityResult]):
    """Behind everything that a person waits for."""

    key = "sanity"
    lane = "batch"
    rank = -30
    Payload = SanityPayload

    def compute(self, payload: SanityPayload, files: Blobs, report: Report) -> Outcome[SanityResult]:
        import time

        from app.core.errors import Incompatible
        from backend.attribution.measuring.sanity import meaning, sanity
        from backend.tasks.models import model_of

        report(0, 0, unit="maps")
        started = time.perf_counter()
        model = model_of(payload, files)
        try:
            found = sanity(model, payload.method, payload.layer, payload.params, report=report)
        except Incompatible as refusal:
            return Outcome(SanityResult(state=None, words=refusal.detail, meaning=meaning()))
        return Outcome(
            SanityResult(
                state=found.state,
                words=found.words,
                meaning=meaning(),
                randomised=found.randomised,
                other_class=found.other_class,
                noise=found.noise,
                inputs=found.n,
                note=found.note,
                seconds=time.perf_counter() - started,
            )
        )
