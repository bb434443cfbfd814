"""A parser of WAV files for plain numbers only, so that none of the format's many encodings reaches a C
library."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from app.core.errors import NotDecodable, UnsupportedType

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")
"""Tail of every extensible sub-format that is an ordinary encoding in disguise."""
_OPEN_ENDED = (0, 0xFFFFFFFF)
"""Data lengths written by programs that stream and never come back to fill in the true one."""
_MAX_CHUNKS = 1000


@dataclass(frozen=True)
class WavHeader:
    """encoding, bits, channels, rate of the samples in bytes `start` to `end`. stated: bytes the header
    promises, None if open-ended."""

    encoding: int
    bits: int
    channels: int
    rate: int
    start: int
    end: int
    stated: int | None

    @property
    def frames(self) -> int:
        return (self.end - self.start) // (self.channels * self.bits // 8)


def _damaged() -> NotDecodable:
    return NotDecodable(
        "The WAV file is damaged: its header does not add up; save the recording again.", field="file"
    )


def read_header(data: bytes) -> WavHeader:
    """Walk the chunks up to `data`. Raises NotDecodable, and UnsupportedType for encodings other than PCM
    8/16/24/32 and float 32/64."""
    place, form = 12, None
    for _ in range(_MAX_CHUNKS):
        if place + 8 > len(data):
            break
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        place += 8
        if name == b"fmt ":
            form = _format(data[place : place + size])
        elif name == b"data":
            if form is None:
                break
            return _samples(form, data, place, size)
        place += size + size % 2
    raise _damaged()


def _format(chunk: bytes) -> tuple[int, int, int, int]:
    """encoding, bits, channels, rate."""
    if len(chunk) < 16:
        raise _damaged()
    encoding, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if encoding == EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID:
        encoding = struct.unpack_from("<H", chunk, 24)[0]
    if (encoding, bits) not in {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}:
        raise UnsupportedType(
            "This WAV encoding is not accepted: save the recording as PCM with 8, 16, 24 or 32 bits, or as float.",
            code="wav_encoding",
            field="file",
        )
    if channels == 0 or rate == 0 or align != channels * bits // 8:
        raise _damaged()
    return encoding, bits, channels, rate


def _samples(form: tuple[int, int, int, int], data: bytes, start: int, size: int) -> WavHeader:
    encoding, bits, channels, rate = form
    stated = None if size in _OPEN_ENDED else size
    room = len(data) - start
    used = room if stated is None else min(stated, room)
    frame = channels * bits // 8
    return WavHeader(encoding, bits, channels, rate, start, start + used // frame * frame, stated)


def read_samples(data: bytes, header: WavHeader) -> np.ndarray:
    """float32 `[frames, channels]`, whole numbers scaled to -1..1."""
    raw = memoryview(data)[header.start : header.end]
    samples: np.ndarray
    if header.encoding == FLOAT:
        with np.errstate(over="ignore"):
            samples = np.frombuffer(raw, f"<f{header.bits // 8}").astype(np.float32)
    elif header.bits == 8:  # the one width that is stored without a sign
        samples = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    elif header.bits == 24:
        # Three bytes become the top three of a 32-bit whole number, which keeps the sign.
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2.0**31
    else:
        samples = np.frombuffer(raw, f"<i{header.bits // 8}").astype(np.float32) / 2.0 ** (header.bits - 1)
    return samples.reshape(-1, header.channels)


def write_wav(waveform: np.ndarray, rate: int) -> bytes:
    """16-bit mono WAV without any metadata. waveform: float `[n]`, clipped at full scale."""
    samples = np.rint(np.clip(waveform, -1.0, 32767 / 32768) * 32768).astype("<i2").tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(samples),
    )
    return head + samples
