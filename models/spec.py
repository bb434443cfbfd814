"""What is explained: how an input becomes a tensor, and a network with its labels, layers and honest card.

Tensors: `x` is `[N, C, H, W]` float32. The **display grid** is the model's input grid `[H, W]`; every map lives on it, and its two
axes carry units, so a map cell can be named in pixels of the original photo or in seconds and Hz of the recording.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from models.probing import Probe

Modality = Literal["image", "audio", "spectrogram"]
Baseline = Literal["black", "mean", "blur", "silence"]


@dataclass(frozen=True, eq=False)
class Axis:
    """Coordinates of the cell centres along one side of the display grid.

    values: float64 `[n]`, ascending, in `unit`. Row 0 is the first value; for frequency that is the *lowest* band, so pictures of
    spectrograms are drawn with the origin at the bottom (`origin == "lower"`).
    """

    name: Literal["x", "y", "time", "frequency"]
    unit: Literal["px", "s", "Hz"]
    values: np.ndarray

    @property
    def origin(self) -> Literal["upper", "lower"]:
        return "lower" if self.name == "frequency" else "upper"


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input made ready for one model.

    x: float32 `[1, C, H, W]`. display: uint8 `[H, W, 3]` or float32 `[H, W]` in 0..1, what a person sees on the same grid.
    y, x_axis: axes of the display grid. window: the part used, in seconds, when the recording is longer than the model's input.
    """

    x: Tensor
    display: np.ndarray
    y_axis: Axis
    x_axis: Axis
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class InputSpec(ABC):
    """From raw input to tensor and back to units. Frozen dataclasses; one subclass per kind of input (models/inputs)."""

    modalities: ClassVar[tuple[Modality, ...]]
    baselines: ClassVar[tuple[Baseline, ...]]
    """Offered replacements for removed evidence, the default first."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one prepared input."""

    @abstractmethod
    def prepare(self, raw: Any, *, start: float | None = None) -> Prepared:
        """raw: path, bytes, PIL image, array, or `(waveform, rate)`. start: first second of the window, None takes the loudest event.

        Raises InvalidInput for what cannot be used (silence, too short, wrong rank, non-finite).
        """

    @abstractmethod
    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """The input with its evidence removed, same shape as `x`; None takes the default of this kind of input."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """JSON for the catalogue: kind, shape, modalities, baselines, units."""


@dataclass(frozen=True)
class Layer:
    """A place to look inside. `name` is a path of `named_modules()` and means that module's *output*."""

    name: str
    kind: str
    shape: tuple[int, int, int]
    """`(C, h, w)` for one input."""


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """One entry of the catalogue: everything needed to build and to describe a model, without building it."""

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
    """Calibration: probabilities are softmax(logits / temperature). Maps always explain the logits themselves."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """Honest figures: data, split, AUC with intervals, confound, intended use."""


class Model:
    """A network ready to be explained: eval mode, parameters frozen, on one device. Not thread-safe (hooks): one per process."""

    def __init__(self, spec: ModelSpec, module: nn.Module, digest: str, device: torch.device | str = "cpu") -> None:
        self.spec = spec
        self.module = module.eval().to(device).requires_grad_(False)
        self.digest = digest
        """sha256 of the weights, hex."""
        self.device = torch.device(device)
        self._probed: Probe | None = None

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def labels(self) -> tuple[str, ...]:
        return self.spec.labels

    @property
    def input(self) -> InputSpec:
        return self.spec.input

    def prepare(self, raw: Any, *, start: float | None = None) -> Tensor:
        """path, bytes, PIL image, array or `(waveform, rate)` -> float32 `[1, C, H, W]` on the model's device."""
        return self.input.prepare(raw, start=start).x.to(self.device)

    @property
    def single_logit(self) -> bool:
        """One output column for two classes: `+y` speaks for class 1, `-y` for class 0."""
        return self.probed.outputs[-1:] == (1,)

    def select(self, outputs: Tensor, target: int) -> Tensor:
        """The logit to explain, `[N]`, from the module's raw outputs `[N, K]` (or `[N, 1]` for a single-logit model)."""
        if outputs.shape[1] == 1:
            return outputs[:, 0] if target == 1 else -outputs[:, 0]
        return outputs[:, target]

    def logits(self, x: Tensor) -> Tensor:
        """`[N, len(labels)]`; a single logit y becomes (-y/2, y/2), whose softmax is the sigmoid of y."""
        out = self.module(x.to(self.device))
        return torch.cat([-out / 2, out / 2], dim=1) if out.shape[1] == 1 else out

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Calibrated probabilities `[N, len(labels)]`."""
        return torch.softmax(self.logits(x) / self.spec.temperature, dim=1)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Modules with a spatial output, in execution order (found by one forward pass)."""
        return self.probed.layers

    @property
    def offered_layers(self) -> tuple[Layer, ...]:
        """A short list for a layer picker: ends of blocks and activations, in execution order; holds the default layer."""
        return self.probed.offered

    @property
    def default_layer(self) -> str:
        """The last convolutional block after its activation. Raises Incompatible for a network without feature maps."""
        name = self.spec.default_layer or self.probed.default
        if name is None:
            from app.core.errors import Incompatible

            raise Incompatible("This network has no layer with feature maps; choose a method that does not look inside.", field="layer")
        return name

    @property
    def probed(self) -> Probe:
        """What one forward pass found inside, kept."""
        if self._probed is None:
            from models.probing import probe

            self._probed = probe(self.module, self.input.shape, self.device)
        return self._probed


def check_labels(labels: Sequence[str], outputs: int) -> tuple[str, ...]:
    """Labels for `outputs` columns; two labels may share one column. Raises ModelRejected when the numbers do not match."""
    from app.core.errors import ModelRejected

    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return tuple(str(label) for label in labels)
    raise ModelRejected(
        f"The network has {outputs} outputs but {len(labels)} labels were given; give one label per output.", field="labels"
    )
