"""Which network a short run takes."""

from __future__ import annotations

import pytest
import torch

import backend
import models
from backend.attribution.measuring import again
from backend.attribution.network.passes import Passes
from backend.attribution.network.plan import AS_GIVEN
from backend.attribution.network.run import one_of_many


@pytest.fixture
def model():
    return models.load("shapes")


def test_a_short_run_takes_a_copy_only_as_one_of_many(model):
    passes = Passes.of(model)
    for planned, inside in ((1, "folded, float32"), (0, AS_GIVEN)):  # 0: must be the module as given
        run = passes.run(0, passes=planned)
        assert run.plan("gradient").description == AS_GIVEN
        with one_of_many():
            assert run.plan("gradient").description.startswith(inside)
            assert run.plan("forward").description == AS_GIVEN
        assert run.plan("gradient").description == AS_GIVEN


@pytest.mark.parametrize("method", ["gradient", "guided_backprop", "input_x_gradient"])
def test_that_copy_gives_the_map_of_the_module(model, method):
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
    alone = backend.explain(model, x, method, target=1)
    with one_of_many():
        among = backend.explain(model, x, method, target=1)
    assert alone.plan == AS_GIVEN
    assert among.plan.startswith("folded, float32")
    assert abs(alone.values - among.values).max() < 1e-4 * abs(alone.values).max()


def test_maps_of_noisy_copies_are_among_many_and_of_random_networks_are_not(model, monkeypatch):
    """A network that is used for one map is not worth a copy."""
    plans = []

    def noted(*args, **params):
        result = backend.explain(*args, **params)
        plans.append(result.plan)
        return result

    monkeypatch.setattr(again, "explain", noted)
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
    result = backend.explain(model, x, "gradient", target=1)
    backend.evaluate_all(model, x, result, ["avg_sensitivity"], None, {"avg_sensitivity": {"n_samples": 3}})
    assert len(plans) == 3
    assert all(plan.startswith("folded, float32") for plan in plans)
    plans.clear()
    backend.evaluate_all(model, x, result, ["efficient_mprt"])
    assert plans
    assert set(plans) == {AS_GIVEN}


def test_the_ends_of_a_path_are_in_float32_in_one_batch(model):
    x = torch.rand(3, *model.input.shape, generator=torch.Generator().manual_seed(0))
    for planned in (1, 64):
        run = Passes.of(model).run(2, passes=planned, noise=0.1)
        torch.testing.assert_close(
            run.exact_scores(x), model.select(model.module(x), 2), rtol=1e-4, atol=1e-4
        )
        assert (run.forwards, run.backwards) == (3, 0)
