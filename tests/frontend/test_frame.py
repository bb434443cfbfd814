"""The frame on a photograph is what the network sees of it: nothing outside moves the input, everything inside does."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs.image import ImageInput
from tests.frontend.evident.modules import Node
from tests.frontend.test_known_evidence import plain

CROP = ImageInput(size=(224, 224), resize="crop")
SIZES = [(640, 427), (300, 451), (224, 224), (256, 256), (60, 48), (1200, 300)]


def frame(js: Node, spec: ImageInput, photo: np.ndarray) -> tuple[dict[str, float] | None, np.ndarray]:
    """The frame that the page draws, in pixels of the photo, and the prepared input."""
    prepared = spec.prepare(photo)
    height, width = photo.shape[:2]
    axes = plain((prepared.y_axis, prepared.x_axis))
    for axis in axes.values():
        axis["unit"] = "px"
    part = js.evaluate(
        "([axes, photo]) => evident.axes.frame(axes, photo)", [axes, {"width": width, "height": height}]
    )
    if part:
        part = {
            name: share * (width if name in ("left", "right") else height) for name, share in part.items()
        }
    return part, prepared.x.numpy()


def photo_of(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_outside_the_frame_is_seen_and_its_corners_are(js: Node, width: int, height: int) -> None:
    photo = photo_of(width, height)
    part, plain_input = frame(js, CROP, photo)
    assert part
    # a cell mixes pixels at most this far beyond its edge
    reach = max(1.0, (part["right"] - part["left"]) / 224) + 1
    y, x = np.mgrid[:height, :width] + 0.5
    outside = (
        (x < part["left"] - reach)
        | (x > part["right"] + reach)
        | (y < part["top"] - reach)
        | (y > part["bottom"] + reach)
    )
    changed = photo.copy()
    changed[outside] = 255
    assert np.array_equal(frame(js, CROP, changed)[1], plain_input)
    for row in ("top", "bottom"):
        for column in ("left", "right"):
            planted = photo.copy()
            at = (
                int(part[row]) if row == "top" else int(np.ceil(part[row])) - 1,
                int(part[column]) if column == "left" else int(np.ceil(part[column])) - 1,
            )
            planted[at] = 255
            moved = np.argwhere((frame(js, CROP, planted)[1] != plain_input).any(axis=(0, 1)))
            assert len(moved), (row, column)
            corner = [0 if row == "top" else 223, 0 if column == "left" else 223]
            assert np.abs(moved - corner).max(axis=1).min() <= 1


def test_where_all_is_seen_there_is_no_frame(js: Node) -> None:
    assert frame(js, ImageInput(size=(64, 64)), photo_of(300, 200))[0] is None
    assert frame(js, ImageInput(size=(64, 64), resize="crop", crop_pct=1), photo_of(96, 96))[0] is None
    seconds = {"unit": "s", "values": [0.1, 0.2]}
    assert (
        js.evaluate(
            "axis => evident.axes.frame({ x_axis: axis, y_axis: axis }, { width: 9, height: 9 })", seconds
        )
        is None
    )
