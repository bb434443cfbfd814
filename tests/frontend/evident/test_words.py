"""Axes, values and sentences of frontend/assets/evident: places in Hz and seconds, and what is said of a
map."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.widgets.server import sound_axes
from tests.frontend.evident.modules import Node


def values_of(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)


# ---- axes and words ----


def test_places_on_the_mel_axis_are_interpolated_between_band_centres(js: Node) -> None:
    axis = sound_axes(64, 100)["y_axis"]
    ask = [200.0, 1000.0, 3100.0]
    got = js.call("(axis, xs) => xs.map(x => evident.axes.fraction(axis, x))", axis, ask)
    assert np.allclose(got, (np.interp(ask, axis["values"], np.arange(64)) + 0.5) / 64)
    back = js.call("(axis, fs) => fs.map(f => evident.axes.coordinate(axis, f))", axis, got)
    assert np.allclose(back, ask)


def test_frequency_ticks_stand_at_round_hertz_and_name_the_unit_once(js: Node) -> None:
    axis = sound_axes(64, 100)["y_axis"]
    ticks = js.call("axis => evident.axes.ticks(axis, 220)", axis)
    assert [tick["value"] for tick in ticks] == [100, 500, 1000, 2000, 4000]
    assert [tick["label"] for tick in ticks] == ["100", "500", "1k", "2k", "4 kHz"]
    inner = ticks[1:-1]
    expected = (np.interp([t["value"] for t in inner], axis["values"], np.arange(64)) + 0.5) / 64
    assert np.allclose([t["at"] for t in inner], expected)


def test_time_ticks_are_seconds_of_the_recording(js: Node) -> None:
    ticks = js.call("axis => evident.axes.ticks(axis, 240)", sound_axes(64, 100, 3.4, 5.4)["x_axis"])
    assert [tick["label"] for tick in ticks] == ["3.5", "4.0", "4.5", "5.0 s"]
    assert np.allclose([tick["at"] for tick in ticks], [0.05, 0.3, 0.55, 0.8])


@pytest.mark.parametrize(
    ("x", "signed", "text"),
    [(0.712, True, "+0.71"), (-0.0031, True, "−0.0031"), (0, True, "0"), (12345, False, "12,345"), (4.06e-7, False, "4.1e−7"), (-23.44, True, "−23.4")],
)  # fmt: skip
def test_values_are_written_with_their_sign_and_few_digits(
    js: Node, x: float, signed: bool, text: str
) -> None:
    assert js.call("(x, signed) => evident.words.value(x, signed)", x, signed) == text


def test_the_alternative_text_names_method_class_place_size_and_signs(js: Node) -> None:
    values = np.zeros((40, 100), np.float32)
    values[10:20, 50:60] = 2
    values[0, 0] = -1
    axes = sound_axes(40, 100, 1.0, 3.0)
    text = js.call(
        "(v, axes) => evident.describe.altText({ title: 'LRP', target: 'Covid-like', field: field(v, 40, 100, true), axes })",
        values.ravel(),
        axes,
    )
    centres = np.array(axes["y_axis"]["values"])
    low, high = (centres[9] + centres[10]) / 2, (centres[19] + centres[20]) / 2
    assert text.startswith("LRP map for Covid-like. The strongest 10 % of cells lie mostly in 2.00–2.20 s, ")
    low, high = (
        int(float(f"{hertz:.2g}")) for hertz in (low, high)
    )  # two digits: a band is not known to the hertz
    assert f"{low:,}–{high:,} Hz" in text
    assert "Largest value +2.00." in text
    assert text.endswith("100 % of the evidence supports Covid-like, 0 % speaks against.")


def test_the_alternative_text_of_a_flat_map_says_so(js: Node) -> None:
    text = js.call(
        "v => evident.describe.altText({ title: 'LRP', target: '', field: field(v, 2, 2, true), axes: null })",
        [0, 0, 0, 0],
    )
    assert text == "LRP map. No evidence found: all cells are equal."


def test_limits_of_the_scales(js: Node) -> None:
    values = np.abs(values_of(20, 20)).ravel()
    got = js.call(
        "v => { const f = field(v, 20, 20, false); return ['own', 'shared', 'raw'].map(s => f.limit(s, 7)); }",
        values,
    )
    assert np.allclose(got, [values.max(), np.quantile(values.astype(float), 0.99), 7])
    sparse = np.zeros(400)
    sparse[3] = 0.25
    assert js.call("v => field(v, 20, 20, false).limit('shared', 7)", sparse) == 0.25, (
        "a map of one cell keeps its own maximum"
    )


# ---- in words ----


def slow_pointed_at(maps: list[np.ndarray]) -> tuple[list[int], float, list[float | None]]:
    """The same with numpy: box of the strongest tenth of the mean of the maps as shares, and each map's
    share in it."""
    parts = [np.maximum(values, 0).astype(np.float64) for values in maps]
    parts = [part / part.sum() if part.sum() else None for part in parts]
    mean = np.mean([part for part in parts if part is not None], axis=0).astype(np.float32)
    keep = round(mean.size / 10)
    strong = np.where(mean >= np.sort(mean, axis=None)[-keep], mean, 0).astype(np.float64)
    box = []
    for axis in (1, 0):
        running = np.cumsum(strong.sum(axis))
        box += [int(np.argmax(running >= share * strong.sum())) for share in (0.05, 0.95)]
    r0, r1, c0, c1 = box
    inside = [None if part is None else float(part[r0 : r1 + 1, c0 : c1 + 1].sum()) for part in parts]
    return box, (r1 - r0 + 1) * (c1 - c0 + 1) / mean.size, inside


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_place_in_words_is_where_the_maps_point_together_whatever_their_units(
    js: Node, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    maps = [values_of(24, 40, seed + 10 * k) * scale for k, scale in enumerate((1e-3, 1.0, 500.0))]
    row, col = rng.integers(4, 18), rng.integers(4, 34)
    for values in maps[:2]:
        values[row : row + 3, col : col + 4] += 40 * np.abs(values).max()
    maps.append(-np.abs(values_of(24, 40, seed + 99)))  # nothing positive: it cannot point, and holds nothing
    code = "maps => { const f = evident.pointedAt(maps.map((v) => field(v, 24, 40, true))); return [f.box, f.area, f.inside]; }"
    box, area, inside = js.call(code, [values.ravel().tolist() for values in maps])
    expected = slow_pointed_at(maps)
    assert box == expected[0]
    assert area == pytest.approx(expected[1])
    assert inside[:3] == pytest.approx(expected[2][:3], rel=1e-5)
    assert inside[3] is expected[2][3] is None
    assert inside[0] > 0.5


def test_maps_without_positive_evidence_point_nowhere(js: Node) -> None:
    assert js.call("v => evident.pointedAt([field(v, 2, 2, true)])", [-1.0, -2.0, -3.0, 0.0]) is None


def test_boxes_come_out_in_the_units_of_the_axes(js: Node) -> None:
    seconds, hertz = np.linspace(0.1, 1.9, 10).tolist(), np.linspace(100, 1000, 10).tolist()
    axes = {
        "x_axis": {"name": "time", "unit": "s", "origin": "upper", "values": seconds},
        "y_axis": {"name": "frequency", "unit": "Hz", "origin": "lower", "values": hertz},
    }
    box = js.evaluate("axes => evident.boxOf({u0: 0.75, v0: 0.25, u1: 0.25, v1: 0.5}, axes)", axes)
    assert box == pytest.approx([0.5, 1.5, 550, 800])
    for axis in axes.values():
        axis["unit"] = "px"
    box = js.evaluate("axes => evident.boxOf({u0: 0.25, v0: 0.25, u1: 0.75, v1: 0.5}, axes)", axes)
    assert box == pytest.approx([0.5, 300, 1.5, 550])
