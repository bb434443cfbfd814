"""What is explained: how an input becomes a tensor, and a network with its labels, layers and honest card.

Tensors: `x` is `[N, C, H, W]` float32. The **display grid** is the model's input grid `[H, W]`; every map lives on it, and its two
axes carry units, so a map cell can be named in pixels of the original photo or in seconds and Hz of the recording.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

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
        self._layers: tuple[Layer, ...] | None = None
        self._outputs: int | None = None

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
        if self._outputs is None:
            self._probe()
        return self._outputs == 1

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
        """Modules with a spatial output, in execution order (found by one forward pass on a blank input)."""
        if self._layers is None:
            self._probe()
        return self._layers or ()

    @property
    def default_layer(self) -> str:
        """The last convolutional block after its activation."""
        if self.spec.default_layer:
            return self.spec.default_layer
        return self.layers[-1].name

    def _probe(self) -> None:
        """One forward pass with hooks: which modules run, in which order, with which output shapes."""
        found: dict[str, Layer] = {}
        handles = []

        def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
                if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[-2:]) > 1:
                    found.pop(name, None)
                    found[name] = Layer(name, type(module).__name__, tuple(output.shape[1:]))  # type: ignore[arg-type]

            return hook

        for name, module in self.module.named_modules():
            if name:
                handles.append(module.register_forward_hook(watch(name)))
        try:
            with torch.no_grad():
                out = self.module(torch.zeros(1, *self.input.shape, device=self.device))
        finally:
            for handle in handles:
                handle.remove()
        self._layers = tuple(found.values())
        self._outputs = int(out.shape[1])


def check_labels(labels: Sequence[str], outputs: int) -> tuple[str, ...]:
    """Labels for `outputs` columns; two labels may share one column. Raises ModelRejected when the numbers do not match."""
    from app.errors import ModelRejected

    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return tuple(str(label) for label in labels)
    raise ModelRejected(
        f"The network has {outputs} outputs but {len(labels)} labels were given; give one label per output.", field="labels"
    )
