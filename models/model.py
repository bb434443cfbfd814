"""A network with its labels and its input: the object that every explanation takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from app.core.errors import Incompatible, ModelRejected
from models.media.levels import Scale
from models.spec import InputSpec, Layer, ModelSpec
from models.structure import Structure, structure_of


class Model:
    """A network ready to be explained: eval mode, parameters frozen, on one device. Not thread-safe
    (hooks): one per process."""

    def __init__(
        self, spec: ModelSpec, module: nn.Module, digest: str, device: torch.device | str = "cpu"
    ) -> None:
        self.spec = spec
        self.module = module.eval().to(device).requires_grad_(False)
        self.digest = digest
        """sha256 of the weights, hex."""
        self.device = torch.device(device)
        self._structure: Structure | None = None

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def labels(self) -> tuple[str, ...]:
        return self.spec.labels

    @property
    def input(self) -> InputSpec:
        return self.spec.input

    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Tensor:
        """path, bytes, PIL image, array or `(waveform, rate)` -> float32 `[1, C, H, W]` on the model's
        device. scale: `db`, `power`, `amplitude` or `unit`, for a spectrogram whose numbers leave a doubt."""
        return self.input.prepare(raw, start=start, scale=scale).x.to(self.device)

    @property
    def single_logit(self) -> bool:
        """One output column for two classes: `+y` speaks for class 1, `-y` for class 0."""
        return self.structure.outputs[-1:] == (1,)

    def select(self, outputs: Tensor, target: int) -> Tensor:
        """The logit to explain, `[N]`, from the module's raw outputs `[N, K]` (or `[N, 1]` for a
        single-logit model)."""
        if outputs.shape[1] == 1:
            return outputs[:, 0] if target == 1 else -outputs[:, 0]
        return outputs[:, target]

    def logits(self, x: Tensor) -> Tensor:
        """`[N, len(labels)]`; a single logit y becomes (-y/2, y/2), whose softmax is the sigmoid of y."""
        return self.paired(self.module(x.to(self.device)))

    def paired(self, out: Tensor) -> Tensor:
        """The same of what the module, or a faster copy of it, gave."""
        return torch.cat([-out / 2, out / 2], dim=1) if out.shape[1] == 1 else out

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Calibrated probabilities `[N, len(labels)]`."""
        return self.probabilities(self.logits(x))

    @property
    def independent(self) -> bool:
        """Whether the classes' probabilities are independent (several outputs that ended in a sigmoid)."""
        return self.spec.ending is not None and self.spec.ending.kind == "sigmoid" and not self.single_logit

    def probabilities(self, logits: Tensor) -> Tensor:
        """Calibrated probabilities `[..., len(labels)]` from `logits`: a softmax, or a sigmoid for each
        class where they are independent."""
        scaled = logits / self.spec.temperature
        return torch.sigmoid(scaled) if self.independent else torch.softmax(scaled, dim=-1)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Modules with a spatial output, in execution order (found by one forward pass)."""
        return self.structure.layers

    @property
    def offered_layers(self) -> tuple[Layer, ...]:
        """A short list for a layer picker: ends of blocks and activations, in execution order; holds the
        default layer."""
        return self.structure.offered

    @property
    def default_layer(self) -> str:
        """The last convolutional block after its activation. Raises Incompatible for a network without
        feature maps."""
        name = self.spec.default_layer or self.structure.default
        if name is None:
            raise Incompatible(
                "This network has no layer with feature maps; choose a method that does not look inside.",
                field="layer",
            )
        return name

    @property
    def structure(self) -> Structure:
        """The network's layers and outputs, found by one forward pass at first use."""
        if self._structure is None:
            self._structure = structure_of(self.module, self.input.shape, self.device)
        return self._structure

    def forget_structure(self) -> None:
        """Drops `structure` after the network was changed; the next access runs the pass again."""
        self._structure = None


def check_labels(labels: Sequence[str], outputs: int) -> tuple[str, ...]:
    """Labels for `outputs` columns; two labels may share one column. Raises ModelRejected when the numbers
    do not match."""
    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return tuple(str(label) for label in labels)
    raise ModelRejected(
        f"The network has {outputs} outputs but {len(labels)} labels were given; give one label per output.",
        field="labels",
    )
