"""Each metric against a slow second implementation or a public oracle, at its limits, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from scipy import stats
from torch import nn

import backend
import models
from app.core.errors import BadParameter, Cancelled
from backend.attribution.measuring.again import randomised
from backend.attribution.measuring.imputation import NEIGHBOURS, impute
from backend.attribution.measuring.noise import interval_of_mean
from backend.attribution.measuring.order import hits, ranks
from backend.attribution.measuring.removal import steps_of
from backend.attribution.measuring.sweep import Sweep
from backend.attribution.metrics.faithfulness_correlation import fisher, subsets
from tests.backend.attribution.measuring.made import map_of, noise, one_channel, region
from tests.backend.attribution.methods.linear import linear
from tests.tiny import build, picture


@pytest.fixture(scope="module")
def plain():
    return build("plain")


def value(model, x, result, key, mask=None, **params):
    score = backend.evaluate(model, x, result, key, mask, **params)
    assert score.value is not None, score.note
    return score.value


# -- complexity -----------------------------------------------------------------------------------------------------------------------


def test_sparseness_is_half_the_mean_difference_over_the_mean(plain):
    """The Gini coefficient by its definition, pair by pair."""
    made = map_of(noise())
    sizes = np.abs(made.values.ravel().astype(float))
    expected = np.abs(sizes[:, None] - sizes).mean() / (2 * sizes.mean())
    assert value(plain, picture(), made, "sparseness") == pytest.approx(expected, rel=1e-5)


def alone() -> np.ndarray:
    values = np.zeros((32, 32))
    values[3, 4] = -2.0
    return values


def test_complexity_at_its_ends(plain):
    x, flat, single = picture(), map_of(np.full((32, 32), 0.5)), map_of(alone())
    assert value(plain, x, flat, "sparseness") == pytest.approx(0, abs=1e-9)
    assert value(plain, x, single, "sparseness") == pytest.approx(1 - 1 / 1024, abs=1e-3)
    assert value(plain, x, flat, "complexity") == pytest.approx(np.log(1024))
    assert value(plain, x, single, "complexity") == pytest.approx(0, abs=1e-9)
    assert value(plain, x, flat, "effective_complexity") == 1024
    assert value(plain, x, single, "effective_complexity") == 1


def test_complexity_does_not_depend_on_scale_or_sign(plain):
    for key in ("sparseness", "complexity", "effective_complexity"):
        first, second = (value(plain, picture(), map_of(factor * noise()), key) for factor in (1, -1e-12))
        assert first == pytest.approx(second, rel=1e-5), key


# -- localisation ---------------------------------------------------------------------------------------------------------------------

LOCAL = (
    "pointing_game",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "top_k_intersection",
    "top_iou",
)


@pytest.mark.parametrize("key", LOCAL)
def test_localisation_of_perfect_inverted_and_uniform_maps(plain, key):
    mask = region()
    assert value(plain, picture(), map_of(mask), key, mask) == 1
    assert value(plain, picture(), map_of(~mask), key, mask) == pytest.approx(0)
    share = mask.mean()
    expected = share / (2 - share) if key == "top_iou" else share
    assert value(plain, picture(), map_of(np.ones((32, 32))), key, mask) == pytest.approx(expected)


@pytest.mark.parametrize("key", LOCAL)
def test_equal_cells_get_what_random_order_gives_on_average(plain, key):
    """Maps of few levels, as LIME's, with a little noise that breaks the ties at random."""
    mask, rng = region(), np.random.default_rng(0)
    levels = rng.integers(0, 4, (32, 32)).astype(float) + 1.5 * mask * rng.integers(0, 2, (32, 32))
    shared = value(plain, picture(), map_of(levels), key, mask)
    drawn = [
        value(plain, picture(), map_of(levels + 1e-4 * rng.random((32, 32))), key, mask) for _ in range(200)
    ]
    error = max(1e-3, 4 * np.std(drawn) / np.sqrt(len(drawn)))
    assert shared == pytest.approx(np.mean(drawn), abs=error)


def test_hits_counts_cells_one_by_one():
    rng = np.random.default_rng(1)
    for _ in range(50):
        values, mask = rng.standard_normal((6, 7)), rng.random((6, 7)) < 0.4
        k = int(rng.integers(1, 43))
        top = sorted(((v, m) for v, m in zip(values.ravel(), mask.ravel(), strict=True)), reverse=True)[:k]
        assert hits(values, mask, k) == sum(m for _, m in top)


def test_a_map_without_positive_cells_has_no_mass(plain):
    score = backend.evaluate(plain, picture(), map_of(-np.abs(noise())), "relevance_mass_accuracy", region())
    assert (score.value, "positive" in score.note) == (None, True)


def test_a_mask_may_be_a_tensor_or_hold_numbers(plain):
    made = map_of(np.abs(noise()))
    first = value(plain, picture(), made, "relevance_mass_accuracy", region())
    for other in (torch.from_numpy(region()), region().astype(np.uint8), 255 * region().astype(int)):
        assert value(plain, picture(), made, "relevance_mass_accuracy", other) == first


# -- faithfulness ---------------------------------------------------------------------------------------------------------------------


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


def grey_linear():
    """One channel, black is 0, two classes: y_1 = <w, x>."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.from_numpy(np.random.default_rng(3).standard_normal((2, 256))))
    spec = models.ImageInput(size=(16, 16), mean=0.0, std=1.0, channels=1)
    x = torch.from_numpy(np.random.default_rng(4).random((1, 1, 16, 16)).astype(np.float32))
    return models.wrap(net, labels=["a", "b"], input=spec), x, net[1].weight[1].detach().view(16, 16).numpy()


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


# -- robustness -----------------------------------------------------------------------------------------------------------------------


def test_sensitivity_is_captums(plain):
    """With the copies that ours draws."""
    x = picture()
    made = backend.explain(plain, x, "saliency", target=1)

    def explain(inputs):
        batch = inputs[0] if isinstance(inputs, tuple) else inputs
        maps = [backend.explain(plain, each[None], "saliency", target=1).values for each in batch]
        return (torch.from_numpy(np.stack(maps))[:, None],)

    def perturb(inputs):
        copies = [np.random.default_rng((5, 1, i)).uniform(-0.1, 0.1, (1, 3, 32, 32)) for i in range(6)]
        return torch.cat([x + torch.from_numpy(copy.astype(np.float32)) for copy in copies])

    expected = float(sensitivity_max(explain, x, perturb_func=perturb, n_perturb_samples=6, norm_ord="fro"))
    actual = value(plain, x, made, "max_sensitivity", seed=5, n_samples=6, lower_bound=0.1)
    assert actual == pytest.approx(expected, rel=1e-4)


def test_a_map_that_does_not_look_at_the_input_is_steady():
    """The gradient of a linear network is the same everywhere, and its product with the input moves with it."""
    model, x = linear(), picture()
    steady = backend.explain(model, x, "gradient", target=0)
    keys = ["avg_sensitivity", "max_sensitivity", "local_lipschitz_estimate"]
    for score in backend.evaluate_all(
        model, x, steady, keys, params={key: {"n_samples": 3} for key in keys}
    ).values():
        assert score.value == pytest.approx(0, abs=1e-5)
    moving = backend.explain(model, x, "input_x_gradient", target=0)
    scores = backend.evaluate_all(model, x, moving, keys, params={key: {"n_samples": 5} for key in keys})
    low, high = scores["avg_sensitivity"].interval
    assert low < scores["avg_sensitivity"].value < high
    assert scores["max_sensitivity"].value > scores["avg_sensitivity"].value > 0.01


def test_the_same_copies_serve_both_sensitivities(plain, monkeypatch):
    import backend.attribution.measuring.again as module

    calls, original = [], module.explain

    def counted(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, "explain", counted)
    made = backend.explain(plain, picture(), "gradient", target=1)
    backend.evaluate_all(plain, picture(), made, ["avg_sensitivity", "max_sensitivity"])
    assert len(calls) == 10


# -- randomisation and completeness ---------------------------------------------------------------------------------------------------


def test_a_map_that_ignores_the_class_looks_the_same_for_another():
    """Of a network whose classes differ by a factor only, the maps of all classes look the same."""
    model, x = linear(), picture()
    with torch.no_grad():
        for k in (1, 2):
            model.module[1].weight[k] = (k + 1) * model.module[1].weight[0]
    made = backend.explain(model, x, "gradient", target=0)
    assert value(model, x, made, "random_logit") == pytest.approx(1, abs=1e-5)
    other = linear()
    made = backend.explain(other, x, "gradient", target=0)
    assert value(other, x, made, "random_logit") < 0.5


def test_the_class_reaches_every_part_of_a_product():
    """Grad-CAM's part of the fused map too: on a network whose classes look at different filters the map changes."""
    model = models.load("shapes")
    x = model.prepare(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    made = backend.explain(model, x, "grad_cam", target=0)
    assert value(model, x, made, "random_logit") < 0.95
    fused = backend.explain(model, x, "fused", target=0)
    if fused.values.any():
        assert value(model, x, fused, "random_logit") < 0.95


def test_random_weights_are_drawn_layer_by_layer_with_one_seed(plain):
    net = randomised(plain, 11).module
    torch.manual_seed(12)
    expected = nn.Conv2d(8, 12, 3, padding=1)
    assert torch.equal(net[3].weight, expected.weight)
    assert not torch.equal(plain.module[3].weight, expected.weight)
    assert randomised(plain, 11) is randomised(plain, 11)


def test_a_map_of_the_input_alone_survives_random_weights():
    """A network whose weights cannot be drawn anew says so; one whose map is the input's own edges keeps its entropy."""

    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([1.0, -1.0]))

        def forward(self, x):
            return x.square().mean((1, 2, 3), keepdim=True)[:, :, 0, 0] * self.scale

    model = models.wrap(Fixed(), labels=["a", "b"], input=models.ImageInput(size=(32, 32)))
    made = backend.explain(model, picture(), "gradient", target=0)
    score = backend.evaluate(model, picture(), made, "efficient_mprt")
    assert (score.value, "cannot be drawn anew" in score.note) == (None, True)


def test_a_network_that_random_weights_leave_dead_is_drawn_again(plain, monkeypatch):
    import backend.attribution.metrics.efficient_mprt as module

    made, drawn = backend.explain(plain, picture(), "gradient", target=1), []

    def dead(model, seed):
        drawn.append(seed)
        other = randomised(model, seed)
        if seed < most:
            with torch.no_grad():
                for part in other.module.parameters():
                    part.zero_()
        return other

    monkeypatch.setattr(module, "randomised", dead)
    most = 2
    usual = backend.evaluate(plain, picture(), made, "efficient_mprt")
    assert (drawn, usual.value is not None) == ([0, 1, 2], True)
    most = 100
    score = backend.evaluate(plain, picture(), made, "efficient_mprt")
    assert (score.value, "answers the same" in score.note) == (None, True)


def test_intervals_end_where_the_scale_does():
    """Of two other classes with likeness 0 and 1 Student's interval would reach far beyond."""
    model, x = linear(), picture()
    with torch.no_grad():
        model.module[1].weight[1] = model.module[1].weight[0]
    made = backend.explain(model, x, "gradient", target=0)
    score = backend.evaluate(model, x, made, "random_logit")
    assert score.interval == (-1, 1)


def test_integrated_gradients_are_complete_and_a_product_is_not_asked(plain):
    made = backend.explain(plain, picture(), "integrated_gradients", target=1, n_steps=64)
    assert value(plain, picture(), made, "completeness") > 0.95
    fused = backend.evaluate(
        plain, picture(), backend.explain(plain, picture(), "fused", target=1), "completeness"
    )
    assert "has no sum rule" in fused.note


# -- intervals ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_intervals_of_a_correlation_cover(rho):
    rng, n, covered = np.random.default_rng(int(10 * rho)), 100, 0
    for _ in range(2000):
        a = rng.standard_normal(n)
        b = rho * a + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        low, high = fisher(float(np.corrcoef(a, b)[0, 1]), n)
        covered += low <= rho <= high
    assert stats.binomtest(covered, 2000, 0.95).pvalue > 1e-3


def test_intervals_of_a_mean_cover():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(2000):
        low, high = interval_of_mean(rng.normal(3, 2, 10))
        covered += low <= 3 <= high
    assert stats.binomtest(covered, 2000, 0.95).pvalue > 1e-3
    assert interval_of_mean(np.array([1.0])) is None


def test_a_map_of_chance_is_found_faithful_in_one_of_forty():
    """Nothing to find: the interval of the correlation lies above 0 in 2.5 % of maps of noise."""
    model, x, _ = grey_linear()
    above = 0
    for seed in range(400):
        made = map_of(noise(1000 + seed, 16), target=1)
        low, _ = backend.evaluate(
            model, x, made, "faithfulness_correlation", subset_size=30, seed=seed
        ).interval
        above += low > 0
    assert stats.binomtest(above, 400, 0.025, alternative="greater").pvalue > 1e-3


# -- the sweep ------------------------------------------------------------------------------------------------------------------------


def test_maps_of_one_input_share_its_answers(plain, monkeypatch):
    sent, original = [], Sweep.answers

    def counted(self, batches):
        answers = original(self, batches)
        sent.append(len(answers.score))
        return answers

    monkeypatch.setattr(Sweep, "answers", counted)
    x, keys = picture(77), ["faithfulness_correlation", "infidelity"]
    for seed in range(3):
        backend.evaluate_all(plain, x, map_of(noise(seed), target=1), keys)
    assert sum(sent) == 1 + 2 * 100 + 2 * 64
    backend.evaluate_all(plain, x, map_of(noise(), target=2), keys)  # another class: other answers
    assert sum(sent) == 2 * (1 + 2 * 100 + 2 * 64)


def test_a_changed_network_is_asked_again():
    model, x = linear(), picture()
    made = map_of(noise(), target=0)
    before = value(model, x, made, "faithfulness_correlation")
    with torch.no_grad():
        model.module[1].weight[0] = -model.module[1].weight[0]
    assert value(model, x, made, "faithfulness_correlation") == pytest.approx(-before, abs=1e-4)


def test_subsets_are_without_repetition():
    drawn = subsets(np.random.default_rng(0), 20, 50, 25)
    assert all(len(set(row)) == 25 for row in drawn)
    assert (drawn.min(), drawn.max()) == (0, 49)


def test_a_replacement_that_is_not_offered_is_refused(plain):
    with pytest.raises(BadParameter, match="black, mean or blur"):
        backend.evaluate(plain, picture(), map_of(noise()), "pixel_flipping", baseline="silence")


def test_spectrograms_are_replaced_by_silence():
    sound = models.SoundInput(
        rate=8000, bands=16, frames=16, n_fft=256, hop=128, low=50, high=4000, floor=-80
    )
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model = models.wrap(net, labels=["a", "b"], input=sound)
    x = torch.rand(1, 1, 16, 16)
    score = backend.evaluate(model, x, map_of(noise(0, 16), target=0), "pixel_flipping")
    assert score.curve.y[-1] == pytest.approx(float(model.predict(torch.zeros_like(x))[0, 0]), abs=1e-5)
    assert score.other is not None


def test_a_single_logit_speaks_for_both_classes():
    model, x = build("single_logit"), picture()
    made = backend.explain(model, x, "gradient", target=0)
    curve = backend.evaluate(model, x, made, "pixel_flipping").curve
    assert curve.y[0] == pytest.approx(float(model.predict(x)[0, 0]), abs=1e-5)
    assert value(model, x, made, "random_logit") <= 1


def test_the_user_can_stop(plain):
    made = backend.explain(plain, picture(), "gradient", target=1)

    def stop(done, total, partial=None):
        if done == 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        backend.evaluate_all(plain, picture(), made, ["sparseness", "avg_sensitivity"], report=stop)


def test_answers_are_in_full_precision_where_the_processor_has_half(monkeypatch):
    """Removing 224 values moves a logit by less than bfloat16 can tell."""
    from backend.attribution.network.passes import Passes

    monkeypatch.setattr("backend.attribution.network.passes.has_bfloat16", lambda device: True)
    model, x = build("residual"), picture()
    plan = Passes.of(model).precise
    assert (plan.precision, plan.dtype) == ("float32", torch.float32)
    score = Sweep.of(model, x, 1).score
    assert score == pytest.approx(float(model.logits(x)[0, 1]), rel=1e-5)
