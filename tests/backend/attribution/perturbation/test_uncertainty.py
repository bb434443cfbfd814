"""Bands and standard errors of LIME, Kernel SHAP and RISE hold the truth as often as they say: simulated
where the truth is known exactly.

With S segments there are only 2^S samples of segments on and off. Scoring all of them gives what infinitely
many draws would give.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

import backend
import models
from backend.attribution.methods import kernel_shap
from backend.attribution.perturbation import surrogate
from backend.attribution.perturbation.segments import tiles
from tests.tiny import build, picture

S = 10
ALL = np.array(list(product([False, True], repeat=S)))
GENERATOR = np.random.default_rng(12)
MAIN = GENERATOR.normal(size=S)
PAIRS = np.triu(GENERATOR.normal(size=(S, S)), 1) / 2
TRIPLES, SIZES = GENERATOR.integers(S, size=(30, 3)), GENERATOR.normal(size=30) / 2
HIDDEN, OUT = GENERATOR.normal(size=(S, 2 * S)) / 2, GENERATOR.normal(size=2 * S)


def signs(on: np.ndarray) -> np.ndarray:
    return 2.0 * on - 1


SCORES = {
    "linear": lambda on: on @ MAIN + 1e-9 * np.sin(1e4 * on @ MAIN),  # rounding, as a network has it
    "pairs": lambda on: on @ MAIN + np.einsum("ni,ij,nj->n", on, PAIRS, on),
    "triples": lambda on: on @ MAIN + signs(on)[:, TRIPLES].prod(2) @ SIZES,
    "rectified": lambda on: np.maximum(signs(on) @ HIDDEN, 0) @ OUT,
    "saturated": lambda on: 3 * np.tanh(on @ MAIN),
}


def limit(scores: np.ndarray, width: float, on: np.ndarray = ALL) -> np.ndarray:
    """The coefficients that infinitely many samples would give: weighted least squares over all samples
    there are."""
    root = np.sqrt(surrogate.proximity(on, width))
    columns = np.c_[np.ones(len(on)), on] * root[:, None]
    return np.linalg.lstsq(columns, root * scores, rcond=None)[0][1:]


@pytest.mark.parametrize("antithetic", [True, False])
@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize(
    ("samples", "width", "slack"), [(60, 0.25, 0.05), (250, 0.25, 0.03), (250, 5.0, 0.03)]
)
def test_band_holds_the_limit_in_nine_of_ten_draws(kind, antithetic, samples, width, slack):
    """Simulation error is 0.01; with the fewest samples that get a band it is a little narrow, 0.86 to
    0.91."""
    truth, inside, wrong, certain = limit(SCORES[kind](ALL), width), [], 0, 0
    for seed in range(150):
        on = surrogate.draw(samples, S, seed, antithetic)
        low, high = surrogate.fit_surrogate(on, SCORES[kind](on), width, antithetic).band
        inside.append((low <= truth) & (truth <= high))
        sure = (low > 0) | (high < 0)
        certain += sure.sum()
        wrong += (sure & (np.sign(low) != np.sign(truth))).sum()
    assert np.mean(inside) == pytest.approx(0.9, abs=slack)
    assert wrong <= 0.05 * certain


@pytest.mark.parametrize("antithetic", [True, False])
def test_the_whole_input_is_no_draw(antithetic):
    """A score that jumps when nothing at all is missing: no other sample knows of it, so no coefficient
    may."""
    truth = np.random.default_rng(0).normal(size=30)
    on = surrogate.draw(400, 30, 1, antithetic)
    assert on[0].all()
    assert not on[1].any()
    fit = surrogate.fit_surrogate(on, on @ truth + 100 * on.all(1), 0.25, antithetic)
    np.testing.assert_allclose(fit.coefficients, truth, atol=1e-9)


def test_few_samples_claim_nothing():
    """Below four samples of equal weight a segment there is a penalty, a note with the number it takes,
    and no band."""
    model, x = build("plain"), picture()
    few = backend.explain(model, x, "lime", target=0, n_samples=60, segments=25, segmentation="tiles")
    assert few.extras["uncertainty"] is few.extras["sure_segments"] is None
    assert not few.stages
    assert "band" not in few.arrays
    needed = int(next(note for note in few.notes if "too few" in note).split("take ")[1].split(" ")[0])
    enough = backend.explain(
        model, x, "lime", target=0, n_samples=needed + 10, segments=25, segmentation="tiles"
    )
    assert set(enough.stages) == {"low", "high", "sure", "error"}
    assert enough.arrays["band"].shape == (2, 25)
    narrow = backend.explain(
        model,
        x,
        "lime",
        target=0,
        n_samples=needed + 10,
        segments=25,
        segmentation="tiles",
        kernel_width=0.05,
    )
    assert "band" not in narrow.arrays  # nearly all of its weight lies on a few samples


def scores_of_all(
    model: models.Model, x: torch.Tensor, labels: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray]:
    on = np.array(list(product([False, True], repeat=int(labels.max()) + 1)))
    keep = torch.from_numpy(on[:, labels])[:, None]
    with torch.no_grad():
        return on, model.select(
            model.module(torch.where(keep, x, model.input.baseline(x))), target
        ).double().numpy()


@pytest.mark.parametrize(
    "changes",
    [{}, {"antithetic": False}, {"tolerance": 0.25, "n_samples": 800}],
    ids=["pairs", "single", "stopped"],
)
def test_lime_on_networks_holds_the_limit(changes):
    """Nine tiles, all 512 samples scored; stopping early costs little."""
    inside, samples = [], []
    for name in ("residual", "dense"):
        model, x = build(name), picture()
        on, scores = scores_of_all(model, x, tiles(32, 32, 3, 3), 1)
        truth = limit(scores, 0.25, on)
        for seed in range(20):
            options = {"n_samples": 150, "segments": 9, "segmentation": "tiles", **changes}
            found = backend.explain(model, x, "lime", target=1, seed=seed, **options)
            low, high = found.arrays["band"]
            inside.append((low <= truth) & (truth <= high))
            samples.append(found.extras["samples"])
    assert np.mean(inside) == pytest.approx(0.9, abs=0.055)
    assert changes.get("tolerance") is None or np.mean(samples) < 500


def test_kernel_shap_on_networks_holds_the_shapley_values():
    inside = []
    for name in ("residual", "dense"):
        model, x = build(name), picture()
        on, scores = scores_of_all(model, x, tiles(32, 32, 3, 3), 1)
        truth = kernel_shap.shapley(on, scores)
        for seed in range(20):
            found = backend.explain(
                model, x, "kernel_shap", target=1, seed=seed, n_samples=150, segments=9, segmentation="tiles"
            )
            assert not found.extras["exact"]
            half = 1.665 * found.arrays["errors"]  # Student's t for 74 pairs less 9
            inside.append(np.abs(found.arrays["coefficients"] - truth) <= half)
            np.testing.assert_array_equal(
                found.stages["error"].values, found.arrays["errors"][found.arrays["segments"]]
            )
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)


def test_standard_errors_of_rise_are_the_spread_over_seeds():
    model, x = build("residual"), picture()
    found = [
        backend.explain(model, x, "rise", target=1, seed=seed, n_samples=200, cells=4) for seed in range(40)
    ]
    spread = np.std([one.values for one in found], axis=0, ddof=1)
    errors = np.sqrt(np.mean([one.stages["error"].values ** 2 for one in found], axis=0))
    assert np.median(errors / spread) == pytest.approx(1, abs=0.1)
    inside = [
        np.abs(one.values - np.mean([other.values for other in found], axis=0))
        <= 1.645 * one.stages["error"].values
        for one in found
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("method", ["lime", "kernel_shap", "rise"])
def test_uncertain_maps_say_how_many_samples_it_takes(method):
    """The number in the note suffices, about: the error falls with the root."""
    model, x = build("residual"), picture()
    segments = {} if method == "rise" else {"segments": 16, "segmentation": "tiles"}
    monotone = []
    for samples in (90, 300, 3000):
        found = backend.explain(model, x, method, target=1, n_samples=samples, **segments)
        monotone.append(found.extras["uncertainty"])
        assert any("samples are few" in note for note in found.notes) == (found.extras["uncertainty"] > 0.5)
    assert monotone == sorted(monotone, reverse=True)
    assert monotone[0] / monotone[2] == pytest.approx((3000 / 90) ** 0.5, rel=0.5)


@pytest.mark.parametrize("segmentation", ["tiles", "slic"])
@pytest.mark.parametrize("asked", range(2, 9))
def test_up_to_eight_pieces_are_exact(asked, segmentation):
    model, x = build("plain"), picture()
    found = backend.explain(model, x, "kernel_shap", target=1, segments=asked, segmentation=segmentation)
    declared = (
        kernel_shap.KernelShap()
        .cost(model, kernel_shap.KernelShapParams(segments=asked, segmentation=segmentation))
        .forwards
    )
    assert found.extras["exact"]
    assert found.extras["segments"] <= asked
    assert found.forwards == 2 ** found.extras["segments"] <= declared
    assert segmentation == "slic" or found.forwards == declared
    assert not found.arrays["errors"].any()
    assert "error" not in found.stages
