"""The machine-readable part of a report, and the checksum over the whole file.

A report is sealed by the SHA-256 of all its bytes with the 64 digits of that checksum set to zero. This finds what was changed by
accident or carelessly; somebody who changes a report on purpose can seal it again, which is why checking a report recomputes.

The manifest is JSON on one line that begins with its format. It is found by that beginning, in a PDF as in HTML: nothing of the
file is interpreted, unpacked or run.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import mmap
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from app.core.errors import InvalidInput, TooLarge
from app.core.schemas import ExplanationRequest, PredictionResult, Record, Region, WhatIfResult
from app.core.schemas.regions import Filler
from app.core.settings import MiB
from app.core.text import Name

FORMAT = "evident-report-1"
MARK = f'{{"format":"{FORMAT}"'.encode()
ZEROS = "0" * 64
BEGIN, END = '<script type="application/json" id="evident-manifest">', "</script>"
MANIFEST_BYTES = 32 * MiB
"""Of the manifest in a report."""
VALUES_BYTES = 4 * MiB
"""Of one map, float32; a larger one is claimed by its checksum alone."""
LETTERS = 60_000
"""Of one piece of packed values: texts in JSON are bounded."""
SUBJECTS, MAPS, PIXELS = 2_000, 32, 50_000_000
_ANY_MARK = re.compile(rb'\{"format":"evident-report-[0-9]{1,4}"')
_SEAL = re.compile(rb'"file_sha256":\s*"([0-9a-f]{64})"')
_SHOWN = re.compile(rb"data-shown='([a-z0-9.-]{1,80})'>([^<]{0,4000})<")
Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Claim(BaseModel):
    """What another version adds is passed over; what is known is checked."""

    model_config = ConfigDict(extra="ignore")


class ClaimedRequest(_Claim):
    input: Name
    model: Name
    start: float | None = Field(None, ge=0)


class ClaimedPrediction(_Claim):
    """result: None where the report withholds the score."""

    request: ClaimedRequest
    sha256: Sha
    result: PredictionResult | None = None


class ClaimedMap(_Claim):
    """values: float32 rows, zlib, base64, in pieces."""

    request: ExplanationRequest
    record: Record
    values: list[str] | None = None


class ClaimedAgain(_Claim):
    """The model asked about the subject's region alone, or about all but it."""

    mode: Literal["keep", "erase"]
    heard: bool = False
    filler: Filler | None = None
    seed: int = Field(0, ge=0, le=2**31 - 1)
    start: float | None = Field(None, ge=0)
    target: int = Field(ge=0)
    result: WhatIfResult


class ClaimedInput(_Claim):
    id: Sha


class ClaimedModel(_Claim):
    key: Name
    sha256: Sha | None = None


class ClaimedSubject(_Claim):
    name: Annotated[str, StringConstraints(pattern=r"^input-[0-9]{1,5}$")]
    input: ClaimedInput
    model: ClaimedModel
    region: Region | None = None
    prediction: ClaimedPrediction | None = None
    explanations: list[ClaimedMap] = Field([], max_length=MAPS)
    again: list[ClaimedAgain] = Field([], max_length=2)
    shown: dict[str, str] = {}

    @field_validator("region")
    @classmethod
    def _bounded(cls, region: Region | None) -> Region | None:
        """A mask is as large as it says: nothing is unpacked on the word of a file."""
        mask = region.mask if region else None
        if mask is not None:
            height, width = mask.size
            whole = min(mask.counts, default=0) >= 0 and sum(mask.counts) == height * width
            if not (0 < height * width <= PIXELS and whole):
                raise ValueError("the runs of the mask do not fill it")
        return region


class Claims(_Claim):
    """A manifest that was read."""

    format: Literal["evident-report-1"]
    evident: Name = ""
    code: Name = ""
    kind: Name = ""
    subjects: list[ClaimedSubject] = Field(max_length=SUBJECTS)


@dataclass(frozen=True)
class Opened:
    """A report's file, looked into. text: its manifest. sealed: whether the file is as it was made. shown: texts that state
    computed figures, by name; None where the file is no page."""

    text: bytes
    sealed: bool
    shown: dict[str, str] | None


def as_json(manifest: Mapping[str, Any]) -> bytes:
    """In one order, one line, safe inside HTML."""
    whole = {"format": FORMAT, "file_sha256": ZEROS, **manifest}
    text = json.dumps(whole, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


def block(manifest: Mapping[str, Any]) -> str:
    return f"{BEGIN}{as_json(manifest).decode()}{END}"


def sealed(file: bytes) -> bytes:
    """The file with its checksum in place."""
    begin, end = _seal(file)
    return file[:begin] + hashlib.sha256(file).hexdigest().encode() + file[end:]


def opened(path: Path, most: int) -> Opened:
    """Raises InvalidInput for what is no report, TooLarge (more than `most` bytes). The file is mapped, not loaded."""
    size = path.stat().st_size
    if size > most:
        raise TooLarge(
            f"The file has {size / MiB:,.0f} MiB; a report has at most {most // MiB}.", field="file"
        )
    if size == 0:
        raise _no_report()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(MARK)
        if start < 0:
            raise _other_version() if _ANY_MARK.search(data) else _no_report()
        if data.find(MARK, start + 1) >= 0:
            raise InvalidInput("The file holds two manifests, and a report has one; give the report as it was made.", code="no_report", field="file")  # fmt: skip
        ends = [end for end in (data.find(b"\n", start), data.find(END.encode(), start)) if end >= 0]
        end = min(ends, default=size)
        if end - start > MANIFEST_BYTES:
            raise TooLarge(f"The report's manifest is larger than {MANIFEST_BYTES // MiB} MiB.", field="file")
        page = data[:200].lstrip().lower().startswith(b"<!doctype html")
        return Opened(bytes(data[start:end]).strip(), _intact(data), _shown(data) if page else None)


def read(content: Any) -> Claims:
    """A manifest that was parsed. Raises InvalidInput."""
    try:
        return Claims.model_validate(content)
    except (ValidationError, RecursionError) as error:
        where = (
            ".".join(map(str, error.errors()[0]["loc"]))[:120] if isinstance(error, ValidationError) else ""
        )
        raise broken(where) from None


def broken(where: str = "") -> InvalidInput:
    return InvalidInput(
        f"The manifest of this report cannot be read{f' at {where}' if where else ''}: it was changed or cut off, or made by another version.",
        code="bad_manifest",
        field="file",
    )


def intact(file: bytes) -> bool:
    """Whether the file is as it was sealed."""
    return _intact(file)


def _intact(data: bytes | mmap.mmap) -> bool:
    try:
        begin, end = _seal(data)
    except ValueError:
        return False
    digest = hashlib.sha256()
    with memoryview(data) as view:
        digest.update(view[:begin])
        digest.update(ZEROS.encode())
        digest.update(view[end:])
    return digest.hexdigest().encode() == data[begin:end]


def _seal(file: bytes | mmap.mmap) -> tuple[int, int]:
    """Where the 64 digits stand: in the one manifest of the file."""
    start = file.find(MARK)
    match = None if start < 0 else _SEAL.search(file, start, start + 200)
    if match is None:
        raise ValueError("no checksum in the manifest")
    return match.span(1)


def _shown(data: mmap.mmap) -> dict[str, str]:
    """By a plain pattern: the page is ours, and whatever does not fit it is not ours."""
    texts: dict[str, str] = {}
    for match in _SHOWN.finditer(data):
        texts[match[1].decode()] = html.unescape(match[2].decode("utf-8", "replace"))
    return texts


def _other_version() -> InvalidInput:
    return InvalidInput(
        f"This report was made by a version of Evident whose reports this one does not read (it reads {FORMAT}); check it with the "
        "version that its settings name.",
        code="other_version",
        field="file",
    )


def _no_report() -> InvalidInput:
    return InvalidInput(
        "This is no report of Evident: it holds no manifest. Give the PDF or HTML file as it was made; another program that saved it "
        "again may have taken the manifest out.",
        code="no_report",
        field="file",
    )


def packed(values: np.ndarray) -> list[str]:
    """float32, row by row, zlib, base64, in pieces."""
    text = base64.b64encode(zlib.compress(np.ascontiguousarray(values, np.float32).tobytes(), 6)).decode()
    return [text[at : at + LETTERS] for at in range(0, len(text), LETTERS)]


def unpacked(pieces: Sequence[str], shape: tuple[int, int]) -> np.ndarray | None:
    """None for what does not unpack to a map of that shape; never more than that is unpacked."""
    size = 4 * shape[0] * shape[1]
    if min(shape) < 1 or size > VALUES_BYTES:
        return None
    try:
        data = zlib.decompressobj().decompress(base64.b64decode("".join(pieces), validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError):
        return None
    return np.frombuffer(data, np.float32).reshape(shape) if len(data) == size else None
