"""The loop is a pure function of its seed, learns what can be learned, and its measures agree with public
implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn import metrics as oracle
from torch import nn

from models.training import measures
from models.training.loop import balanced_weights, fit, predict, seeded


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4, 2),
    )


@pytest.fixture
def bars() -> tuple[torch.Tensor, torch.Tensor]:
    """Class 1 has horizontal bars, class 0 vertical ones, in noise."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 2
    wave = torch.sin(torch.arange(12) * 2.0)
    x = torch.where(y[:, None, None] == 1, wave[None, :, None], wave[None, None, :]).expand(120, 12, 12)[
        :, None
    ]
    return x + 0.3 * torch.randn(120, 1, 12, 12, generator=generator), y


def shift(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return x.roll(int(torch.randint(12, (1,), generator=generator)), dims=-1)


def test_same_seed_same_weights_and_the_global_state_is_untouched(bars):
    x, y = bars
    state = torch.get_rng_state()
    runs = []
    for seed in (3, 3, 4):
        module = seeded(net, seed=1)
        history = fit(module, x, y, epochs=2, lr=1e-2, batch=32, augment=shift, seed=seed, progress=False)
        runs.append(
            (torch.nn.utils.parameters_to_vector(module.parameters()), [e.loss for e in history.epochs])
        )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not torch.equal(runs[0][0], runs[2][0])


def test_it_learns_and_validates_and_leaves_a_checkpoint_per_epoch(bars, tmp_path):
    x, y = bars
    module = seeded(net, seed=0)
    history = fit(
        module,
        x[:80],
        y[:80],
        epochs=25,
        lr=3e-2,
        batch=16,
        validate=(x[80:], y[80:]),
        checkpoints=tmp_path,
        seed=0,
        progress=False,
    )
    assert not module.training
    accuracy = (predict(module, x[80:]).argmax(1) == y[80:]).float().mean().item()
    assert accuracy > 0.95
    assert history.epochs[-1].validation_accuracy == pytest.approx(accuracy)
    assert history.epochs[-1].loss < history.epochs[0].loss
    files = sorted(tmp_path.glob("epoch_*.safetensors"))
    assert [f.stem for f in files] == [f"epoch_{i:03d}" for i in range(26)]
    first, last = (load_file(f) for f in (files[0], files[-1]))
    for name, value in module.state_dict().items():
        torch.testing.assert_close(last[name].float(), value, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            first[name].float(), seeded(net, seed=0).state_dict()[name], rtol=1e-3, atol=1e-4
        )


def test_class_weights_make_classes_count_the_same():
    y = torch.tensor([0] * 30 + [1] * 10)
    weights = balanced_weights(y, 2)
    assert weights[0] * 30 == pytest.approx(float(weights[1] * 10))
    assert weights[y].mean() == pytest.approx(1.0)


def test_class_weights_move_the_answer_to_the_rare_class():
    """On inputs without information the weighted loss settles at even odds, the plain one at the class
    shares."""
    x, y = torch.zeros(40, 1, 4, 4), torch.tensor([0] * 30 + [1] * 10)
    share = []
    for weights in (None, balanced_weights(y, 2)):
        module = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), 0)
        fit(
            module,
            x,
            y,
            epochs=100,
            lr=5e-2,
            batch=40,
            class_weights=weights,
            seed=0,
            progress=False,
            decay=0,
        )
        share.append(predict(module, x).softmax(1)[0, 1].item())
    assert share == pytest.approx([0.25, 0.5], abs=0.01)


def test_measures_against_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    score = np.round(np.clip(0.3 * truth + rng.random(300) * 0.8, 0, 1), 2)  # rounding makes ties
    assert measures.auc(truth, score) == pytest.approx(oracle.roc_auc_score(truth, score))
    answer = score > 0.5
    assert measures.sensitivity(truth, score) == pytest.approx(oracle.recall_score(truth, answer))
    assert measures.specificity(truth, score) == pytest.approx(oracle.recall_score(1 - truth, ~answer))
    assert measures.balanced_accuracy(truth, score) == pytest.approx(
        oracle.balanced_accuracy_score(truth, answer)
    )
    assert np.isnan(measures.auc(np.ones(5), score[:5]))


def test_bootstrap_resamples_people_not_clips():
    """Ten copies of each clip carry no new information: grouped, the interval stays; ungrouped, it shrinks
    by about sqrt(10)."""
    rng = np.random.default_rng(1)
    truth = np.tile([0, 1], 30)
    score = truth * 0.5 + rng.normal(size=60)
    people = np.arange(60)
    once = measures.bootstrap(measures.auc, truth, score, people)
    grouped = measures.bootstrap(measures.auc, *(np.repeat(a, 10) for a in (truth, score, people)))
    naive = measures.bootstrap(measures.auc, np.repeat(truth, 10), np.repeat(score, 10))
    assert once.low < once.value < once.high
    assert grouped.value == pytest.approx(once.value)
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.1)
    assert (naive.high - naive.low) / (once.high - once.low) == pytest.approx(10**-0.5, rel=0.2)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(20_000, 2))
    truth = (rng.random(20_000) < measures.probabilities(logits)[:, 1]).astype(int)
    assert measures.fit_temperature(3 * logits, truth) == pytest.approx(3, rel=0.05)
    assert measures.calibration_error(measures.probabilities(logits), truth) < 0.02
    assert measures.calibration_error(measures.probabilities(3 * logits), truth) > 0.1


def test_calibration_error_by_hand():
    probability = np.array([[0.1, 0.9], [0.1, 0.9], [0.35, 0.65], [0.65, 0.35]])
    truth = np.array([1, 0, 1, 1])
    # bin 0.9: confidence 0.9, accuracy 0.5; bin 0.65: confidence 0.65, accuracy 0.5; two rows each
    assert measures.calibration_error(probability, truth) == pytest.approx((0.4 + 0.15) / 2)
