"""Decode one upload, in a light process under tight limits: foreign bytes reach no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.tasks import Outcome, Report, Task, register


@register
class Decode(Task):
    """payload:
    `{file: path of what was sent, as: "auto" | "spectrogram", scale: of an array's numbers or None, limits}`.

    Result: the fields of `app.core.schemas.Input` except its id and the sender's name for it. Blobs:
    `canonical`, what every other task reads; `preview.png` or `audio.wav`, rebuilt from it for people, so
    that nothing hidden in the upload is ever sent on.
    """

    key = "decode"
    lane = "decode"

    def run(self, payload: dict[str, Any], files: Any, report: Report) -> Outcome:
        from app.core.settings import Limits
        from models.media import decode

        data = Path(payload["file"]).read_bytes()
        decoded = decode(data, Limits(**payload["limits"]), payload["as"], payload.get("scale"))
        facts = {"modality": decoded.modality, "bytes": len(data), **decoded.facts}
        if decoded.modality == "audio":
            facts |= _events(decoded.canonical, decoded.facts["rate"])
        return Outcome(facts, {"canonical": decoded.canonical}, _shown(decoded))


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
    from dataclasses import asdict, is_dataclass

    from models.media.segment import quality, segment

    def plain(item: Any) -> Any:
        return (
            asdict(item)
            if is_dataclass(item) and not isinstance(item, type)
            else item.model_dump()
            if hasattr(item, "model_dump")
            else item
        )

    return {
        "coughs": [plain(item) for item in segment(waveform, rate)],
        "checks": [plain(item) for item in quality(waveform, rate)],
    }
