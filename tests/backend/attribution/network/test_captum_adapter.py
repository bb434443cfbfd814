"""The adapter that runs Captum over the engine's passes: counts, seeds, progress, stop, and what it leaves behind."""

from __future__ import annotations

import threading

import captum
import numpy as np
import pytest
import torch
from captum.attr import DeepLift, GradientShap, LayerGradCam, NoiseTunnel, Saliency

import backend
from app.core.errors import Cancelled, Incompatible
from backend.attribution.methods import METHODS
from backend.attribution.network.captum_adapter import Forward, LayerForward
from backend.attribution.types import Context, silent
from tests.tiny import build, picture


def forward(model, *, passes=1, seed=0, report=silent, **arguments) -> Forward:
    return Forward(model, Context(target=1, seed=seed), report, passes=passes, **arguments)


def noisy(run: Forward, n: int) -> torch.Tensor:
    return run.attribute(NoiseTunnel(Saliency(run)), picture(), nt_samples=n, stdevs=0.3, abs=False)


def test_captum_gets_the_engines_passes_and_they_are_counted():
    run = forward(build("plain"), passes=40)
    noisy(run, 40)
    assert (run.run.forwards, run.run.backwards) == (40, 40)
    assert run.gradients.shape == (40, 3, 32, 32)
    assert run.run.plan("gradient").description.startswith("folded")


def test_maps_name_their_engine_and_precision():
    result = backend.explain(build("plain"), picture(), "saliency")
    assert result.engine == f"captum {captum.__version__}"
    assert result.extras["precision"] == "float32"
    assert (result.forwards, result.backwards) == (1, 1)
    assert backend.explain(build("plain"), picture(), "lrp").engine == "evident"


@pytest.mark.parametrize("algorithm", ["noise", "shap"])
def test_random_numbers_follow_the_seed_and_leave_the_global_state_alone(algorithm):
    model = build("plain")

    def draw(seed: int, parts: int = 1) -> torch.Tensor:
        run = forward(model, passes=8, seed=seed)
        if algorithm == "noise":
            return sum(noisy(run, 8 // parts) for _ in range(parts)) / parts
        shap, zero = GradientShap(run), torch.zeros_like(picture())
        return run.attribute(shap, picture(), baselines=zero, n_samples=8, stdevs=0.1)

    torch.manual_seed(99)
    np.random.seed(99)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first = draw(3)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(draw(3), first)
    assert not torch.equal(draw(4), first)
    if algorithm == "noise":  # rounds go on where the last one ended
        torch.testing.assert_close(draw(3, parts=2), first, rtol=1e-4, atol=1e-6)


def test_threads_with_a_model_of_their_own_do_not_disturb_each_other():
    """Captum draws from the random state of the whole process."""
    methods = ("smooth_grad", "grad_cam", "guided_backprop")
    jobs = [(build(name), method) for name in ("plain", "residual", "dense") for method in methods]

    def work(job) -> np.ndarray:
        settings = {"n_samples": 16} if job[1] == "smooth_grad" else {}
        return backend.explain(job[0], picture(), job[1], target=1, seed=5, **settings).values

    alone = [work(job) for job in jobs]
    together: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i, job=job: together.update({i: work(job)}))
        for i, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[i], alone[i]) for i in range(len(jobs)))


def test_progress_of_an_algorithm_that_is_called_once():
    seen = []
    run = forward(
        build("plain"), passes=32, report=lambda done, total, partial=None: seen.append((done, total))
    )
    run.attribute(NoiseTunnel(Saliency(run)), picture(), nt_samples=32, nt_samples_batch_size=8, stdevs=0.1)
    assert seen == [(8, 32), (16, 32), (24, 32), (32, 32)]


def test_rounds_cover_the_samples_and_end_when_it_is_enough():
    seen = []
    run = forward(
        build("plain"), passes=100, report=lambda done, total, partial=None: seen.append((done, total))
    )
    batch = run.run.batch("gradient")
    assert sum(run.rounds(2 * batch + 3)) == 2 * batch + 3
    assert seen == [(done, 2 * batch + 3) for done in (batch, 2 * batch, 2 * batch + 3)]
    assert list(run.rounds(5 * batch, enough=lambda: True)) == [batch]
    assert seen[-1] == (5 * batch, 5 * batch)


def test_a_stop_comes_through_captum_and_leaves_nothing_behind():
    model = build("plain")

    def stop(done, total, partial=None) -> None:
        raise Cancelled("stopped")

    before = [dict(module._forward_hooks) for module in model.module.modules()]
    run = forward(model, passes=32, report=stop)
    with pytest.raises(Cancelled):
        noisy(run, 32)
    layered = LayerForward(model, Context(target=1, layer=model.default_layer), stop, passes=1)
    with pytest.raises(Cancelled):
        layered.attribute(LayerGradCam(layered, layered.layer), picture())
    assert [dict(module._forward_hooks) for module in model.module.modules()] == before


def test_hooks_that_captum_leaves_after_an_error_are_taken_away(monkeypatch):
    """DeepLIFT hooks every module before it calls the network; `explain` restores what it found."""
    model, x = build("plain"), picture()
    expected = backend.explain(model, x, "gradient", target=1).values

    def broken(self, model, x, context, params, report):
        lift = DeepLift(model.module)
        lift._hook_main_model()
        model.module.apply(lift._register_hooks)
        raise ValueError("broken")

    monkeypatch.setattr(type(METHODS["saliency"]), "run", broken)
    with pytest.raises(ValueError, match="broken"):
        backend.explain(model, x, "saliency", target=1)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.module.modules())
    assert np.array_equal(backend.explain(model, x, "gradient", target=1).values, expected)


def test_a_layer_is_needed_where_a_layer_is_explained():
    with pytest.raises(Incompatible, match="layer"):
        LayerForward(build("plain"), Context(target=0), silent, passes=1)


@pytest.mark.parametrize("name", ["residual", "mobile", "dense"])
def test_operations_in_place_behind_the_layer_do_not_change_what_is_kept(name):
    """Grad-CAM of every layer against activations and gradients taken from a graph of their own."""
    from backend.attribution.network.activations import activations_and_gradients

    model, x = build(name), picture()
    for layer in model.layers:
        kept, gradients = activations_and_gradients(model, x, layer.name, 1)
        expected = torch.relu((gradients.mean((2, 3), keepdim=True) * kept).sum(1))[0].numpy()
        ours = backend.explain(model, x, "grad_cam", target=1, layer=layer.name).stages["native"].values
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * max(expected.max(), 1e-12))
