"""Decodes a path or bytes with the decoder of uploads (`models.media`): same numbers, same refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.errors import Incompatible, NotFound
from app.core.settings import get_settings
from models.media import Decoded, decode
from models.media.levels import Scale
from models.media.sniff import FAMILY, HEAD, check_bytes, sniff
from models.spec import Modality

TAKES = {"image": "photos", "audio": "recordings", "spectrogram": "spectrograms"}


def is_file(raw: Any) -> bool:
    """Whether `raw` is a path or the bytes of a file."""
    return isinstance(raw, str | Path | bytes | bytearray | memoryview)


def read_file(raw: Any, modalities: tuple[Modality, ...], scale: Scale | None = None) -> Decoded:
    """raw: path or bytes. A picture is read as a spectrogram where the model takes those and no photos.

    Raises NotFound, NotDecodable, UnsupportedType, TooLarge, InvalidInput; Incompatible for a file of another
    kind.
    """
    limits = get_settings().limits
    data = _bytes(raw) if isinstance(raw, str | Path) else bytes(raw)
    decoded = decode(
        data, limits, "spectrogram" if _is_picture(data) and "image" not in modalities else "auto", scale
    )
    check_modality(decoded.modality, modalities)
    return decoded


def check_modality(modality: Modality, accepted: tuple[Modality, ...]) -> None:
    """Raises Incompatible (`wrong_modality`)."""
    if modality not in accepted:
        kinds = " and ".join(TAKES[kind] for kind in accepted)
        raise Incompatible(
            f"This model takes {kinds}; choose another model or another input.",
            field="model",
            code="wrong_modality",
        )


def _bytes(path: str | Path) -> bytes:
    path = Path(path)
    if not path.is_file():
        raise NotFound("There is no such file.", field="input")
    with path.open("rb") as file:
        check_bytes(path.stat().st_size, FAMILY[sniff(file.read(HEAD))], get_settings().limits)
    return path.read_bytes()


def _is_picture(data: bytes) -> bool:
    return FAMILY[sniff(data[:HEAD])] == "image"
