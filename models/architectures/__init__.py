"""Our own networks, one file each, by key: what an uploaded file may claim to be. `timm:NAME` and
`torchvision:NAME` come on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from app.core.registry import Registry
from models.spec import InputSpec, ModelSpec


@dataclass(frozen=True, eq=False)
class Architecture:
    """An untrained network. build: number of classes -> module. labels: of the data it was made for."""

    key: str
    title: str
    build: Callable[[int], nn.Module]
    input: InputSpec
    labels: tuple[str, ...]
    paper: str = ""
    default_layer: str | None = None
    files: tuple[str, ...] = ()
    """Other names (without ending) under which its weights may lie in the weights folder."""

    def spec(self) -> ModelSpec:
        """The network with its own labels, for weights that the user brings."""
        return ModelSpec(
            key=self.key,
            title=self.title,
            build=lambda: self.build(len(self.labels)),
            input=self.input,
            labels=self.labels,
            paper=self.paper,
            default_layer=self.default_layer,
        )


ARCHITECTURES: Registry[Architecture] = Registry("architecture", "models.architectures")
register = ARCHITECTURES.register
