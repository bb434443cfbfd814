"""The sanity check: planted methods that ignore weights or class are caught, noise is not alike, and the price is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import models
from app.core.errors import Incompatible
from backend.attribution.measuring import curves, shortcuts, stability
from backend.attribution.measuring import sanity as check
from backend.attribution.measuring.sanity import INPUTS, THRESHOLDS
from backend.attribution.methods import METHODS
from backend.attribution.types import Attribution, Cost, Method, NoParams


class Planted(Method[NoParams]):
    title, family, paper, summary, signed = "Planted", "gradient", "none", "Planted.", True
    Params = NoParams

    def cost(self, model, params):
        return Cost(1, 0)


class Edges(Planted):
    """Where the input changes: knows nothing of the network."""

    key = "edges"

    def run(self, model, x, context, params, report):
        values = np.abs(np.gradient(x.mean(1)[0].numpy())[0])
        return Attribution(values, True, values.shape, forwards=1)


class Blind(Planted):
    """The strength of the gradient of all classes together: depends on the weights, not on the class."""

    key = "blind"

    def run(self, model, x, context, params, report):
        leaf = x.clone().requires_grad_(True)
        with torch.enable_grad():
            gradient = torch.autograd.grad(model.logits(leaf).square().sum(), leaf)[0]
        return Attribution(gradient.abs().sum(1)[0].numpy(), True, tuple(x.shape[-2:]), forwards=1)


@pytest.fixture
def planted(monkeypatch):
    list(METHODS)  # discovered
    for method in (Edges, Blind):
        monkeypatch.setitem(METHODS._entries, method.key, method())


@pytest.fixture(scope="module")
def shapes():
    return models.load("shapes")


def test_a_map_that_ignores_the_weights_fails(planted, shapes):
    found = check.sanity(shapes, "edges")
    assert (found.state, found.randomised, found.n) == ("fail", pytest.approx(1.0), check.INPUTS)
    assert found.words == "looks the same with random weights: 1.00 alike"


def test_a_map_that_ignores_the_class_is_weak(planted, shapes):
    found = check.sanity(shapes, "blind")
    assert (found.state, found.other_class) == ("weak", pytest.approx(1.0))
    assert found.randomised < check.THRESHOLDS["randomised"].ok


def test_a_map_that_follows_both_passes(shapes):
    found = check.sanity(shapes, "grad_cam")
    assert (found.state, found.words) == ("pass", "changes with random weights and with the class")
    assert found == check.sanity(shapes, "grad_cam")


def test_the_network_is_left_as_it_was_and_the_copy_holds_the_same_weights_elsewhere(shapes):
    before = {name: tensor.clone() for name, tensor in shapes.module.state_dict().items()}
    blank = check.randomised_model(shapes, 0)
    for name, tensor in shapes.module.state_dict().items():
        assert torch.equal(tensor, before[name])
        other = blank.module.state_dict()[name]
        assert torch.equal(tensor.flatten().sort().values, other.flatten().sort().values)
    assert not torch.equal(blank.module.state_dict()["conv1.weight"], before["conv1.weight"])


@pytest.mark.parametrize("shape", [(4, 8), (13, 13), (64, 64)])
def test_independent_noise_is_alike_above_the_level_in_one_pair_of_twenty(shape):
    rng, n = np.random.default_rng(0), 4
    draws = [
        np.mean([check.likeness(rng.normal(size=shape), rng.normal(size=shape)) for _ in range(n)])
        for _ in range(400)
    ]
    over = np.mean(np.array(draws) > check.noise_level(shape[0] * shape[1], n))
    assert 0.02 <= over <= 0.09


@pytest.mark.parametrize(
    ("randomised", "other", "state"),
    [(0.1, 0.2, "pass"), (0.6, 0.2, "weak"), (0.1, 0.95, "weak"), (0.6, 0.95, "fail"), (0.8, -1.0, "fail"), (-0.9, -1.0, "pass")],
)  # fmt: skip
def test_the_verdict_follows_the_thresholds(randomised, other, state):
    assert check.judged(randomised, other, 0.1, 4).state == state


def test_few_cells_are_alike_by_chance():
    assert check.judged(0.8, 0.0, check.noise_level(4, 1), 1).state == "pass"


def test_what_is_too_dear_is_checked_on_fewer_inputs_or_refused(shapes, monkeypatch):
    work = check.work_of(shapes)
    monkeypatch.setattr(check, "SPEND", 3.0 * 10 * work * 2)
    monkeypatch.setattr(check, "MOST", 3.0 * 100 * work)
    assert [check.affordable(shapes, passes) for passes in (1, 10, 11, 100)] == [4, 2, 1, 1]
    with pytest.raises(Incompatible, match="too dear"):
        check.affordable(shapes, 101)


def test_concept_maps_are_not_judged_by_random_weights(shapes):
    with pytest.raises(Incompatible, match="beside random concepts"):
        check.sanity(shapes, "visual_tcav")


def test_the_thresholds_in_the_docs_are_those_of_the_code():
    docs = (Path(__file__).resolve().parents[4] / "docs" / "measuring.md").read_text()
    weights, classes = THRESHOLDS["randomised"], THRESHOLDS["other_class"]
    for said in (
        f"over {weights.same} alike with random weights, or over {weights.ok} and over {classes.same} for another class",
        f"up to {INPUTS} inputs",
        f"{stability.FEWEST} to {stability.JITTERS} jitters of the input (noise of {stability.NOISE:.0%}".replace(
            "%", " %"
        ),
        f"from {stability.Z} errors on",
        f"first and last {shortcuts.EDGE_S} s",
        f"({shortcuts.BORDER:.0%} of the shorter side)".replace("%", " %"),
        f"at {len(curves.SHARES)} shares; beside {curves.RANDOM} maps",
        f"at {curves.SAID:.0%} of the cells".replace("%", " %"),
    ):
        assert said in docs, said
    assert (shortcuts.TIMES, shortcuts.MORE, shortcuts.RARE) == (
        2,
        0.1,
        0.1,
    )  # twice, ten percentage points, nine of ten
