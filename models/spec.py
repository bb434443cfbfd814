"""Specifications: how an input becomes a tensor, and a network with its labels, layers and card.

Tensors: `x` is `[N, C, H, W]` float32. The **display grid** is the model's input grid `[H, W]`; every map
lives on it, and its two axes carry units, so a map cell can be named in pixels of the original photo or in
seconds and Hz of the recording.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from torch import Tensor, nn

if TYPE_CHECKING:
    from models.media.levels import Scale
    from models.outputs import Ending

Modality = Literal["image", "audio", "spectrogram"]
Baseline = Literal["black", "mean", "blur", "silence"]


@dataclass(frozen=True, eq=False)
class Axis:
    """Coordinates of the cell centres along one side of the display grid.

    values: float64 `[n]`, ascending, in `unit`. Row 0 is the first value; for frequency that is the *lowest*
    band, so pictures of spectrograms are drawn with the origin at the bottom (`origin == "lower"`).
    """

    name: Literal["x", "y", "time", "frequency"]
    unit: Literal["px", "s", "Hz"]
    values: np.ndarray

    @property
    def origin(self) -> Literal["upper", "lower"]:
        return "lower" if self.name == "frequency" else "upper"


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input prepared for one model.

    x: float32 `[1, C, H, W]`. display: uint8 `[H, W, 3]` or float32 `[H, W]` in 0..1, what a person sees on
    the same grid. y, x_axis: axes of the display grid. window: the part used, in seconds, when the recording
    is longer than the model's input.
    """

    x: Tensor
    display: np.ndarray
    y_axis: Axis
    x_axis: Axis
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class InputSpec(ABC):
    """From raw input to tensor and back to units. Frozen dataclasses; one subclass per kind of input
    (models/inputs)."""

    modalities: ClassVar[tuple[Modality, ...]]
    baselines: ClassVar[tuple[Baseline, ...]]
    """Offered replacements for removed evidence, the default first."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one prepared input."""

    @abstractmethod
    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Prepared:
        """raw: path, bytes, PIL image, array, or `(waveform, rate)`. start: first second of the window, None
        takes the loudest event. scale: of the numbers of a spectrogram, None lets them tell.

        Raises InvalidInput for what cannot be used (silence, too short, wrong rank, non-finite).
        """

    @abstractmethod
    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """The input with its evidence removed, same shape as `x`; None takes the default of this kind of
        input."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """JSON for the catalogue: kind, shape, modalities, baselines, units."""


@dataclass(frozen=True)
class Layer:
    """A layer that can be explained. name: path of `named_modules()`; it refers to that module's *output*."""

    name: str
    kind: str
    shape: tuple[int, int, int]
    """`(C, h, w)` for one input."""


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """One entry of the catalogue: all that is needed to describe a model without building it, and to build it."""

    key: str
    title: str
    build: Callable[[], nn.Module]
    input: InputSpec
    labels: tuple[str, ...]
    weights: Path | None = None
    """Bundled safetensors; None when the weights come from the hub or from the user."""
    sha256: str | None = None
    source: str = ""
    licence: str = ""
    paper: str = ""
    default_layer: str | None = None
    temperature: float = 1.0
    """Calibration: probabilities are softmax(logits / temperature). Maps always explain the logits
    themselves."""
    default_for: tuple[Modality, ...] = ()
    """Kinds of input that are given to this model unless another is asked for."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """JSON: data, split, figures with intervals, confounds, intended use."""
    ending: Ending | None = None
    """The final softmax or sigmoid that loading removed, so that the network returns logits."""
