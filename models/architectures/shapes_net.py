"""The small VGG-like network of the controlled pictures: convolutions with biases, ReLU modules, global
average pooling, one linear layer.

No batch norm and no reused module, so LRP, CAM and the layer lens apply exactly: Grad-CAM equals CAM on it.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from models.architectures import Architecture, register
from models.inputs.image import ImageInput
from models.synthetic.shapes import LABELS, SIZE

WIDTHS = (16, 32, 64, 80, 80)
POOLED = 2
"""How many of the convolutions are followed by max pooling: the last feature maps are 16 x 16, and a cell
sees 34 x 34 pixels."""
INPUT = ImageInput(size=(SIZE, SIZE), mean=(0.5,), std=(0.25,))


def shapes_net(classes: int = len(LABELS)) -> nn.Sequential:
    """`[N, 3, 64, 64]` to logits `[N, classes]`; 127,748 parameters for four classes."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = INPUT.channels
    for number, outputs in enumerate(WIDTHS, start=1):
        parts |= {f"conv{number}": nn.Conv2d(inputs, outputs, 3, padding=1), f"relu{number}": nn.ReLU()}
        if number <= POOLED:
            parts[f"pool{number}"] = nn.MaxPool2d(2)
        inputs = outputs
    parts |= {"gap": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "linear": nn.Linear(inputs, classes)}
    for part in parts.values():
        if isinstance(
            part, nn.Conv2d
        ):  # He's start: with torch's own the textures are sometimes never learnt
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
    return nn.Sequential(parts)


@register
def shapes() -> Architecture:
    return Architecture(
        key="shapes",
        title="Small CNN for shapes",
        build=shapes_net,
        input=INPUT,
        labels=LABELS,
        default_layer="relu5",
    )
