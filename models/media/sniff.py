"""The kind of a file by its first bytes, never by its name, and the size limit of its family; checked before
anything is decoded."""

from __future__ import annotations

import struct
from typing import Literal

from app.core.errors import NotDecodable, TooLarge, UnsupportedType
from app.core.settings import Limits, MiB

Kind = Literal[
    "png",
    "jpeg",
    "webp",
    "tiff",
    "gif",
    "wav",
    "flac",
    "ogg",
    "opus",
    "mp3",
    "mp4",
    "webm",
    "npy",
    "safetensors",
    "zip",
    "report",
]
Family = Literal["image", "audio", "array", "model", "bundle", "report"]

HEAD = 64
"""Bytes that `sniff` looks at."""

FAMILY: dict[Kind, Family] = {
    "png": "image", "jpeg": "image", "webp": "image", "tiff": "image", "gif": "image",
    "wav": "audio", "flac": "audio", "ogg": "audio", "opus": "audio", "mp3": "audio", "mp4": "audio", "webm": "audio",
    "npy": "array", "safetensors": "model", "zip": "bundle", "report": "report",
}  # fmt: skip

EXTENSIONS = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif",
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".webm", ".weba", ".npy",
)  # fmt: skip

ACCEPTED = "Send PNG, JPEG, WebP, TIFF or GIF pictures, WAV, FLAC, OGG, MP3, M4A or WebM sound, or a .npy spectrogram."

# Formats people do send, so that the refusal can name the way out.
_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"BM", "This is a BMP picture, which is not accepted; save it as PNG."),
    (b"%PDF", "This is a PDF document, which is not accepted; save the figure as PNG."),
    (b"PK\x03\x04", "This is a ZIP archive (or .npz), which is not accepted; save one array as .npy."),
    (b"RIFX", "This WAV file is stored in big-endian order, which is not accepted; save it as ordinary WAV."),
    (b"RF64", "This is a 64-bit WAV file, which is not accepted; save it as ordinary WAV or FLAC."),
    (b"FORM", "This is an AIFF recording, which is not accepted; save it as WAV or FLAC."),
    (b"#!AMR", "This is an AMR recording, which is not accepted; save it as WAV or M4A."),
    (b"\x80\x02", "This looks like a pickle, which can run code and is never opened."),
    (b"\x80\x03", "This looks like a pickle, which can run code and is never opened."),
    (b"\x80\x04", "This looks like a pickle, which can run code and is never opened."),
    (b"\x80\x05", "This looks like a pickle, which can run code and is never opened."),
)
_HEIF = (b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"avif", b"avis")


def sniff(head: bytes) -> Kind:
    """The kind of file that starts with these bytes (the first 64 are enough).

    Raises NotDecodable for an empty file, UnsupportedType for everything that is not accepted.
    """
    if not head:
        raise NotDecodable("The file is empty; choose another one.", code="empty_file", field="file")
    for magic, sentence in _REFUSED:
        if head.startswith(magic):
            raise UnsupportedType(sentence, field="file")
    kind = _by_magic(head) or _by_structure(head)
    if kind is None:
        raise UnsupportedType(f"This type of file is not accepted. {ACCEPTED}", field="file")
    return kind


def _by_magic(head: bytes) -> Kind | None:
    if head.startswith(b"RIFF"):
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12])  # type: ignore[return-value]
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF:
            raise UnsupportedType(
                "This is a HEIC or AVIF picture, which is not accepted; save it as JPEG or PNG.", field="file"
            )
        return "mp4"
    table: tuple[tuple[bytes, Kind], ...] = (
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"II*\x00", "tiff"),
        (b"MM\x00*", "tiff"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"fLaC", "flac"),
        (b"\x1a\x45\xdf\xa3", "webm"),
        (b"\x93NUMPY", "npy"),
        (b"ID3", "mp3"),
    )
    for magic, kind in table:
        if head.startswith(magic):
            return kind
    if head.startswith(b"OggS"):
        return "opus" if b"OpusHead" in head else "ogg"
    return None


def _by_structure(head: bytes) -> Kind | None:
    """Kinds without a magic word: a bare MPEG layer III frame, and safetensors (a length, then a JSON
    object)."""
    if len(head) >= 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08:
        bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
        return "mp3" if bitrate not in (0, 15) and rate != 3 else None
    if len(head) > 9 and head[8:9] == b"{" and 2 <= struct.unpack("<Q", head[:8])[0] < 1 << 40:
        return "safetensors"
    return None


_WORDS = {
    "image": "Pictures",
    "audio": "Recordings",
    "array": "Arrays",
    "model": "Model files",
    "bundle": "Exported concepts",
    "report": "Reports",
}


def byte_limit(family: Family, limits: Limits) -> int:
    """Most bytes that a file of this family may have."""
    sizes = {
        "image": limits.image_bytes,
        "audio": limits.audio_bytes,
        "array": limits.array_bytes,
        "model": limits.model_bytes,
    }
    return {**sizes, "bundle": limits.audio_bytes, "report": limits.report_bytes}[family]


def check_bytes(size: int, family: Family, limits: Limits) -> None:
    """Raises TooLarge (`image_too_large`, ...) when the file has more bytes than its family may have."""
    most = byte_limit(family, limits)
    if size > most:
        word = _WORDS[family]
        raise TooLarge(
            f"{word} may have at most {most / MiB:.0f} MiB; choose a smaller file.",
            code=f"{family}_too_large",
            field="file",
        )
