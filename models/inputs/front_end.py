"""Recordings through a spectrogram of one's own: the part of an audio network that turns sound into a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import soxr
import torch
from torch import Tensor

from app.core.errors import InvalidInput, ModelRejected
from models.inputs.files import check_modality, is_file, read_file
from models.inputs.replaced import replaced
from models.inputs.sound import SILENT, checked, checked_start
from models.media.levels import Scale
from models.media.segment import loudest_start
from models.spec import Axis, Baseline, InputSpec, Modality, Prepared


@dataclass(frozen=True)
class SpectrogramInput(InputSpec):
    """`x = front_end(waveform)`, whatever the network was trained on: torchaudio's transforms, your own STFT, decibels
    or not, normalised or not.

    front_end: float32 `[rate * seconds]` in -1..1 to `[F, T]` or `[C, F, T]`, row 0 the lowest frequency; a function
    or a module. Stereo is brought to one channel and every recording to `rate` (soxr, as librosa does); nothing
    else is changed. frequencies: of the F rows in Hz, ascending; None spaces them equally from 0 to rate / 2. Column
    t of T stands for the moments around `(t + 1/2) seconds / T`.
    """

    front_end: Callable[[Tensor], Tensor]
    rate: int
    seconds: float
    frequencies: Sequence[float] | None = None
    _shape: tuple[int, int, int] = field(init=False, repr=False, default=(0, 0, 0))

    modalities: ClassVar[tuple[Modality, ...]] = ("audio",)
    baselines: ClassVar[tuple[Baseline, ...]] = ("silence", "mean", "blur")

    def __post_init__(self) -> None:
        """Runs the front end once. Raises ValueError for settings, ModelRejected for a front end that fails."""
        if not 1000 <= self.rate <= 1_000_000 or not 0.05 <= self.seconds <= 600:
            raise ValueError("a recording needs a rate of 1,000 to 1,000,000 Hz and 0.05 to 600 seconds")
        noise = 0.1 * torch.randn(self.samples, generator=torch.Generator().manual_seed(0))
        object.__setattr__(self, "_shape", tuple(self._features(noise).shape[1:]))
        rows = None if self.frequencies is None else np.asarray(self.frequencies, np.float64)
        if rows is not None and (rows.shape != (self.shape[1],) or not (np.diff(rows) > 0).all()):
            raise ValueError(f"frequencies must be {self.shape[1]} ascending numbers of Hz, one for each row")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    @property
    def samples(self) -> int:
        return round(self.rate * self.seconds)

    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Prepared:
        """raw: path, bytes, or `(waveform [n] or [n, channels], rate)`. start: first second of the window; None takes
        a little before the loudest event. A short recording is filled up with silence."""
        if is_file(raw):
            decoded = read_file(raw, self.modalities)
            raw, notes = (decoded.canonical, int(decoded.facts["rate"])), list(decoded.facts["notes"])
        elif isinstance(raw, tuple) and len(raw) == 2:
            notes = []
        else:
            check_modality("spectrogram", self.modalities)
        samples, own_rate = raw
        waveform, rate, more = checked(samples, own_rate, centred=False)
        sound = waveform if rate == self.rate else soxr.resample(waveform, rate, self.rate)
        duration = len(sound) / self.rate
        first = (
            loudest_start(sound, self.rate, self.seconds) if start is None else checked_start(start, duration)
        )
        begin = round(first * self.rate)
        part = sound[begin : begin + self.samples]
        if np.abs(part).max(initial=0.0) < SILENT:
            raise InvalidInput(
                "The chosen part of the recording is silent; choose another one.",
                code="silent",
                field="start",
            )
        if len(part) < self.samples:
            more.append(
                "The window reaches beyond the end of the recording; the rest is filled with silence."
            )
        x = self._features(torch.from_numpy(np.pad(part, (0, self.samples - len(part))).astype(np.float32)))
        return self._prepared(x, first, min(first + self.seconds, duration), (*notes, *more))

    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """silence: the front end of a silent recording, or the lowest value where that is no number (a logarithm of
        zero). mean: each input's own mean. blur: a Gaussian of 5 % of the longer side."""

        def silence() -> Tensor:
            silent = self._run(torch.zeros(self.samples)).to(x)
            return torch.where(torch.isfinite(silent), silent, x.amin(dim=(1, 2, 3), keepdim=True))

        return replaced(x, kind, self.baselines, "sound", silence)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "spectrogram",
            "shape": list(self.shape),
            "modalities": list(self.modalities),
            "baselines": list(self.baselines),
            "units": {"y": "Hz", "x": "s"},
            "rate": self.rate,
            "seconds": self.seconds,
            "front_end": getattr(self.front_end, "__name__", type(self.front_end).__name__),
            "frequencies": None if self.frequencies is None else [float(f) for f in self.frequencies],
        }

    def _run(self, waveform: Tensor) -> Tensor:
        """`[1, C, F, T]`, on the CPU, without gradient."""
        with torch.no_grad():
            out = self.front_end(waveform)
        if not isinstance(out, Tensor) or out.ndim not in (2, 3):
            raise ModelRejected(
                f"The front end must return a tensor [F, T] or [C, F, T], not {type(out).__name__}"
                f"{list(out.shape) if isinstance(out, Tensor) else ''}.",
                field="input",
            )
        return out.detach().float().reshape(1, -1, *out.shape[-2:])

    def _features(self, waveform: Tensor) -> Tensor:
        try:
            x = self._run(waveform)
        except ModelRejected:
            raise
        except Exception as error:  # somebody's own code
            raise ModelRejected(
                f"The front end fails on a recording of {self.samples} samples.", field="input"
            ) from error
        if not torch.isfinite(x).all():
            raise InvalidInput(
                "The spectrogram of this recording holds values that are not numbers (NaN or infinite), as a logarithm of silence does.",
                code="not_finite",
                field="input",
            )
        return x

    def _prepared(self, x: Tensor, first: float, last: float, notes: tuple[str, ...]) -> Prepared:
        _, rows, columns = self.shape
        shown = x[0].mean(0).numpy()
        span = float(np.ptp(shown))
        rows_hz = np.linspace(0, self.rate / 2, rows) if self.frequencies is None else self.frequencies
        return Prepared(
            x=x,
            display=((shown - shown.min()) / (span or 1.0)).astype(np.float32),
            y_axis=Axis("frequency", "Hz", np.asarray(rows_hz, np.float64)),
            x_axis=Axis("time", "s", first + (np.arange(columns) + 0.5) * self.seconds / columns),
            window=(first, last),
            notes=notes,
        )
