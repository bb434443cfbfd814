"""Concept bundles: a zip of `concept.json` and the examples as ordinary files, readable without this program.

A worker reads them: it opens only the entries that `concept.json` names, uses no name as a path, bounds the
inflated bytes, and the examples are decoded later like any upload.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.errors import NotDecodable, TooLarge
from app.core.settings import Limits, MiB
from app.core.text import plain_text

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "concept.json"
MOST = 500
RATIO, SMALL = 100, 16 * MiB
"""A zip may inflate to RATIO times its size, a small one to SMALL; honest sound and pictures stay below."""
FORMAT = "evident-concept-1"


@dataclass(frozen=True)
class Part:
    """One example: bytes of a picture, recording or array, and the box of it that is meant."""

    data: bytes
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Bundle:
    name: str
    parts: list[Part]


def write_bundle(name: str, examples: Sequence[dict[str, Any]], arrays: Iterable[np.ndarray]) -> bytes:
    """examples: rows of a concept; arrays: their decoded numbers. Pictures become PNG, sounds 32-bit float
    WAV: nothing is lost."""
    listed = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, (example, array) in enumerate(zip(examples, arrays, strict=True)):
            suffix, data = _encoded(example, array)
            file = f"examples/{number:03d}.{suffix}"
            archive.writestr(file, data)
            listed.append({"file": file, "box": example.get("box")})
        archive.writestr(MANIFEST, json.dumps({"format": FORMAT, "name": name, "examples": listed}, indent=1))
    return buffer.getvalue()


def _encoded(example: dict[str, Any], array: np.ndarray) -> tuple[str, bytes]:
    import numpy as np

    buffer = io.BytesIO()
    if example["modality"] == "image":
        from PIL import Image

        Image.fromarray(np.asarray(array)).save(buffer, "PNG")
        return "png", buffer.getvalue()
    if example["modality"] == "audio":
        import soundfile

        soundfile.write(buffer, np.asarray(array), int(example["rate"]), format="WAV", subtype="FLOAT")
        return "wav", buffer.getvalue()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return "npy", buffer.getvalue()


def read_bundle(data: bytes, limits: Limits) -> Bundle:
    """Raises NotDecodable for anything that is not an exported concept, TooLarge for too many or too large
    examples."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > 2 * MOST:
                raise _crowded()
            manifest = json.loads(_entry(archive, MANIFEST, limits.json_bytes))
            listed = manifest["examples"]
            if manifest.get("format") != FORMAT or not isinstance(listed, list) or not listed:
                raise _foreign()
            if len(listed) > MOST:
                raise _crowded()
            room = min(limits.audio_bytes * 4, max(RATIO * len(data), SMALL))
            parts = []
            for item in listed:
                entry = _entry(archive, str(item["file"]), min(limits.audio_bytes, room))
                room -= len(entry)
                parts.append(Part(entry, _box(item.get("box"))))
            return Bundle(
                plain_text(str(manifest.get("name") or "Imported concept"), 80, field="file"), parts
            )
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        OSError,  # damaged bzip2
        ArithmeticError,  # a box of numbers too large for a float
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        RecursionError,
    ):
        raise _foreign() from None


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """One entry, never more than `most` bytes of it: the size a zip states need not be the size it has."""
    with archive.open(name) as entry:
        data = entry.read(most + 1)
    if len(data) > most:
        raise TooLarge(
            "The concept's examples are too large together; split it.", code="too_large", field="file"
        )
    return data


def _box(values: Any) -> tuple[float, float, float, float] | None:
    if values is None:
        return None
    a, b, c, d = (float(value) for value in values)
    if not all(abs(value) < 1e9 for value in (a, b, c, d)):  # also false for NaN
        raise _foreign()
    return a, b, c, d


def _crowded() -> TooLarge:
    return TooLarge(
        f"The concept has more than {MOST} examples; split it.", code="too_many_examples", field="file"
    )


def _foreign() -> NotDecodable:
    return NotDecodable(
        "This is not an exported concept, or it is damaged; export it again.",
        code="not_a_concept",
        field="file",
    )
