"""Recordings: every container, every honest encoding, every lie a header can tell."""

from __future__ import annotations

import io
import random
import struct

import numpy as np
import pytest
import soundfile

from app.core.errors import EvidentError, InvalidInput, NotDecodable, TooLarge, UnsupportedType
from app.core.settings import Limits
from models.media import decode
from models.media.sounds import decode_sound, envelope
from models.media.wav import read_header, read_samples, write_wav
from tests.models.media.encoders import container, npy, sndfile, tone, verdict, wav_header

LIMITS = Limits()
TONE = tone()


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_16", 3.1e-5), ("PCM_24", 1.3e-7), ("PCM_32", 1e-8), ("FLOAT", 0), ("DOUBLE", 0)],
)
@pytest.mark.parametrize("format", ["WAV", "WAVEX"])
def test_wav_equals_libsndfile(format: str, subtype: str, tolerance: float) -> None:
    """Our parser against a public reader, and against the samples written."""
    data = sndfile(TONE, format=format, subtype=subtype)
    found = decode(data, LIMITS)
    reference, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert (found.modality, found.facts["rate"], rate) == ("audio", 16_000, 16_000)
    assert (found.canonical == reference).all()
    assert np.abs(found.canonical - TONE).max() <= tolerance


@pytest.mark.parametrize(("data", "rate", "tolerance"), [
    (sndfile(TONE, format="FLAC", subtype="PCM_16"), 16_000, 2e-5),
    (sndfile(TONE, format="FLAC", subtype="PCM_24"), 16_000, 1e-6),
    (sndfile(TONE, format="OGG", subtype="VORBIS"), 16_000, 0.05),
    (sndfile(TONE, format="MP3"), 16_000, 0.05),
    (container(TONE, 16_000, "mp3", "libmp3lame"), 16_000, 0.05),
    (container(TONE, 16_000, "mp4", "aac"), 16_000, 0.05),
    (container(tone(rate=48_000), 48_000, "webm", "libopus"), 48_000, 0.05),
    (container(tone(rate=48_000), 48_000, "ogg", "libopus"), 48_000, 0.05),
], ids=["flac16", "flac24", "vorbis", "mp3", "mp3-lame", "m4a", "webm-opus", "ogg-opus"])  # fmt: skip
def test_compressed_formats_give_the_tone_back(data: bytes, rate: int, tolerance: float) -> None:
    found = decode(data, LIMITS)
    assert found.facts["rate"] == rate
    assert abs(found.facts["seconds"] - 1.0) < 0.2
    wanted = tone(rate=rate)
    # Encoders delay the sound by a frame or two: compare where it fits best.
    lags = np.correlate(
        np.pad(found.canonical, (0, max(0, len(wanted) - len(found.canonical))))[: len(wanted) + 4000],
        wanted,
        "valid",
    )
    lag = int(lags.argmax()) if len(lags) > 1 else 0
    n = min(len(wanted), len(found.canonical) - lag)
    assert np.abs(found.canonical[lag : lag + n] - wanted[:n])[200:-200].max() <= tolerance


def test_two_ends_of_a_telephone_line_are_not_averaged() -> None:
    quiet = 0.001 * np.random.default_rng(0).normal(size=len(TONE)).astype(np.float32)
    found = decode(sndfile(np.stack([quiet, TONE], 1), subtype="FLOAT"), LIMITS)
    assert (found.canonical == TONE).all()
    assert found.facts["channels"] == 2
    assert found.facts["notes"]
    same = decode(sndfile(np.stack([TONE, TONE], 1), subtype="FLOAT"), LIMITS)
    assert np.allclose(same.canonical, TONE, atol=1e-7)


def test_opposite_channels_do_not_cancel() -> None:
    found = decode(sndfile(np.stack([TONE, -TONE], 1), subtype="FLOAT"), LIMITS)
    assert np.abs(found.canonical).max() == pytest.approx(np.abs(TONE).max(), rel=1e-4)


@pytest.mark.parametrize(
    ("rate", "lower"),
    [
        (96_000, 48_000),
        (191_999, 48_000),
        (192_000, 48_000),
        (88_200, 44_100),
        (44_100, 44_100),
        (48_000, 48_000),
        (4_000, 4_000),
    ],
)
def test_rates_above_48_khz_are_lowered(rate: int, lower: int) -> None:
    found = decode(sndfile(tone(rate=rate), rate, subtype="FLOAT"), LIMITS)
    assert found.facts["rate"] == lower
    assert np.abs(found.canonical - tone(rate=lower)).max() < 1e-3
    assert any("lowered" in note for note in found.facts["notes"]) == (rate != lower)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(bad: float) -> None:
    samples = TONE.copy()
    samples[100] = bad
    for subtype in ("FLOAT", "DOUBLE"):
        with pytest.raises(InvalidInput, match="not finite"):
            decode(sndfile(samples, subtype=subtype), LIMITS)


def test_doubles_too_large_for_floats() -> None:
    data = wav_header(3, 64, 1, 16_000, (np.ones(16_000) * 1e300).astype("<f8").tobytes())
    with pytest.raises(InvalidInput, match="not finite"):
        decode(data, LIMITS)


def test_numbers_far_above_full_scale() -> None:
    found = decode(sndfile(TONE * 30_000, subtype="FLOAT"), LIMITS)
    assert np.abs(found.canonical).max() == pytest.approx(1.0)
    assert "scaled" in found.facts["notes"][0]


@pytest.mark.parametrize(
    "samples",
    [np.zeros(16_000), np.full(16_000, 0.25), np.random.default_rng(0).integers(-1, 2, 16_000) / 32768],
)
def test_silence(samples: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="silent") as caught:
        decode(sndfile(samples), LIMITS)
    assert caught.value.instance_code == "silent"


def test_too_short() -> None:
    for n in (1, 100, 1599):
        with pytest.raises(InvalidInput, match="too short"):
            decode(sndfile(TONE[4000 : 4000 + n]), LIMITS)
    with pytest.raises(NotDecodable):
        decode(sndfile(TONE[:0]), LIMITS)


@pytest.mark.parametrize(
    ("encoding", "bits"),
    [
        (2, 4),
        (6, 8),
        (7, 8),
        (17, 4),
        (49, 0),
        (80, 0),
        (85, 0),
        (1, 64),
        (3, 16),
        (1, 7),
        (0, 0),
        (65534, 16),
    ],
)
def test_odd_wav_encodings(encoding: int, bits: int) -> None:
    with pytest.raises(EvidentError) as caught:
        decode(wav_header(encoding, bits, 1, 16_000, b"\1\2" * 20_000), LIMITS)
    assert caught.value.status in (415, 422)


def test_adpcm_as_written_by_a_real_encoder() -> None:
    for subtype in ("IMA_ADPCM", "MS_ADPCM", "ULAW", "ALAW", "GSM610"):
        rate = 8_000 if subtype == "GSM610" else 16_000
        with pytest.raises(UnsupportedType, match="encoding"):
            decode(sndfile(TONE, rate, subtype=subtype), LIMITS)


@pytest.mark.parametrize(
    "form",
    ["AIFF", "AU", "CAF", "W64", "RF64", "VOC", "MAT4", "MAT5", "IRCAM", "NIST", "PAF", "SVX", "HTK", "WVE"],
)
def test_other_sound_formats(form: str) -> None:
    if form not in soundfile.available_formats():
        pytest.skip("this libsndfile does not write it")
    subtype = soundfile.default_subtype(form)
    with pytest.raises(UnsupportedType):
        decode(sndfile(TONE, 8_000, format=form, subtype=subtype), LIMITS)


@pytest.mark.parametrize(
    ("channels", "rate", "code"),
    [
        (9, 16_000, "audio_channels"),
        (1024, 16_000, "audio_channels"),
        (1, 3_999, "audio_rate"),
        (1, 192_001, "audio_rate"),
        (1, 4_000_000_000, "audio_rate"),
    ],
)
def test_channels_and_rates(channels: int, rate: int, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(wav_header(1, 16, channels, rate, b"\1\2" * channels * 200), LIMITS)
    assert caught.value.instance_code == code


def test_no_channels_and_no_rate() -> None:
    for channels, rate in ((0, 16_000), (1, 0)):
        with pytest.raises(NotDecodable):
            decode(wav_header(1, 16, channels, rate, b"\1\2" * 8000), LIMITS)


def test_a_stated_length_that_lies() -> None:
    samples = (TONE * 32767).astype("<i2").tobytes()
    long = decode(wav_header(1, 16, 1, 16_000, samples, stated=len(samples) * 100), LIMITS)
    assert long.facts["seconds"] == 1.0
    assert "longer" in long.facts["notes"][0]
    for open_ended in (0, 0xFFFFFFFF):
        assert (
            decode(wav_header(1, 16, 1, 16_000, samples, stated=open_ended), LIMITS).facts["seconds"] == 1.0
        )
    short = decode(wav_header(1, 16, 1, 16_000, samples, stated=len(samples) // 2), LIMITS)
    assert short.facts["seconds"] == 0.5


def test_a_flac_cut_in_half_tells_what_is_left() -> None:
    data = sndfile(np.random.default_rng(0).normal(size=64_000).astype(np.float32) * 0.1, format="FLAC")
    found = decode(data[: len(data) // 2], LIMITS)
    assert 1.0 < found.facts["seconds"] < 3.0
    assert "cut short" in found.facts["notes"][-1]


def test_limits_hold_while_decoding() -> None:
    limits = Limits(audio_seconds=2.0)
    hour = np.zeros(16_000 * 60, np.float32)
    hour[:16_000] = TONE
    for data in (
        sndfile(hour),
        sndfile(hour, format="FLAC"),
        sndfile(hour, format="OGG"),
        sndfile(hour, format="MP3"),
        container(hour, 16_000, "mp4", "aac"),
    ):
        with pytest.raises(TooLarge) as caught:
            decode(data, limits)
        assert caught.value.instance_code == "audio_too_long"


def test_bomb_of_silence_stays_small() -> None:
    """An hour of silence in a small FLAC: refused once ten minutes are passed, without ever holding the
    hour."""
    import tracemalloc

    data = sndfile(np.zeros(8_000 * 3600, np.int16), 8_000, format="FLAC")
    assert len(data) < 300_000
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decode(data, LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # ten minutes at 8 kHz in float32 are 19 MB


def test_huge_tags() -> None:
    data = sndfile(TONE, format="MP3")
    size = 3_000_000
    tag = (
        b"ID3\x03\0\0"
        + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
        + b"CANARY" * (size // 6)
    )
    found = verdict(tag + data, LIMITS)
    assert isinstance(found, EvidentError) or abs(found.facts["seconds"] - 1.0) < 0.2
    wav = sndfile(TONE)
    listed = b"LIST" + struct.pack("<I", 1_000_000) + b"INFO" + b"x" * 999_996
    assert decode(wav[:12] + listed + wav[12:], LIMITS).facts["seconds"] == 1.0


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the limit of the decode process, or a container that promises terabytes, comes to."""

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("models.media.sounds.read_header", full)
    with pytest.raises(TooLarge) as caught:
        decode(sndfile(TONE), LIMITS)
    assert caught.value.instance_code == "out_of_memory"


def test_endless_chunks_end() -> None:
    body = b"junk\0\0\0\0" * 100_000
    with pytest.raises(NotDecodable):
        decode(b"RIFF\xff\xff\xff\xffWAVE" + body, LIMITS)


def test_video_without_sound_and_playlists() -> None:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(5):
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        file.mux(stream.encode(None))
    with pytest.raises(InvalidInput, match="no sound"):
        decode(out.getvalue(), LIMITS)
    for text in (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"[playlist]\nFile1=x\n",
    ):
        with pytest.raises(UnsupportedType):
            decode(text + b"\n" * 64, LIMITS)
        for start in (b"\0\0\0\x18ftypM4A \0\0\0\0", b"\x1aE\xdf\xa3", b"OggS\0OpusHead"):
            with pytest.raises(NotDecodable):
                decode(start + text * 4, LIMITS)


@pytest.mark.parametrize("data", [
    sndfile(tone(0.3), 16_000), sndfile(tone(0.3), 16_000, format="FLAC"), sndfile(tone(0.3), 16_000, format="OGG"),
    sndfile(tone(0.3), 16_000, format="MP3"), container(tone(0.3), 16_000, "mp4", "aac"),
    container(tone(0.3, 48_000), 48_000, "webm", "libopus"), container(tone(0.3, 48_000), 48_000, "ogg", "libopus"),
], ids=["wav", "flac", "vorbis", "mp3", "m4a", "webm", "opus"])  # fmt: skip
def test_prefixes_and_flips_never_surprise(data: bytes) -> None:
    generator = random.Random(11)
    cases = [data[:cut] for cut in range(0, len(data), max(1, len(data) // 60))]
    for _ in range(150):
        flipped = bytearray(data)
        for _ in range(generator.choice((1, 1, 4, 20))):
            flipped[generator.randrange(min(len(flipped), generator.choice((120, len(flipped)))))] ^= (
                1 << generator.randrange(8)
            )
        cases.append(bytes(flipped))
    refused = 0
    for case in cases:
        found = verdict(case, LIMITS)
        refused += isinstance(found, EvidentError)
        assert isinstance(found, EvidentError) or (
            np.isfinite(found.canonical).all() and found.facts["rate"] <= 48_000
        )
    assert refused > 0
    decode(data, LIMITS)


def test_a_recording_is_no_spectrogram_picture() -> None:
    with pytest.raises(InvalidInput):
        decode(sndfile(TONE), LIMITS, "spectrogram")
    assert decode(npy(np.eye(4)), LIMITS, "spectrogram").modality == "spectrogram"


def test_what_is_written_is_read_again() -> None:
    data = write_wav(TONE * 3, 22_050)  # above full scale: clipped
    header = read_header(data)
    assert (header.rate, header.channels, header.bits, header.frames) == (22_050, 1, 16, len(TONE))
    assert np.abs(read_samples(data, header)[:, 0] - np.clip(TONE * 3, -1, 1)).max() <= 1 / 32768
    reference, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == 22_050
    assert (reference == read_samples(data, header)[:, 0]).all()


def test_envelope_is_the_peak_of_each_stretch() -> None:
    x = np.random.default_rng(0).normal(size=6000)
    wanted = np.array([np.abs(x[10 * i : 10 * i + 10]).max() for i in range(600)])
    assert np.allclose(envelope(x), wanted / wanted.max(), atol=5e-4)
    assert envelope(np.array([0.5, -1.0, 0.0])) == [0.5, 1.0, 0.0]


@pytest.mark.data
def test_real_recordings(real_data) -> None:
    files = (
        sorted((real_data / "cough").rglob("*.mp3"))[::25]
        + sorted((real_data / "cough").rglob("*.flac"))[::10]
    )
    assert len(files) > 30
    for path in files:
        sound = decode_sound(path.read_bytes(), "mp3" if path.suffix == ".mp3" else "flac", LIMITS)
        reference, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert sound.rate == rate
        assert len(sound.waveform) == len(reference)
        assert min(np.abs(sound.waveform - other).max() for other in (*reference.T, reference.mean(1))) < 1e-6
