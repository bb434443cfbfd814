"""The rows compare like with like: the floor runs the passes it says, the definition gives the engine's
numbers, peers explain the same class."""

from __future__ import annotations

import dataclasses
import io
from contextlib import redirect_stderr

import numpy as np
import pytest
import torch

import backend
from app import cli
from backend.attribution.concepts.vectors import concept_vector
from backend.attribution.perturbation.segments import segments
from backend.bench import concepts, floor, harness, lime_error, peers
from backend.bench.subject import Subject
from tests import tiny


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch):
    """Ours is compared with others' float32."""
    for user in ("network.passes", "lrp.prepared"):
        monkeypatch.setattr(f"backend.attribution.{user}.has_bfloat16", lambda device: False)


@pytest.fixture(scope="module")
def given():
    """A tiny network in the place of the ResNet-18."""
    model, x = tiny.build("residual"), tiny.picture(4)
    with torch.no_grad():
        target = int(model.logits(x).argmax())
    return Subject(model, x, model.input.baseline(x, "black"), target, segments(model, x, "slic", 50))


def test_the_floor_runs_exactly_the_declared_passes(given, monkeypatch):
    seen = []

    def network(x):
        seen.append((len(x), x.requires_grad))
        return given.module(x.float())

    plans = {
        "forward": floor.Plan(network, "float32", "folded, float32, batch 16", torch.float32, True, 16),
        "gradient": floor.Plan(network, "float32", "folded, float32, batch 4", torch.float32, True, 4),
    }
    monkeypatch.setattr(floor.Passes, "plan", lambda self, kind: plans[kind])
    run, words = floor.floor(given, 50, 10)
    run()
    assert seen == [(16, False), (16, False), (8, False), (4, True), (4, True), (2, True)]
    assert words == "float32, batch 16 and float32, batch 4"


def striped(seed, n):
    x = torch.cat([tiny.picture(seed + i) for i in range(n)])
    x[:, 0, :, ::4] += 2.5
    return x


@pytest.mark.parametrize("layer", ["conv1", "down"])
def test_the_definition_concept_by_concept_gives_the_engines_numbers(given, layer):
    cav = concept_vector(
        given.model, layer, striped(700, 11), torch.cat([tiny.picture(200 + i) for i in range(11)])
    )
    x = striped(700, 1) + 0.3 * tiny.picture(5)
    ours = backend.concept_attribution(given.model, x, layer, [cav])
    assert float(ours.scores.max()) > 1e-3
    for target in range(len(given.model.labels)):
        concept_map, score = concepts.definition(dataclasses.replace(given, x=x, target=target), layer, cav)
        assert torch.allclose(concept_map, ours.maps[0], atol=1e-5)
        assert score == pytest.approx(float(ours.scores[0, target]), abs=1e-5)


def test_captum_and_ours_share_class_noise_path_and_layer(given):
    """Methods without chance agree number by number, so both sides do the same work."""
    steps = peers.captum_integrated_gradients(given)()[0].sum(0).numpy()
    ours = backend.explain(
        given.model, given.x, "integrated_gradients", target=given.target, n_steps=peers.STEPS
    )
    assert np.allclose(ours.values, steps, atol=1e-4 * np.abs(steps).max())
    theirs = peers.captum_grad_cam(given)().detach()[0, 0].numpy()
    assert np.allclose(
        backend.explain(given.model, given.x, "grad_cam", target=given.target).values, theirs, atol=1e-5
    )


def test_lime_and_ours_agree_on_the_segments_that_matter(given):
    with redirect_stderr(io.StringIO()):
        found = peers.lime(given, 600)()
    theirs = np.array([dict(found.local_exp[given.target])[i] for i in range(given.cut.max() + 1)])
    ours = backend.explain(given.model, given.x, "lime", target=given.target, n_samples=600, segments=50)
    assert np.array_equal(ours.arrays["segments"], given.cut)
    assert np.corrcoef(theirs, ours.arrays["coefficients"])[0, 1] > 0.95


def test_the_error_of_lime_falls_with_samples_and_the_ladder_finds_where(given):
    exact = lime_error.coefficients(given, 2000, seed=77)
    few, many = (
        lime_error.error(exact, [lime_error.coefficients(given, n, seed) for seed in range(3)])
        for n in (32, 512)
    )
    assert 0 < many < few / 2
    found = lime_error.fewest(given, exact, few, range(3))
    assert found in lime_error.LADDER
    assert found <= 32
    assert lime_error.fewest(given, exact, 0.0, range(1)) is None


def test_the_command_writes_both_files_and_refuses_unknown_groups(given, tmp_path, monkeypatch, capsys):
    row = harness.figure("Memory", [1.0], most=2, unit="MB")
    kept = dict(harness.groups())
    monkeypatch.setattr(
        kept["comparison"], "rows", lambda setting: [dataclasses.replace(row, note=f"quick {setting.quick}")]
    )
    assert (
        cli.main(
            ["bench", "--quick", "--rounds", "1", "--only", "comparison", "--out", str(tmp_path / "out")]
        )
        == 0
    )
    assert "quick True" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bench.json", "bench.md"]
    assert cli.main(["bench", "--only", "nothing"]) == 2
    assert "There are: floor, peers" in capsys.readouterr().err
    assert cli.main(["bench", "--rounds", "0"]) == 2
