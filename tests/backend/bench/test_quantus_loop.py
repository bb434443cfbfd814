"""The study of the benchmark: both sides explain the same, and without Quantus the row is left out."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

import backend
import models
from backend.attribution.measuring.sweep import Sweep
from backend.bench import quantus_loop
from backend.bench.harness import LeftOut, Setting
from models.hub import ensure_operations
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor:UserWarning")


@pytest.fixture(scope="module")
def model():
    return tiny.build("residual")


@pytest.mark.parametrize("method", [key for key in quantus_loop.METHOD_PARAMS if key != "smooth_grad"])
def test_both_sides_explain_the_same(model, method, monkeypatch):
    monkeypatch.setattr("backend.attribution.network.passes.has_bfloat16", lambda device: False)
    x = tiny.picture(4)
    ours = backend.explain(model, x, method, target=1, **quantus_loop.METHOD_PARAMS[method]).values
    theirs = quantus_loop.explainer(model, method)(
        model=model.module, inputs=x.numpy(), targets=np.array([1])
    )
    assert theirs.shape == (1, 1, 32, 32)
    likeness = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    assert likeness > (
        0.99 if method != "occlusion" else 0.9
    )  # ours averages overlapping windows, theirs adds them up


def test_the_study_gives_every_method_every_score(model):
    table = quantus_loop.ours(model, [tiny.picture(4)], 20, 2)
    assert set(table) == set(quantus_loop.METHOD_PARAMS) == set(quantus_loop.ALGORITHMS)
    for method, (scores,) in table.items():
        assert len(scores) == 5
        assert all(value is not None for value in scores.values()), method


def test_every_round_measures_a_study_that_was_not_there_before(model, monkeypatch):
    sent = []
    original = Sweep.answers

    def counting(self, batches):
        answers = original(self, batches)
        sent.append(len(answers.score))
        return answers

    def twice(name, work, peers, setting):
        for _ in range(2):
            sent.clear()
            work()
            yield sum(sent)

    monkeypatch.setattr(Sweep, "answers", counting)
    monkeypatch.setattr(quantus_loop, "contest", twice)
    monkeypatch.setattr(quantus_loop, "METHOD_PARAMS", {"gradient": {}, "input_x_gradient": {}})
    x = tiny.picture(4)
    monkeypatch.setattr(models, "load", lambda key: model)
    monkeypatch.setattr(type(model), "prepare", lambda self, path: x)
    first, second = quantus_loop.rows(Setting(quick=True))
    runs = 10
    assert second >= 2 * runs  # under two replacements
    assert first - second <= 1  # the input as it is


def test_without_quantus_the_row_is_left_out(model, monkeypatch):
    original = importlib.import_module

    def absent(name, *more):
        if name == "quantus":
            raise ModuleNotFoundError("No module named 'quantus'", name="quantus")
        return original(name, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    monkeypatch.setattr(models, "load", lambda key: model)
    (row,) = quantus_loop.rows(Setting(rounds=1, quick=True))
    assert isinstance(row, LeftOut)
    assert row.reason == "quantus is not installed."


def test_quantus_and_ours_score_alike(model, monkeypatch):
    """Exactly where nothing is drawn, roughly where it is. Quantus refuses maps that are negative everywhere, as occlusion's
    are here."""
    ensure_operations()
    pytest.importorskip("quantus")
    chosen = ("gradient", "input_x_gradient", "integrated_gradients", "grad_cam")
    monkeypatch.setattr(
        quantus_loop, "METHOD_PARAMS", {key: quantus_loop.METHOD_PARAMS[key] for key in chosen}
    )
    monkeypatch.setattr("backend.attribution.network.passes.has_bfloat16", lambda device: False)
    x = [tiny.picture(4)]
    with torch.no_grad():
        ours = quantus_loop.ours(model, x, 20, 4)
    theirs = quantus_loop.theirs(model, x, 20, 4)()
    for method in chosen:
        _, _, sensitivity, rank, sparse, _ = (np.ravel(scores)[0] for scores in theirs[method])
        (mine,) = ours[method]
        assert mine["sparseness"] == pytest.approx(sparse, abs=0.01)
        if method != "grad_cam":  # half of it is 0, which Quantus orders by place
            assert mine["relevance_rank_accuracy"] == pytest.approx(rank, abs=0.02)
        assert mine["avg_sensitivity"] == pytest.approx(sensitivity, rel=0.3)
