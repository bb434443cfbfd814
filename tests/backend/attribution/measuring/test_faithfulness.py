"""Faithfulness against slow second implementations and Captum, and on linear networks, whose right map is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

import backend
from backend.attribution.measuring.imputation import NEIGHBOURS, impute
from backend.attribution.measuring.order import ranks
from backend.attribution.measuring.removal import steps_of
from tests.backend.attribution.measuring.made import grey_linear, map_of, noise, one_channel, value
from tests.backend.attribution.methods.linear import linear
from tests.tiny import picture


def contributions(model, x, target, kind):
    """What each cell of a linear network adds: the map that is right by definition."""
    weights = model.module[1].weight[target].view(3, 32, 32).detach()
    return map_of(((x - model.input.baseline(x, kind))[0] * weights).sum(0).numpy(), target=target)


def test_the_right_map_of_a_linear_network_is_entirely_faithful():
    model, x = linear(), picture()
    for kind in ("black", "mean"):
        right = contributions(model, x, 2, kind)
        # whole cells: what each adds is what its removal costs; growing patches need R per unit of input
        assert backend.evaluate(model, x, right, "pixel_flipping", baseline=kind).value < 0.5
        worst = map_of(-right.values, target=2)
        for key, sign in (("pixel_flipping", -1), ("insertion", 1)):
            best, bad = (value(model, x, made, key, baseline=kind) for made in (right, worst))
            middle = np.mean(
                [value(model, x, map_of(noise(i), target=2), key, baseline=kind) for i in range(5)]
            )
            assert sign * best > sign * middle > sign * bad, key


def test_correlation_is_one_for_the_right_map_and_its_interval_is_narrow():
    model, x, weights = grey_linear()
    right = map_of(weights * x[0, 0].numpy(), target=1)
    score = backend.evaluate(model, x, right, "faithfulness_correlation", subset_size=40)
    assert score.value == pytest.approx(1, abs=1e-5)
    assert score.interval[0] > 0.999
    wrong = backend.evaluate(
        model, x, map_of(-right.values, target=1), "faithfulness_correlation", subset_size=40
    )
    assert wrong.value == pytest.approx(-1, abs=1e-5)
    blind = backend.evaluate(
        model, x, map_of(noise(9, 16), target=1), "faithfulness_correlation", subset_size=40
    )
    assert blind.interval[0] < blind.value < blind.interval[1]
    assert abs(blind.value) < 0.4


def test_the_other_replacement_can_turn_the_ranking():
    """What is black adds nothing when it is removed to black, and much when to the mean."""
    model, x, weights = grey_linear()
    to_black = map_of(weights * x[0, 0].numpy(), target=1)
    to_mean = map_of(weights * (x - x.mean())[0, 0].numpy(), target=1)
    scores = [
        backend.evaluate(
            model, x, made, "faithfulness_correlation", subset_size=40, n_runs=300, baseline="black"
        )
        for made in (to_black, to_mean)
    ]
    assert scores[0].value > scores[1].value
    assert scores[0].other < scores[1].other == pytest.approx(1, abs=1e-5)


def test_infidelity_of_the_weights_of_a_linear_network_is_nothing():
    model, x, weights = grey_linear()
    for removal in ("growing", "single"):
        assert value(model, x, map_of(weights, target=1), "infidelity", removal=removal) == pytest.approx(
            0, abs=1e-6
        )
        doubled = map_of(2 * weights, target=1)
        assert value(model, x, doubled, "infidelity", removal=removal) > 0.01
        assert value(model, x, doubled, "infidelity", removal=removal, scaled=True) == pytest.approx(
            0, abs=1e-6
        )


@pytest.mark.parametrize("scaled", [False, True])
def test_infidelity_with_single_patches_is_captums(scaled):
    model, x = one_channel()
    made = backend.explain(model, x, "gradient", target=1)
    side, patches = 8, []
    for i in range(16):
        patch = torch.zeros(1, 32, 32)
        row, column = divmod(i, 4)
        patch[:, side * row : side * row + side, side * column : side * column + side] = 1
        patches.append(patch)

    def perturb(inputs, baselines=None):
        change = torch.stack(patches) * x
        return change, x - change

    expected = captum_infidelity(
        lambda batch: model.module(batch)[:, 1],
        perturb,
        x,
        torch.from_numpy(made.values.copy())[None, None],
        n_perturb_samples=16,
        normalize=scaled,
    )
    actual = value(
        model, x, made, "infidelity", patch=side, removal="single", scaled=scaled, baseline="black"
    )
    assert actual == pytest.approx(float(expected), rel=1e-4)


def test_infidelity_with_patches_that_do_not_fill_the_grid():
    """Slowly: 32 cells in patches of 5, the last of which are cut off."""
    model, x = one_channel()
    made = backend.explain(model, x, "input_x_gradient", target=1)
    with torch.no_grad():
        score, changed, errors = float(model.module(x)[0, 1]), x.clone(), []
        for row in range(0, 32, 5):
            for column in range(0, 32, 5):
                changed[:, :, row : row + 5, column : column + 5] = 0
                predicted = float(((x - changed)[0, 0] * torch.tensor(made.values)).sum())
                errors.append((predicted - (score - float(model.module(changed)[0, 1]))) ** 2)
    assert value(model, x, made, "infidelity", patch=5) == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.parametrize("key", ["pixel_flipping", "insertion"])
def test_curves_are_what_removing_cell_by_cell_gives(plain, key):
    made, x = backend.explain(plain, picture(), "gradient", target=1), picture()
    score = backend.evaluate(plain, x, made, key, n_steps=8, baseline="mean")
    order = np.argsort(-made.values.ravel(), kind="stable")
    start, end = (x.clone(), plain.input.baseline(x, "mean"))
    if key == "insertion":
        start, end = end, start
    heights = [float(plain.predict(start)[0, 1])]
    for part in np.split(order, 8):
        start.view(3, -1)[:, part] = end.view(3, -1)[:, part]
        heights.append(float(plain.predict(start)[0, 1]))
    np.testing.assert_allclose(score.curve.y, heights, atol=1e-5)
    np.testing.assert_allclose(score.curve.x, np.arange(9) / 8)
    assert score.value == pytest.approx(np.trapezoid(heights, dx=1 / 8), abs=1e-5)


def test_steps_are_equal_and_end_with_everything():
    assert steps_of(10, 4).tolist() == [0, 3, 6, 9, 10]
    assert steps_of(1024, 32).tolist() == list(range(0, 1025, 32))
    assert steps_of(3, 100).tolist() == [0, 1, 2, 3]


def test_ranks_are_a_random_order_among_equals():
    values = np.array([[2.0, 1.0], [1.0, 1.0]])
    drawn = {tuple(ranks(values, np.random.default_rng(seed)).ravel()) for seed in range(60)}
    assert len(drawn) == 6
    assert {each[0] for each in drawn} == {0}


def test_filled_cells_are_the_means_of_their_neighbours():
    rng = np.random.default_rng(2)
    x, removed = rng.random((2, 9, 11)), rng.random((9, 11)) < 0.7
    whole = x.copy()
    whole[:, removed] = impute(x, removed)
    for row, column in zip(*np.nonzero(removed), strict=True):
        near = [
            (whole[:, row + r, column + c], weight)
            for (r, c), weight in NEIGHBOURS
            if 0 <= row + r < 9 and 0 <= column + c < 11
        ]
        mean = sum(v * w for v, w in near) / sum(w for _, w in near)
        np.testing.assert_allclose(whole[:, row, column], mean, atol=1e-10)
    assert whole.min() >= x.min() - 1e-9
    assert whole.max() <= x.max() + 1e-9


def test_road_counts_the_shares_after_which_the_class_is_still_first(plain):
    x = picture()
    top = int(plain.predict(x).argmax())
    made = backend.explain(plain, x, "gradient", target=top)
    score = backend.evaluate(plain, x, made, "road", n_steps=6, noise=0.0)
    order, stays = np.argsort(-made.values.ravel(), kind="stable"), []
    for i in range(6):
        removed = np.zeros(1024, bool)
        removed[order[: int(1024 * (2 * i + 1) / 12)]] = True
        filled = x[0].double().numpy()
        filled[:, removed.reshape(32, 32)] = impute(filled, removed.reshape(32, 32))
        stays.append(int(plain.predict(torch.from_numpy(filled).float()[None]).argmax()) == top)
    assert score.value == pytest.approx(np.mean(stays))
    other = backend.evaluate(plain, x, map_of(made.values, target=(top + 1) % 3), "road")
    assert "first guess" in other.note
