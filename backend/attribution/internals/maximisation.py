"""Activation maximisation: a picture made to excite one filter, kept natural-looking.

The picture is not searched cell by cell, which ends in noise that only the network sees. Its Fourier coefficients are,
scaled by 1 / frequency as in natural pictures, its colours decorrelated (Olah et al., Feature Visualization, Distill 2017;
Lucid), and every step looks at it shifted by a few cells, so that nothing fine-grained can pay. What is climbed is the
filter's mean activation over its map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.internals.pooled import check_layer
from backend.attribution.network.activations import up_to
from backend.attribution.types import Progress, silent
from models.inputs.image import ImageInput
from models.model import Model

STEPS = 128
RATE = 0.06
JITTER = 1 / 16
"""Largest shift, as a share of the shorter side."""
STARTS = (0.02, 0.2, 1.0)
"""Standard deviations of the coefficients at the start: almost even grey, and livelier where nothing in that excites the
filter, so that there is nothing to climb."""
SOFT = 0.05
"""Distance from black and white that a real input is kept at: there the sigmoid is flat."""
DECAY = 1.0
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of colours in photographs (ImageNet, from Lucid); a column per decorrelated channel."""
REGULARISER = "Fourier coefficients scaled by 1 / frequency, decorrelated colours, random shifts"


@dataclass(frozen=True, eq=False)
class Maximised:
    """picture: what a person sees, float32 `[H, W]` or `[H, W, 3]` in 0..1, rows as in the display grid. before, after:
    mean activation of the filter on the start and on the picture, unshifted. from_input: whether the search began
    at the real input, because no noise excites the filter."""

    picture: np.ndarray
    before: float
    after: float
    steps: int
    from_input: bool


def maximised(
    model: Model,
    layer: str,
    filter: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
    limits: tuple[float, float] = (0.0, 1.0),
    real: Tensor | None = None,
    report: Progress = silent,
) -> Maximised:
    """real: an input `[1, C, H, W]` that excites the filter, where the search begins if noise does not: a filter that
    answers to nothing has no gradient to climb. limits: smallest and largest number of an input, for networks whose input is neither a photograph nor a spectrogram
    in 0..1. Raises BadParameter (filter), Incompatible (layer)."""
    check_layer(model, layer)
    count = next(one.shape[0] for one in model.layers if one.name == layer)
    if not 0 <= filter < count:
        raise BadParameter(f"This layer has filters 0 to {count - 1}; choose one of them.", field="filter")
    channels, height, width = model.input.shape
    painters = [_Painter(model, (channels, height, width), limits, seed, spread) for spread in STARTS]
    alive = [one for one in painters if _activation(model, layer, filter, one.x()) > 0]
    painter = alive[0] if alive else painters[-1]
    if not alive and real is not None:
        painter.begin_at(real)
    draw = torch.Generator().manual_seed(seed + 1)
    climb = torch.optim.Adam([painter.coefficients], lr=RATE)
    reach = max(1, round(JITTER * min(height, width)))
    before = _activation(model, layer, filter, painter.x())
    for step in range(steps):
        dy, dx = (int(torch.randint(-reach, reach + 1, (1,), generator=draw)) for _ in range(2))
        with torch.enable_grad():
            shifted = torch.roll(painter.x(), (dy, dx), (2, 3))
            score = up_to(model, layer, shifted)[:, filter].mean()
            climb.zero_grad()
            (-score).backward()
        climb.step()
        report(step + 1, steps, None)
    with torch.no_grad():
        picture = painter.picture()
    after = _activation(model, layer, filter, painter.x())
    shown = picture[0].movedim(0, -1).cpu().numpy()
    return Maximised(
        shown[..., 0] if channels == 1 else shown, before, after, steps, not alive and real is not None
    )


def _activation(model: Model, layer: str, filter: int, x: Tensor) -> float:
    with torch.no_grad():
        return float(up_to(model, layer, x)[:, filter].mean())


class _Painter:
    """A picture from Fourier coefficients, and the network's input from a picture."""

    def __init__(
        self,
        model: Model,
        shape: tuple[int, int, int],
        limits: tuple[float, float],
        seed: int,
        spread: float,
    ) -> None:
        channels, height, width = shape
        self._model, self._size, self._limits = model, (height, width), limits
        generator = torch.Generator().manual_seed(seed)
        start = spread * torch.randn((1, channels, height, width // 2 + 1, 2), generator=generator)
        self.coefficients = start.to(model.device).requires_grad_(True)
        frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
        scale = 1 / frequency.clamp_min(1 / max(height, width)) ** DECAY
        self._scale = (scale * (height * width) ** 0.5).to(model.device)
        mixed = torch.tensor(COLOURS)
        self._colours = (mixed / mixed.norm(dim=0).max()).to(model.device) if channels == 3 else None

    def picture(self) -> Tensor:
        """`[1, C, H, W]` in 0..1."""
        spectrum = torch.view_as_complex(self.coefficients) * self._scale
        plane = torch.fft.irfft2(spectrum, s=self._size) / 4
        if self._colours is not None:
            plane = torch.einsum("ij,njhw->nihw", self._colours, plane)
        return torch.sigmoid(plane)

    def begin_at(self, x: Tensor) -> None:
        """Takes the coefficients of an input, its darkest and brightest parts softened."""
        x = x.to(self.coefficients.device)
        low, high = self._limits
        normal = self._model.input
        picture = normal.denormalise(x) if isinstance(normal, ImageInput) else (x - low) / (high - low)
        plane = torch.logit(picture.clamp(SOFT, 1 - SOFT))
        if self._colours is not None:
            plane = torch.einsum("ij,njhw->nihw", torch.linalg.inv(self._colours), plane)
        spectrum = torch.view_as_real(torch.fft.rfft2(4 * plane) / self._scale)
        with torch.no_grad():
            self.coefficients.copy_(spectrum)

    def x(self) -> Tensor:
        """What the network takes."""
        picture = self.picture()
        if isinstance(self._model.input, ImageInput):
            return self._model.input.normalise(picture)
        low, high = self._limits
        return low + (high - low) * picture
