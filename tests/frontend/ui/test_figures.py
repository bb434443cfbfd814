"""What a method kept beside its map becomes charts with those very numbers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from frontend.ui import figures, words

COEFFICIENTS, BAND = (
    np.array([0.1, -0.4, 0.2], np.float32),
    np.array([[0.0, -0.5, 0.15], [0.15, -0.3, 0.3]], np.float32),
)


def test_weights_are_bars_in_order_of_size_with_their_band():
    [(title, figure)] = figures.of_arrays({"coefficients": COEFFICIENTS, "band": BAND})
    bars = figure.data[0]
    assert "90 % band" in title
    assert list(bars.y) == pytest.approx([-0.4, 0.2, 0.1])
    assert list(bars.x) == ["1", "2", "0"]  # as `segments.npy` numbers them
    assert list(bars.error_y.array) == pytest.approx([0.1, 0.1, 0.05])
    assert list(bars.error_y.arrayminus) == pytest.approx([0.1, 0.05, 0.1])
    assert list(bars.marker.color) == [figures.AGAINST, figures.FOR, figures.FOR]


def test_bars_have_the_colours_of_the_ends_of_signed_maps():
    assert tuple(to_hex(colormaps["coolwarm"](end)) for end in (0.0, 1.0)) == (figures.AGAINST, figures.FOR)


def test_standard_errors_are_whiskers_of_their_length():
    [(title, figure)] = figures.of_arrays(
        {"coefficients": COEFFICIENTS, "errors": np.array([0.01, 0.02, 0.03])}
    )
    assert "standard error" in title
    assert (
        list(figure.data[0].error_y.array)
        == list(figure.data[0].error_y.arrayminus)
        == pytest.approx([0.02, 0.03, 0.01])
    )


def test_exact_weights_have_no_whiskers_and_other_methods_no_weights():
    [(title, figure)] = figures.of_arrays({"coefficients": COEFFICIENTS, "errors": np.zeros(3)})
    assert title == "Weights of its pieces"
    assert figure.data[0].error_y.array is None
    assert figures.of_arrays({}) == []


def test_no_button_sends_a_chart_anywhere():
    graph = figures.graph(figures.curve([1, 2, 3], "x"))
    assert graph.config["showSendToCloud"] is False
    assert graph.config["displayModeBar"] is False


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0.01, "< 0.1 s"), (0.31, "0.3 s"), (9.96, "10 s"), (14.2, "14 s"), (185, "3 min")],
)
def test_seconds_in_words(value, shown):
    assert words.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.8123, "0.812"), (1240.4, "1,240"), (3.1e-5, "3.1e-05"), (-0.5, "-0.5"), (12, "12")],
)
def test_numbers_in_words(value, shown):
    assert words.number(value) == shown


def test_concentration_is_the_running_share_of_the_strongest_cells():
    values = np.array([[4.0, -3.0], [2.0, 1.0]])
    curve, even = figures.concentration(values).data
    assert list(curve.x) == [0, 25, 50, 75, 100]
    assert list(curve.y) == pytest.approx([0, 40, 70, 90, 100])
    assert (list(even.x), list(even.y)) == ([0, 100], [0, 100])


def test_a_uniform_map_has_no_preference():
    curve = figures.concentration(np.full((8, 8), 0.3, np.float32)).data[0]
    assert list(curve.y) == pytest.approx(list(curve.x))


def test_a_map_of_tiles_shows_each_tile_once():
    tiles = np.array([[0.5, -0.8], [0.1, 0.3]], np.float32)
    figure = figures.pieces(np.kron(tiles, np.ones((4, 4), np.float32)))
    assert figure is not None
    assert list(figure.data[0].y) == pytest.approx([-0.8, 0.5, 0.3, 0.1])


def test_a_smooth_map_is_not_made_of_pieces():
    assert figures.pieces(np.random.default_rng(0).normal(size=(16, 16))) is None
    assert figures.pieces(np.zeros((8, 8))) is None
