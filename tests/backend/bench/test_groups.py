"""The rows compare like with like: the floor runs the passes it says, the definition gives the engine's
numbers, peers explain the same class."""

from __future__ import annotations

import dataclasses
import io
import json
from contextlib import redirect_stderr

import numpy as np
import pytest
import torch

import backend
from app import cli
from backend.attribution.concepts.vectors import concept_vector
from backend.attribution.internals.importance import effects
from backend.attribution.internals.pooled import pooled
from backend.attribution.network.plan import Plan
from backend.attribution.perturbation.segments import segments
from backend.bench import captum_work as captum
from backend.bench import (
    concepts,
    early_stop,
    first_pictures,
    floor,
    forwards,
    harness,
    internals,
    other_work,
    peers,
    same_time,
    sampling,
)
from backend.bench.subject import Subject
from tests import tiny


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch):
    """Ours is compared with others' float32."""
    for user in ("network.passes", "lrp.prepared"):
        monkeypatch.setattr(f"backend.attribution.{user}.has_bfloat16", lambda device: False)


@pytest.fixture(scope="module")
def subject():
    """A tiny network in the place of the ResNet-18."""
    return tiny_subject()


def tiny_subject():
    model, x = tiny.build("residual"), tiny.picture(4)
    with torch.no_grad():
        target = int(model.logits(x).argmax())
    return Subject(model, x, model.input.baseline(x, "black"), target, segments(model, x, "slic", 50))


def plan(batch, network=None, description="folded, float32"):
    return Plan(network, "float32", description, torch.float32, True, batch)


def test_the_floor_runs_exactly_the_declared_passes(subject, monkeypatch):
    batches = []

    def network(x):
        batches.append((len(x), x.requires_grad))
        return subject.module(x.float())

    monkeypatch.setattr(floor, "_forward_plans", lambda passes, number: [plan(16, network)])
    monkeypatch.setattr(floor, "_gradient_plans", lambda passes, number, noise: [plan(4, network)])
    run, words = floor.floor(subject, 50, 10)
    run()
    assert batches == [(16, False), (16, False), (8, False), (4, True), (4, True), (2, True)]
    assert words == "folded, float32, used with 16 and folded, float32, used with 4"


def test_the_floor_takes_the_fastest_of_the_engines_plans_per_image(subject, monkeypatch):
    def network(pause):
        return lambda x: (clock.__setitem__(0, clock[0] + pause), subject.module(x.float()))[1]

    def seconds(work):
        before = clock[0]
        work()
        return clock[0] - before

    clock = [0.0]
    monkeypatch.setattr(floor, "seconds", seconds)
    slow, fast = plan(1, network(1.0), "slow"), plan(16, network(3.0), "fast in large batches")
    for number, best in ((16, fast), (2, slow)):
        taken, _ = floor._fastest(subject, [slow, fast], number, forward_only=True)
        assert taken is best


def test_the_floor_knows_what_long_and_noisy_runs_may_use(subject, monkeypatch):
    fused, noisy = plan(16, description="fused"), plan(16, description="both ways")
    monkeypatch.setattr(floor.Passes, "fused", lambda self, planned: fused)
    monkeypatch.setattr(floor.Passes, "noisy", lambda self, noise, copies: noisy)
    passes = floor.Passes.of(subject.model)
    assert fused in floor._forward_plans(passes, 1000)
    assert fused not in floor._forward_plans(passes, 10)
    assert noisy in floor._gradient_plans(passes, 50, 0.1)
    assert noisy not in floor._gradient_plans(passes, 50, 0.0)


def test_forward_passes_are_counted_per_image_and_unfused_networks_named(subject, monkeypatch):
    monkeypatch.setattr(forwards, "seconds", lambda work: (work(), 0.1)[1])
    module = subject.module
    monkeypatch.setattr(forwards, "network", lambda key: subject.model)
    monkeypatch.setattr(forwards.Passes, "plan", lambda self, kind: plan(4, module))
    monkeypatch.setattr(forwards.Passes, "exact", plan(2, module, "as given, float32"))
    for fused, expected in ((None, ["as given, float32"]), (plan(8, module, "fused"), ["folded, float32", "as given, float32"])):  # fmt: skip
        monkeypatch.setattr(forwards.Passes, "fused", lambda self, planned, fused=fused: fused)
        rows = [row for row in forwards.rows(harness.Setting(1, quick=True)) if isinstance(row, harness.Row)]
        assert [row.peer for row in rows] == expected
        assert rows[0].ratio == pytest.approx(2.0)
        assert rows[0].note.startswith("80 against 40" if fused else "40 against 20")


def striped(seed, n):
    x = torch.cat([tiny.picture(seed + i) for i in range(n)])
    x[:, 0, :, ::4] += 2.5
    return x


@pytest.mark.parametrize("layer", ["conv1", "down"])
def test_the_definition_concept_by_concept_gives_the_engines_numbers(subject, layer):
    cav = concept_vector(
        subject.model, layer, striped(700, 11), torch.cat([tiny.picture(200 + i) for i in range(11)])
    )
    x = striped(700, 1) + 0.3 * tiny.picture(5)
    ours = backend.concept_attribution(subject.model, x, layer, [cav])
    assert float(ours.scores.max()) > 1e-3
    for target in range(len(subject.model.labels)):
        concept_map, score = concepts.definition(dataclasses.replace(subject, x=x, target=target), layer, cav)
        assert torch.allclose(concept_map, ours.maps[0], atol=1e-5)
        assert score == pytest.approx(float(ours.scores[0, target]), abs=1e-5)


def by_ours(subject, method, **params):
    return backend.explain(subject.model, subject.x, method, target=subject.target, **params)


def test_captum_by_both_routes_and_ours_do_the_same_work(subject):
    """Methods without chance agree number by number."""
    works = {
        "gradient": (captum.gradient, 1, {}),
        "guided_backprop": (captum.guided_backprop, 1, {}),
        "integrated_gradients": (captum.integrated_gradients(20), 20, {"n_steps": 20}),
    }
    for method, (algorithm, passes, params) in works.items():
        ours = by_ours(subject, method, **params).values
        over_engine = (
            captum.guided_over_engine(subject)
            if method == "guided_backprop"
            else captum.over_engine(subject, algorithm, passes)
        )
        for theirs in (captum.as_used(subject, algorithm)(), over_engine()):
            values = theirs.detach()[0].sum(0).numpy()
            assert np.allclose(ours, values, atol=1e-4 * np.abs(values).max()), method
    cam = by_ours(subject, "grad_cam").values
    for work in (captum.as_used(subject, captum.grad_cam), captum.grad_cam_over_engine(subject)):
        assert np.allclose(cam, work().detach()[0, 0].numpy(), atol=1e-5)


def test_occlusion_covers_the_same_windows(subject):
    window, step = 5, 2  # of 32 cells: the method's defaults
    ours = by_ours(subject, "occlusion").values
    engine = captum.over_engine(subject, captum.occlusion(window, step), 225)()
    used = captum.as_used(subject, captum.occlusion(window, step))()
    assert torch.allclose(engine, used, atol=1e-5)
    assert np.allclose(ours, used[0].mean(0).numpy(), atol=1e-5)


def test_the_share_of_occlusion_counts_its_windows(subject, monkeypatch):
    calls = []
    monkeypatch.setattr(
        captum.AsUsed, "call", lambda self, algorithm, **arguments: calls.append(arguments["strides"])
    )
    _, used = peers._occlusion(subject, harness.Setting())
    used.make()()
    ((_, step, _),) = calls
    narrow, wide = (len(range(0, 32 - 5 + size, size)) ** 2 for size in (2, step))
    assert used.times == pytest.approx(narrow / wide)
    assert f"{wide} of {narrow} windows" in used.note


def test_methods_with_chance_agree_on_what_matters(subject):
    with redirect_stderr(io.StringIO()):
        explanation = other_work.lime(subject, 600)()
    by_segment = dict(explanation.local_exp[subject.target])
    theirs = np.array([by_segment[i] for i in range(subject.cut.max() + 1)])
    ours = by_ours(subject, "lime", n_samples=600, segments=50)
    assert np.array_equal(ours.arrays["segments"], subject.cut)
    assert np.corrcoef(theirs, ours.arrays["coefficients"])[0, 1] > 0.95
    # Captum's Lime is no oracle: its default penalty takes every coefficient of such small scores to zero.
    theirs = captum.over_engine(subject, captum.kernel_shap(600), 600)()[0].sum(0).numpy().ravel()
    ours = by_ours(subject, "kernel_shap", n_samples=600, segments=50).values.ravel()
    assert np.corrcoef(theirs, ours)[0, 1] > 0.8


def test_every_method_of_the_issue_has_its_row(monkeypatch):
    """What each row is, without computing any."""
    contests = []
    monkeypatch.setattr(peers, "resnet_subject", tiny_subject)
    monkeypatch.setattr(
        peers,
        "contest",
        lambda name, ours, others, setting: contests.append((name, [p.name for p in others])) or [],
    )
    assert list(peers.rows(harness.Setting())) == []
    assert [name for name, _ in contests] == [
        "Grad-CAM", "Gradient", "Guided backpropagation", "SmoothGrad, 50 copies", "Integrated gradients, 50 steps",
        "LIME, 1,000 samples", "Kernel SHAP, 1,000 samples", "Occlusion", "LRP", "Grad-CAM x LRP",
    ]  # fmt: skip
    assert [name for name, others in contests if peers.OVER_ENGINE not in others] == ["LRP", "Grad-CAM x LRP"]
    assert all(any(other.startswith("Captum ") for other in others) for _, others in contests)


def test_the_error_has_the_references_own_taken_off():
    """Simulated: estimates with a standard deviation of 0.5 are called so, by a reference hardly better."""
    generator = np.random.default_rng(0)
    truth = np.linspace(-2, 2, 5000)

    def estimate(deviation):
        return truth + deviation * generator.standard_normal(truth.shape)

    reference = sampling.Reference(estimate(0.6), estimate(0.6))
    assert reference.variance == pytest.approx(0.18, rel=0.05)
    assert reference.error(estimate(0.5)) == pytest.approx(0.5 / reference.values.std(), rel=0.05)
    assert reference.error(reference.values) > 0
    assert reference.correlation(truth) > 0.9


def test_the_ladder_finds_where_the_error_is_small_enough(subject):
    reference = sampling.Reference(*(sampling.lime_coefficients(subject, 1000, seed) for seed in (77, 78)))

    def ours(n, seed):
        return sampling.lime_coefficients(subject, n, seed)

    race = sampling.Race("LIME", "samples", "lime", 512, ours, ours, reference, (16, 32, 64, 512))
    few, many = (reference.mean_error(ours(n, seed) for seed in range(3)) for n in (32, 512))
    assert 0 < many < few / 2
    assert race.fewest(few) in (16, 32)
    assert race.fewest(0.0) is None


def test_samples_that_fit_into_the_time_are_found(monkeypatch):
    """On a clock where a sample takes 10 ms and a run 0.5 s more."""
    clock, runs = [0.0], []

    def ours(n, seed):
        runs.append(n)
        clock[0] += 0.5 + 0.01 * n

    def seconds(work):
        before = clock[0]
        work()
        return clock[0] - before

    monkeypatch.setattr(same_time, "seconds", seconds)
    samples, spent = same_time.fitting(ours, 50, 3.0)
    assert samples == runs[-1]
    assert spent == pytest.approx(0.5 + 0.01 * samples)
    assert spent == pytest.approx(3.0, rel=0.15)


def test_early_stopping_counts_passes_and_names_the_error(subject, monkeypatch):
    monkeypatch.setattr(early_stop, "_shapes", lambda: subject)
    monkeypatch.setattr(early_stop, "ASKED", 0.9)
    rows = {row.work.partition(",")[0]: row for row in early_stop.rows(harness.Setting(1, quick=True))}
    assert {"LIME", "SmoothGrad"} <= rows.keys()
    assert rows["SmoothGrad"].theirs == 125
    assert rows["SmoothGrad"].ours < 125
    assert rows["SmoothGrad"].unit == "passes"


def test_importance_races_the_same_numbers(subject):
    x = torch.cat([tiny.picture(seed) for seed in range(12)])
    mean_map = pooled(subject.model, "conv2", x).mean_map
    ours = effects(subject.model, "conv2", x, mean_map, [[0], [5]]).kl
    assert internals.by_full_passes(subject.model, "conv2", x, mean_map, [0, 5]) == pytest.approx(
        ours, abs=1e-9
    )
    row = internals._row("tiny", subject.model, "conv2", harness.Setting(1, quick=True))
    assert [found.goal for found in row] == [">= 3 x"]


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ({"id": "a", "state": "running", "progress": {"done": 0, "partial": 0}}, None),
        ({"id": "a", "state": "queued", "progress": None}, None),
        ({"id": "a", "state": "running", "progress": {"done": 5, "partial": 1}}, "a"),
        ({"id": "a", "state": "done", "progress": {"partial": 0}}, "a"),
    ],
)
def test_the_first_picture_is_seen_in_the_events(view, shown):
    assert first_pictures.first_picture(f"data: {json.dumps(view)}") == shown
    assert first_pictures.first_picture("event: change") is None
    with pytest.raises(RuntimeError, match="failed"):
        first_pictures.first_picture(f"data: {json.dumps(view | {'state': 'failed'})}")


def test_no_two_pictures_of_the_rounds_are_the_same():
    numbers = (0, 1, 2, 255, 256, 257, 512)
    assert len({first_pictures.variant(number) for number in numbers}) == len(numbers)


def test_the_command_writes_both_files_compares_and_refuses(subject, tmp_path, monkeypatch, capsys):
    row = harness.figure("Memory", [1.0], most=2, unit="MB")
    groups = dict(harness.groups())
    monkeypatch.setattr(
        groups["comparison"],
        "rows",
        lambda setting: [dataclasses.replace(row, note=f"quick {setting.quick}")],
    )
    command = ["bench", "--quick", "--rounds", "1", "--only", "comparison", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0
    assert "quick True" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bench.json", "bench.md"]
    assert cli.main([*command, "--compare", str(tmp_path / "out" / "bench.json")]) == 0
    assert "**Against the run of " in capsys.readouterr().out
    assert "**Against the run of " in (tmp_path / "out" / "bench.md").read_text()
    assert cli.main([*command, "--compare", str(tmp_path / "out" / "bench.md")]) == 2
    assert "no result of the benchmark" in capsys.readouterr().err
    assert cli.main(["bench", "--only", "nothing"]) == 2
    assert "There are: floor, " in capsys.readouterr().err
    assert cli.main(["bench", "--rounds", "0"]) == 2
