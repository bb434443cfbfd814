"""Photographs as network inputs: decoding, orientation, resizing and cropping, and axes in pixels of the
original."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from app.core.errors import InvalidInput, TooLarge
from app.core.settings import get_settings
from models.inputs.files import is_file, read_file
from models.inputs.replaced import replaced
from models.media.images import from_pillow
from models.media.levels import Scale
from models.spec import Axis, Baseline, InputSpec, Modality, Prepared

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SMALL = 0.5


@dataclass(frozen=True)
class ImageInput(InputSpec):
    """RGB (or grey) photos on a grid of `size = (H, W)`; `x = (pixel / 255 - mean) / std`.

    resize: `squash` stretches the whole photo onto the grid; `crop` scales it so that the grid covers the
    central `crop_pct` of the shorter side and cuts the centre out, as ImageNet networks are evaluated. Both
    by PIL with antialiasing, so that a photo gives the numbers of torchvision's and timm's own transforms.
    The default mean 0 and std 1 leave pixels in 0..1.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: int = 3
    resize: Literal["squash", "crop"] = "squash"
    crop_pct: float = 0.875
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"

    modalities: ClassVar[tuple[Modality, ...]] = ("image",)
    baselines: ClassVar[tuple[Baseline, ...]] = ("black", "mean", "blur")

    def __post_init__(self) -> None:
        height, width = _sides(self.size)
        if min(height, width) < 1 or self.channels not in (1, 3) or not 0 < self.crop_pct <= 1:
            raise ValueError("an image input needs positive sizes, 1 or 3 channels and crop_pct in (0, 1]")
        object.__setattr__(self, "size", (height, width))
        for name in ("mean", "std"):
            object.__setattr__(self, name, _per_channel(getattr(self, name), self.channels))
        if min(self.std) <= 0:
            raise ValueError("std must be positive")

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.channels, *self.size)

    def prepare(self, raw: Any, *, start: float | None = None, scale: Scale | None = None) -> Prepared:
        """raw: path, bytes, PIL image, uint8 0..255 or float 0..1 array `[H, W]`, `[H, W, C]`, `[C, H, W]`,
        or a Tensor of such.

        The axes hold the centres of the grid's cells in pixels of the (upright) photo, where pixel k covers
        k..k+1. Raises NotFound (path), NotDecodable, TooLarge, InvalidInput (rank, range, not finite).
        """
        pixels, notes = read(raw)
        height, width = pixels.shape[:2]
        rows, columns = self._placement(height, width)
        resized = _resize(pixels, (rows.length, columns.length), Image.Resampling[self.interpolation.upper()])
        window = resized[rows.start : rows.start + self.size[0], columns.start : columns.start + self.size[1]]
        if self.channels == 1:
            window = _grey(window)
        unit = window.astype(np.float32) / 255 if window.dtype == np.uint8 else window
        x = torch.from_numpy(np.ascontiguousarray(unit.transpose(2, 0, 1)))[None]
        display = window if window.dtype == np.uint8 else np.round(window.clip(0, 1) * 255).astype(np.uint8)
        return Prepared(
            x=self.normalise(x),
            display=np.ascontiguousarray(np.broadcast_to(display, (*self.size, 3))),
            y_axis=Axis("y", "px", rows.centres(self.size[0], height)),
            x_axis=Axis("x", "px", columns.centres(self.size[1], width)),
            notes=(*notes, *self._notes(height, width)),
        )

    def normalise(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` in 0..1 to the network's scale."""
        return (x - self._column(self.mean, x)) / self._column(self.std, x)

    def denormalise(self, x: Tensor) -> Tensor:
        """The network's scale back to 0..1."""
        return x * self._column(self.std, x) + self._column(self.mean, x)

    def baseline(self, x: Tensor, kind: Baseline | None = None) -> Tensor:
        """black: pixel value 0. mean: each photo's own mean colour. blur: a Gaussian of 5 % of the longer
        side, edges repeated."""
        return replaced(x, kind, self.baselines, "photos", lambda: self.normalise(torch.zeros_like(x)))

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "image",
            "shape": list(self.shape),
            "modalities": list(self.modalities),
            "baselines": list(self.baselines),
            "units": {"y": "px", "x": "px"},
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": self.resize,
            "crop_pct": self.crop_pct if self.resize == "crop" else None,
            "interpolation": self.interpolation,
        }

    def _column(self, values: Sequence[float], x: Tensor) -> Tensor:
        return torch.tensor(values, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)

    def _placement(self, height: int, width: int) -> tuple[_Side, _Side]:
        """Length of each side after resizing, and the first cell of the grid on it."""
        if self.resize == "squash":
            return _Side(self.size[0], 0), _Side(self.size[1], 0)
        # 224 / (224 / 232) is a hair under 232: the small number keeps the floor of timm and torchvision
        cover = [math.floor(side / self.crop_pct + 1e-6) for side in self.size]
        if cover[0] * width >= cover[1] * height:
            lengths = (cover[0], max(self.size[1], int(cover[0] * width / height)))
        else:
            lengths = (max(self.size[0], int(cover[1] * height / width)), cover[1])
        rows, columns = (
            _Side(length, round((length - side) / 2)) for length, side in zip(lengths, self.size, strict=True)
        )
        return rows, columns

    def _notes(self, height: int, width: int) -> tuple[str, ...]:
        notes = []
        if min(height / self.size[0], width / self.size[1]) < SMALL:
            notes.append(
                f"The photo ({width} x {height} px) is much smaller than the model's input and was enlarged: it may be misjudged."
            )
        ratio = (width / height) / (self.size[1] / self.size[0])
        if self.resize == "squash" and max(ratio, 1 / ratio) > 2:
            notes.append(
                "The photo is much longer than wide (or wider than long) and was squeezed into the model's input."
            )
        if self.resize == "crop" and max(ratio, 1 / ratio) > 2:
            notes.append("The model sees only the middle of this long photo.")
        return tuple(notes)


@dataclass(frozen=True)
class _Side:
    length: int
    start: int

    def centres(self, cells: int, original: int) -> np.ndarray:
        """Cell centres in pixels of the original: float64 `[cells]`."""
        return (self.start + np.arange(cells) + 0.5) * (original / self.length)


def read(raw: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Any accepted raw photo as upright RGB, uint8 `[H, W, 3]` (float32 in 0..1 for arrays of floats), and
    notes on what was changed."""
    if is_file(raw):
        decoded = read_file(raw, ("image",))
        return decoded.canonical, tuple(decoded.facts["notes"])
    if isinstance(raw, Image.Image):
        _check_size(raw.size)
        picture = from_pillow(raw)
        return picture.pixels, picture.notes
    if isinstance(raw, Tensor):
        return _from_array(raw.detach().cpu().numpy(), channels_first=True), ()
    if isinstance(raw, np.ndarray):
        return _from_array(raw, channels_first=False), ()
    raise InvalidInput("A photo must be a file, its bytes, a PIL image or an array of pixels.", field="input")


def _check_size(size: tuple[int, int]) -> None:
    limits = get_settings().limits
    if size[0] * size[1] > limits.image_pixels or max(size) > limits.image_side:
        raise TooLarge(
            f"The photo is too large: at most {limits.image_pixels / 1e6:g} megapixels and {limits.image_side} pixels a side; "
            "make it smaller and send it again.",
            code="image_too_large",
            field="input",
        )


def _from_array(values: np.ndarray, *, channels_first: bool) -> np.ndarray:
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or 0 in values.shape:
        raise InvalidInput("A photo array must have two sides and 1, 3 or 4 channels.", field="input")
    first, last = values.shape[0] in (1, 3, 4), values.shape[2] in (1, 3, 4)
    if first and (channels_first or not last):
        values = values.transpose(1, 2, 0)
    elif not last:
        raise InvalidInput("A photo array must have 1, 3 or 4 channels, first or last.", field="input")
    _check_size((values.shape[1], values.shape[0]))
    if values.dtype == np.uint16:
        values = np.round(values / 257).astype(np.uint8)
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    if values.dtype != np.uint8:
        values = _unit_range(values)
    if values.shape[2] == 4:
        values = _on_white(values)
    return np.ascontiguousarray(np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values)


def _unit_range(values: np.ndarray) -> np.ndarray:
    """float32 in 0..1. Whole numbers in another integer type are taken as 0..255."""
    if values.dtype.kind in "iu":
        values = values / 255.0
    elif values.dtype.kind != "f":
        raise InvalidInput("A photo array must hold real numbers.", field="input")
    if not np.isfinite(values).all():
        raise InvalidInput("The photo holds values that are not numbers (NaN or infinite).", field="input")
    if values.min() < 0 or values.max() > 1:
        raise InvalidInput(
            "A photo array must be whole numbers from 0 to 255 or fractions from 0 to 1.", field="input"
        )
    return values.astype(np.float32)


def _on_white(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return from_pillow(Image.fromarray(values, "RGBA")).pixels
    alpha = values[..., 3:]
    return values[..., :3] * alpha + (1 - alpha)


def _resize(pixels: np.ndarray, size: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    """`[h, w, 3]` to `[*size, 3]`, same dtype. Bytes are resized as bytes, as torchvision and timm do it."""
    if pixels.shape[:2] == size:
        return pixels
    turned = size[::-1]
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).resize(turned, resample))
    planes = [
        Image.fromarray(np.ascontiguousarray(pixels[..., c])).resize(turned, resample) for c in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _grey(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))[..., None]
    return (pixels @ LUMA)[..., None]


def _per_channel(values: float | Sequence[float], channels: int) -> tuple[float, ...]:
    numbers = (float(values),) if isinstance(values, int | float) else tuple(float(value) for value in values)
    if len(numbers) == 1:
        numbers *= channels
    if len(numbers) != channels or not all(math.isfinite(number) for number in numbers):
        raise ValueError("mean and std need one finite number per channel")
    return numbers


def _sides(size: Sequence[int]) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in size)
    except (TypeError, ValueError):
        raise ValueError(
            "the size must be two whole numbers (height, width), as in size=(224, 224)"
        ) from None
    return height, width
