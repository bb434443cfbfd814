"""Colours, arrays, numbers about maps and outlines of frontend/assets/evident, against numpy, scipy and
matplotlib."""

from __future__ import annotations

import base64
from typing import Any

import matplotlib
import numpy as np
import pytest
from scipy import stats

from tests.browser.widgets.server import npy
from tests.frontend.evident.modules import Node


def values_of(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)


# ---- colours ----


@pytest.mark.parametrize("name", ["cividis", "viridis", "coolwarm", "PuOr", "jet"])
def test_colour_tables_are_the_published_ones(js: Node, name: str) -> None:
    expected = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    assert js.call("name => [...evident.colour.table(name)]", name) == expected.ravel().tolist()


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
    return np.array(js.call(code, values, full)).reshape(-1, 4)


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


# ---- arrays ----


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8", "<f2", "|u1", "<i2", "<i4", "<i8", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_are_read_as_numpy_reads_them(js: Node, kind: str, order: str) -> None:
    values = np.asarray(
        (np.random.default_rng(3).normal(size=(3, 5, 2)) * 50).clip(0, 255).astype(kind), order=order
    )  # type: ignore[call-overload]
    code = """text => { const {shape, data} = evident.readNpy(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer); return [shape, [...data]]; }"""
    shape, data = js.call(code, base64.b64encode(npy(values)).decode())
    assert shape == [3, 5, 2]
    assert np.array_equal(np.array(data), values.ravel(order="C").astype(float))


@pytest.mark.parametrize(
    "spoil", [lambda b: b"", lambda b: b"PNG" + b, lambda b: b[:-1], lambda b: b.replace(b"<f4", b"|O8")]
)
def test_broken_array_files_are_refused_in_words(js: Node, spoil: Any) -> None:
    text = base64.b64encode(spoil(npy(np.ones((2, 2), np.float32)))).decode()
    code = """text => { try { evident.readNpy(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer); return null; } catch (e) { return e.message; } }"""
    assert "array" in js.call(code, text)


# ---- numbers about maps ----


def tied(n: int, seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(size=n), 1).astype(np.float32)


def test_percentile_of_a_cell_is_the_share_of_weaker_cells(js: Node) -> None:
    values = tied(300, 0)
    got = js.call(
        "(v) => { const f = field(v, 15, 20, true); return v.map((_, i) => f.percentile(i)); }", values
    )
    expected = [stats.percentileofscore(np.abs(values), abs(v), kind="strict") for v in values]
    assert np.allclose(got, expected, atol=1e-12)


def test_quantiles_are_numpys(js: Node) -> None:
    values = np.sort(values_of(1, 101)[0])
    levels = [0.0, 0.013, 0.25, 0.5, 0.99, 1.0]
    got = js.call(
        "(v, q) => q.map(x => evident.statistics.quantile(Float32Array.from(v), x))", values, levels
    )
    assert np.allclose(got, np.quantile(values.astype(float), levels), atol=1e-7)


@pytest.mark.parametrize(
    "maker",
    [lambda s: tied(400, s), lambda s: values_of(1, 400, s)[0], lambda s: np.maximum(tied(400, s), 0)],
)
def test_rank_correlation_is_scipys_with_and_without_ties(js: Node, maker: Any) -> None:
    a, b = maker(1), maker(2) + maker(1) / 2
    assert np.allclose(
        js.call("v => [...evident.statistics.ranks(Float32Array.from(v))]", a), stats.rankdata(a)
    )
    got = js.call(
        "(a, b) => evident.statistics.spearman(Float32Array.from(a), Float32Array.from(b))",
        a,
        b.astype(np.float32),
    )
    assert got == pytest.approx(stats.spearmanr(a, b.astype(np.float32)).statistic, abs=1e-12)


def test_rank_correlation_with_a_constant_map_is_undefined(js: Node) -> None:
    assert (
        js.call(
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
    assert js.call(code, *flat, True, True, "both") == pytest.approx(rho(a, b))
    assert js.call(code, *flat, True, False, "both") == pytest.approx(rho(np.abs(a), np.abs(b)))
    assert js.call(code, *flat, True, True, "for") == pytest.approx(rho(np.maximum(a, 0), np.maximum(b, 0)))


@pytest.mark.parametrize("top", [1, 20, 55])
def test_show_top_keeps_that_share_of_the_cells(js: Node, top: int) -> None:
    values = values_of(20, 30)
    mask = np.array(js.call("(v, top) => [...field(v, 20, 30, true).mask('both', top)]", values.ravel(), top))
    strength = np.abs(values.ravel())
    expected = np.zeros(600, int)
    expected[np.argsort(-strength)[: round(600 * top / 100)]] = 1
    assert np.array_equal(mask, expected)


def test_ties_at_the_border_count_and_cells_without_evidence_never_do(js: Node) -> None:
    assert js.call("v => [...field(v, 1, 10, true).mask('both', 20)]", [3, 2, 2, 2, 1, 0, 0, 0, 0, 0]) == [
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
        js.call("v => [...field(v, 1, 10, true).mask('both', 80)]", [3, -2, 0, 0, 0, 0, 0, 0, 0, 0])
        == [1, 1] + [0] * 8
    )
    assert js.call("v => [...field(v, 1, 4, true).mask('against', 50)]", [1, 2, 3, 4]) == [0] * 4


def test_overlap_votes_and_difference_are_numpys(js: Node) -> None:
    a, b = values_of(12, 12, 4), values_of(12, 12, 5)

    def top(x: np.ndarray) -> np.ndarray:
        return np.abs(x.ravel()) >= np.sort(np.abs(x.ravel()))[-round(144 * 0.25)]

    overlap = js.call(
        "(a, b) => evident.field.overlap(field(a, 12, 12, true), field(b, 12, 12, true), 'both', 25)",
        a.ravel(),
        b.ravel(),
    )
    assert overlap == pytest.approx((top(a) & top(b)).sum() / (top(a) | top(b)).sum())
    votes = js.call(
        "(a, b) => [...evident.field.votes([field(a, 12, 12, true), field(b, 12, 12, true)], 'both', 25)]",
        a.ravel(),
        b.ravel(),
    )
    assert np.array_equal(votes, top(a).astype(int) + top(b))
    got = js.call(
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
        js.call("v => [...evident.statistics.columnSums(v, 12, 18)]", values.ravel()),
        values.sum(0),
        atol=1e-5,
    )
    blocks = values.reshape(4, 3, 6, 3).sum((1, 3))
    assert np.allclose(
        js.call("v => [...evident.statistics.blockSums(v, 12, 18, 4, 6)]", values.ravel()),
        blocks.ravel(),
        atol=1e-5,
    )


def test_the_box_of_the_evidence_finds_a_known_rectangle(js: Node) -> None:
    values = 0.01 * np.abs(values_of(40, 60))
    values[10:20, 30:50] = 1
    box = js.call("v => evident.statistics.evidenceBox(v, 40, 60, 0.5)", values.ravel())
    assert box == [10, 19, 30, 48], "rows hold 10 % each, columns 5 %: the last column holds the last 5 %"


# ---- outlines ----


def test_the_outline_along_cells_encloses_exactly_the_chosen_share(js: Node) -> None:
    values = values_of(24, 31)
    area = js.call(
        "v => evident.contour.area(evident.contour.cellEdges(field(v, 24, 31, true).mask('both', 20), 24, 31))",
        values.ravel(),
    )
    assert area == round(24 * 31 * 0.2)


def test_the_outline_follows_every_border_of_the_mask_holes_included(js: Node) -> None:
    mask = (np.random.default_rng(6).random((9, 11)) < 0.6).astype(int)
    mask[2:7, 3:8] = 1
    mask[4, 5] = 0
    segments = js.call("m => [...evident.contour.cellEdges(Uint8Array.from(m), 9, 11)]", mask.ravel())
    padded = np.pad(mask, 1)
    borders = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    lines = np.array(segments).reshape(-1, 4)
    assert np.abs(lines[:, :2] - lines[:, 2:]).sum() == borders


@pytest.mark.parametrize("top", [5, 20, 50])
def test_the_smooth_outline_encloses_the_share_of_a_smooth_map(js: Node, top: int) -> None:
    y, x = np.mgrid[0:80, 0:80]
    values = np.exp(-((y - 40) ** 2 + (x - 36) ** 2) / 900).astype(np.float32)
    area = js.call(
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
    assert js.call(code, mask.ravel()) == 100
    dust = np.indices((40, 40)).sum(0) % 2
    dust[:, ::4] = 1
    assert js.call(code, dust.ravel()) == 0


# ---- cells ----


@pytest.mark.parametrize(("rows", "cols", "size"), [(16, 16, 4), (17, 10, 8), (5, 7, 16), (6, 6, 1)])
def test_an_averaged_map_holds_the_mean_of_each_cell_and_keeps_its_sum(
    js: Node, rows: int, cols: int, size: int
) -> None:
    values = values_of(rows, cols)
    got = js.call(
        "([values, rows, cols, size]) => [...field(values, rows, cols, true).averaged(size).values]",
        [values.ravel().tolist(), rows, cols, size],
    )
    expected = np.empty_like(values)
    for top in range(0, rows, size):
        for left in range(0, cols, size):
            block = (slice(top, top + size), slice(left, left + size))
            expected[block] = values[block].mean()
    assert np.reshape(got, values.shape) == pytest.approx(expected, abs=1e-6)
    assert np.sum(got) == pytest.approx(values.sum(), abs=1e-4)


def test_only_the_grid_of_a_photograph_is_averaged_of_its_own_accord(js: Node) -> None:
    code = "([chosen, rows, cols]) => evident.field.cellSize(chosen, { rows, cols })"
    assert [js.call(code, ["auto", n, n]) for n in (64, 128, 224)] == [1, 1, 4]
    assert [js.call(code, [size, 224, 224]) for size in ("1", "8", "16")] == [1, 8, 16]
