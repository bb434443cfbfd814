"""Decode one upload, in a light process under tight limits: foreign bytes reach no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.schemas import InputFacts
from app.core.settings import Limits
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import Payload
from models.media.decode import As
from models.media.levels import Scale

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class DecodePayload(Payload):
    """file: what was sent. scale: of an array's numbers; None guesses it."""

    file: Path
    read_as: As = Field(alias="as")
    scale: Scale | None = None
    limits: Limits


@register
class Decode(Task[DecodePayload, InputFacts]):
    """Blobs: `canonical`, what every other task reads; `preview.png` or `audio.wav`, rebuilt from it for
    people, so that nothing hidden in the upload is ever sent on."""

    key = "decode"
    lane = "decode"
    Payload = DecodePayload

    def compute(self, payload: DecodePayload, files: Blobs, report: Report) -> Outcome[InputFacts]:
        from models.media import decode

        data = payload.file.read_bytes()
        decoded = decode(data, payload.limits, payload.read_as, payload.scale)
        facts: dict[str, Any] = {"modality": decoded.modality, "bytes": len(data), **decoded.facts}
        if decoded.modality == "audio":
            facts |= _events(decoded.canonical, decoded.facts["rate"])
        return Outcome(InputFacts(**facts), {"canonical": decoded.canonical}, _shown(decoded))


def _shown(decoded: Any) -> dict[str, bytes]:
    if decoded.modality == "audio":
        from models.media.wav import write_wav

        return {"audio.wav": write_wav(decoded.canonical, decoded.facts["rate"])}
    from models.media.images import preview
    from models.media.levels import decibels

    scale = decoded.facts.get("scale", "unit")
    return {
        "preview.png": preview(decoded.canonical if scale == "unit" else decibels(decoded.canonical, scale))
    }


def _events(waveform: Any, rate: int) -> dict[str, Any]:
    """Coughs and the fit-for-use checks of a recording."""
    from dataclasses import asdict

    from models.media.coughs import coughs
    from models.media.segment import quality

    return {
        "coughs": [asdict(event) for event in coughs(waveform, rate)],
        "checks": quality(waveform, rate),
    }
