"""Files in memory for the tests: every container and encoding a browser or a telephone may send, and
damaged ones."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import soundfile
from PIL import Image

from app.core.errors import EvidentError
from app.core.settings import Limits
from models.media import Decoded, decode


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """A burst with a soft start and end, float32 `[n]`."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    return (level * np.sin(2 * np.pi * hertz * t) * np.hanning(n)).astype(np.float32)


def sndfile(
    samples: np.ndarray,
    rate: int = 16_000,
    format: str = "WAV",
    subtype: str | None = None,
    comment: str | None = None,
) -> bytes:
    out = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(out, "w", rate, channels, subtype, format=format) as file:
        if comment is not None:
            file.comment = comment
        file.write(samples)
    return out.getvalue()


def container(samples: np.ndarray, rate: int, format: str, codec: str) -> bytes:
    """Encoded by FFmpeg: ("mp4", "aac"), ("webm", "libopus"), ("ogg", "libopus"), ("mp3", "libmp3lame")."""
    out = io.BytesIO()
    with av.open(out, "w", format=format) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None, :].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, frame_size=stream.codec_context.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


def picture(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """A smooth picture in which every corner differs, uint8 `[H, W, 3]`."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    phase = np.random.default_rng(seed).uniform(0, 1, 3)
    return np.stack([255 * x, 255 * y, 255 * (0.5 + 0.5 * np.sin(6 * (x * y + phase[2])))], -1).astype(
        np.uint8
    )


def image(pixels: np.ndarray, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npy_header(text: str, body: bytes = b"") -> bytes:
    """A .npy file with any header text."""
    raw = text.encode("latin-1")
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + body


def wav_header(
    encoding: int, bits: int, channels: int, rate: int, data: bytes, stated: int | None = None
) -> bytes:
    """A WAV file whose header says anything."""
    align = channels * bits // 8
    size = len(data) if stated is None else stated
    form = struct.pack(
        "<HHIIHH", encoding, channels & 0xFFFF, rate, (rate * align) & 0xFFFFFFFF, align & 0xFFFF, bits
    )
    return (
        b"RIFF"
        + struct.pack("<I", (36 + size) & 0xFFFFFFFF)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def png_chunk(name: bytes, body: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(width: int, height: int) -> bytes:
    """A few hundred bytes that promise width x height pixels."""
    import zlib

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + png_chunk(b"IEND", b"")
    )


def verdict(data: bytes, limits: Limits) -> Decoded | EvidentError:
    """What became of it: decoded, or refused in the ways a refusal may look. Anything else escapes and
    fails the test."""
    try:
        return decode(data, limits)
    except EvidentError as error:
        if error.status not in (413, 415, 422) or len(error.detail) > 300:
            raise AssertionError("not a proper refusal") from error
        return error
