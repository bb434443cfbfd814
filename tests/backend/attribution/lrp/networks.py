"""Networks the LRP tests share: the tiny ones, others with one awkward trait each, and real architectures
with calibrated batch norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models
from models.model import Model
from tests import tiny

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PreActivation(nn.Module):
    """Norm and an in-place ReLU before the convolution; the shortcut reads what the ReLU has overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.relu = (
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
        )
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        out = self.conv(self.relu(x))
        return self.fc((out + x).mean((2, 3)))


class PreNorm(nn.Module):
    """Two residual blocks that begin with batch norm (ResNet v2): the sums feed a norm that no convolution
    can take up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm1, self.conv1 = nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, padding=1)
        self.norm2, self.fc = nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.conv1(F.relu(self.norm1(x)))
        return self.fc(F.relu(self.norm2(x)).mean((2, 3)))


class Gated(nn.Module):
    """Squeeze and excitation, SiLU, hard swish, a learned scale per channel, grouped convolution, "same"
    padding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding="same")
        self.down, self.up = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.grouped = nn.Conv2d(8, 8, 3, groups=2, padding=1, padding_mode="reflect")
        self.gamma = nn.Parameter(torch.linspace(0.5, 1.5, 8))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.stem(x * 2.0 - 0.5))
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))
        x = F.hardswish(self.grouped(gate * x)) * self.gamma.view(1, -1, 1, 1)
        return self.fc(F.avg_pool2d(x, x.shape[-1]).flatten(1))


class ChannelsLast(nn.Module):
    """The ConvNeXt idiom: depthwise convolution, permute, layer norm, linear layers over the channels,
    GELU, residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm, self.first, self.second = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        x = x + self.second(F.gelu(self.first(out))).permute(0, 3, 1, 2)
        return self.fc(x.mean([-2, -1]))


class Shuffled(nn.Module):
    """Chunks, channel shuffle by view and transpose, a view with a computed size, and one ReLU for all."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.relu, self.fc = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Conv2d(4, 4, 1),
            nn.ReLU(),
            nn.Linear(8 * 16, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.relu(self.stem(x)).chunk(2, dim=1)
        x = torch.cat((left, self.relu(self.branch(right))), dim=1)
        b, c, h, w = x.size()
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)
        x = F.max_pool2d(x, 4)
        return self.fc(x.view(x.size(0), -1))


class Functional(nn.Module):
    """Everything by function: convolution with standardised weights, batch norm, linear; a parametrised
    convolution beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Parameter(torch.randn(8))
        self.register_buffer("mean", torch.linspace(-0.5, 0.5, 8))
        self.register_buffer("variance", torch.linspace(0.5, 1.5, 8))
        self.scale = nn.Parameter(torch.linspace(0.8, 1.2, 8))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3, groups=2))
        self.head = nn.Parameter(torch.randn(3, 8))

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) / self.weight.std(
            (1, 2, 3), keepdim=True
        )
        x = F.conv2d(x, weight, self.bias, stride=2, padding=1)
        x = F.relu(F.batch_norm(x, self.mean, self.variance, self.scale, None, False, 0.1, 1e-3))
        x = torch.nn.functional.relu6(self.normed(x), inplace=True)
        return F.linear(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1), self.head)


class Norms(nn.Module):
    """Group and layer norm, and rectifiers, each as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)
        self.group, self.layer = nn.GroupNorm(4, 8, eps=1e-4), nn.LayerNorm(8)
        for norm in (self.group, self.layer):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0.0, 0.2)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.group(self.first(x)))
        x = self.act(self.layer(self.act(self.second(x)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        return self.fc(x.mean((2, 3)))


class FunctionalNorms(Norms):
    """The same by functions."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.group_norm(self.first(x), 4, self.group.weight, self.group.bias, eps=1e-4).clamp(min=0)
        x = torch.maximum(self.second(x).clamp_(min=-1e9), torch.zeros(())).permute(0, 2, 3, 1)
        x = F.threshold(F.layer_norm(x, [8], self.layer.weight, self.layer.bias), 0.0, 0.0).permute(
            0, 3, 1, 2
        )
        return self.fc(x.mean((2, 3)))


class Branching(nn.Module):
    """Decides by value: cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.sum() > 0:
            x = x * 2
        return self.fc(x.mean((2, 3)))


AWKWARD = {
    "pre_activation": PreActivation,
    "pre_norm": PreNorm,
    "gated": Gated,
    "channels_last": ChannelsLast,
    "shuffled": Shuffled,
    "functional": Functional,
    "norms": Norms,
    "functional_norms": FunctionalNorms,
}
NAMES = (*tiny.BUILDERS, *AWKWARD)


def build(name: str) -> Model:
    """A tiny or awkward network with seeded weights, 32 x 32."""
    if name in tiny.BUILDERS:
        return tiny.build(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = AWKWARD[name]()
        shake(module)
    return models.wrap(module.eval(), ["a", "b", "c"], models.ImageInput(size=(tiny.SIZE, tiny.SIZE)))


def shake(module: nn.Module) -> None:
    """Batch-norm statistics and scales away from 0 and 1, so that merging them is not a no-op."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0.0, 0.2)
            nn.init.normal_(part.running_mean, 0.0, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)


def real(key: str, size: int = 96) -> Model:
    """A real architecture with seeded random weights whose batch norms have seen two noisy pictures (else
    activations vanish)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, _ = models.architecture(key, 10)
        if "vgg" in key:  # the convolutions are the point, not 120 million weights behind them
            module.classifier = nn.Sequential(
                nn.Linear(25088, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10)
            )
        for part in module.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)) and part.bias is not None:
                nn.init.normal_(part.bias, 0.0, 0.05)
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        module.eval()
        if norms:
            for norm in norms:
                norm.momentum = 1.0
                norm.train()
            with torch.no_grad():
                module(torch.cat([photo(size), torch.randn(3, 3, size, size)]))
            module.eval()
            for norm in norms:
                nn.init.normal_(norm.bias, 0.0, 0.1)
                nn.init.uniform_(norm.weight, 0.8, 1.2)
    return models.wrap(
        module, [f"class {i}" for i in range(10)], models.ImageInput(size=(size, size), mean=MEAN, std=STD)
    )


def photo(size: int, seed: int = 3) -> Tensor:
    """A smooth picture within the bounds of black and white, normalised, `[1, 3, size, size]`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = F.interpolate(
        torch.rand(1, 3, 7, 7, generator=generator), size=(size, size), mode="bilinear", align_corners=False
    )
    unit = (0.9 * coarse + 0.1 * torch.rand(1, 3, size, size, generator=generator)).clamp(0, 1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (unit - mean) / std
