"""Architectures of timm and torchvision by name."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from app.errors import NotFound
from models.spec import InputSpec, ModelSpec


def local_specs() -> dict[str, ModelSpec]:
    return {}


def local_file(key: str) -> Path | None:
    return None


def resolve(key: str, weights: str | Path | None) -> tuple[ModelSpec, Path | None]:
    raise NotFound("There is no model of that name.", field="model")


def architecture(key: str, classes: int) -> tuple[nn.Module, InputSpec]:
    raise NotFound("There is no model of that name.", field="model")
