"""Recordings from a path or bytes, for use from Python: soundfile first, PyAV for what browsers record (m4a, webm).

The service decodes uploads itself, under tighter limits and in a process of its own (models/media).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from PIL import Image, UnidentifiedImageError

from app.core.errors import InvalidInput, NotDecodable, NotFound, TooLarge
from app.core.settings import get_settings

SUBTYPES = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III"}
"""Encodings soundfile may decode: plain samples, FLAC, OGG and MP3. Rare ones have a record of flaws."""
PICTURES = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")

Waveform = tuple[np.ndarray, int]


def read(raw: Any) -> Waveform | np.ndarray | Image.Image:
    """path or bytes -> `(samples [n, channels], rate)`, a spectrogram array (.npy) or a picture; what is decoded already passes through.

    Raises NotFound, NotDecodable, TooLarge, InvalidInput.
    """
    if isinstance(raw, Image.Image) or (isinstance(raw, tuple) and len(raw) == 2):
        return raw
    if isinstance(raw, str | Path):
        path = Path(raw)
        if not path.is_file():
            raise NotFound("There is no such file.", field="input")
        if path.stat().st_size > get_settings().limits.audio_bytes:
            raise _too_many_bytes()
        raw = path.read_bytes()
    if isinstance(raw, bytes | bytearray | memoryview):
        return _decode(bytes(raw))
    values = np.asarray(raw)
    if values.ndim == 1:
        raise InvalidInput("A waveform needs its sampling rate: give (waveform, rate).", field="input")
    return values


def _decode(data: bytes) -> Waveform | np.ndarray | Image.Image:
    if len(data) > get_settings().limits.audio_bytes:
        raise _too_many_bytes()
    if data.startswith(b"\x93NUMPY"):
        try:
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
        except (ValueError, OSError, EOFError, MemoryError):
            raise NotDecodable("The array file could not be read; save it with numpy.save.", field="input") from None
    picture = _picture(data)
    if picture is not None:
        return picture
    found = _by_soundfile(data)
    return found if found is not None else _by_av(data)


def _picture(data: bytes) -> Image.Image | None:
    try:
        picture = Image.open(io.BytesIO(data), formats=PICTURES)
        limits = get_settings().limits
        if picture.width * picture.height > limits.image_pixels:
            raise TooLarge(f"The picture has more than {limits.image_pixels // 1_000_000} million pixels.", field="input")
        picture.load()
    except UnidentifiedImageError:
        return None
    except (OSError, ValueError, SyntaxError):
        raise NotDecodable("The picture could not be read; it may be damaged.", field="input") from None
    return picture


def _by_soundfile(data: bytes) -> Waveform | None:
    """None when this is no format of soundfile's."""
    limits = get_settings().limits
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.subtype not in SUBTYPES:
                raise NotDecodable("This kind of sound encoding is not read; save it as WAV (PCM), FLAC, OGG or MP3.", field="input")
            _check(file.channels, file.samplerate)
            most = int(limits.audio_seconds * file.samplerate)
            samples = file.read(most + 1, dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError:
        return None
    if len(samples) > most:
        raise _too_long()
    return samples, rate


def _by_av(data: bytes) -> Waveform:
    """The first sound track of any container PyAV opens, `[n, channels]` float32."""
    limits = get_settings().limits
    blocks: list[np.ndarray] = []
    count = 0
    try:
        with av.open(io.BytesIO(data), mode="r", metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise NotDecodable("There is no sound in this file.", field="input")
            stream = file.streams.audio[0]
            channels, rate = stream.codec_context.layout.nb_channels, int(stream.codec_context.sample_rate or 0)
            _check(channels, rate)
            resampler = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=rate)
            for frame in (*file.decode(stream), None):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray().reshape(-1, channels))
                    count += len(blocks[-1])
                    if count > limits.audio_seconds * rate:
                        raise _too_long()
    except (av.FFmpegError, ValueError, OSError):
        raise NotDecodable(
            "The file is not a recording that can be read; save it as WAV, FLAC, OGG, MP3, M4A or WebM.", field="input"
        ) from None
    if not blocks:
        raise NotDecodable("There is no sound in this file.", field="input")
    return np.concatenate(blocks), rate


def _check(channels: int, rate: int) -> None:
    limits = get_settings().limits
    if not 1 <= channels <= limits.audio_channels:
        raise InvalidInput(f"A recording may have at most {limits.audio_channels} channels; mix it down.", field="input")
    if not limits.audio_rate_min <= rate <= limits.audio_rate_max:
        raise InvalidInput(f"The sampling rate must be between {limits.audio_rate_min} and {limits.audio_rate_max} Hz.", field="input")


def _too_long() -> TooLarge:
    return TooLarge(f"The recording is longer than {get_settings().limits.audio_seconds:.0f} s; cut it.", field="input")


def _too_many_bytes() -> TooLarge:
    return TooLarge(f"The file is larger than {get_settings().limits.audio_bytes // 1024**2} MiB.", field="input")
