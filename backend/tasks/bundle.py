"""Concepts carried from one place to another: zips are packed and unpacked here, never in the web process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from app.core.settings import Limits
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import Payload

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class UnpackPayload(Payload):
    """file: the zip that was sent."""

    file: Path
    limits: Limits


class UnpackResult(BaseModel):
    """The concept's name, and per example the part of it that is meant, or None."""

    name: str
    boxes: list[tuple[float, float, float, float] | None]


@register
class Unpack(Task[UnpackPayload, UnpackResult]):
    """Blobs: `part/N`, the bytes of example N as they lay in the zip, which are decoded like any upload.
    Raises NotDecodable, TooLarge."""

    key = "unpack"
    lane = "decode"
    Payload = UnpackPayload

    def compute(self, payload: UnpackPayload, files: Blobs, report: Report) -> Outcome[UnpackResult]:
        from backend.store.bundle import read_bundle

        bundle = read_bundle(payload.file.read_bytes(), payload.limits)
        parts = {f"part/{number}": part.data for number, part in enumerate(bundle.parts)}
        return Outcome(UnpackResult(name=bundle.name, boxes=[part.box for part in bundle.parts]), files=parts)


class PackPayload(Payload):
    """Name and examples of a concept's row."""

    name: str
    examples: list[dict[str, Any]]


class PackResult(BaseModel):
    """Nothing: the zip is all there is."""


@register
class Pack(Task[PackPayload, PackResult]):
    """Blobs: `concept.zip`."""

    key = "pack"
    lane = "decode"
    Payload = PackPayload

    def compute(self, payload: PackPayload, files: Blobs, report: Report) -> Outcome[PackResult]:
        from backend.store.bundle import write_bundle

        arrays = (files.array(example["array"]) for example in payload.examples)
        return Outcome(
            PackResult(), files={"concept.zip": write_bundle(payload.name, payload.examples, arrays)}
        )
