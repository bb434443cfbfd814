"""Look at an uploaded model before it is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


@register
class CheckModel(Task):
    """payload: {model, upload: ModelRow.as_payload()}. result: what the catalogue says about it: {info,
    fits}.

    Building it checks header, names, shapes and finite weights; the layers are found by a trial forward.
    Raises ModelRejected, TooLarge, NotFound (architecture).
    """

    key = "model"
    lane = "interactive"
    rank = 10

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from backend.attribution.methods import METHODS
        from backend.tasks.catalogue import describe_one

        report(0, 1, unit="models")
        info, fits = describe_one(payload, files, list(METHODS.values()))
        return Outcome({"info": info, "fits": fits})
