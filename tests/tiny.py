"""Small untrained networks, one per trick that real architectures play on explanation methods. Seeded, so
every run sees the same weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models

SIZE = 32


class Plain(nn.Sequential):
    """Convolutions with biases, ReLU modules, global average pooling, linear: Grad-CAM equals CAM here."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, outputs),
        )


class BatchNormed(nn.Sequential):
    """VGG with batch norm, in-place ReLU and a large head (no global pooling)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(4),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(12 * 16, 16),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(16, 4),
        )


class Residual(nn.Module):
    """One ReLU module used twice, a functional `+`, a strided projection: the ResNet idiom."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.down = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn0(self.stem(x)))
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.down(x)
        out = self.relu(out)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(out, 1), 1))


class Dense(nn.Module):
    """Concatenation with pre-activation batch norm (BN before the convolution it cannot be merged into
    directly): the DenseNet idiom."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm1, self.conv1 = nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3, padding=1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(14), nn.Conv2d(14, 6, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(20)
        self.fc = nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.stem(x), 2)
        x = torch.cat([x, self.conv1(F.relu(self.norm1(x), inplace=True))], 1)
        x = torch.cat([x, self.conv2(F.relu(self.norm2(x), inplace=True))], 1)
        x = F.relu(self.norm3(x), inplace=True)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Mobile(nn.Module):
    """Inverted residual with depthwise convolution and ReLU6; the residual sum is *not* rectified: layers
    with negative values."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)
        )
        self.block = nn.Sequential(
            nn.Conv2d(8, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 8, 1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.head = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.head(x + self.block(x))
        return self.classifier(x.mean([2, 3]))


class Fire(nn.Module):
    """Squeeze and expand, and a convolutional classifier under global pooling: the SqueezeNet idiom."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)
        )
        self.squeeze, self.left, self.right = (
            nn.Conv2d(8, 4, 1),
            nn.Conv2d(4, 8, 1),
            nn.Conv2d(4, 8, 3, padding=1),
        )
        self.act = nn.ReLU(inplace=True)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(16, 3, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(self.stem(x)))
        x = torch.cat([self.act(self.left(x)), self.act(self.right(x))], 1)
        return torch.flatten(self.classifier(x), 1)


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "plain": Plain,
    "single_logit": lambda: Plain(outputs=1),
    "batch_normed": BatchNormed,
    "residual": Residual,
    "dense": Dense,
    "mobile": Mobile,
    "fire": Fire,
}


def build(name: str, seed: int = 0) -> models.Model:
    """A wrapped tiny model with seeded weights and non-trivial batch-norm statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = BUILDERS[name]()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0.0, 0.2)
                nn.init.normal_(part.running_mean, 0.0, 0.2)
                nn.init.uniform_(part.running_var, 0.5, 1.5)
        outputs = module.eval()(torch.zeros(1, 3, SIZE, SIZE)).shape[1]
    labels = [f"class {i}" for i in range(max(2, outputs))]
    return models.wrap(module, labels=labels, input=models.ImageInput(size=(SIZE, SIZE)))


def picture(seed: int = 0) -> Tensor:
    """A smooth random input `[1, 3, 32, 32]`, normalised."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 8, 8, generator=generator)
    return F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=False) + 0.1 * torch.randn(
        1, 3, SIZE, SIZE, generator=generator
    )
