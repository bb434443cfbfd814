"""Shared by the perturbation methods: replacing cells of an input by a baseline, and the parameters of it."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from backend.attribution.network.run import Run
from backend.attribution.perturbation.segments import Segmentation, grid
from backend.attribution.quality import MEASURES
from models.model import Model
from models.spec import Baseline

UNSURE = MEASURES["standard_error"].fair
"""A map gets a note when its standard error exceeds this share of its values' standard deviation."""
BaselineParam = Annotated[
    Baseline,
    Field(
        title="Replacement",
        description="What stands in for removed evidence. Pictures: black, the mean colour, or a blurred copy. Sound: silence, the mean "
        "level, or a blurred copy.",
    ),
]
SegmentsParam = Annotated[
    int,
    Field(
        ge=2,
        le=400,
        title="Segments",
        description="About how many pieces the input is cut into; more are finer and need more samples.",
    ),
]
CountedSegmentsParam = Annotated[SegmentsParam, Field(json_schema_extra={"scales_cost": True})]
"""Segments of a method that sends passes for each of them."""
SegmentationParam = Annotated[
    Segmentation,
    Field(
        title="Pieces",
        description="slic: superpixels that follow colours and edges, for pictures. tiles: a grid in time and frequency, for spectrograms.",
    ),
]
SamplesParam = Annotated[
    int,
    Field(
        ge=16, le=20_000, title="Samples", description="How many altered inputs are scored; the error falls with the square root.",
        json_schema_extra={"scales_cost": True},
    ),
]  # fmt: skip


def is_sound(model: Model) -> bool:
    """Spectrograms have no colours to cut along."""
    return "image" not in model.input.modalities


def baseline_defaults(model: Model) -> dict[str, Any]:
    """The first baseline of this kind of input."""
    return {"baseline": model.input.baselines[0]}


def segment_defaults(model: Model) -> dict[str, Any]:
    """8 x 8 time-frequency tiles for sound, superpixels for pictures."""
    return {
        **baseline_defaults(model),
        **({"segmentation": "tiles", "segments": 64} if is_sound(model) else {}),
    }


def most_segments(model: Model, kind: Segmentation, n: int) -> int:
    """How many segments there are at most: the exact number of tiles, while SLIC may return fewer than `n`."""
    return prod(grid(n, *model.input.shape[1:])) if kind == "tiles" else n


class Removal:
    """`x` with chosen cells replaced by a baseline; batches are built in the network's own type and layout
    and never stored.

    x, baseline: `[1, C, H, W]`.
    """

    def __init__(self, run: Run, x: Tensor, baseline: Tensor) -> None:
        self.run = run
        self.x, self.removed = run.ready(x, "forward"), run.ready(baseline, "forward")

    def batch(self, keep: Tensor) -> Tensor:
        """keep: `[n, H, W]`, bool or 0..1 -> `[n, C, H, W]`."""
        if keep.dtype == torch.bool:
            return torch.where(keep[:, None], self.x, self.removed)
        return torch.lerp(self.removed, self.x, keep[:, None].to(self.x.dtype))

    def scores(self, keep: Tensor) -> Tensor:
        """Scores `[n]` for masks `[n, H, W]`, in batches."""
        return torch.cat(
            [self.run.scores(self.batch(part)) for part in keep.split(self.run.batch("forward"))]
        )


def unsure(uncertainty: float | None, samples: int, unit: str = "samples") -> tuple[str, ...]:
    """A note when the standard errors are large compared with the differences within the map; none for a
    constant map.

    uncertainty: root mean square standard error over the standard deviation of the map's values.
    """
    if uncertainty is None or not UNSURE < uncertainty < float("inf"):
        return ()
    needed = samples * (uncertainty / UNSURE) ** 2
    return (
        f"The standard error is {uncertainty:.0%} of the differences within the map: {samples} {unit} are few, try {needed:.0f}.",
    )


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `range(n)`."""
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))
