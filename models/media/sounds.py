"""Recordings to the canonical form: float32 mono at the recording's own rate (at most 48 kHz). Limits are
enforced while decoding."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from app.core.errors import EvidentError, InvalidInput, NotDecodable, TooLarge, UnsupportedType
from app.core.settings import Limits
from models.media.sniff import Kind
from models.media.wav import read_header, read_samples

TOP_RATE = 48_000
SHORTEST = 0.1
SILENCE = 1e-4
"""-80 dB of full scale: three steps of a 16-bit recording."""
BLOCK = 4096
"""Frames of FLAC read at once; those of a block in which the data break off are lost."""
CODECS = ("aac", "opus", "vorbis", "mp3", "mp3float", "flac", "alac", "libopus", "libvorbis")
_ENCODINGS = {
    ("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("MPEG", "MPEG_LAYER_III"),
}  # fmt: skip
"""What libsndfile may decode, as (format, subtype)."""
_DEMUXER = {"mp4": "mp4", "webm": "webm", "opus": "ogg"}


@dataclass(frozen=True, eq=False)
class Sound:
    """waveform: float32 `[n]`, mono. rate: Hz. channels: of the file. notes: what was changed or found."""

    waveform: np.ndarray
    rate: int
    channels: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.waveform) / self.rate


@dataclass
class _Tape:
    """Collects blocks `[n, channels]`, refusing as soon as a limit is passed."""

    rate: int
    channels: int
    limits: Limits
    blocks: list[np.ndarray] = field(default_factory=list)
    frames: int = 0
    broken: bool = False
    """Decoding stopped early at damaged data."""

    def __post_init__(self) -> None:
        limits = self.limits
        if not 1 <= self.channels <= limits.audio_channels:
            raise InvalidInput(
                f"A recording may have at most {limits.audio_channels} channels; mix it down and resend it.",
                code="audio_channels",
                field="file",
            )
        if not limits.audio_rate_min <= self.rate <= limits.audio_rate_max:
            raise InvalidInput(
                f"The sampling rate must lie between {limits.audio_rate_min:,} and {limits.audio_rate_max:,} Hz.",
                code="audio_rate",
                field="file",
            )

    def check_length(self, frames: int) -> None:
        if frames > self.limits.audio_seconds * self.rate:
            raise TooLarge(
                f"The recording is longer than {self.limits.audio_seconds:.0f} seconds; cut out the part to look at.",
                code="audio_too_long",
                field="file",
            )

    def add(self, block: np.ndarray) -> None:
        self.frames += len(block)
        self.check_length(self.frames)
        if not np.isfinite(block).all():
            raise InvalidInput(
                "The recording holds numbers that are not finite (NaN or infinity).",
                code="not_finite",
                field="file",
            )
        self.blocks.append(block.astype(np.float32, copy=False))


def decode_sound(data: bytes, kind: Kind, limits: Limits) -> Sound:
    """Decode, mix to mono, check. Raises NotDecodable, UnsupportedType, InvalidInput (too short, silent,
    not finite), TooLarge."""
    notes: list[str] = []
    try:
        tape = _READERS.get(kind, _read_container)(data, kind, limits, notes)
    except (EvidentError, MemoryError):
        raise
    except Exception:  # decoders raise anything on crafted bytes
        raise _damaged() from None
    if not tape.frames:
        raise _damaged()
    if tape.broken:
        notes.append(
            f"The file is damaged or cut short: {tape.frames / tape.rate:.2f} s of it could be read."
        )
    # Channels of a telephone call are its two ends: which to take is decided where events are understood.
    from models.media.segment import mono

    waveform, note = mono(np.concatenate(tape.blocks))
    if note:
        notes.append(note)
    waveform, rate = _lower_rate(waveform, tape.rate, notes)
    return Sound(_usable(waveform, rate, notes), rate, tape.channels, tuple(notes))


def _damaged() -> NotDecodable:
    return NotDecodable(
        "The recording is damaged or incomplete and could not be read; save it again and resend it.",
        field="file",
    )


def _read_wav(data: bytes, kind: Kind, limits: Limits, notes: list[str]) -> _Tape:
    header = read_header(data)
    tape = _Tape(header.rate, header.channels, limits)
    tape.check_length(header.frames)
    if header.stated is not None and header.stated > header.end - header.start + header.channels * 8:
        notes.append("The file states a longer recording than it holds; what is there is used.")
    samples = read_samples(data, header)
    if len(samples):
        tape.add(samples)
    return tape


def _read_sndfile(data: bytes, kind: Kind, limits: Limits, notes: list[str]) -> _Tape:
    """FLAC, OGG Vorbis and MP3. The length in the header may be wrong (a FLAC cut in half keeps it): only
    decoded frames count."""
    import soundfile

    # soundfile seeks after every read, which is slow, and inside MP3 and Vorbis costs the decoder its memory
    # of earlier frames: one read takes all that is allowed. A damaged FLAC, whose seeks are exact, is read
    # again in blocks for what comes before the damage.
    try:
        return _read_blocks(data, int(limits.audio_seconds * limits.audio_rate_max) + 1, limits)
    except soundfile.LibsndfileError:
        if kind != "flac":
            raise
        return _read_blocks(data, BLOCK, limits)


def _read_blocks(data: bytes, size: int, limits: Limits) -> _Tape:
    """size: frames asked for at once. A break in the data ends the reading when blocks were read before
    it, and is raised otherwise."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        if (file.format, file.subtype) not in _ENCODINGS:
            raise UnsupportedType(
                "This encoding is not accepted; save the recording as WAV, FLAC or MP3.", field="file"
            )
        tape = _Tape(file.samplerate, file.channels, limits)
        size = min(size, int(limits.audio_seconds * tape.rate) + 1)
        while not tape.broken:
            try:
                block = file.read(size, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                if not tape.frames:
                    raise
                tape.broken = True
                break
            if not len(block):
                break
            tape.add(block)
        tape.broken |= file.format == "FLAC" and tape.frames < file.frames
    return tape


def _read_container(data: bytes, kind: Kind, limits: Limits, notes: list[str]) -> _Tape:
    """M4A and MP4, WebM as browsers record it, Opus in OGG. The demuxer is named, so that no playlist is
    ever followed."""
    import av
    from av.error import FFmpegError

    with av.open(io.BytesIO(data), "r", format=_DEMUXER[kind], metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise InvalidInput("The file has no sound track.", code="no_sound", field="file")
        stream = container.streams.audio[0]
        if stream.codec_context is None or stream.codec_context.name not in CODECS:
            raise UnsupportedType(
                "The sound in this file has an encoding that is not accepted; save it as WAV, MP3 or M4A.",
                field="file",
            )
        if container.streams.video:
            notes.append("Only the sound of the video is used.")
        tape: _Tape | None = None
        frames = container.decode(stream)
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                break
            except FFmpegError:
                if tape is None:
                    raise
                tape.broken = True
                break
            if tape is None:
                tape = _Tape(frame.sample_rate, frame.layout.nb_channels, limits)
            if (frame.sample_rate, frame.layout.nb_channels) != (tape.rate, tape.channels):
                raise InvalidInput(
                    "The recording changes its rate or channels halfway; save it again as WAV.", field="file"
                )
            for block in _blocks(frame):
                tape.add(block)
    if tape is None:
        raise _damaged()
    return tape


def _blocks(frame: object) -> Iterator[np.ndarray]:
    """float32 `[n, channels]` from a decoded frame, planar or interleaved, whole numbers or float."""
    samples: np.ndarray = frame.to_ndarray()  # type: ignore[attr-defined]
    channels = frame.layout.nb_channels  # type: ignore[attr-defined]
    planar = samples.T if frame.format.is_planar else samples.reshape(-1, channels)  # type: ignore[attr-defined]
    if planar.dtype.kind == "i":
        yield planar.astype(np.float32) / float(2 ** (planar.dtype.itemsize * 8 - 1))
    elif planar.dtype.kind == "u":
        yield (planar.astype(np.float32) - 128.0) / 128.0
    else:
        yield planar.astype(np.float32)


_READERS = {"wav": _read_wav, "flac": _read_sndfile, "ogg": _read_sndfile, "mp3": _read_sndfile}


def _lower_rate(waveform: np.ndarray, rate: int, notes: list[str]) -> tuple[np.ndarray, int]:
    """Resamples rates above 48 kHz to a whole fraction of them if there is one, else to 48 kHz, with a low-pass
    filter against aliasing."""
    if rate <= TOP_RATE:
        return waveform, rate
    import soxr

    step = -(-rate // TOP_RATE)
    lower = rate // step if rate % step == 0 else TOP_RATE
    notes.append(f"The sampling rate was lowered from {rate:,} to {lower:,} Hz.")
    return np.asarray(soxr.resample(waveform, rate, lower), np.float32), lower


def _usable(waveform: np.ndarray, rate: int, notes: list[str]) -> np.ndarray:
    """Long enough, not silent, of ordinary loudness."""
    if len(waveform) < SHORTEST * rate:
        raise InvalidInput(
            f"The recording is too short: at least {SHORTEST:.1f} seconds are needed.",
            code="audio_too_short",
            field="file",
        )
    peak = float(np.abs(waveform - waveform.mean(dtype=np.float64)).max())
    if peak < SILENCE:
        raise InvalidInput(
            "The recording is silent, so there is nothing to look at; check the microphone.",
            code="silent",
            field="file",
        )
    if peak > 8.0:
        notes.append("The numbers were far above full scale and were scaled down to it.")
        waveform = waveform / np.abs(waveform).max()
    return np.ascontiguousarray(waveform, dtype=np.float32)


def envelope(waveform: np.ndarray, points: int = 600) -> list[float]:
    """Peak of |x| in at most `points` equal stretches, in 0..1 of the loudest, three digits: for drawing."""
    size = np.abs(waveform)
    edges = np.linspace(0, len(size), min(points, len(size)) + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(size, edges)
    return [round(float(peak), 3) for peak in peaks / (peaks.max() or 1.0)]
