"""Fetch the published weights of a network by name: the only job that may ask the net, started by nothing
but a deliberate request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.tasks import Outcome, Report, Task, register
from backend.tasks.catalogue import Described, describe
from backend.tasks.payloads import ModelSource, Payload

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class FetchPayload(Payload):
    """model: `timm:NAME` or `torchvision:NAME`. online: whether the net may be asked."""

    model: str
    online: bool


@register
class Fetch(Task[FetchPayload, Described]):
    """What the catalogue says about the network, once its weights are here.

    Raises NotFound (no such network), WeightsUnavailable (offline, forbidden), ModelRejected (not a
    convolutional network).
    """

    key = "fetch"
    lane = "batch"
    Payload = FetchPayload

    def compute(self, payload: FetchPayload, files: Blobs, report: Report) -> Outcome[Described]:
        from backend.attribution.methods import METHODS
        from models import downloads

        with downloads.reporting(report if payload.online else None):
            return Outcome(describe(ModelSource(model=payload.model), files, list(METHODS.values())))
