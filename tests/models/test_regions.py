"""Regions of inputs on the grids of models: against slow loops, and against what preparation does to the picture
itself."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import BadParameter
from app.core.schemas import Region
from models import ImageInput
from models.inputs.sound import SoundInput
from models.regions import cells_inside, checked_cells, packed, unpacked

RNG = np.random.default_rng(3)


def axes_of(spec, raw, **more):
    prepared = spec.prepare(raw, **more)
    return prepared.y_axis, prepared.x_axis


def slow(region, y_axis, x_axis):
    """Cell by cell, as the definition says."""
    out = np.zeros((len(y_axis.values), len(x_axis.values)), bool)
    for r, y in enumerate(y_axis.values):
        for c, x in enumerate(x_axis.values):
            out[r, c] = any(a <= x <= b and low <= y <= high for a, b, low, high in region.boxes)
            if region.mask is not None:
                mask = unpacked(region.mask)
                i, j = np.clip(y - 0.5, 0, mask.shape[0] - 1), np.clip(x - 0.5, 0, mask.shape[1] - 1)
                total = 0.0
                for p in range(mask.shape[0]):
                    for q in range(mask.shape[1]):
                        total += max(0, 1 - abs(i - p)) * max(0, 1 - abs(j - q)) * mask[p, q]
                out[r, c] |= total >= 0.5
    return out


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_boxes_and_masks_by_the_definition(resize):
    axes = axes_of(ImageInput(size=(9, 12), resize=resize), RNG.integers(0, 255, (17, 30, 3), dtype=np.uint8))
    boxes = Region(boxes=[[3.0, 11.5, 2.0, 9.0], [-5, 4.2, 10, 40]])
    mask = Region(mask=packed(RNG.random((17, 30)) > 0.4))
    for region in (boxes, mask):
        assert (cells_inside(region, *axes) == slow(region, *axes)).all()
        assert 0 < cells_inside(region, *axes).mean() < 1


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_a_mask_lands_where_the_thing_it_covers_lands(resize):
    """The mask of a white thing on black is, but for the cells at its edge, where the prepared picture is white."""
    thing = np.zeros((120, 200), bool)
    thing[30:80, 60:150] = True
    spec = ImageInput(size=(32, 32), resize=resize)
    prepared = spec.prepare(np.repeat(thing[..., None], 3, 2).astype(np.uint8) * 255)
    seen = prepared.display[..., 0]
    inside = cells_inside(Region(mask=packed(thing)), prepared.y_axis, prepared.x_axis)
    box = cells_inside(Region(boxes=[[60, 150, 30, 80]]), prepared.y_axis, prepared.x_axis)
    for region in (inside, box):
        assert seen[region].min() > 60
        assert seen[~region].max() < 195
        assert (region == (seen > 127)).mean() > 0.98


def test_a_box_in_seconds_moves_with_the_window():
    rate = 8000
    sound = (0.3 * np.sin(np.arange(6 * rate) * 0.3)).astype(np.float32)
    box = Region(boxes=[[2.5, 3.0, 500, 1000]])
    spec = SoundInput()
    first, second = (cells_inside(box, *axes_of(spec, (sound, rate), start=at)) for at in (1.5, 2.0))
    columns = [np.flatnonzero(region.any(0)) for region in (first, second)]
    step = spec.hop / rate
    assert columns[0][0] - columns[1][0] == pytest.approx(0.5 / step, abs=1)
    rows = np.flatnonzero(first.any(1))
    assert (spec.frequencies[rows] >= 500).all()
    assert (spec.frequencies[rows] <= 1000).all()
    with pytest.raises(BadParameter, match="outside the part shown"):
        checked_cells(box, *axes_of(spec, (sound, rate), start=3.9))


def test_packing_comes_back():
    for shape in ((1, 1), (5, 3), (4, 7)):
        for mask in (np.zeros(shape, bool), np.ones(shape, bool), RNG.random(shape) > 0.5):
            assert (unpacked(packed(mask)) == mask).all()


def test_a_region_that_leaves_nothing_to_compare_is_refused():
    axes = axes_of(ImageInput(size=(8, 8)), np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(BadParameter, match="smaller than a cell"):
        checked_cells(Region(boxes=[[3.2, 4.8, 3.2, 4.8]]), *axes)
    with pytest.raises(BadParameter, match="covers all"):
        checked_cells(Region(boxes=[[0, 16, 0, 16]]), *axes)
