"""Series among a record's extras become charts with those very numbers; words and single numbers do not."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.schemas import ExplanationRequest, Record
from frontend.ui import figures, words
from tests.frontend import canned


def record(extras: dict[str, object]) -> Record:
    found = canned.explanation(ExplanationRequest(input="a", model="cnnexplain", method="lime")).record
    assert found
    return found.model_copy(update={"extras": extras})


def test_a_list_is_a_curve():
    [(title, figure)] = figures.of_record(record({"convergence": [0.5, 0.2, 0.1], "r2": 0.8, "note": "x"}))
    assert title == "Convergence"
    assert list(figure.data[0].y) == [0.5, 0.2, 0.1]
    assert list(figure.data[0].x) == [1, 2, 3]


def test_coefficients_are_bars_in_order_of_size_with_their_band():
    extras = {"segments": {"coefficients": [0.1, -0.4, 0.2], "low": [0.0, -0.5, 0.15], "high": [0.15, -0.3, 0.3]}}
    [(_, figure)] = figures.of_record(record(extras))
    bars = figure.data[0]
    assert list(bars.y) == [-0.4, 0.2, 0.1]
    assert list(bars.x) == ["2", "3", "1"]
    assert list(bars.error_y.array) == pytest.approx([0.1, 0.1, 0.05])
    assert list(bars.error_y.arrayminus) == pytest.approx([0.1, 0.05, 0.1])
    assert list(bars.marker.color) == [figures.AGAINST, figures.FOR, figures.FOR]


def test_a_band_of_the_wrong_length_is_not_drawn():
    [(_, figure)] = figures.of_record(record({"segments": {"coefficients": [0.1, -0.4, 0.2], "low": [0.0], "high": [1.0]}}))
    assert figure.data[0].error_y.array is None


def test_two_series_are_x_and_y():
    [(_, figure)] = figures.of_record(record({"deletion": {"share": [0, 0.5, 1], "score": [0.9, 0.4, 0.1]}}))
    assert (list(figure.data[0].x), list(figure.data[0].y)) == ([0, 0.5, 1], [0.9, 0.4, 0.1])


def test_what_is_no_series_is_no_chart():
    assert (
        figures.of_record(record({"flags": [True, False, True], "pair": [1, 2], "names": ["a", "b", "c"], "deep": {"a": {"b": 1}}})) == []
    )


def test_no_button_sends_a_chart_anywhere():
    graph = figures.graph(figures.curve([1, 2, 3], "x"))
    assert graph.config["showSendToCloud"] is False
    assert graph.config["displayModeBar"] is False


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.01, "< 0.1 s"), (0.31, "0.3 s"), (9.96, "10 s"), (14.2, "14 s"), (185, "3 min")]
)
def test_seconds_in_words(value, shown):
    assert words.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.8123, "0.812"), (1240.4, "1,240"), (3.1e-5, "3.1e-05"), (-0.5, "-0.5"), (12, "12")]
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
