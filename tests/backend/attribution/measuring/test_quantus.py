"""Against Quantus, where it is installed (`pip install --no-deps quantus cachetools pandas`: with its dependencies it
brings a second OpenCV). The other tests need none of it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import backend
from models.hub import ensure_operations
from tests.backend.attribution.measuring.made import map_of, noise, one_channel, region
from tests.tiny import build, picture

TARGET = 1


@pytest.fixture(scope="module")
def quantus():
    ensure_operations()
    return pytest.importorskip("quantus")


@pytest.fixture(scope="module")
def model():
    return build("plain")


@pytest.fixture(scope="module")
def result(model):
    return backend.explain(model, picture(), "gradient", target=TARGET)


def black(model):
    """Our replacement as Quantus takes it: flat values of the whole input."""
    flat = model.input.baseline(picture()).numpy().reshape(1, -1)

    def replace(arr, indices, **more):
        changed = arr.copy()
        changed[0, indices[0]] = flat[0, indices[0]]
        return changed

    return replace


def explained(model, result):
    def explain_func(model, inputs, targets, **more):
        network = build("plain")
        network.module.load_state_dict(model.state_dict())
        maps = [
            backend.explain(
                network,
                torch.from_numpy(np.asarray(x, np.float32))[None],
                result.method,
                target=int(target),
                **result.params,
            ).values
            for x, target in zip(np.asarray(inputs), np.asarray(targets), strict=True)
        ]
        return np.stack(maps)[:, None]

    return explain_func


def theirs(metric, model, result, mask=None, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(
            model=model.module,
            x_batch=picture().numpy(),
            y_batch=np.array([TARGET]),
            a_batch=result.values[None, None].copy(),
            s_batch=None if mask is None else mask[None, None],
            explain_func=explained(model, result),
            channel_first=True,
            **more,
        )


def ours(model, result, key, mask=None, **params):
    measured = backend.evaluate(model, picture(), result, key, mask, **params)
    assert measured.value is not None, measured.note
    return measured


@pytest.mark.parametrize("values", [noise(1), np.abs(noise(2)), np.maximum(noise(3), 0)])
@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("sparseness", "Sparseness"),
        ("complexity", "Complexity"),
        ("effective_complexity", "EffectiveComplexity"),
        ("pointing_game", "PointingGame"),
        ("relevance_rank_accuracy", "RelevanceRankAccuracy"),
    ],
)
def test_what_reads_the_map_alone(quantus, model, key, name, values):
    made = map_of(values)
    metric = getattr(quantus, name)(disable_warnings=True)
    expected = theirs(metric, model, made, region())[0]
    assert ours(model, made, key, region()).value == pytest.approx(float(expected), rel=1e-5)


def test_relevance_mass_of_a_map_without_negative_cells(quantus, model):
    made = map_of(np.abs(noise(2)))
    expected = theirs(quantus.RelevanceMassAccuracy(disable_warnings=True), model, made, region())[0]
    assert ours(model, made, "relevance_mass_accuracy", region()).value == pytest.approx(expected, rel=1e-5)


def test_top_k_intersection(quantus, model):
    made = map_of(noise(4))
    expected = theirs(quantus.TopKIntersection(k=57, disable_warnings=True), model, made, region())[0]
    assert ours(model, made, "top_k_intersection", region(), k=57).value == pytest.approx(expected)


def test_pixel_flipping(quantus):
    grey, x = one_channel()
    made = backend.explain(grey, x, "gradient", target=TARGET)
    metric = quantus.PixelFlipping(features_in_step=32, perturb_baseline=0.0, disable_warnings=True)
    expected = metric(
        model=grey.module,
        x_batch=x.numpy(),
        y_batch=np.array([TARGET]),
        a_batch=made.values[None, None].copy(),
        channel_first=True,
        softmax=True,
    )[0]
    curve = backend.evaluate(grey, x, made, "pixel_flipping", baseline="black").curve
    np.testing.assert_allclose(curve.y[1:], np.array(expected), atol=1e-5)
    assert curve.y[0] == pytest.approx(float(grey.predict(x)[0, TARGET]), abs=1e-5)


def test_faithfulness_correlation(quantus, model, result, monkeypatch):
    """With the subsets that ours draws."""
    from backend.attribution.metrics.faithfulness_correlation import subsets

    drawn = iter(subsets(np.random.default_rng((7, 2)), 40, 3072, 224))
    metric = quantus.FaithfulnessCorrelation(
        nr_runs=40, subset_size=224, perturb_func=black(model), return_aggregate=False, disable_warnings=True
    )
    monkeypatch.setattr(np.random, "choice", lambda *args, **more: next(drawn))
    expected = theirs(metric, model, result)[0]
    measured = ours(model, result, "faithfulness_correlation", n_runs=40, subset_size=224, seed=7)
    assert measured.value == pytest.approx(expected, abs=1e-4)


def test_infidelity(quantus, model, result):
    metric = quantus.Infidelity(n_perturb_samples=1, perturb_func=black_patch(model), disable_warnings=True)
    expected = theirs(metric, model, result)[0]
    assert ours(model, result, "infidelity").value == pytest.approx(expected, rel=1e-3)


def black_patch(model):
    flat = model.input.baseline(picture()).numpy().reshape(1, -1)

    def replace(arr, indices, **more):
        changed = arr.copy()
        changed[:, np.asarray(indices).ravel()] = flat[:, np.asarray(indices).ravel()]
        return changed

    return replace


@pytest.mark.parametrize(
    ("key", "name", "kind", "size"),
    [
        ("avg_sensitivity", "AvgSensitivity", "uniform", {"lower_bound": 0.2}),
        ("max_sensitivity", "MaxSensitivity", "uniform", {"lower_bound": 0.2}),
        ("local_lipschitz_estimate", "LocalLipschitzEstimate", "normal", {"noise": 0.1}),
    ],
)
def test_robustness(quantus, model, result, key, name, kind, size):
    """With the noise that ours draws."""
    numbers = iter(range(4))

    def noisy(arr, indices, **more):
        rng = np.random.default_rng((3, 1, next(numbers)))
        (scale,) = size.values()
        shape = (1, 3, 32, 32)
        drawn = rng.uniform(-scale, scale, shape) if kind == "uniform" else rng.normal(0, scale, shape)
        return arr + drawn.astype(np.float32).reshape(arr.shape)

    metric = getattr(quantus, name)(nr_samples=4, perturb_func=noisy, disable_warnings=True)
    expected = theirs(metric, model, result)[0]
    assert ours(model, result, key, n_samples=4, seed=3, **size).value == pytest.approx(expected, rel=1e-4)


def test_random_logit(quantus, model, result):
    """Theirs draws one class; ours are all others, one of which it is."""
    metric = quantus.RandomLogit(num_classes=3, disable_warnings=True)
    expected = float(theirs(metric, model, result)[0])
    from backend.attribution.metrics.random_logit import likeness

    each = [
        likeness(result.values, backend.explain(model, picture(), "gradient", target=k).values)
        for k in (0, 2)
    ]
    assert min(abs(expected - value) for value in each) < 1e-5
    assert ours(model, result, "random_logit", n_classes=2).value == pytest.approx(np.mean(each))


def test_efficient_mprt(quantus, model, result):
    metric = quantus.EfficientMPRT(seed=42, disable_warnings=True)
    expected = float(theirs(metric, model, result)[0])
    assert ours(model, result, "efficient_mprt", seed=42).value == pytest.approx(expected, rel=1e-5)


def test_road(quantus, model, result, monkeypatch):
    """Without noise; the class must be the first guess. Quantus' own solver, called cell by cell: its metric fails here."""
    from quantus.functions.perturb_func import noisy_linear_imputation

    from backend.attribution.measuring.imputation import impute

    x = picture()[0].double().numpy()
    for share in (0.05, 0.3, 0.8):
        removed = result.values >= np.quantile(result.values, 1 - share)
        expected = noisy_linear_imputation(x, np.flatnonzero(removed.ravel()), noise=0.0)
        np.testing.assert_allclose(impute(x, removed), expected[:, removed], atol=1e-8)


def test_names_families_and_directions_are_theirs(quantus):
    from backend.attribution.metrics import METRICS

    classes = {
        snake(name): each
        for name, each in vars(quantus).items()
        if isinstance(each, type) and hasattr(each, "score_direction")
    }
    own = {"insertion", "top_iou"}
    assert set(METRICS) - set(classes) == own
    for key in set(METRICS) - own:
        assert METRICS[key].better == classes[key].score_direction.value.lower().split()[0], key
        assert METRICS[key].family == classes[key].evaluation_category.value.lower(), key


def snake(name: str) -> str:
    import re

    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.replace("MPRT", "Mprt").replace("ROAD", "Road")).lower()
