"""Inputs of one's own: sound through another front end, arrays as they are, settings that cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor, nn

import models
from app.core.errors import EvidentError, Incompatible, InvalidInput, ModelRejected
from backend.tasks import gate


def decibels(waveform: Tensor) -> Tensor:
    """A user's own: 40 ms frames, power in dB, three equal channels."""
    power = torch.stft(waveform, 320, 160, window=torch.hann_window(320), return_complex=True).abs() ** 2
    return (10 * torch.log10(power + 1e-10)).expand(3, -1, -1)


FRONT_END = models.SpectrogramInput(decibels, rate=8000, seconds=1.0)


def tone(seconds: float, hertz: float, rate: int) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_the_network_sees_what_its_own_front_end_makes(tmp_path) -> None:
    """The numbers of the user's own pipeline, a constant part of the recording included."""
    assert FRONT_END.shape == (3, 161, 51)
    sound = tone(2.0, 1000, 16000) + np.float32(0.05)
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    for raw in ((sound, 16000), tmp_path / "a.wav", (tmp_path / "a.wav").read_bytes()):
        prepared = FRONT_END.prepare(raw, start=0.5)
        wanted = decibels(torch.from_numpy(soxr.resample(sound, 16000, 8000)[4000:12000]))
        torch.testing.assert_close(prepared.x[0], wanted, atol=1e-3, rtol=1e-4)
    assert prepared.window == (0.5, 1.5)
    rows = prepared.x[0, 0].mean(1)
    assert prepared.y_axis.values[int(rows[5:].argmax()) + 5] == pytest.approx(1000, abs=25)
    assert prepared.x_axis.values[0] == pytest.approx(0.5 + 0.5 / 51)
    assert prepared.display.min() == 0
    assert prepared.display.max() == 1


def test_a_short_recording_is_filled_up_with_silence() -> None:
    prepared = FRONT_END.prepare((tone(0.4, 500, 8000), 8000))
    assert "filled with silence" in prepared.notes[-1]
    assert prepared.x.shape == (1, 3, 161, 51)
    assert prepared.x[..., -5:].max() < -90


def test_silence_is_the_front_end_of_silence_or_the_lowest_value() -> None:
    x = FRONT_END.prepare((tone(1.0, 500, 8000), 8000)).x
    assert torch.equal(FRONT_END.baseline(x), torch.full_like(x, -100.0))
    bare = models.SpectrogramInput(lambda w: torch.stft(w, 256, 128, window=torch.hann_window(256), return_complex=True).abs().log(), rate=8000, seconds=0.5)  # fmt: skip
    rng = np.random.default_rng(0)
    x = bare.prepare((0.1 * rng.standard_normal(4000).astype(np.float32), 8000)).x
    assert torch.equal(bare.baseline(x), x.min().expand_as(x))


@pytest.mark.parametrize(
    ("front_end", "words"),
    [
        (lambda w: w.mean(), "must return a tensor [F, T] or [C, F, T]"),
        (lambda w: [w], "not list"),
        (lambda w: w.view(7, -1), "fails on a recording of 8000 samples"),
        (lambda w: (w.view(80, -1) * 0).log(), "not numbers"),
    ],
)
def test_a_front_end_that_cannot_be_used(front_end: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(EvidentError) as caught:
        models.SpectrogramInput(front_end, rate=8000, seconds=1.0)
    assert words in caught.value.detail


def test_other_kinds_of_input_are_refused() -> None:
    with pytest.raises(Incompatible, match="takes recordings"):
        FRONT_END.prepare(np.ones((64, 64)))
    with pytest.raises(InvalidInput, match="silent"):
        FRONT_END.prepare((np.concatenate([tone(1, 500, 8000), np.zeros(8000, np.float32)]), 8000), start=1.0)


def test_a_module_with_its_own_frequencies() -> None:
    class Bank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("filters", torch.rand(20, 161))

        def forward(self, waveform: Tensor) -> Tensor:
            return self.filters @ decibels(waveform)[0].exp().clamp(max=1e3)

    hertz = np.geomspace(100, 4000, 20)
    spec = models.SpectrogramInput(Bank(), rate=8000, seconds=1.0, frequencies=hertz)
    assert np.array_equal(spec.prepare((tone(1, 500, 8000), 8000)).y_axis.values, hertz)
    for wrong in (hertz[:-1], hertz[::-1]):
        with pytest.raises(ValueError, match="20 ascending"):
            models.SpectrogramInput(Bank(), rate=8000, seconds=1.0, frequencies=wrong)


def test_arrays_are_taken_as_they_are(tmp_path) -> None:
    values = np.random.default_rng(0).normal(5, 40, (12, 20)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    spec = models.ArrayInput((12, 20))
    for raw in (values, torch.from_numpy(values), tmp_path / "a.npy", values.astype(np.float64)):
        assert np.array_equal(spec.prepare(raw).x[0, 0].numpy(), values)
    scaled = models.ArrayInput((1, 12, 20), mean=5, std=40).prepare(values).x
    np.testing.assert_allclose(scaled[0, 0].numpy(), (values - 5) / 40, rtol=1e-6)
    assert models.ArrayInput((2, 12, 20)).prepare(np.stack([values, values])).x.shape == (1, 2, 12, 20)
    with pytest.raises(InvalidInput, match="takes arrays of 12 x 20; this one is 20 x 12"):
        spec.prepare(values.T)
    with pytest.raises(InvalidInput, match="not finite"):
        spec.prepare(np.where(values > 0, values, np.nan))


@pytest.mark.parametrize(
    "settings",
    [{"high": 5000}, {"low": 4000}, {"hop": 513}, {"hop": 0}, {"frames": 1}, {"floor": 0}, {"rate": 10}],
)
def test_settings_of_sound_that_cannot_be(settings) -> None:
    with pytest.raises(ValueError):
        models.SoundInput(**settings)


def sound_network(card: dict[str, str] | None = None) -> models.Model:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return models.wrap(net, labels=["robin", "wren"], input=FRONT_END, card=card)


def test_no_cough_is_looked_for_unless_the_network_is_about_coughs(tmp_path) -> None:
    """A bird's song has no cough, and its score is not withheld for that."""
    from backend.store.blobs import Blobs

    song = (tone(1.0, 3000, 8000) * np.abs(np.sin(np.arange(8000) / 800)).astype(np.float32), 8000)
    birds = sound_network()
    assert birds.spec.card["expects"] == "any sound"
    assert gate.sound_checks(birds, birds.input.prepare(song), song, [], Blobs(tmp_path)) == []
    coughs = sound_network({"expects": "coughs"})
    checks = gate.sound_checks(coughs, coughs.input.prepare(song), song, [], Blobs(tmp_path))
    assert [(check.key, check.state) for check in checks] == [("cough", "bad")]
    assert math.isfinite(float(birds.predict(birds.prepare(song)).sum()))


def test_a_failing_front_end_names_its_cause() -> None:
    with pytest.raises(ModelRejected) as caught:
        models.SpectrogramInput(lambda w: w.view(7, -1), rate=8000, seconds=1.0)
    assert isinstance(caught.value.__cause__, RuntimeError)
