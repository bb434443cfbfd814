"""Fetch the published weights of a network by name: the only job that may ask the net, started by nothing
but a deliberate request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


@register
class Fetch(Task):
    """payload: {model: `timm:NAME` or `torchvision:NAME`, online: whether the net may be asked}. result:
    {info, fits}, as the catalogue has it.

    Raises NotFound (no such network), WeightsUnavailable (offline, forbidden), ModelRejected (not a
    convolutional network).
    """

    key = "fetch"
    lane = "batch"

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from backend.attribution.methods import METHODS
        from backend.tasks.catalogue import describe_one
        from models import downloads

        with downloads.reporting(report if payload["online"] else None):
            info, fits = describe_one(
                {"model": payload["model"], "upload": None}, files, list(METHODS.values())
            )
        return Outcome({"info": info, "fits": fits})
