"""The small VGG-like network of the controlled pictures: convolutions with biases, ReLU modules, global average pooling, one linear layer.

No batch norm and no reused module, so LRP, CAM and the layer lens apply exactly: Grad-CAM equals CAM on it.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from models.architectures import Architecture, register
from models.inputs.image import ImageInput
from models.synthetic.shapes import LABELS, SIZE

WIDTHS = (24, 32, 64, 96, 96)
POOLED = 3
"""How many of the convolutions are followed by max pooling: the last feature maps are 8 x 8."""
INPUT = ImageInput(size=(SIZE, SIZE), mean=(0.5,), std=(0.25,))


class ShapesNet(nn.Sequential):
    """`[N, 3, 64, 64]` to logits `[N, classes]`; 164,932 parameters for four classes."""

    def __init__(self, classes: int = len(LABELS)) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = INPUT.channels
        for number, outputs in enumerate(WIDTHS, start=1):
            parts[f"conv{number}"] = nn.Conv2d(inputs, outputs, 3, padding=1)
            parts[f"relu{number}"] = nn.ReLU()
            if number <= POOLED:
                parts[f"pool{number}"] = nn.MaxPool2d(2)
            inputs = outputs
        parts["gap"] = nn.AdaptiveAvgPool2d(1)
        parts["flatten"] = nn.Flatten()
        parts["linear"] = nn.Linear(inputs, classes)
        super().__init__(parts)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):  # He's start: with torch's own the textures are sometimes never learnt
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                if part.bias is not None:
                    nn.init.zeros_(part.bias)


@register
def shapes() -> Architecture:
    return Architecture(key="shapes", title="Small CNN for shapes", build=ShapesNet, input=INPUT, labels=LABELS, default_layer="relu5")
