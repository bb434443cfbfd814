"""SqueezeNet 1.1 for photographs (Iandola et al. 2016, arXiv 1602.07360; version 1.1 of its authors), with the tensor
names of torchvision's network, so that weights published for that load here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.architectures import Architecture, register
from models.inputs.image import ImageInput

CLASSES = 1000
FIRES = {
    3: (64, 16, 64),
    4: (128, 16, 64),
    6: (128, 32, 128),
    7: (256, 32, 128),
    9: (256, 48, 192),
    10: (384, 48, 192),
    11: (384, 64, 256),
    12: (512, 64, 256),
}
"""Place in the network: input channels, squeezed channels, channels of each of the two expansions."""
LAYERS = 13


class Fire(nn.Module):
    """`[N, inputs, h, w]` to `[N, 2 * expanded, h, w]`: a 1x1 convolution that squeezes, then a 1x1 and a 3x3
    convolution side by side; a ReLU of its own after each."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            [self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1
        )


class SqueezeNet(nn.Module):
    """`[N, 3, 224, 224]` to logits `[N, classes]`; 1,235,496 parameters for 1,000 classes.

    The head is a convolution to one map per class, rectified and averaged: a logit is never negative. No ReLU is
    in-place and none is reused.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        start: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
        fires = [
            Fire(*FIRES[place]) if place in FIRES else nn.MaxPool2d(3, stride=2, ceil_mode=True)
            for place in range(len(start), LAYERS)
        ]
        self.features = nn.Sequential(*start, *fires)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(512, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


@register
def squeezenet() -> Architecture:
    return Architecture(
        key="squeezenet",
        title="SqueezeNet 1.1",
        build=SqueezeNet,
        input=ImageInput(
            size=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="crop"
        ),
        labels=tuple(f"class {i}" for i in range(CLASSES)),
        paper="Iandola et al. 2016, SqueezeNet, arXiv 1602.07360",
        default_layer="features.12",
    )
