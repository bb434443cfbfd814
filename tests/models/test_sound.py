"""Log-mel spectrograms equal librosa's, keep their seconds and Hz, do not depend on gain, and refuse what
cannot be heard."""

from __future__ import annotations

import io
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import models
from app.core.errors import InvalidInput, NotDecodable, NotFound, TooLarge, UnsupportedType
from models.inputs.sound import SoundInput, mel_filterbank

SPEC = SoundInput()
SAMPLES = Path(models.__file__).parent / "samples"
HOP = SPEC.hop / SPEC.rate


def noise(seconds: float = 3.0, rate: int = 8000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=round(seconds * rate))).astype(np.float32)


def chirps(seconds: float = 5.0, rate: int = 8000, at: float = 3.0, hz: float = 1000.0) -> np.ndarray:
    """Faint noise and one tone burst of 0.2 s."""
    sound = 0.01 * noise(seconds, rate)
    t = np.arange(round(0.2 * rate)) / rate
    sound[round(at * rate) :][: len(t)] += 0.5 * np.sin(2 * np.pi * hz * t)
    return sound.astype(np.float32)


@pytest.mark.parametrize(
    "rate, n_fft, bands, low, high",
    [(8000, 512, 64, 50, 4000), (16000, 1024, 40, 0, 8000), (22050, 2048, 128, 20, 9000)],
)
def test_filterbank_is_slaneys(rate, n_fft, bands, low, high):
    """Written out: linear (3 mel per 200 Hz) to 1 kHz, logarithmic above; triangles of equal area."""
    edges = slaney_edges(bands, low, high)
    np.testing.assert_allclose(
        SoundInput(rate=rate, bands=bands, low=low, high=high).frequencies, edges[1:-1], rtol=1e-9
    )
    np.testing.assert_allclose(
        mel_filterbank(rate, n_fft, bands, low, high).numpy(), slaney(rate, n_fft, edges), atol=1e-9
    )


def slaney_edges(bands: int, low: float, high: float) -> np.ndarray:
    step = np.log(6.4) / 27
    start, end = (3 * hz / 200 if hz < 1000 else 15 + np.log(hz / 1000) / step for hz in (low, high))
    mels = np.linspace(start, end, bands + 2)
    return np.where(mels < 15, 200 * mels / 3, 1000 * np.exp(step * (mels - 15)))


def slaney(rate: int, n_fft: int, edges: np.ndarray) -> np.ndarray:
    bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def test_bundled_weights_meet_the_filters_they_were_trained_with(monkeypatch):
    """The networks learned on filters written out by hand; librosa's give the same answers on every
    bundled recording."""
    recordings = sorted(SAMPLES.glob("*.flac"))
    assert len(recordings) >= 5
    trained_with = torch.from_numpy(slaney(8000, 512, slaney_edges(64, 50, 4000)))
    for key in ("cnnexplain", "cough_check", "cnnexplain_synthetic", "cnnexplain_shortcut"):
        model = models.load(key)
        now = [model.predict(model.prepare(path)) for path in recordings]
        with monkeypatch.context() as patch:
            patch.setattr(SoundInput, "filterbank", trained_with)
            before = [model.predict(model.prepare(path)) for path in recordings]
        np.testing.assert_allclose(np.concatenate(now), np.concatenate(before), atol=1e-5)


def test_features_equal_librosa():
    wave = chirps(at=0.5)[: SPEC.samples]
    # librosa's own pieces; its melspectrogram does just this, after compiling for half a minute
    spectrum = (
        np.abs(librosa.stft(wave.astype(np.float64), n_fft=512, hop_length=128, window="hann", center=False))
        ** 2
    )
    mel = librosa.filters.mel(sr=8000, n_fft=512, n_mels=64, fmin=50, fmax=4000, dtype=np.float64) @ spectrum
    oracle = 1 + librosa.power_to_db(mel, ref=np.max, amin=1e-30, top_db=80) / 80
    np.testing.assert_allclose(
        SPEC.features(torch.from_numpy(wave.astype(np.float64))).numpy(), oracle, atol=1e-6
    )
    np.testing.assert_allclose(
        SPEC.features(torch.from_numpy(wave)).numpy(), oracle, atol=1e-3
    )  # float32, at the -80 dB floor


def test_features_are_differentiable_and_batched():
    wave = torch.randn(2, 3, SPEC.samples, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = SPEC.features(wave)
    assert x.shape == (2, 3, 64, 128)
    torch.testing.assert_close(x[1, 2], SPEC.features(wave[1, 2]))
    small = SoundInput(bands=8, n_fft=64, hop=16, frames=6)
    wave = torch.randn(
        small.samples, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    assert torch.autograd.gradcheck(small.features, (wave,), eps=1e-7, atol=1e-4)
    silent = torch.zeros(small.samples, requires_grad=True)
    small.features(silent).sum().backward()
    assert not silent.grad.isnan().any()
    assert not small.features(silent).any()


def test_gain_rate_and_channels_make_no_difference():
    wave = chirps()
    x = SPEC.prepare((wave, 8000), start=2.0).x
    torch.testing.assert_close(SPEC.prepare((0.05 * wave, 8000), start=2.0).x, x, atol=1e-3, rtol=0)
    torch.testing.assert_close(SPEC.prepare((np.stack([wave, wave], 1), 8000), start=2.0).x, x)
    torch.testing.assert_close(
        SPEC.prepare(((32767 * wave).astype(np.int16), 8000), start=2.0).x, x, atol=0.05, rtol=0
    )
    for rate in (16000, 44100, 48000):
        # the top bands lie in the resampler's slope: compared below 3.6 kHz
        other = SPEC.prepare(
            (librosa.resample(wave, orig_sr=8000, target_sr=rate, res_type="soxr_hq"), rate), start=2.0
        )
        below = int((SPEC.frequencies < 3600).sum())
        torch.testing.assert_close(other.x[..., :below, :], x[..., :below, :], atol=0.02, rtol=0)


@pytest.mark.parametrize("at, hz", [(0.6, 300.0), (3.0, 1000.0), (4.5, 3000.0)])
def test_axes_name_the_second_and_the_hz_of_a_tone(at, hz):
    found = SPEC.prepare((chirps(at=at, hz=hz), 8000))
    assert found.x.shape == (1, *SPEC.shape)
    assert found.window[1] - found.window[0] == pytest.approx(SPEC.seconds)
    assert found.window[0] <= at <= found.window[1]
    loud = found.display > 0.9
    rows, columns = np.nonzero(loud)
    assert found.x_axis.values[columns].mean() == pytest.approx(at + 0.1, abs=0.01)
    assert found.y_axis.values[rows].mean() == pytest.approx(hz, rel=0.05)
    assert np.diff(found.x_axis.values) == pytest.approx(HOP)
    assert found.x_axis.values[0] == pytest.approx(found.window[0] + HOP / 2)
    assert (np.diff(found.y_axis.values) > 0).all()
    assert (found.y_axis.unit, found.x_axis.unit, found.y_axis.origin) == ("Hz", "s", "lower")


def test_a_chosen_window_is_taken_as_asked():
    wave = chirps()
    found = SPEC.prepare((wave, 8000), start=1.5)
    assert found.window == (1.5, 1.5 + SPEC.seconds)
    begin = round(1.5 * 8000) - 192
    torch.testing.assert_close(
        found.x[0], SPEC.features(torch.from_numpy(wave - wave.mean())[None, begin : begin + SPEC.samples])
    )
    late = SPEC.prepare((wave, 8000), start=4.0)
    assert late.window == (4.0, 5.0)
    assert "filled with silence" in " ".join(late.notes)
    assert not late.x[..., 66:].any()
    for start in (-0.1, 4.9, 7.0, float("nan")):
        with pytest.raises(InvalidInput) as error:
            SPEC.prepare((wave, 8000), start=start)
        assert error.value.field == "start"


@pytest.mark.parametrize(
    "raw, code",
    [
        ((np.zeros(8000, np.float32), 8000), "silent"),
        ((np.full(8000, 0.5, np.float32), 8000), "silent"),
        ((noise(0.15), 8000), "too_short"),
        ((np.where(np.arange(8000) == 5, np.nan, noise(1)), 8000), "not_finite"),
        ((np.where(np.arange(8000) == 5, np.inf, noise(1)), 8000), "not_finite"),
        ((noise(1), 0), "invalid_input"),
        ((noise(1), 8000.5), "invalid_input"),
        ((noise(1).reshape(2, -1), 8000), "invalid_input"),
        ((np.array(["a", "b"]), 8000), "invalid_input"),
        (noise(1), "invalid_input"),
        (np.zeros((64, 128), np.float32), "constant"),
        (np.full((64, 128), np.nan, np.float32), "not_finite"),
        (np.ones((3, 64, 128), np.float32), "invalid_input"),
        (np.eye(4, dtype=np.float32), "invalid_input"),
        (Image.new("L", (128, 64)), "constant"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_plain_words(raw, code):
    with pytest.raises(InvalidInput) as error:
        SPEC.prepare(raw)
    assert error.value.instance_code == code
    assert error.value.detail.endswith(".")


def test_a_silent_part_of_a_recording_is_refused():
    with pytest.raises(InvalidInput) as error:
        SPEC.prepare((np.concatenate([noise(1), np.zeros(64000, np.float32), -noise(1)]), 8000), start=4.0)
    assert error.value.instance_code == "silent"


def encoded(wave: np.ndarray, rate: int, container: str) -> bytes:
    """As browsers and telephones record: AAC in mp4, Opus in WebM."""
    codec = {"mp4": "aac", "webm": "libopus"}[container]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="mono",
            rate=rate,
            frame_size=stream.codec_context.frame_size or 960,
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            file.mux(stream.encode(part))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "mp4", "webm"])
def test_files_of_every_kind_give_the_same_picture(kind, tmp_path):
    rate = 48000
    wave = chirps(rate=rate, at=1.0)
    if kind in ("mp4", "webm"):
        data = encoded(wave, rate, kind)
    else:
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, rate, format=kind)
        data = buffer.getvalue()
    path = tmp_path / "recording"
    path.write_bytes(data)
    expected = SPEC.prepare((wave, rate), start=0.2)
    for raw in (data, path, str(path)):
        found = SPEC.prepare(raw, start=0.2)
        loud = expected.x > 0.7
        # AAC's encoder delays the sound by 1024 samples, more than a column of the grid
        assert (found.x - expected.x)[loud].abs().mean() < (0.1 if kind == "mp4" else 0.03)
        assert found.x_axis.values[found.x[0, 0].max(0).values.numpy() > 0.9].mean() == pytest.approx(
            1.1, abs=0.06
        )


def test_files_that_are_no_recordings(tmp_path, monkeypatch):
    with pytest.raises(NotFound):
        SPEC.prepare(tmp_path / "none.wav")
    for junk in (b"", b"RIFF", b"hello" * 100, b"\x93NUMPY" + b"x" * 50):
        with pytest.raises((NotDecodable, UnsupportedType)) as error:
            SPEC.prepare(junk)
        assert "Traceback" not in error.value.detail
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(1), 8000, format="WAV", subtype="IMA_ADPCM")
    with pytest.raises(UnsupportedType):
        SPEC.prepare(buffer.getvalue())
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((700 * 4000,), np.int16), 4000, format="FLAC")
    with pytest.raises(TooLarge):
        SPEC.prepare(buffer.getvalue())
    objects = io.BytesIO()
    np.save(objects, np.array([{}]), allow_pickle=True)
    with pytest.raises(InvalidInput):
        SPEC.prepare(objects.getvalue())


def test_spectrograms_made_elsewhere(tmp_path):
    x = SPEC.prepare((chirps(), 8000)).x
    table = x[0, 0].numpy()
    for raw in (table, table[None], 80 * table - 80, 80 * table + 12):
        torch.testing.assert_close(SPEC.prepare(raw).x, x, atol=1e-5, rtol=0)
    np.save(tmp_path / "table.npy", table)
    torch.testing.assert_close(SPEC.prepare(tmp_path / "table.npy").x, x)
    picture = Image.fromarray(np.round(255 * table[::-1]).astype(np.uint8))
    torch.testing.assert_close(SPEC.prepare(picture).x, x, atol=0.5 / 255 + 1e-6, rtol=0)
    picture.save(tmp_path / "picture.png")
    torch.testing.assert_close(SPEC.prepare(tmp_path / "picture.png").x, x, atol=0.5 / 255 + 1e-6, rtol=0)
    assert "coloured" not in " ".join(SPEC.prepare(picture.convert("RGB")).notes)
    assert "coloured" in " ".join(
        SPEC.prepare(Image.merge("RGB", (picture, picture, picture.rotate(180)))).notes
    )


def test_spectrograms_of_other_sizes_are_placed_with_a_note():
    table = SPEC.prepare((chirps(), 8000)).x[0, 0].numpy()
    tall = SPEC.prepare(np.repeat(table, 2, axis=0))
    assert "Resized from 128 to 64 rows." in tall.notes
    assert np.abs(tall.display - table).mean() < 0.03
    short = SPEC.prepare(table[:, :100])
    np.testing.assert_allclose(short.display[:, :100], table[:, :100])
    assert not short.display[:, 100:].any()
    quiet = np.full((64, 200), 0.1, np.float32)
    long = SPEC.prepare(np.concatenate([quiet, table, quiet], 1))
    np.testing.assert_allclose(long.display.max(), 1)
    chosen = SPEC.prepare(np.concatenate([quiet, table, quiet], 1), start=200 * HOP)
    np.testing.assert_allclose(chosen.display, table)
    assert chosen.x_axis.values[0] == pytest.approx(200.5 * HOP)


def test_baselines():
    x = SPEC.prepare((chirps(), 8000)).x
    assert not SPEC.baseline(x).any()
    torch.testing.assert_close(SPEC.baseline(x, "mean"), torch.full_like(x, x.mean()))
    blurred = SPEC.baseline(x, "blur")
    assert blurred.std() < x.std()
    torch.testing.assert_close(SPEC.baseline(torch.full_like(x, 0.3), "blur"), torch.full_like(x, 0.3))
    with pytest.raises(InvalidInput):
        SPEC.baseline(x, "black")


def test_catalogue_description_is_json():
    import json

    described = SPEC.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["shape"] == [1, 64, 128]
    assert described["seconds"] == pytest.approx(2.048)
