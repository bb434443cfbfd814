"""ResNet-20 for 32 x 32 photos (He et al. 2015, arXiv 1512.03385, section 4.2), which torchvision does not
have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures import Architecture, register
from models.inputs.image import ImageInput

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WIDTHS = (16, 32, 64)
BLOCKS = 3


class PadShortcut(nn.Module):
    """The parameter-free shortcut (option A): every second cell, and zero channels on both sides."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut; two ReLU modules, none reused."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity() if stride == 1 else PadShortcut((outputs - inputs) // 2)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu2(out + self.shortcut(x))


class ResNetCifar(nn.Module):
    """`[N, 3, 32, 32]` to logits `[N, classes]`; 269,722 parameters for ten classes."""

    def __init__(self, classes: int = len(CIFAR10)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU()
        self.layer1 = self._stage(WIDTHS[0], WIDTHS[0], 1)
        self.layer2 = self._stage(WIDTHS[0], WIDTHS[1], 2)
        self.layer3 = self._stage(WIDTHS[1], WIDTHS[2], 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(WIDTHS[2], classes)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            Block(inputs, outputs, stride), *(Block(outputs, outputs, 1) for _ in range(BLOCKS - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(self.pool(x), 1))


@register
def resnet20_cifar() -> Architecture:
    return Architecture(
        key="resnet20_cifar",
        title="ResNet-20 for small photos (CIFAR-10)",
        build=ResNetCifar,
        input=ImageInput(size=(32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        labels=CIFAR10,
        paper="He, Zhang, Ren, Sun 2015, arXiv 1512.03385",
        default_layer="layer3",
        files=("resnet20_cifar10",),
    )
