"""Recordings as log-mel spectrograms with axes in seconds and Hz.

    mono -> 8 kHz -> 2.03 s around the loudest event -> |STFT|^2 (64 ms Hann, every 16 ms) -> 64 Slaney mel bands, 50..4000 Hz
         -> 10 log10(power / max), clipped to [-80, 0] dB -> x = 1 + dB / 80

1 is the loudest cell, 0 is silence, and a change of volume changes nothing. Every recording is resampled to
8 kHz: a telephone line carries no more, and an empty upper half would reveal the recording channel. The mel
filterbank is librosa's: Slaney's scale, filters of equal area (Auditory Toolbox, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import soxr
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from app.core.errors import InvalidInput
from models.inputs.files import is_file, read_file
from models.inputs.replaced import replaced
from models.media.arrays import Spectrogram, spectrogram
from models.media.images import as_spectrogram, from_pillow
from models.media.levels import Scale, decibels
from models.media.segment import loudest_start, mono
from models.spec import Axis, Baseline, InputSpec, Modality, Prepared

SHORTEST = 0.2
"""Seconds: less holds no cough."""
SILENT = 1e-4
"""Peak below which a recording counts as silent: 80 dB below full scale, three steps of 16 bits."""
MODEL_SCALE = "A spectrogram comes without units: its rows and columns are taken to be the model's own bands and frames."


@dataclass(frozen=True)
class SoundInput(InputSpec):
    """Recordings, and spectrograms made elsewhere, on a grid of `bands` mel bands (row 0 the lowest) by
    `frames` moments."""

    rate: int = 8000
    bands: int = 64
    low: float = 50.0
    high: float = 4000.0
    n_fft: int = 512
    hop: int = 128
    frames: int = 128
    floor: float = -80.0

    modalities: ClassVar[tuple[Modality, ...]] = ("audio", "spectrogram")
    baselines: ClassVar[tuple[Baseline, ...]] = ("silence", "mean", "blur")

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not 1000 <= self.rate <= 1_000_000 or not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError("a sound input needs 0 <= low < high <= rate / 2, in Hz")
        if not 0 < self.hop <= self.n_fft or min(self.bands, self.frames) < 2 or self.floor >= 0:
            raise ValueError(
                "a sound input needs 0 < hop <= n_fft, at least 2 bands and frames, and a floor below 0 dB"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (1, self.bands, self.frames)

    @property
    def seconds(self) -> float:
        """Length of the window: frames * hop, one hop per column of the grid."""
        return self.frames * self.hop / self.rate

    @property
    def samples(self) -> int:
        """Samples `features` needs: the window and half an STFT frame on both sides, less one hop."""
        return (self.frames - 1) * self.hop + self.n_fft

    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Prepared:
        """raw: path, bytes, `(waveform [n] or [n, channels], rate)`, or a spectrogram: array `[F, T]` (row 0
        the lowest frequency; its numbers as `scale` says, or as they tell) or PIL image (lowest frequency at
        the bottom, bright is loud).

        start: first second of the window. None: a little before the loudest sound event. Column t of the grid
        is centred on `start + (t + 1/2) hop`; the axes are absolute seconds of the recording and the bands'
        centre frequencies. Raises NotFound, NotDecodable, UnsupportedType, TooLarge, InvalidInput (silent,
        shorter than 0.2 s, not finite, wrong rank, start beyond the end).
        """
        raw, file_notes = _read(raw, scale)
        if isinstance(raw, Spectrogram):
            return self._from_spectrogram(raw, start)
        waveform, rate, notes = checked(*raw)
        notes = [*file_notes, *notes]
        sound = waveform if rate == self.rate else soxr.resample(waveform, rate, self.rate)
        duration = len(sound) / self.rate
        first = (
            loudest_start(sound, self.rate, self.seconds) if start is None else checked_start(start, duration)
        )
        x = self.features(torch.from_numpy(self._cut(sound, first)))[None]
        if not x.any():
            raise InvalidInput(
                "The chosen part of the recording is silent; choose another one.",
                code="silent",
                field="start",
            )
        if rate < self.rate:
            notes.append(
                f"Recorded at {rate} Hz: nothing above {rate // 2} Hz can be heard, the model may be misled."
            )
        if duration - first < self.seconds - 0.01:
            notes.append(
                f"The window of {self.seconds:.2f} s reaches beyond the end of the recording; the rest is filled with silence."
            )
        return self._prepared(x, first, notes, window=(first, min(first + self.seconds, duration)))

    def features(self, waveform: Tensor) -> Tensor:
        """Differentiable. float `[..., samples]` at `rate` Hz -> `[..., bands, frames]` in 0..1; all zero
        for silence."""
        window = torch.hann_window(self.n_fft, dtype=waveform.dtype, device=waveform.device)
        flat = waveform.reshape(-1, waveform.shape[-1])
        spectrum = torch.stft(flat, self.n_fft, self.hop, window=window, center=False, return_complex=True)
        power = self.filterbank.to(waveform) @ (spectrum.real**2 + spectrum.imag**2)
        top = power.amax(dim=(-2, -1), keepdim=True)
        relative = power / top.clamp(min=torch.finfo(waveform.dtype).tiny)
        x = 1 - 10 / self.floor * torch.log10(relative.clamp(min=10 ** (self.floor / 10)))
        return x.reshape(*waveform.shape[:-1], self.bands, self.frames)

    @property
    def filterbank(self) -> Tensor:
        """float64 `[bands, n_fft / 2 + 1]`."""
        return mel_filterbank(self.rate, self.n_fft, self.bands, self.low, self.high)

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequencies of the bands in Hz, `[bands]`."""
        return mel_frequencies(self.bands, self.low, self.high)

    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """silence: the floor, -80 dB, everywhere. mean: each recording's own mean level. blur: a Gaussian
        of 5 % of the longer side."""
        return replaced(x, kind, self.baselines, "sound", lambda: torch.zeros_like(x))

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "sound",
            "shape": list(self.shape),
            "modalities": list(self.modalities),
            "baselines": list(self.baselines),
            "units": {"y": "Hz", "x": "s"},
            "rate": self.rate,
            "seconds": self.seconds,
            "low": self.low,
            "high": self.high,
            "window_ms": 1000 * self.n_fft / self.rate,
            "hop_ms": 1000 * self.hop / self.rate,
            "floor_db": self.floor,
        }

    def _cut(self, sound: np.ndarray, first: float) -> np.ndarray:
        """float32 `[samples]`: the window with half an STFT frame on both sides, so that the STFT meets no
        artificial edge; silence beyond the recording."""
        begin = round(first * self.rate) - (self.n_fft - self.hop) // 2
        part = sound[max(0, begin) : max(0, begin + self.samples)]
        before = max(0, -begin)
        return np.pad(part, (before, self.samples - before - len(part))).astype(np.float32)

    def _prepared(
        self, x: Tensor, first: float, notes: list[str], window: tuple[float, float] | None
    ) -> Prepared:
        times = first + (np.arange(self.frames) + 0.5) * self.hop / self.rate
        return Prepared(
            x=x[None] if x.ndim == 3 else x,
            display=x.reshape(self.bands, self.frames).numpy().copy(),
            y_axis=Axis("frequency", "Hz", self.frequencies.copy()),
            x_axis=Axis("time", "s", times),
            window=window,
            notes=tuple(notes),
        )

    def _from_spectrogram(self, raw: Spectrogram, start: float | None) -> Prepared:
        values, notes = _levels(raw, self.floor), list(raw.notes)
        if values.shape[0] != self.bands:
            notes.append(f"Resized from {values.shape[0]} to {self.bands} rows.")
            values = _resized(values, (self.bands, values.shape[1]))
        step = self.hop / self.rate
        begin = 0
        if values.shape[1] > self.frames:
            spare = values.shape[1] - self.frames
            begin = (
                round(checked_start(start, values.shape[1] * step) / step)
                if start is not None
                else _loudest_columns(values, self.frames)
            )
            begin = min(begin, spare)
            notes.append(
                f"Only {self.frames} of its {values.shape[1]} columns fit: the loudest part is shown, or the one you chose."
            )
        elif values.shape[1] < self.frames:
            notes.append(f"Only {values.shape[1]} columns: the rest is filled with silence.")
        part = values[:, begin : begin + self.frames]
        x = torch.from_numpy(np.pad(part, ((0, 0), (0, self.frames - part.shape[1]))).astype(np.float32))
        return self._prepared(
            x[None], begin * step, [MODEL_SCALE, *notes], (begin * step, begin * step + part.shape[1] * step)
        )


@lru_cache(maxsize=8)
def mel_frequencies(bands: int, low: float, high: float) -> np.ndarray:
    """Centre frequencies in Hz of `bands` filters between `low` and `high`, equally spaced on Slaney's mel
    scale, float64 `[bands]`."""
    from librosa.core.convert import mel_frequencies as edges  # takes a second to import: numba

    frequencies: np.ndarray = edges(n_mels=bands + 2, fmin=low, fmax=high)[1:-1]
    frequencies.flags.writeable = False
    return frequencies


@lru_cache(maxsize=8)
def mel_filterbank(rate: int, n_fft: int, bands: int, low: float, high: float) -> Tensor:
    """Triangular filters of equal area over the power spectrum, float64 `[bands, n_fft / 2 + 1]`."""
    from librosa.filters import mel

    return torch.from_numpy(mel(sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high, dtype=np.float64))


def checked(samples: Any, rate: Any, centred: bool = True) -> tuple[np.ndarray, int, list[str]]:
    """Mono float32, rate, notes. Integers are scaled to -1..1. centred: without its constant part. Raises
    InvalidInput."""
    samples = np.asarray(samples)
    if samples.dtype.kind in "iu":
        samples = samples.astype(np.float32) / np.iinfo(samples.dtype).max
    if samples.dtype.kind != "f" or samples.ndim not in (1, 2):
        raise InvalidInput(
            "A waveform must be real numbers, one row per sample, at most one column per channel.",
            field="input",
        )
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        raise InvalidInput(
            "A waveform must be given as samples by channels; turn the array around.", field="input"
        )
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or not 1000 <= rate <= 1_000_000:
        raise InvalidInput(
            "The sampling rate must be a whole number of Hz, from 1000 to 1000000.", field="input"
        )
    if len(samples) < SHORTEST * rate:
        raise InvalidInput(
            f"The recording lasts {len(samples) / rate:.2f} s; at least {SHORTEST} s are needed.",
            code="too_short",
            field="input",
        )
    if not np.isfinite(samples).all():
        raise InvalidInput(
            "The recording holds values that are not numbers (NaN or infinite).",
            code="not_finite",
            field="input",
        )
    sound, note = mono(samples)
    without_constant = sound - sound.mean(dtype=np.float64).astype(np.float32)
    if np.abs(without_constant).max() < SILENT:
        raise InvalidInput("The recording is silent.", code="silent", field="input")
    return without_constant if centred else sound, int(rate), [note] if note else []


def checked_start(start: float, duration: float) -> float:
    if not 0 <= start <= duration - SHORTEST:  # also refuses NaN
        raise InvalidInput(
            f"The window must start between 0 and {max(0, duration - SHORTEST):.1f} s.", field="start"
        )
    return float(start)


def _read(raw: Any, scale: Scale | None) -> tuple[Spectrogram | tuple[Any, Any], tuple[str, ...]]:
    """A spectrogram or `(samples, rate)`, and the decoder's notes."""
    if is_file(raw):
        decoded = read_file(raw, SoundInput.modalities, scale)
        if decoded.modality == "audio":
            return (decoded.canonical, int(decoded.facts["rate"])), tuple(decoded.facts["notes"])
        return Spectrogram(decoded.canonical, tuple(decoded.facts["notes"]), decoded.facts["scale"]), ()
    if isinstance(raw, Spectrogram):
        return raw, ()
    if isinstance(raw, Image.Image):
        return as_spectrogram(from_pillow(raw)), ()
    if isinstance(raw, tuple) and len(raw) == 2:
        return raw, ()
    values = np.asarray(raw)
    if values.ndim == 1:
        raise InvalidInput("A waveform needs its sampling rate: give (waveform, rate).", field="input")
    values = values[0] if values.ndim == 3 and values.shape[0] == 1 else values
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "iuf":
        raise InvalidInput(
            "A spectrogram must be a table of real numbers, at least 8 frequencies by 8 moments.",
            field="input",
        )
    return spectrogram(values, scale), ()


def _levels(raw: Spectrogram, floor: float) -> np.ndarray:
    """float32 `[F, T]` in 0..1, row 0 the lowest frequency."""
    if min(raw.values.shape) < 8:
        raise InvalidInput(
            "A spectrogram must be a table of real numbers, at least 8 frequencies by 8 moments.",
            field="input",
        )
    if raw.scale == "unit":
        return raw.values
    return np.clip(1 - decibels(raw.values, raw.scale) / floor, 0, 1).astype(np.float32)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    return F.interpolate(tensor, size=size, mode="bilinear", align_corners=False, antialias=True)[
        0, 0
    ].numpy()


def _loudest_columns(values: np.ndarray, frames: int) -> int:
    total = np.concatenate([[0.0], np.cumsum((10.0 ** (8 * values)).sum(0))])
    return int((total[frames:] - total[:-frames]).argmax())
