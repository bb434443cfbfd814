"""Spectrograms as `.npy`: one array `[F, T]`. The header is checked before any number is read."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np

from app.core.errors import InvalidInput, NotDecodable, TooLarge
from app.core.settings import Limits
from models.media.levels import NOTES, Scale, scale_of

MAX_HEADER = 10_000
MIN_SIDE = 2


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """values: float32 `[F, T]`, row 0 the lowest frequency, on the scale that `scale` names. notes: what
    was changed or assumed."""

    values: np.ndarray
    notes: tuple[str, ...]
    scale: Scale


def decode_npy(data: bytes, limits: Limits, scale: Scale | None = None) -> Spectrogram:
    """A `.npy` file with `[F, T]` or `[1, F, T]` numbers, row 0 the lowest frequency; bytes are levels from 0
    to 255.

    scale: of the numbers, None infers it from them. Raises NotDecodable, InvalidInput, TooLarge.
    """
    shape, fortran, dtype, offset = _header(data)
    if dtype.hasobject or dtype.kind not in "fiu":
        raise InvalidInput(
            "The array must hold real numbers (float or whole numbers); save it as float32.",
            code="array_type",
            field="file",
        )
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2 or min(shape) < MIN_SIDE:
        raise InvalidInput(
            "The array must have two sides, frequency and time (or 1 x frequency x time), each at least 2 long.",
            code="array_shape",
            field="file",
        )
    if max(shape) > limits.image_side or math.prod(shape) > limits.image_pixels:
        raise TooLarge(
            f"The array is too large: at most {limits.image_side:,} on a side and {limits.image_pixels / 1e6:.0f} million numbers in all.",
            code="array_too_large",
            field="file",
        )
    if math.prod(shape) * dtype.itemsize != len(data) - offset:
        raise NotDecodable(
            "The array file is damaged: its length does not match the shape that it states.", field="file"
        )
    values = np.frombuffer(data, dtype, offset=offset).reshape(shape, order="F" if fortran else "C")
    return spectrogram(values, scale)


def spectrogram(values: np.ndarray, scale: Scale | None = None) -> Spectrogram:
    """Numbers `[F, T]` of any real type, checked, with their scale. Raises InvalidInput."""
    if values.dtype == np.uint8:
        return Spectrogram(as_float32(values / np.float32(255)), (), "unit")
    numbers = as_float32(values)
    resolved = scale_of(numbers, scale)
    return Spectrogram(numbers, (NOTES[resolved],), resolved)


def as_float32(values: np.ndarray) -> np.ndarray:
    """float32, finite, not constant, contiguous. Raises InvalidInput."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise InvalidInput(
            "The spectrogram holds numbers that are not finite (NaN, infinity, or too large).",
            code="not_finite",
            field="file",
        )
    if float(np.ptp(numbers)) == 0.0:
        raise InvalidInput(
            "Every number of the spectrogram is the same, so there is nothing to look at.",
            code="constant",
            field="file",
        )
    return numbers


def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """shape, Fortran order, dtype, offset of the numbers."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream, max_header_size=MAX_HEADER)
        else:
            raise ValueError
        if any(side < 0 for side in shape):
            raise ValueError
    except MemoryError:
        raise
    except Exception:  # the header is a Python literal: crafted ones raise anything
        raise NotDecodable(
            "The array file is damaged: its header could not be read; save it again with numpy.save.",
            field="file",
        ) from None
    return shape, fortran, dtype, stream.tell()
