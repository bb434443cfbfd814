"""The cnnexplain network for cough spectrograms (after arXiv 2207.12958; layer sizes are our reading, the
paper at hand leaves them open)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from models.architectures import Architecture, register
from models.inputs.sound import SoundInput

DEFAULT_LAYER = "relu4"
"""The last convolution after its activation: 128 maps of 8 x 16 cells."""
PAPER = "cnnexplain (arXiv 2207.12958; Healthcare Analytics 8, 2025, 100408); layer sizes are our reading"


class CnnExplain(nn.Sequential):
    """`[N, 1, 64, 128]` log-mel in 0..1 -> `[N, classes]` logits.

    Four convolutions (5x5x16, 3x3x32, 3x3x64, 3x3x128), each with a ReLU of its own that is not in-place,
    max-pooling after the first three, global average pooling, dropout, one linear layer: 97 794 parameters
    for two classes. No batch norm: relevance propagation and CAM hold exactly, and global average pooling
    makes Grad-CAM at `relu4` equal to CAM up to a factor.
    """

    def __init__(self, classes: int = 2, dropout: float = 0.3) -> None:
        layers: list[tuple[str, nn.Module]] = []
        channels = 1
        for i, (width, kernel) in enumerate([(16, 5), (32, 3), (64, 3), (128, 3)], start=1):
            layers += [
                (f"conv{i}", nn.Conv2d(channels, width, kernel, padding=kernel // 2)),
                (f"relu{i}", nn.ReLU()),
            ]
            if i < 4:
                layers.append((f"pool{i}", nn.MaxPool2d(2)))
            channels = width
        head = [
            ("pool", nn.AdaptiveAvgPool2d(1)),
            ("flatten", nn.Flatten()),
            ("dropout", nn.Dropout(dropout)),
            ("linear", nn.Linear(channels, classes)),
        ]
        super().__init__(OrderedDict([*layers, *head]))
        for module in self.modules():
            if isinstance(
                module, nn.Conv2d
            ):  # without batch norm the default initialisation lets the signal fade from layer to layer
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


@register
def cnnexplain() -> Architecture:
    return Architecture(
        key="cnnexplain",
        title="cnnexplain",
        build=CnnExplain,
        input=SoundInput(),
        labels=("class 0", "class 1"),
        paper=PAPER,
        default_layer=DEFAULT_LAYER,
    )
