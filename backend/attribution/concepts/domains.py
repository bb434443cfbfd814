"""Of what kind are examples: photographs or drawn pictures, recordings or generated sounds? Counter-examples
have to be of the same kind.

Against drawings, any twenty photographs are a concept: the network tells a photograph from a drawing, and
whatever photographs share "counts". So counter-examples of a concept's own kind are taken, and a pair of sets
of different kinds is said to show the kind only.

Pictures are told by how they were made, not by what they show: fine-grained residue (size, and whether it
agrees between the colours), the fall of the spectrum, the share of exactly flat cells, on the grid that the
network sees. A logistic classifier is fitted on those numbers for each model: bundled photographs, whole and
cut, against every picture that our programs draw, as it is and re-encoded. A set is of the kind of most of
its examples. Sounds are told by where they come from: those that a program made, and all others.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.model import Model
from models.photographs import photographs
from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES

Kind = Literal["photographs", "drawn pictures", "recordings", "generated sounds"]
PER_CONCEPT = 6
SIDE = 128
"""Cells of the middle of a picture that are looked at; texture is the same everywhere."""
TINY = 1e-9


def unlike_words(kind: Kind, other: Kind, share: float | None) -> str | None:
    """Why a comparison of two sets says nothing about the concept; None when they are of one kind. share: of
    random sets of the first kind that would beat chance too."""
    if kind == other:
        return None
    too = "" if share is None else f" Of random sets of {kind}, {100 * share:.0f} % would score as much."
    return f"The examples are {kind}, the counter-examples {other}: this shows the kind, not the concept.{too} Take counter-examples from the same source."


def picture_classifier(model: Model) -> Callable[[Tensor], Kind]:
    """Prepared pictures `[N, C, H, W]` -> the kind of most of them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    photos = photographs()
    real = texture(_prepared(model, [*photos, *(_cut(photo, generator) for photo in photos[::2])]))
    kinds = [
        concept for concept in (*CONCEPTS.values(), COUNTER_EXAMPLES["image"]) if concept.modality == "image"
    ]
    pictures = [picture for concept in kinds for picture in concept.make(2 * PER_CONCEPT, seed=1)]
    drawn = texture(
        _prepared(model, [*pictures[::2], *(_encoded(picture, generator) for picture in pictures[1::2])])
    )
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000)
    )
    classifier.fit(np.concatenate([real, drawn]), np.repeat([1, 0], [len(real), len(drawn)]))
    return lambda x: "photographs" if classifier.predict(texture(x)).mean() > 0.5 else "drawn pictures"


@torch.no_grad()
def texture(x: Tensor) -> np.ndarray:
    """How pictures `[N, C, H, W]` were made, in numbers `[N, F]` that do not change with brightness and
    contrast."""
    top, left = (max(0, (length - SIDE) // 2) for length in x.shape[2:])
    x = x[:, :, top : top + SIDE, left : left + SIDE].detach().cpu().double()
    x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + TINY)
    kernel = torch.tensor([1.0, -2.0, 1.0], dtype=x.dtype)
    residue = F.conv2d(x, torch.outer(kernel, kernel).expand(x.shape[1], 1, 3, 3), groups=x.shape[1])
    size = residue.abs()
    local = F.avg_pool2d(residue.square().mean(1, keepdim=True), max(2, x.shape[2] // 16)).flatten(1).sqrt()
    parts = [
        _quantiles(size.flatten(1), (0.1, 0.3, 0.5, 0.9)),
        _quantiles(local, (0.05, 0.25, 0.5, 0.95)),
        _spectrum(x),
    ]
    parts.append((size < 1e-4).double().mean((1, 2, 3))[:, None])
    if x.shape[1] == 3:
        whole = residue.flatten(2)
        quiet = (
            whole
            * (size.sum(1) <= size.sum(1).flatten(1).median(1).values[:, None, None]).flatten(1)[:, None]
        )
        parts += [torch.stack([_agreement(some, i, i + 1) for some in (quiet, whole) for i in (0, 1)], dim=1)]
    return torch.cat(parts, dim=1).numpy()


def _quantiles(values: Tensor, at: Iterable[float]) -> Tensor:
    found = np.quantile(values.numpy(), list(at), axis=1).T
    return torch.as_tensor(np.log10(found + 1e-5))


def _agreement(residue: Tensor, i: int, j: int) -> Tensor:
    """Correlation of the residue of two colours, `[N]`."""
    return F.cosine_similarity(residue[:, i], residue[:, j], dim=1)


def _spectrum(x: Tensor) -> Tensor:
    """Steps of the logarithmic power between neighbouring bands of frequency, `[N, 4]`."""
    power = torch.fft.rfft2(x).abs().square().sum(1)
    radius = torch.hypot(torch.fft.fftfreq(x.shape[2])[:, None], torch.fft.rfftfreq(x.shape[3])[None])
    edges = (0.02, 0.06, 0.12, 0.25, 0.4, 0.8)
    bands = [power[:, (radius >= low) & (radius < high)].mean(1) for low, high in itertools.pairwise(edges)]
    return torch.log10(torch.stack(bands, dim=1) + 1e-12).diff(dim=1)


def _prepared(model: Model, pictures: list[np.ndarray]) -> Tensor:
    return torch.cat([model.prepare(picture) for picture in pictures])


def _cut(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    side = int(generator.integers(40, min(120, *picture.shape[:2])))
    top, left = (int(generator.integers(0, length - side)) for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _encoded(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """In another size and saved as JPEG, as drawings are that travel."""
    from PIL import Image

    side, buffer = int(generator.integers(100, 300)), io.BytesIO()
    Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=int(generator.integers(70, 96))
    )
    return np.asarray(Image.open(buffer))
