"""How fast a model is on this machine, as its runs will be: measured on the copies of the network that they use,
which are ready in the worker from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelSource

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class SpeedResult(BaseModel):
    """seconds: by method, expected with default parameters."""

    seconds: dict[str, float]


@register
class Speed(Task[ModelSource, SpeedResult]):
    """Asked for when a model is chosen. The catalogue measures the network as it is, which takes a moment, but
    methods that send it hundreds of images run on faster copies, whose choice takes seconds."""

    key = "speed"
    lane = "batch"
    rank = -20
    Payload = ModelSource

    def compute(self, payload: ModelSource, files: Blobs, report: Report) -> Outcome[SpeedResult]:
        from backend.attribution.methods import METHODS
        from backend.tasks.catalogue import fit
        from backend.tasks.models import model_of

        model, methods = model_of(payload, files), list(METHODS.values())
        seconds: dict[str, float] = {}
        for done, method in enumerate(methods):
            report(done, len(methods), unit="methods")
            expected = fit(method, model, None).seconds
            if expected is not None:
                seconds[method.key] = expected
        return Outcome(SpeedResult(seconds=seconds))
