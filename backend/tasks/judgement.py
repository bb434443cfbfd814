"""Which class a network puts each of several inputs in: right and wrong in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import InputWindow, ModelSource, StoredInput

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class JudgementPayload(ModelSource):
    inputs: list[StoredInput]


class JudgementResult(BaseModel):
    """tops: the likeliest class of each input; None where the network cannot take it."""

    tops: list[int | None]


@register
class Judgement(Task[JudgementPayload, JudgementResult]):
    """One forward pass an input."""

    key = "judgement"
    lane = "interactive"
    Payload = JudgementPayload

    def compute(self, payload: JudgementPayload, files: Blobs, report: Report) -> Outcome[JudgementResult]:
        import torch

        from app.core.errors import InvalidInput
        from backend.tasks.models import model_of, prepare

        model = model_of(payload, files)
        tops: list[int | None] = []
        for done, stored in enumerate(payload.inputs):
            report(done, len(payload.inputs), unit="inputs")
            try:
                prepared = prepare(model, InputWindow(input=stored), files)
            except InvalidInput:
                tops.append(None)
                continue
            with torch.no_grad():
                tops.append(int(model.logits(prepared.x.to(model.device))[0].argmax()))
        return Outcome(JudgementResult(tops=tops))
