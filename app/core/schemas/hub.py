"""Published networks by name, and what a file of weights says about itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class PublishedName(BaseModel):
    """A network of timm or torchvision. `download_bytes` is about right (four bytes for each parameter)."""

    key: str
    family: str
    parameters: int
    download_bytes: int
    input: tuple[int, int, int]
    """Channels, height, width."""
    classes: int
    licence: str
    address: str
    """Where a person can download the weights; empty where there are none as safetensors."""
    reason: str
    """Why it cannot be fetched or explained; empty where it can."""
    here: bool
    """Its weights are on this server already."""


class PublishedNames(BaseModel):
    """What a search found. total: all names that can be searched. downloads: whether this server may fetch."""

    total: int
    found: int
    downloads: bool
    nearest: str | None
    """A name that may have been meant, where nothing was found."""
    names: list[PublishedName]


class Candidate(BaseModel):
    """An architecture that all tensors of a file fit."""

    key: str
    family: str
    parameters: int
    input: tuple[int, int, int]


class Recognition(BaseModel):
    """candidates: the likeliest first. labels: those it gets unless others are sent; `labels_from` says whose."""

    tensors: int
    outputs: int
    candidates: list[Candidate]
    labels: list[str]
    labels_from: Literal["file", "imagenet", "numbers"]


class LabelList(BaseModel):
    labels: list[str]
