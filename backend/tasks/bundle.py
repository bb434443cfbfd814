"""Concepts carried from one place to another: zips are packed and unpacked here, never in the web process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


@register
class Unpack(Task):
    """payload: `{file: path of the zip that was sent, limits}`. result: `{name, boxes}`, one box or null per
    example.

    Blobs: `part/N`, the bytes of example N as they lay in the zip, which are decoded like any upload. Raises
    NotDecodable, TooLarge.
    """

    key = "unpack"
    lane = "decode"

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from app.core.settings import Limits
        from backend.store.bundle import read_bundle

        found = read_bundle(Path(payload["file"]).read_bytes(), Limits(**payload["limits"]))
        parts = {f"part/{number}": part.data for number, part in enumerate(found.parts)}
        return Outcome({"name": found.name, "boxes": [part.box for part in found.parts]}, files=parts)


@register
class Pack(Task):
    """payload: `{name, examples}` of a concept's row. Blobs: `concept.zip`."""

    key = "pack"
    lane = "decode"

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from backend.store.bundle import write_bundle

        arrays = (files.array(one["array"]) for one in payload["examples"])
        return Outcome({}, files={"concept.zip": write_bundle(payload["name"], payload["examples"], arrays)})
