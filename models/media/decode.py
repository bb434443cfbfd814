"""Decoding of every upload: bytes to canonical numbers and facts to show about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from app.core.errors import InvalidInput, TooLarge, UnsupportedType
from app.core.settings import Limits
from models.media.arrays import Spectrogram
from models.media.levels import Scale
from models.media.sniff import ACCEPTED, FAMILY, check_bytes, sniff

As = Literal["auto", "spectrogram", "mask"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """canonical: uint8 `[H, W, 3]`, float32 `[n]` mono, or float32 `[F, T]` (row 0 lowest). facts: fields
    of `schemas.Input`."""

    modality: Literal["image", "audio", "spectrogram"]
    canonical: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)


def decode(data: bytes, limits: Limits, read_as: As = "auto", scale: Scale | None = None) -> Decoded:
    """Decodes one upload. `read_as="spectrogram"` reads a picture as a spectrogram, its top row as the highest
    frequency; "mask" lays transparent parts of a picture on black, which is outside. scale: of the numbers of an array, None infers it from them.

    Raises UnsupportedType, TooLarge, NotDecodable, InvalidInput.
    """
    try:
        return _decode(data, limits, read_as, scale)
    except MemoryError:
        raise TooLarge(
            "The file needs more memory to read than it may take; send a smaller one, or save it in another format.",
            code="out_of_memory",
            field="file",
        ) from None


def _decode(data: bytes, limits: Limits, read_as: As, scale: Scale | None) -> Decoded:
    kind = sniff(data[:64])
    family = FAMILY[kind]
    check_bytes(len(data), family, limits)
    if family == "image":
        return _image(data, limits, read_as)
    if family == "model":
        raise UnsupportedType(
            f"This is a file of model weights: add it on the Models page. {ACCEPTED}", field="file"
        )
    if family == "array":
        from models.media.arrays import decode_npy

        return _spectrogram(decode_npy(data, limits, scale))
    if read_as == "spectrogram":
        raise InvalidInput(
            "A recording cannot be read as a spectrogram picture; send it as it is.", field="as"
        )
    from models.media.sounds import decode_sound, envelope

    sound = decode_sound(data, kind, limits)
    facts = {
        "seconds": sound.seconds,
        "rate": sound.rate,
        "channels": sound.channels,
        "waveform": envelope(sound.waveform),
        "notes": list(sound.notes),
    }
    return Decoded("audio", sound.waveform, facts)


def _image(data: bytes, limits: Limits, read_as: As) -> Decoded:
    from models.media.images import as_spectrogram, decode_image

    picture = decode_image(data, limits, ground="black" if read_as == "mask" else "white")
    if read_as == "spectrogram":
        return _spectrogram(as_spectrogram(picture))
    height, width = picture.pixels.shape[:2]
    return Decoded("image", picture.pixels, {"width": width, "height": height, "notes": list(picture.notes)})


def _spectrogram(spectrogram: Spectrogram) -> Decoded:
    height, width = spectrogram.values.shape
    return Decoded(
        "spectrogram",
        spectrogram.values,
        {"width": width, "height": height, "scale": spectrogram.scale, "notes": list(spectrogram.notes)},
    )
