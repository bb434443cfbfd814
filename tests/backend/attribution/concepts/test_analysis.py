"""The analysis equals its parts, computed one at a time, and its statistics equal numpy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import backend
from app.core.errors import Cancelled, InvalidInput, NotFound
from backend.attribution.concepts.analysis import Plan, analyse
from backend.attribution.concepts.curves import concept_curves
from backend.attribution.concepts.library import Library
from backend.attribution.concepts.separability import held_out, logistic, mean_difference
from backend.attribution.concepts.significance import empirical_p
from backend.attribution.concepts.vectors import Activations
from tests import tiny

PLAN = Plan(concepts=("striped", "red"), layers=("1", "4"), classes=(0, 2), n_random=20)


@pytest.fixture(scope="module")
def model():
    return tiny.build("plain")


@pytest.fixture(scope="module")
def books():
    return Library()


@pytest.fixture(scope="module")
def found(model, books):
    return analyse(model, [tiny.picture(s) for s in range(4)], PLAN, books)


def test_every_row_is_what_the_single_call_gives(model, books, found):
    assert len(found.rows) == 4 * 2 * 2 * 2
    for row in found.rows[::5]:
        vector = books.vector(model, row.layer, row.concept)
        single = backend.concept_attribution(
            model, tiny.picture(row.input), row.layer, [vector], targets=[row.target]
        )
        assert row.score == pytest.approx(float(single.scores[0, 0]), abs=1e-5)
        chance = books.pseudo(
            model, row.layer, vector.positives, found.n_random, negatives="random_pictures"
        ).scores(single.field)[:, 0]
        assert row.p == pytest.approx(empirical_p(row.score, chance))
        k = PLAN.concepts.index(row.concept)
        assert np.allclose(found.maps[row.input, row.layer][k], single.maps[0], atol=1e-5)
        curves = concept_curves(model, tiny.picture(row.input), row.layer, vector, row.target)
        assert (row.probability, row.without) == pytest.approx(
            (float(curves.erasing[0]), float(curves.erasing[-1])), abs=1e-5
        )


def test_the_global_picture_is_mean_deviation_and_two_standard_errors(found):
    for row in found.overall:
        scores = [
            r.score
            for r in found.rows
            if all(getattr(r, name) == getattr(row, name) for name in ("layer", "concept", "target"))
        ]
        assert row.n == len(scores) == 4
        assert row.mean == pytest.approx(np.mean(scores), abs=1e-6)
        assert row.sd == pytest.approx(np.std(scores), abs=1e-6)
        assert row.high - row.mean == pytest.approx(2 * np.std(scores) / 2, abs=1e-6)
        assert row.p_adjusted >= row.p - 1e-12


def test_curves_begin_at_the_score_and_end_where_the_rows_say(model, found):
    assert len(found.curves) == 4
    for curve in found.curves:
        row = next(
            r
            for r in found.rows
            if r.input == 0
            and all(getattr(r, name) == getattr(curve, name) for name in ("layer", "concept", "target"))
        )
        assert curve.erasing[0] == curve.control[0] == pytest.approx(row.probability, abs=1e-5)
        assert curve.erasing[-1] == pytest.approx(row.without, abs=1e-5)
        assert curve.insertion[-1] == pytest.approx(row.probability, abs=1e-5)


def test_cosines_are_symmetric_with_ones_on_the_diagonal(found):
    for matrix in found.cosines.values():
        assert np.allclose(matrix, np.transpose(matrix))
        assert np.allclose(np.diag(matrix), 1, atol=1e-5)
    nearest = {row.concept: row.nearest for row in found.directions}
    assert nearest == {"striped": "red", "red": "striped"}


def test_without_classes_each_input_speaks_for_its_predicted_class(model, books):
    inputs = [tiny.picture(s) for s in range(6)]
    rows = analyse(model, inputs, Plan(("red",), ("4",), n_random=20), books).rows
    assert [row.target for row in rows] == [int(model.predict(x).argmax()) for x in inputs]


def test_directions_say_whether_they_can_be_told_apart_with_the_interval(model, books, found):
    for row in found.directions:
        sides = books.plus(model, row.layer, row.concept), books.minus(model, row.layer, "random_pictures")
        for lead, rule in (("", mean_difference), ("trained_", logistic)):
            single = held_out(*sides, rule)
            given = [
                getattr(row, lead + name)
                for name in ("accuracy", "accuracy_low", "accuracy_high", "told_apart", "separability")
            ]
            assert given == [single.accuracy, single.low, single.high, single.told_apart, single.words]
        assert row.accuracy_low < row.accuracy <= row.accuracy_high


def test_held_out_accuracy_is_high_for_red_and_chance_for_chance(model, books):
    assert held_out(books.plus(model, "4", "red"), books.minus(model, "4")).accuracy > 0.9
    same = [
        Activations(model, "4", torch.cat([tiny.picture(1000 * side + i) for i in range(60)]))
        for side in (1, 2)
    ]
    assert abs(held_out(*same).accuracy - 0.5) < 0.17


def test_progress_grows_the_table_and_stop_stops(model, books):
    seen = []

    def report(done, total, partial=None):
        seen.append((done, total, None if partial is None else partial.copy()))
        if done == 3:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        analyse(model, [tiny.picture(s) for s in range(4)], PLAN, books, report)
    assert [done for done, _, _ in seen] == [0, 2, 3]
    assert seen[-1][1] == 10
    assert np.isfinite(seen[-1][2][0]).all()
    assert np.isnan(seen[-1][2][1]).all()


def test_references_that_do_not_fit_are_refused_in_plain_words(model, books):
    with pytest.raises(InvalidInput, match="audio"):
        books.examples(model, "hum")
    with pytest.raises(NotFound, match="no such concept"):
        books.examples(model, "0" * 64)
