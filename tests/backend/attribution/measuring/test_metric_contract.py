"""What every metric promises. The list is drawn from the registry: a new file is tested at once."""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import backend
from app.core.errors import BadParameter, NotFound
from backend.attribution.measuring.types import FAMILIES
from backend.attribution.methods import METHODS
from backend.attribution.metrics import METRICS
from tests.backend.attribution.measuring.made import map_of, noise, region
from tests.tiny import build, picture

QUICK = {"n_samples": 4, "n_runs": 24, "n_repeats": 2, "n_steps": 8}


@pytest.fixture(scope="module")
def model():
    return build("plain")


@pytest.fixture(scope="module")
def result(model):
    return backend.explain(model, picture(), "gradient", target=1)


def quick(key: str) -> dict[str, int]:
    """Fewer samples than the defaults, so that all run in seconds."""
    return {name: value for name, value in QUICK.items() if name in METRICS[key].Params.model_fields}


def score(model, result, key, **changes):
    return backend.evaluate(model, picture(), result, key, **{"mask": region(), **quick(key), **changes})


@pytest.mark.parametrize("key", list(METRICS))
def test_it_says_what_it_is(key):
    metric = METRICS[key]
    assert type(metric).__doc__
    assert "R" in type(metric).__doc__  # the formula
    assert "[H, W]" in type(metric).__doc__  # the shape
    assert metric.summary.endswith(".")
    assert metric.meaning.format(0.5).endswith(".")
    assert metric.paper
    assert 0 < len(metric.short) <= 14
    assert metric.family in FAMILIES
    assert metric.better in ("higher", "lower")
    assert inspect.getmodule(type(metric)).__name__.endswith(f".{key}")


def test_no_two_metrics_share_a_name():
    for name in ("title", "short", "order"):
        assert len({getattr(metric, name) for metric in METRICS.values()}) == len(METRICS), name


@pytest.mark.parametrize("key", list(METRICS))
def test_form_can_be_drawn(key):
    for name, field in METRICS[key].Params.model_json_schema().get("properties", {}).items():
        assert field.get("title"), name
        assert len(field.get("description", "")) > 10, name
        assert "default" in field, name
        if field.get("type") in ("integer", "number"):
            assert "minimum" in field, name
            assert "maximum" in field, name


@pytest.mark.parametrize("key", list(METRICS))
def test_a_score_is_a_number_or_a_reason(model, result, key):
    measured = score(model, result, key)
    metric = METRICS[key]
    assert (measured.metric, measured.direction) == (key, metric.better)
    if measured.value is None:
        assert measured.note.endswith(".")
        return
    assert isinstance(measured.value, float)
    assert metric.low is None or measured.value >= metric.low - 1e-6
    assert metric.high is None or measured.value <= metric.high + 1e-6
    assert measured.words.endswith(".")
    if measured.interval is not None:
        assert measured.interval[0] <= measured.interval[1]
    if measured.curve is not None:
        assert measured.curve.x.shape == measured.curve.y.shape
        assert (np.diff(measured.curve.x) > 0).all()
        assert (measured.curve.x[0], measured.curve.x[-1]) == (0, 1)


@pytest.mark.parametrize("key", list(METRICS))
def test_same_seed_same_bits_and_all_is_left_as_found(model, result, key):
    weights, before = copy.deepcopy(model.module.state_dict()), result.values.copy()
    drawn, numpy_drawn = torch.get_rng_state(), np.random.get_state()[1].copy()
    x = picture()
    first, second = (backend.evaluate(model, x, result, key, region(), 5, **quick(key)) for _ in range(2))
    assert (first.value, first.interval, first.other) == (second.value, second.interval, second.other)
    assert torch.equal(x, picture())
    np.testing.assert_array_equal(result.values, before)
    assert all(torch.equal(weights[name], value) for name, value in model.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert np.array_equal(np.random.get_state()[1], numpy_drawn)
    assert not any(m.training or m._forward_hooks or m._backward_hooks for m in model.module.modules())


@pytest.mark.parametrize("key", list(METRICS))
def test_together_is_what_one_by_one_is(model, result, key, together):
    alone = score(model, result, key)
    assert (alone.value, alone.interval, alone.note) == (
        together[key].value,
        together[key].interval,
        together[key].note,
    )


@pytest.fixture(scope="module")
def together(model, result):
    settings = {key: quick(key) for key in METRICS}
    return backend.evaluate_all(model, picture(), result, list(METRICS), region(), settings)


def flat_maps():
    spoilt = noise()
    spoilt[3, 4] = np.nan
    return {"empty": np.zeros((32, 32)), "nan": spoilt}


@pytest.mark.parametrize("name", ["empty", "nan"])
def test_maps_that_hold_nothing_have_a_reason_instead(model, name):
    made = map_of(np.nan_to_num(noise()))
    object.__setattr__(made, "values", flat_maps()[name].astype(np.float32))
    settings = {key: quick(key) for key in METRICS}
    for key, each in backend.evaluate_all(model, picture(), made, list(METRICS), region(), settings).items():
        assert each.value is None, key
        assert each.note.endswith("."), key


@pytest.mark.parametrize("values", [np.ones((32, 32)), -np.ones((32, 32)), np.full((32, 32), 1e-30)])
def test_a_map_that_is_the_same_everywhere_never_gives_nan(model, values):
    settings = {key: quick(key) for key in METRICS}
    scores = backend.evaluate_all(model, picture(), map_of(values), list(METRICS), region(), settings)
    for key, each in scores.items():
        assert each.value is None or np.isfinite(each.value), key
        assert (each.value is not None) or each.note.endswith("."), key


MASKS = {
    None: "No region is known",
    "empty": "is empty",
    "all": "covers the whole",
    "small": "do not fit",
    "number": "do not fit",
}


@pytest.mark.parametrize("name", list(MASKS))
@pytest.mark.parametrize("key", [key for key, metric in METRICS.items() if "mask" in metric.needs])
def test_a_region_that_cannot_be_used_gives_a_reason(model, result, key, name):
    masks = {
        None: None, "empty": np.zeros((32, 32)), "all": np.ones((32, 32)), "small": np.ones((7, 9)), "number": np.array(1.0),
    }  # fmt: skip
    measured = score(model, result, key, mask=masks[name])
    assert measured.value is None
    assert MASKS[name] in measured.note


@pytest.mark.parametrize("key", [key for key, metric in METRICS.items() if "explain" in metric.needs])
def test_a_map_that_no_method_made_cannot_be_made_again(model, key):
    assert "not made by a method" in score(model, map_of(noise()), key).note


@pytest.mark.parametrize("key", list(METRICS))
def test_bad_parameters_are_refused(model, result, key):
    with pytest.raises(BadParameter, match="no such parameter"):
        score(model, result, key, banana=1)
    for name, field in METRICS[key].Params.model_json_schema().get("properties", {}).items():
        if "maximum" in field:
            with pytest.raises(BadParameter) as caught:
                score(model, result, key, **{name: type(field["maximum"])(field["maximum"] * 1237 + 1)})
            assert caught.value.field == f"params.{name}"


def test_what_does_not_fit_is_refused(model, result):
    with pytest.raises(NotFound, match="sparseness"):
        backend.evaluate(model, picture(), result, "sparsness")
    with pytest.raises(BadParameter, match="cells"):
        backend.evaluate(model, picture(), map_of(np.ones((8, 8))), "sparseness")
    with pytest.raises(BadParameter, match="seed"):
        backend.evaluate(model, picture(), result, "sparseness", seed=-1)
    with pytest.raises(BadParameter, match="must be an Attribution"):
        backend.evaluate(model, picture(), result.values, "sparseness")


def test_a_mask_with_leading_ones_is_the_mask_and_one_with_nan_is_none(model, result):
    """Quantus takes masks as [1, H, W]; NaN used to count as inside."""
    mask = region()
    plain = score(model, result, "relevance_mass_accuracy", mask=mask)
    for same in (mask[None], mask[None, None].astype(float), torch.from_numpy(mask[None])):
        assert score(model, result, "relevance_mass_accuracy", mask=same).value == plain.value
    for broken in (np.where(mask, np.nan, 0.0), np.full(mask.shape, "x")):
        refused = score(model, result, "relevance_mass_accuracy", mask=broken)
        assert refused.value is None
        assert "finite numbers" in refused.note


def test_a_map_says_what_makes_it_again(model):
    first = backend.explain(model, picture(), "smooth_grad", target=1, seed=4, n_samples=16)
    again = backend.explain(
        model,
        picture(),
        first.method,
        target=first.target,
        layer=first.layer,
        seed=first.seed,
        **first.params,
    )
    assert (first.seed, first.params["n_samples"]) == (4, 16)
    np.testing.assert_array_equal(first.values, again.values)


def test_controls_lie_on_the_grid(model):
    maps = backend.controls(model, picture())
    assert list(maps) == ["centre_blob", "uniform"]
    assert np.unravel_index(maps["centre_blob"].values.argmax(), (32, 32)) in [
        (15, 15),
        (15, 16),
        (16, 15),
        (16, 16),
    ]
    assert (maps["uniform"].values == 1).all()
    mask = region()
    assert backend.evaluate(
        model, picture(), maps["uniform"], "relevance_mass_accuracy", mask
    ).value == pytest.approx(mask.mean())
    assert backend.evaluate(model, picture(), maps["uniform"], "sparseness").value == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("method", [key for key, each in METHODS.items() if each.family != "concept"])
def test_a_method_with_a_sum_rule_says_by_how_much_it_misses_it(model, method):
    """And a method without one is not asked for it."""
    few = {"n_samples": 16, "n_steps": 8, "n_orders": 2, "n_random": 20}
    params = {name: value for name, value in few.items() if name in METHODS[method].Params.model_fields}
    made = backend.explain(model, picture(), method, target=1, **params)
    assert (made.gap is not None) == METHODS[method].sum_rule
    measured = backend.evaluate(model, picture(), made, "completeness")
    if METHODS[method].sum_rule:
        assert measured.value == pytest.approx(max(0, 1 - made.gap))
    else:
        assert measured.value is None
        assert "has no sum rule" in measured.note


def test_the_documentation_has_them_all():
    table = (Path(__file__).parents[4] / "docs" / "measuring.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M))
    assert list(rows) == list(METRICS)
    for key, row in rows.items():
        assert row.startswith(f"{METRICS[key].family} | {METRICS[key].better} |"), key
