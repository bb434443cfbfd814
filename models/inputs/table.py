"""Tables of numbers as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from app.core.errors import InvalidInput
from models.inputs.files import is_file, read_file
from models.inputs.replaced import replaced
from models.media.arrays import Spectrogram
from models.media.levels import Scale
from models.spec import Axis, Baseline, InputSpec, Modality, Prepared


@dataclass(frozen=True)
class ArrayInput(InputSpec):
    """`x = (numbers - mean) / std`, nothing else: no resizing, no scaling, no units. For what was prepared elsewhere.

    size: `(H, W)` or `(C, H, W)` of every input. On the page an input is a `.npy` file `[H, W]` of floats (its rows
    are drawn from the bottom up, as those of spectrograms are); several channels can be given in Python.
    """

    size: tuple[int, ...]
    mean: float = 0.0
    std: float = 1.0

    modalities: ClassVar[tuple[Modality, ...]] = ("spectrogram",)
    baselines: ClassVar[tuple[Baseline, ...]] = ("mean", "blur")

    def __post_init__(self) -> None:
        if len(self.size) not in (2, 3) or min(self.size) < 1 or not 0 < self.std < np.inf:
            raise ValueError("an array input needs a size (H, W) or (C, H, W), and a positive std")
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))

    @property
    def shape(self) -> tuple[int, int, int]:
        channels, height, width = (1, *self.size)[-3:]
        return channels, height, width

    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Prepared:
        """raw: path or bytes of a `.npy` file, array or tensor. Raises InvalidInput for another shape and for what is
        not finite."""
        if is_file(raw):
            raw = read_file(raw, self.modalities, scale).canonical
        values = raw.values if isinstance(raw, Spectrogram) else raw
        values = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        if values.dtype.kind not in "fiub":
            raise InvalidInput("The array must hold real numbers.", field="input")
        if values.size != np.prod(self.shape) or values.shape[-2:] != self.shape[1:]:
            raise InvalidInput(
                f"This model takes arrays of {' x '.join(map(str, self.size))}; this one is {' x '.join(map(str, values.shape))}, and "
                "arrays are taken as they are.",
                code="array_shape",
                field="input",
            )
        numbers = values.astype(np.float32).reshape(self.shape)
        if not np.isfinite(numbers).all():
            raise InvalidInput(
                "The array holds numbers that are not finite (NaN or infinite).",
                code="not_finite",
                field="input",
            )
        shown = numbers.mean(0)
        span = float(np.ptp(shown))
        return Prepared(
            x=torch.from_numpy((numbers - self.mean) / self.std)[None],
            display=((shown - shown.min()) / (span or 1.0)).astype(np.float32),
            y_axis=Axis("frequency", "px", np.arange(self.shape[1]) + 0.5),
            x_axis=Axis("x", "px", np.arange(self.shape[2]) + 0.5),
        )

    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """mean: each input's own mean, channel by channel. blur: a Gaussian of 5 % of the longer side."""
        return replaced(x, kind, self.baselines, "arrays")

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "array",
            "shape": list(self.shape),
            "modalities": list(self.modalities),
            "baselines": list(self.baselines),
            "units": {"y": "px", "x": "px"},
            "mean": self.mean,
            "std": self.std,
        }
