"""Uploads: multipart bodies streamed into the folder of an errand; size, hash and type are checked on the way
and nothing piles up in memory."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import BadParameter, EvidentError, InvalidInput, UnsupportedType
from app.core.settings import Limits
from app.core.text import plain_text
from backend.api.http.strict import BadSyntax
from backend.store.blobs import Blobs, Writer
from models.media.sniff import FAMILY, HEAD, Family, Kind, check_bytes, sniff

PARTS, TEXT_BYTES, NAME_LETTERS = 8, 64 * 1024, 120
FLUSH = 1024 * 1024


def described(
    file: str = "file",
    texts: dict[str, dict[str, Any]] | None = None,
    *,
    what: str = "",
    others: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A form with one file, for OpenAPI, which cannot see it where the body is streamed. file: name of its
    field. texts: the other fields. what: the file may be. others: content types that are taken too."""
    binary = {"type": "string", "format": "binary"} | ({"description": what} if what else {})
    schema = {"type": "object", "required": [file], "properties": {file: binary, **(texts or {})}}
    content = {**(others or {}), "multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@dataclass(frozen=True)
class Upload:
    """A file that arrived. sha: its hash, the name of its blob. name: the sender's file name, safe to
    display. texts: the other fields."""

    sha: str
    size: int
    kind: Kind
    name: str
    texts: dict[str, str]


@dataclass
class _Part:
    """The part being read."""

    headers: dict[str, str] = field(default_factory=dict)
    header: tuple[bytes, bytes] = (b"", b"")
    name: str = ""
    filename: str | None = None
    text: bytearray = field(default_factory=bytearray)


class _Form:
    """Callbacks of the parser. Bytes of the one file gather in `pending` until they are flushed to the
    store."""

    def __init__(
        self,
        file_field: str,
        text_fields: frozenset[str],
        check: Callable[[bytes, int], None],
        text_bytes: int = TEXT_BYTES,
    ) -> None:
        self.file_field, self.text_fields, self.check = file_field, text_fields, check
        self.text_bytes = text_bytes
        self.part = _Part()
        self.parts = self.size = self.text_size = 0
        self.head, self.pending = b"", bytearray()
        self.filename: str | None = None
        self.texts: dict[str, str] = {}
        self.complete = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_header_field": lambda data, start, end: self._header(data[start:end], b""),
            "on_header_value": lambda data, start, end: self._header(b"", data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > PARTS:
            raise BadParameter(
                f"The form has more than {PARTS} parts; send one file at a time.", code="too_many_parts"
            )
        self.part = _Part()

    def _header(self, name: bytes, value: bytes) -> None:
        self.part.header = (self.part.header[0] + name, self.part.header[1] + value)

    def _header_end(self) -> None:
        name, value = self.part.header
        self.part.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self.part.header = (b"", b"")

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self.part.headers.get("content-disposition", ""))
        if kind != b"form-data" or b"name" not in options:
            raise BadSyntax("A part of the form has no name; send it as form data.", code="bad_form")
        self.part.name = options[b"name"].decode("utf-8", "replace")
        if self.part.name == self.file_field and b"filename" in options:
            if self.filename is not None:
                raise BadParameter("Send one file at a time.", code="several_files", field=self.file_field)
            self.filename = options[b"filename"].decode("utf-8", "replace")
            self.part.filename = self.filename
        elif self.part.name not in self.text_fields or b"filename" in options:
            accepted = ", ".join([f"{self.file_field} (the file)", *sorted(self.text_fields)])
            raise BadParameter(
                f"The form has a field that is not known here; there are: {accepted}.", code="unknown_field"
            )
        elif self.part.name in self.texts:
            raise BadParameter(
                "A field of the form appears twice; send it once.",
                code="duplicate_name",
                field=self.part.name,
            )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.part.filename is None:
            self.text_size += end - start
            if self.text_size > self.text_bytes:
                raise BadParameter(
                    f"The text fields may hold at most {self.text_bytes // 1024} KiB.",
                    code="field_too_large",
                    field=self.part.name,
                )
            self.part.text += data[start:end]
            return
        self.pending += data[start:end]
        self.size += end - start
        if len(self.head) < HEAD:
            self.head = (self.head + data[start:end])[:HEAD]
        self.check(self.head, self.size)

    def _end(self) -> None:
        if self.part.filename is None:
            try:
                text = self.part.text.decode("utf-8")
            except UnicodeDecodeError:
                raise BadParameter(
                    "A text field is not UTF-8.", code="bad_text", field=self.part.name
                ) from None
            self.texts[self.part.name] = plain_text(text, self.text_bytes, field=self.part.name, lines=True)

    def _finish(self) -> None:
        self.complete = True


async def receive(
    request: Request,
    blobs: Blobs,
    limits: Limits,
    *,
    file_field: str,
    text_fields: tuple[str, ...],
    families: tuple[Family, ...],
    text_bytes: int = TEXT_BYTES,
) -> Upload:
    """Read the form. Raises UnsupportedType, TooLarge, BadSyntax, BadParameter, InvalidInput, NoSpace.

    A refused upload is read to its end all the same: a browser that is cut off while sending shows a network
    error, not the reason.
    """
    form = _Form(file_field, frozenset(text_fields), _checker(families, limits), text_bytes)
    parser = MultipartParser(_boundary(request), form.callbacks())  # type: ignore[arg-type]
    chunks = request.stream()
    with ExitStack() as stack:
        writer = await asyncio.to_thread(stack.enter_context, blobs.writer())
        try:
            async for chunk in chunks:
                _feed(parser, chunk)
                if len(form.pending) >= FLUSH:
                    await _flush(form, writer)
            _require_complete(form)
            kind = _accepted(form.head, families)
        except EvidentError:
            async for _ in chunks:
                pass
            raise
        await _flush(form, writer)
        await asyncio.to_thread(stack.pop_all().close)
    return Upload(writer.sha, form.size, kind, display_name(form.filename or ""), form.texts)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise UnsupportedType("Send the file as multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise BadSyntax("The form has no usable boundary.", code="bad_form")
    return boundary


def _feed(parser: MultipartParser, chunk: bytes) -> None:
    try:
        parser.write(chunk)
    except FormParserError:
        raise BadSyntax("The form is damaged; send it again.", code="bad_form") from None


def _require_complete(form: _Form) -> None:
    if not form.complete:
        raise BadSyntax("The form ends too early; send it again.", code="bad_form")
    if form.filename is None:
        raise BadParameter(
            "There is no file in the form; put it into the field of that name.",
            code="missing_file",
            field=form.file_field,
        )


def _checker(families: tuple[Family, ...], limits: Limits) -> Callable[[bytes, int], None]:
    """Checks the file type as soon as the first bytes are there, and the size from then on."""

    def check(head: bytes, size: int) -> None:
        if len(head) >= HEAD:
            check_bytes(size, FAMILY[_accepted(head, families)], limits)

    return check


def _accepted(head: bytes, families: tuple[Family, ...]) -> Kind:
    if families == ("model",):
        # A picture or a pickle sent as weights: one sentence for all of them.
        if len(head) > 9 and head[8:9] == b"{":
            return "safetensors"
        raise UnsupportedType(
            "This is not a safetensors file; only safetensors weights are accepted, because other model files can run code.",
            field="weights",
        )
    if families == ("bundle",):
        if head.startswith(b"PK\x03\x04"):
            return "zip"
        raise UnsupportedType(
            "This is not an exported concept; send the zip file that the export gave.", field="file"
        )
    if families == ("report",):
        if head.startswith((b"%PDF-", b"<!doctype html>", b'{"format":"evident-report-')):
            return "report"
        raise UnsupportedType(
            "This is no report of Evident; send the PDF or HTML file as it was made.", field="file"
        )
    kind = sniff(head)
    if FAMILY[kind] == "model":
        raise UnsupportedType("This is a file of model weights; add it on the Models page.", field="file")
    return kind


async def _flush(form: _Form, writer: Writer) -> None:
    data, form.pending = form.pending, bytearray()
    if data:
        await asyncio.to_thread(writer.write, bytes(data))


def display_name(name: str) -> str:
    """The last part of the sender's file name without control and direction marks, at most 120 letters; for
    display only, never opened."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(
        letter for letter in last if unicodedata.category(letter)[0] != "C" and letter != "\ufffd"
    )
    return unicodedata.normalize("NFC", printable).strip()[:NAME_LETTERS]


def require_text(texts: dict[str, str], name: str) -> str:
    """A text field that must be there. Raises InvalidInput."""
    value = texts.get(name, "").strip()
    if not value:
        raise InvalidInput(f"The field {name} is missing.", code="missing_field", field=name)
    return value
