"""Known evidence: the browser marks the same cells and finds the same shares as Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from models.inputs.sound import SoundInput
from models.spec import Axis
from models.synthetic import coughs, shapes
from tests.browser.widgets.server import pixel_axes
from tests.frontend.evident.modules import Node

MARK = np.array([255, 82, 240])
"""The colour of the outline."""


def plain(axes: tuple[Axis, Axis]) -> dict[str, Any]:
    """As it goes over the wire."""
    return {
        f"{side}_axis": {"name": axis.name, "values": axis.values.tolist()}
        for side, axis in zip("yx", axes, strict=True)
    }


def cells(js: Node, region: dict[str, Any], axes: dict[str, Any]) -> np.ndarray:
    shape = (len(axes["y_axis"]["values"]), len(axes["x_axis"]["values"]))
    whole = {"boxes": [], "mask": None, **region}
    inside = js.evaluate("([region, axes]) => [...evident.regions.cellsInside(region, axes)]", [whole, axes])
    return np.array(inside, bool).reshape(shape)


def share(js: Node, values: np.ndarray, inside: np.ndarray) -> dict[str, float | None]:
    code = "([values, inside]) => evident.regions.shareInside(Float32Array.from(values), Uint8Array.from(inside))"
    return js.evaluate(code, [values.ravel().tolist(), inside.ravel().astype(int).tolist()])


def runs(mask: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run lengths, pixel by pixel down the columns."""
    counts, now = [0], False
    for pixel in mask.T.ravel():
        if pixel != now:
            counts.append(0)
            now = bool(pixel)
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


def unpacked(js: Node, mask: np.ndarray) -> dict[str, Any]:
    """A mask as the page keeps it, by way of its run lengths."""
    return js.evaluate(
        "runs => { const m = evident.regions.unpackMask(runs); return { ...m, inside: [...m.inside] }; }",
        runs(mask),
    )


@pytest.mark.parametrize("number", [1, 3, 5, 7])
def test_boxes_mark_the_cells_that_python_marks_in_any_window(js: Node, number: int) -> None:
    item = coughs.generate(8, seed=5)[number]
    spec = SoundInput()
    for start in (0.0, 0.5, item.boxes[0][0] - 0.3, item.boxes[0][1] + 0.1):
        prepared = spec.prepare((item.waveform, item.rate), start=max(0.0, start))
        axes = (prepared.y_axis, prepared.x_axis)
        inside = cells(js, {"boxes": item.boxes}, plain(axes))
        assert (inside == coughs.box_mask(item.boxes, axes)).all()
    assert not inside.any(), "the last window begins after the box"
    values = np.random.default_rng(number).normal(size=inside.shape).astype(np.float32)
    prepared = spec.prepare((item.waveform, item.rate), start=max(0.0, item.boxes[0][0] - 0.3))
    axes = (prepared.y_axis, prepared.x_axis)
    weighed = share(js, values, cells(js, {"boxes": item.boxes}, plain(axes)))
    assert weighed["share"] == pytest.approx(coughs.evidence_mass(values, item.boxes, axes), abs=1e-9)
    assert weighed["uniform"] == pytest.approx(coughs.uniform_mass(item.boxes, axes), abs=1e-12)
    assert weighed["times"] == pytest.approx(weighed["share"] / weighed["uniform"], abs=1e-9)


def test_an_edge_through_cell_centres_is_inside(js: Node) -> None:
    axes = (
        Axis("frequency", "Hz", np.array([100.0, 200.0, 300.0])),
        Axis("time", "s", np.array([0.5, 1.0, 1.5, 2.0])),
    )
    boxes = [(1.0, 1.5, 200.0, 250.0), (0.0, 0.5, 300.0, 900.0)]
    inside = cells(js, {"boxes": boxes}, plain(axes))
    assert inside.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert (inside == coughs.box_mask(boxes, axes)).all()


@pytest.mark.parametrize("method", ["signed", "magnitude", "sparse"])
def test_shares_of_a_mask_are_those_of_python(js: Node, method: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(64, 64)).astype(np.float32)
    values = {
        "signed": values,
        "magnitude": np.abs(values),
        "sparse": values * (rng.random(values.shape) > 0.99),
    }[method].astype(np.float32)
    mask = shapes.generate(3, seed=8).masks[2]
    inside = cells(js, {"mask": unpacked(js, mask)}, pixel_axes(64, 64))
    assert (inside == mask).all(), "the photo's own pixels are taken as they are"
    weighed = share(js, values, inside)
    assert weighed["share"] == pytest.approx(shapes.evidence_mass(values, mask), abs=1e-9)
    assert weighed["uniform"] == pytest.approx(shapes.uniform_share(mask), abs=1e-12)
    assert share(js, np.ones_like(values), inside)["times"] == pytest.approx(1, abs=1e-9)


def test_a_map_without_positive_relevance_has_no_share(js: Node) -> None:
    inside = np.eye(4, dtype=bool)
    assert np.isnan(shapes.evidence_mass(-np.ones((4, 4)), inside))
    assert share(js, -np.ones((4, 4)), inside) == {"share": None, "uniform": 0.25, "times": None}
    assert share(js, np.ones((4, 4)), np.zeros((4, 4), bool)) == {"share": 0, "uniform": 0, "times": None}


@pytest.mark.parametrize(
    ("photo", "grid", "first"),
    [((128, 128), (64, 64), 0.0), ((90, 120), (32, 40), 7.5), ((5, 7), (30, 30), 0.0), ((1, 1), (3, 3), 0.0)],
)
def test_a_mask_on_another_grid_is_interpolated_at_the_cell_centres(
    js: Node, photo: tuple[int, int], grid: tuple[int, int], first: float
) -> None:
    rng = np.random.default_rng(photo[0])
    mask = (
        ndimage.gaussian_filter(rng.normal(size=photo), 1.5) > 0 if min(photo) > 1 else np.ones(photo, bool)
    )
    axes = pixel_axes(*grid)
    for name, length, count in (("y_axis", photo[0], grid[0]), ("x_axis", photo[1], grid[1])):
        axes[name]["values"] = (first + (np.arange(count) + 0.5) * (length - 2 * first) / count).tolist()
    y, x = (np.array(axes[name]["values"]) - 0.5 for name in ("y_axis", "x_axis"))
    expected = (
        ndimage.map_coordinates(mask.astype(float), np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")
        >= 0.5 - 1e-12
    )
    assert (cells(js, {"mask": unpacked(js, mask)}, axes) == expected).all()


def test_run_lengths_come_back_as_the_mask(js: Node) -> None:
    for mask in (
        np.ones((2, 3), bool),
        np.zeros((3, 2), bool),
        np.eye(4, dtype=bool),
        ~np.eye(3, dtype=bool),
        np.random.default_rng(0).random((9, 5)) > 0.6,
    ):
        bits = unpacked(js, mask)
        assert (np.array(bits["inside"], bool).reshape(bits["rows"], bits["cols"]) == mask).all()


@pytest.mark.parametrize("colours", ["cividis", "viridis", "jet", "coolwarm"])
def test_the_outline_is_far_from_every_colour_beside_it(js: Node, colours: str) -> None:
    """No colour of the table comes near it, and it stands out from its own black border by more than 3 to
    1 (WCAG 1.4.11)."""
    table = np.array(js.evaluate("name => [...evident.colour.table(name)]", colours)).reshape(-1, 3)
    assert np.linalg.norm(table - MARK, axis=1).min() > 100
    linear = np.where(MARK / 255 <= 0.04045, MARK / 255 / 12.92, ((MARK / 255 + 0.055) / 1.055) ** 2.4)
    assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05 > 3
