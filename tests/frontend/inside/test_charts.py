"""What the charts of a study show."""

from __future__ import annotations

import numpy as np

from frontend.inside import charts
from tests.frontend.inside.studies import study_of


def test_the_matrix_stands_in_the_order_of_the_clusters_and_every_cell_names_its_filters():
    values = np.arange(9, dtype=np.float32).reshape(3, 3) / 10
    trace = charts.matrix(values, [2, 0, 1]).data[0]
    assert list(trace.x) == ["2", "0", "1"]
    assert np.allclose(trace.z, values[np.ix_([2, 0, 1], [2, 0, 1])])
    assert (trace.zmin, trace.zmax) == (-1, 1)


def test_importance_is_that_of_the_class_with_its_sign_the_strongest_first():
    worth = charts.importance(study_of(3), 0)
    assert worth is not None
    assert list(worth.data[0].x) == ["2", "1", "0"]
    assert list(worth.data[0].y) == [-2.0, -1.0, 0.0]
    other = charts.importance(study_of(3), 1)
    assert other is not None
    assert list(other.data[0].y) == [2.0, 1.0, 0.0]


def test_the_band_of_random_removal_is_drawn_under_the_three_curves():
    curves = charts.removal(study_of(3)["removal"])
    assert [trace.name for trace in curves.data if trace.name] == [
        "strongest first",
        "random",
        "weakest first",
    ]
    assert curves.data[1].fill == "tonexty"
    bare = {"counts": [0, 1], "descending": [1, 0.5]}
    assert len(charts.removal(bare).data) == 1


def test_a_study_without_importance_draws_the_rest():
    study = study_of(2)
    for entry in study["filters"]:
        entry["drops"] = None
    assert charts.importance(study, 1) is None
