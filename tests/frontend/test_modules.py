"""The pure functions of frontend/assets/evident against numpy, scipy and matplotlib."""

from __future__ import annotations

import base64
from typing import Any

import matplotlib
import numpy as np
import pytest
from scipy import stats

from tests.browser.widgets.server import npy, sound_axes
from tests.frontend.evident.modules import Node


def run(node: Node, code: str, *arguments: Any) -> Any:
    """Calls a JavaScript function of plain arguments."""
    plain = [item.tolist() if isinstance(item, np.ndarray) else item for item in arguments]
    return node.evaluate(f"(values) => ({code})(...values)", plain)


def values_of(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)


# ---- colours -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cividis", "viridis", "coolwarm", "PuOr", "jet"])
def test_colour_tables_are_the_published_ones(js: Node, name: str) -> None:
    expected = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    assert run(js, "name => [...evident.colour.table(name)]", name) == expected.ravel().tolist()


def painted(js: Node, values: np.ndarray, **style: Any) -> np.ndarray:
    code = """(values, style) => {
      const f = field(values, 1, values.length, style.signed);
      return [...evident.colour.paint(f.values, f.strength(style.sign), style, new Uint8ClampedArray(4 * values.length))];
    }"""
    full = {
        "colours": "viridis",
        "limit": 1,
        "cut": 0,
        "opacity": 1,
        "sign": "both",
        "signed": True,
        **style,
    }
    return np.array(run(js, code, values, full)).reshape(-1, 4)


def test_signed_maps_are_coolwarm_and_symmetric_about_zero(js: Node) -> None:
    values = np.linspace(-1.5, 1.5, 61).astype(np.float32)
    rgba = painted(js, values)
    steps = np.round(127.5 + 127.5 * np.clip(values, -1, 1)).astype(int)
    expected = matplotlib.colormaps["coolwarm"](steps, bytes=True)[:, :3]
    seen = values != 0
    assert np.abs(rgba[seen, :3] - expected[seen]).max() <= 3, "one colour step of rounding at most"
    assert (rgba[:, 3] == rgba[::-1, 3]).all(), "opacity follows |value|"
    assert rgba[30, 3] == 0
    assert rgba[0, 3] == rgba[-1, 3] == 255


def test_magnitudes_take_the_chosen_colours_and_opacity_grows_with_strength(js: Node) -> None:
    values = np.linspace(0, 1, 50).astype(np.float32)
    rgba = painted(js, values, signed=False, opacity=0.5)
    expected = matplotlib.colormaps["viridis"](np.round(values * 255).astype(int), bytes=True)[:, :3]
    assert np.array_equal(rgba[1:, :3], expected[1:])
    assert (np.diff(rgba[:, 3]) >= 0).all()
    assert rgba[-1, 3] in (127, 128)


def test_cells_below_the_cut_and_of_the_hidden_sign_are_not_painted(js: Node) -> None:
    values = np.array([-0.9, -0.2, 0.2, 0.9], dtype=np.float32)
    assert (painted(js, values, cut=0.5)[:, 3] > 0).tolist() == [True, False, False, True]
    assert (painted(js, values, sign="for")[:, 3] > 0).tolist() == [False, False, True, True]
    assert (painted(js, values, sign="against")[:, 3] > 0).tolist() == [True, True, False, False]


# ---- arrays --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8", "<f2", "|u1", "<i2", "<i4", "<i8", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_are_read_as_numpy_reads_them(js: Node, kind: str, order: str) -> None:
    values = np.asarray(
        (np.random.default_rng(3).normal(size=(3, 5, 2)) * 50).clip(0, 255).astype(kind), order=order
    )  # type: ignore[call-overload]
    code = """text => { const {shape, data} = evident.readNpy(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer); return [shape, [...data]]; }"""
    shape, data = run(js, code, base64.b64encode(npy(values)).decode())
    assert shape == [3, 5, 2]
    assert np.array_equal(np.array(data), values.ravel(order="C").astype(float))


@pytest.mark.parametrize(
    "spoil", [lambda b: b"", lambda b: b"PNG" + b, lambda b: b[:-1], lambda b: b.replace(b"<f4", b"|O8")]
)
def test_broken_array_files_are_refused_in_words(js: Node, spoil: Any) -> None:
    text = base64.b64encode(spoil(npy(np.ones((2, 2), np.float32)))).decode()
    code = """text => { try { evident.readNpy(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer); return null; } catch (e) { return e.message; } }"""
    assert "array" in run(js, code, text)


# ---- numbers about maps --------------------------------------------------------------------------------------------------------


def tied(n: int, seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(size=n), 1).astype(np.float32)


def test_percentile_of_a_cell_is_the_share_of_weaker_cells(js: Node) -> None:
    values = tied(300, 0)
    got = run(
        js, "(v) => { const f = field(v, 15, 20, true); return v.map((_, i) => f.percentile(i)); }", values
    )
    expected = [stats.percentileofscore(np.abs(values), abs(v), kind="strict") for v in values]
    assert np.allclose(got, expected, atol=1e-12)


def test_quantiles_are_numpys(js: Node) -> None:
    values = np.sort(values_of(1, 101)[0])
    levels = [0.0, 0.013, 0.25, 0.5, 0.99, 1.0]
    got = run(
        js, "(v, q) => q.map(x => evident.statistics.quantile(Float32Array.from(v), x))", values, levels
    )
    assert np.allclose(got, np.quantile(values.astype(float), levels), atol=1e-7)


@pytest.mark.parametrize(
    "maker",
    [lambda s: tied(400, s), lambda s: values_of(1, 400, s)[0], lambda s: np.maximum(tied(400, s), 0)],
)
def test_rank_correlation_is_scipys_with_and_without_ties(js: Node, maker: Any) -> None:
    a, b = maker(1), maker(2) + maker(1) / 2
    assert np.allclose(
        run(js, "v => [...evident.statistics.ranks(Float32Array.from(v))]", a), stats.rankdata(a)
    )
    got = run(
        js,
        "(a, b) => evident.statistics.spearman(Float32Array.from(a), Float32Array.from(b))",
        a,
        b.astype(np.float32),
    )
    assert got == pytest.approx(stats.spearmanr(a, b.astype(np.float32)).statistic, abs=1e-12)


def test_rank_correlation_with_a_constant_map_is_undefined(js: Node) -> None:
    assert (
        run(
            js,
            "(a, b) => evident.statistics.spearman(Float32Array.from(a), Float32Array.from(b))",
            tied(50, 0),
            np.ones(50),
        )
        is None
    )


def test_correlation_uses_signs_only_where_both_maps_have_them(js: Node) -> None:
    a, b = values_of(8, 8, 1), values_of(8, 8, 2) + values_of(8, 8, 1)
    code = "(a, b, sa, sb, sign) => evident.field.correlation(field(a, 8, 8, sa), field(b, 8, 8, sb), sign)"

    def rho(x: np.ndarray, y: np.ndarray) -> float:
        return float(stats.spearmanr(x.ravel(), y.ravel()).statistic)

    flat = (a.ravel(), b.ravel())
    assert run(js, code, *flat, True, True, "both") == pytest.approx(rho(a, b))
    assert run(js, code, *flat, True, False, "both") == pytest.approx(rho(np.abs(a), np.abs(b)))
    assert run(js, code, *flat, True, True, "for") == pytest.approx(rho(np.maximum(a, 0), np.maximum(b, 0)))


@pytest.mark.parametrize("top", [1, 20, 55])
def test_show_top_keeps_that_share_of_the_cells(js: Node, top: int) -> None:
    values = values_of(20, 30)
    mask = np.array(run(js, "(v, top) => [...field(v, 20, 30, true).mask('both', top)]", values.ravel(), top))
    strength = np.abs(values.ravel())
    expected = np.zeros(600, int)
    expected[np.argsort(-strength)[: round(600 * top / 100)]] = 1
    assert np.array_equal(mask, expected)


def test_ties_at_the_border_count_and_cells_without_evidence_never_do(js: Node) -> None:
    assert run(js, "v => [...field(v, 1, 10, true).mask('both', 20)]", [3, 2, 2, 2, 1, 0, 0, 0, 0, 0]) == [
        1,
        1,
        1,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
    assert (
        run(js, "v => [...field(v, 1, 10, true).mask('both', 80)]", [3, -2, 0, 0, 0, 0, 0, 0, 0, 0])
        == [1, 1] + [0] * 8
    )
    assert run(js, "v => [...field(v, 1, 4, true).mask('against', 50)]", [1, 2, 3, 4]) == [0] * 4


def test_overlap_votes_and_difference_are_numpys(js: Node) -> None:
    a, b = values_of(12, 12, 4), values_of(12, 12, 5)

    def top(x: np.ndarray) -> np.ndarray:
        return np.abs(x.ravel()) >= np.sort(np.abs(x.ravel()))[-round(144 * 0.25)]

    overlap = run(
        js,
        "(a, b) => evident.field.overlap(field(a, 12, 12, true), field(b, 12, 12, true), 'both', 25)",
        a.ravel(),
        b.ravel(),
    )
    assert overlap == pytest.approx((top(a) & top(b)).sum() / (top(a) | top(b)).sum())
    votes = run(
        js,
        "(a, b) => [...evident.field.votes([field(a, 12, 12, true), field(b, 12, 12, true)], 'both', 25)]",
        a.ravel(),
        b.ravel(),
    )
    assert np.array_equal(votes, top(a).astype(int) + top(b))
    got = run(
        js,
        "(a, b) => [...evident.field.difference(field(a, 12, 12, true), field(b, 12, 12, true), 'both').values]",
        a.ravel(),
        b.ravel(),
    )

    def shared(x: np.ndarray) -> np.ndarray:
        return np.clip(x / np.quantile(np.abs(x), 0.99), -1, 1)

    assert np.allclose(got, (shared(a) - shared(b)).ravel(), atol=1e-6)


def test_sums_per_moment_and_per_block_are_numpys(js: Node) -> None:
    values = values_of(12, 18)
    assert np.allclose(
        run(js, "v => [...evident.statistics.columnSums(v, 12, 18)]", values.ravel()),
        values.sum(0),
        atol=1e-5,
    )
    blocks = values.reshape(4, 3, 6, 3).sum((1, 3))
    assert np.allclose(
        run(js, "v => [...evident.statistics.blockSums(v, 12, 18, 4, 6)]", values.ravel()),
        blocks.ravel(),
        atol=1e-5,
    )


def test_the_box_of_the_evidence_finds_a_known_rectangle(js: Node) -> None:
    values = 0.01 * np.abs(values_of(40, 60))
    values[10:20, 30:50] = 1
    box = run(js, "v => evident.statistics.evidenceBox(v, 40, 60, 0.5)", values.ravel())
    assert box == [10, 19, 30, 48], "rows hold 10 % each, columns 5 %: the last column holds the last 5 %"


# ---- outlines ------------------------------------------------------------------------------------------------------------------


def test_the_outline_along_cells_encloses_exactly_the_chosen_share(js: Node) -> None:
    values = values_of(24, 31)
    area = run(
        js,
        "v => evident.contour.area(evident.contour.cellEdges(field(v, 24, 31, true).mask('both', 20), 24, 31))",
        values.ravel(),
    )
    assert area == round(24 * 31 * 0.2)


def test_the_outline_follows_every_border_of_the_mask_holes_included(js: Node) -> None:
    mask = (np.random.default_rng(6).random((9, 11)) < 0.6).astype(int)
    mask[2:7, 3:8] = 1
    mask[4, 5] = 0
    segments = run(js, "m => [...evident.contour.cellEdges(Uint8Array.from(m), 9, 11)]", mask.ravel())
    padded = np.pad(mask, 1)
    borders = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    lines = np.array(segments).reshape(-1, 4)
    assert np.abs(lines[:, :2] - lines[:, 2:]).sum() == borders


@pytest.mark.parametrize("top", [5, 20, 50])
def test_the_smooth_outline_encloses_the_share_of_a_smooth_map(js: Node, top: int) -> None:
    y, x = np.mgrid[0:80, 0:80]
    values = np.exp(-((y - 40) ** 2 + (x - 36) ** 2) / 900).astype(np.float32)
    area = run(
        js,
        "(v, top) => evident.contour.area(field(v, 80, 80, false).outline('both', top, true))",
        values.ravel(),
        top,
    )
    assert area == pytest.approx(6400 * top / 100, rel=0.02)


def test_specks_and_dust_get_no_outline_but_regions_do(js: Node) -> None:
    mask = np.zeros((40, 40), int)
    mask[5:15, 5:15] = 1
    mask[30, 30] = 1
    code = "m => evident.contour.area(evident.contour.legible(Uint8Array.from(m), 40, 40))"
    assert run(js, code, mask.ravel()) == 100
    dust = np.indices((40, 40)).sum(0) % 2
    dust[:, ::4] = 1
    assert run(js, code, dust.ravel()) == 0


# ---- axes and words ------------------------------------------------------------------------------------------------------------


def test_places_on_the_mel_axis_are_interpolated_between_band_centres(js: Node) -> None:
    axis = sound_axes(64, 100)["y_axis"]
    ask = [200.0, 1000.0, 3100.0]
    got = run(js, "(axis, xs) => xs.map(x => evident.axes.fraction(axis, x))", axis, ask)
    assert np.allclose(got, (np.interp(ask, axis["values"], np.arange(64)) + 0.5) / 64)
    back = run(js, "(axis, fs) => fs.map(f => evident.axes.coordinate(axis, f))", axis, got)
    assert np.allclose(back, ask)


def test_frequency_ticks_stand_at_round_hertz_and_name_the_unit_once(js: Node) -> None:
    axis = sound_axes(64, 100)["y_axis"]
    ticks = run(js, "axis => evident.axes.ticks(axis, 220)", axis)
    assert [tick["value"] for tick in ticks] == [100, 500, 1000, 2000, 4000]
    assert [tick["label"] for tick in ticks] == ["100", "500", "1k", "2k", "4 kHz"]
    inner = ticks[1:-1]
    expected = (np.interp([t["value"] for t in inner], axis["values"], np.arange(64)) + 0.5) / 64
    assert np.allclose([t["at"] for t in inner], expected)


def test_time_ticks_are_seconds_of_the_recording(js: Node) -> None:
    ticks = run(js, "axis => evident.axes.ticks(axis, 240)", sound_axes(64, 100, 3.4, 5.4)["x_axis"])
    assert [tick["label"] for tick in ticks] == ["3.5", "4.0", "4.5", "5.0 s"]
    assert np.allclose([tick["at"] for tick in ticks], [0.05, 0.3, 0.55, 0.8])


@pytest.mark.parametrize(
    ("x", "signed", "text"),
    [(0.712, True, "+0.71"), (-0.0031, True, "−0.0031"), (0, True, "0"), (12345, False, "12,345"), (4.06e-7, False, "4.1e−7"), (-23.44, True, "−23.4")],
)  # fmt: skip
def test_values_are_written_with_their_sign_and_few_digits(
    js: Node, x: float, signed: bool, text: str
) -> None:
    assert run(js, "(x, signed) => evident.words.value(x, signed)", x, signed) == text


def test_the_alternative_text_names_method_class_place_size_and_signs(js: Node) -> None:
    values = np.zeros((40, 100), np.float32)
    values[10:20, 50:60] = 2
    values[0, 0] = -1
    axes = sound_axes(40, 100, 1.0, 3.0)
    text = run(
        js,
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
    text = run(
        js,
        "v => evident.describe.altText({ title: 'LRP', target: '', field: field(v, 2, 2, true), axes: null })",
        [0, 0, 0, 0],
    )
    assert text == "LRP map. No evidence found: all cells are equal."


def test_limits_of_the_scales(js: Node) -> None:
    values = np.abs(values_of(20, 20)).ravel()
    got = run(
        js,
        "v => { const f = field(v, 20, 20, false); return ['own', 'shared', 'raw'].map(s => f.limit(s, 7)); }",
        values,
    )
    assert np.allclose(got, [values.max(), np.quantile(values.astype(float), 0.99), 7])
    sparse = np.zeros(400)
    sparse[3] = 0.25
    assert run(js, "v => field(v, 20, 20, false).limit('shared', 7)", sparse) == 0.25, (
        "a map of one cell keeps its own maximum"
    )


# ---- in words ------------------------------------------------------------------------------------------------------------------


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
    box, area, inside = run(js, code, [values.ravel().tolist() for values in maps])
    expected = slow_pointed_at(maps)
    assert box == expected[0]
    assert area == pytest.approx(expected[1])
    assert inside[:3] == pytest.approx(expected[2][:3], rel=1e-5)
    assert inside[3] is expected[2][3] is None
    assert inside[0] > 0.5


def test_maps_without_positive_evidence_point_nowhere(js: Node) -> None:
    assert run(js, "v => evident.pointedAt([field(v, 2, 2, true)])", [-1.0, -2.0, -3.0, 0.0]) is None


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
