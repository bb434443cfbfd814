"""Look at an uploaded model before it is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.tasks import Outcome, Report, Task, register
from backend.tasks.catalogue import Described, describe
from backend.tasks.payloads import ModelSource

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


@register
class CheckModel(Task[ModelSource, Described]):
    """What the catalogue says about an uploaded model.

    Building it checks header, names, shapes and finite weights; the layers are found by a trial forward.
    Raises ModelRejected, TooLarge, NotFound (architecture).
    """

    key = "model"
    lane = "interactive"
    rank = 10
    Payload = ModelSource

    def compute(self, payload: ModelSource, files: Blobs, report: Report) -> Outcome[Described]:
        from backend.attribution.methods import METHODS

        report(0, 1, unit="models")
        return Outcome(describe(payload, files, list(METHODS.values())))
