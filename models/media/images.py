"""Pictures: PNG, JPEG, WebP, TIFF and the first frame of a GIF to upright 8-bit RGB. A note reports every
change."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from app.core.errors import InvalidInput, NotDecodable, TooLarge
from app.core.settings import Limits
from models.media.arrays import Spectrogram, as_float32

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF")
"""The only decoders that Pillow may use; a crafted file could otherwise reach any of its more than forty."""

Ground = Literal["white", "black"]
"""What lies under transparent parts: black is for masks."""
_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: uint8 `[H, W, 3]`, upright. notes: what was changed, in plain words."""

    pixels: np.ndarray
    notes: tuple[str, ...]


def decode_image(data: bytes, limits: Limits, ground: Ground = "white") -> Picture:
    """The first frame, turned upright, as 8-bit RGB; transparent parts laid on `ground`. Raises NotDecodable, TooLarge, InvalidInput."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is worth telling goes into the notes
        return _decode(data, limits, ground)


def _decode(data: bytes, limits: Limits, ground: Ground) -> Picture:
    image = _open(data, limits)
    _check_size(image.size, limits)
    notes: list[str] = []
    if _has_several(image):
        notes.append("The file holds several pictures; the first one is used.")
    deep = (
        image.format == "PNG" and data[24:25] == b"\x10"
    )  # bit depth in the PNG header: Pillow reads 16-bit colour as 8
    if deep and not image.mode.startswith(("I", "F")):
        notes.append("16-bit colours were reduced to 8 bits.")
    return from_pillow(image, notes, ground)


def from_pillow(image: Image.Image, notes: list[str] | None = None, ground: Ground = "white") -> Picture:
    """An opened picture, loaded, turned upright and brought to 8-bit RGB. Raises NotDecodable,
    InvalidInput."""
    notes = [] if notes is None else notes
    turned = _is_turned(image, notes)
    image = _load(image)
    if turned:
        image = _upright(image, notes)
    return Picture(_to_rgb(image, notes, ground), tuple(notes))


def as_spectrogram(picture: Picture) -> Spectrogram:
    """ITU-R 601 luma as levels from 0 to 1, turned so that row 0 is the lowest frequency. Raises
    InvalidInput (constant)."""
    grey = picture.pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255.0
    notes = [*picture.notes, "The picture is read as a spectrogram, its top row as the highest frequency."]
    if np.ptp(picture.pixels, axis=2).any():
        notes.append("A coloured picture was turned grey: its colours may not stand for loudness evenly.")
    return Spectrogram(as_float32(grey[::-1]), tuple(notes), "unit")


def _damaged() -> NotDecodable:
    return NotDecodable(
        "The picture is damaged or incomplete and could not be read; save it again and resend it.",
        field="file",
    )


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(
        f"The picture is too large once decoded: at most {limits.image_pixels / 1e6:.0f} million pixels and {limits.image_side:,} on a side; "
        "scale it down.",
        code="image_too_large",
        field="file",
    )


def _open(data: bytes, limits: Limits) -> Image.Image:
    """Parse the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(limits) from None
    except Exception:  # decoders raise anything on crafted bytes
        raise _damaged() from None


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if min(size) < 1:
        raise _damaged()
    if max(size) > limits.image_side or width * height > limits.image_pixels:
        raise _too_large(limits)


def _has_several(image: Image.Image) -> bool:
    try:
        if image.format == "GIF":  # counting the frames of a GIF decodes them all
            return bool(getattr(image, "is_animated", False))
        return int(getattr(image, "n_frames", 1)) > 1
    except MemoryError:
        raise
    except Exception:
        raise _damaged() from None


def _load(image: Image.Image) -> Image.Image:
    try:
        if getattr(image, "is_animated", False):
            image.seek(0)
        image.load()
        return image
    except MemoryError:
        raise
    except Exception:
        raise _damaged() from None


def _is_turned(image: Image.Image, notes: list[str]) -> bool:
    """Whether EXIF gives an orientation of 2 to 8. Unreadable EXIF data is ignored, with a note."""
    try:
        return image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except MemoryError:
        raise
    except Exception:
        notes.append("The camera data could not be read and was ignored.")
        return False


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """The picture turned by its EXIF orientation. (Pillow turns TIFF pictures while loading.)"""
    notes.append("The picture was turned upright, as its camera data says.")
    return ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image, notes: list[str], ground: Ground) -> np.ndarray:
    """uint8 `[H, W, 3]` from any mode Pillow gives for these formats."""
    try:
        if image.mode.startswith("I") or image.mode == "F":
            numbers = np.asarray(image)
            return _mask(numbers) if ground == "black" else _from_numbers(numbers, image.mode, notes)
        if image.mode == "CMYK":
            notes.append("Print colours (CMYK) were converted to screen colours; they may look different.")
        elif image.mode in ("P", "PA"):
            notes.append("Palette colours were converted to full colours.")
        elif image.mode in ("LAB", "YCbCr", "HSV"):
            notes.append("The colours were converted to screen colours.")
        if image.has_transparency_data:
            image = _on_ground(image, notes, ground)
        return np.ascontiguousarray(image.convert("RGB"), dtype=np.uint8)
    except (MemoryError, InvalidInput):
        raise
    except Exception:
        raise _damaged() from None


def _on_ground(image: Image.Image, notes: list[str], ground: Ground) -> Image.Image:
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() != (255, 255):
        notes.append(f"Transparent parts were laid on {ground}.")
    under = Image.new("RGBA", rgba.size, ground)
    under.alpha_composite(rgba)
    return under


def _mask(values: np.ndarray) -> np.ndarray:
    """A mask with more than 8 bits: programs that segment write 0 and 1 as often as 0 and 65535, which are one thing here."""
    most = float(np.nanmax(values, initial=0))
    share = np.nan_to_num(values.astype(np.float64)) / (most or 1.0)
    grey = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))


def _from_numbers(values: np.ndarray, mode: str, notes: list[str]) -> np.ndarray:
    """Grey pictures with more than 8 bits: 16-bit by /257; others linearly from their range, 0..1 floats
    by x 255."""
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InvalidInput(
            "The picture holds numbers that are not finite (NaN or infinity); replace them and resend it.",
            field="file",
        )
    low, high = float(numbers.min()), float(numbers.max())
    if mode == "F" and low >= 0.0 and high <= 1.0:
        scaled = numbers * 255.0
        notes.append("Numbers from 0 to 1 were read as grey values.")
    elif mode != "F" and low >= 0 and high <= 65535:
        scaled = numbers / 257.0
        notes.append("16-bit grey values were reduced to 8 bits.")
    else:
        scaled = (numbers - low) / ((high - low) or 1.0) * 255.0
        notes.append("The numbers were stretched from their smallest to their largest value to grey.")
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))


PREVIEW = 1024
"""Longest side of a preview."""


def preview(canonical: np.ndarray) -> bytes:
    """PNG for people, at most 1,024 on a side: uint8 `[H, W, 3]`, or a spectrogram `[F, T]` in grey with
    its lowest row at the bottom."""
    if canonical.ndim == 2:
        low, high = np.percentile(canonical, [1, 99.8])
        grey = np.clip((canonical.astype(np.float64) - low) / ((high - low) or 1.0), 0.0, 1.0)
        image = Image.fromarray(np.rint(grey[::-1] * 255).astype(np.uint8))
    else:
        image = Image.fromarray(canonical)
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
