"""The measures of a recording, beside slow second ways to compute them; and the bundled recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import models
from app.core.training_results import History
from backend.attribution.internals import history as history_module
from backend.attribution.internals import snapshot
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.correlation import linear_cka
from backend.attribution.internals.history import (
    Measured,
    Reading,
    decision,
    depths,
    is_one_answer,
    read_layers,
)
from models.model import Model
from tests.tiny import Plain

WEIGHTS = Path(models.__file__).with_name("weights")
RECORDED = ("cnnexplain", "cnnexplain_synthetic", "shapes")


def slow_depth(column: list[int], trusted: list[bool]) -> int:
    """First trusted layer from which the class never changes."""
    for layer in range(len(trusted)):
        if trusted[layer] and len(set(column[layer:])) == 1:
            return layer
    return len(trusted)


def test_depth_is_the_first_trusted_layer_from_which_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        tops = rng.integers(0, 2, (5, 12))
        trusted = [bool(part) for part in rng.integers(0, 2, 4)]
        slow = [slow_depth(column.tolist(), trusted) for column in tops.T]
        assert depths(torch.from_numpy(tops), trusted).tolist() == slow


def test_decision_by_hand() -> None:
    """20 inputs: 18 settle at the first layer, one at the second, one only with the answer."""
    tops = torch.ones(3, 20, dtype=torch.long)
    tops[0, 18] = tops[:2, 19] = 0
    settled, depth = decision(Reading(("a", "b"), tops, [0.5, 0.9], [True, True]))
    assert settled == [0.9, 0.95]
    assert (depth.mean, depth.p95) == (pytest.approx((0 * 18 + 1 + 2) / 20), 1)
    settled, depth = decision(Reading(("a", "b"), tops, [0.5, 0.9], [False, False]))
    assert (settled, depth.p95, depth.mean) == ([0.0, 0.0], 2, 2)


def test_one_answer() -> None:
    assert is_one_answer(torch.tensor([0] * 19 + [1]))
    assert not is_one_answer(torch.tensor([0] * 18 + [1] * 2))


def tiny() -> tuple[Model, torch.Tensor]:
    torch.manual_seed(3)
    model = models.wrap(Plain(), ["a", "b", "c"], models.ArrayInput(size=(3, 16, 16)))
    return model, torch.randn(24, 3, 16, 16)


def test_importance_is_gradient_times_distance_from_the_mean_map() -> None:
    """Filter by filter and input by input, the gradient by replacing the layer's output."""
    model, x = tiny()
    taken = snapshot.take(model, x, ["1", "4"], batch=7)
    for name in ("1", "4"):
        cut = int(name) + 1
        parts = list(model.module)
        head, tail = nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])
        a = head(x).detach()
        expected = torch.zeros(a.shape[1], dtype=torch.float64)
        for row in a:
            copied = row[None].clone().requires_grad_(True)
            logits = tail(copied)[0]
            (slope,) = torch.autograd.grad(logits[logits.argmax()], copied)
            expected += (slope[0] * (row - a.mean(0))).sum((1, 2)).abs().double()
        torch.testing.assert_close(taken.importance[name], expected / len(x), rtol=1e-4, atol=1e-7)
    assert torch.equal(taken.answers, model.module(x).argmax(1))


def test_likeness_is_linear_cka() -> None:
    model, x = tiny()
    one = snapshot.take(model, x, ["1", "4"])
    with torch.no_grad():
        model.module[0].weight += 0.3 * torch.randn(model.module[0].weight.shape)
    other = snapshot.take(Model(model.spec, model.module, ""), x, ["1", "4"])
    assert snapshot.cka(one.likeness["4"], one.likeness["4"]) == pytest.approx(1, abs=1e-6)
    likeness = snapshot.cka(one.likeness["1"], other.likeness["1"])
    torch.manual_seed(3)
    first = Plain()
    pooled = [net[1](net[0](x)).mean((2, 3)).detach().double().numpy() for net in (first, model.module)]
    assert likeness == pytest.approx(linear_cka(*pooled), abs=1e-4)
    assert likeness < 0.999


def test_layers_that_work_in_place_are_seen_as_they_were() -> None:
    """An in-place step behind a layer changes neither its activations nor its gradient."""
    torch.manual_seed(0)
    parts = [
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Hardtanh(0, 0.2, inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ]
    x = torch.randn(12, 3, 8, 8)
    taken = []
    for inplace in (True, False):
        parts[2] = nn.Hardtanh(0, 0.2, inplace=inplace)
        model = models.wrap(nn.Sequential(*parts), ["a", "b"], models.ArrayInput(size=(3, 8, 8)))
        taken.append(snapshot.take(model, x, ["1"]))
    assert torch.equal(taken[0].importance["1"], taken[1].importance["1"])
    assert taken[0].redundancy == taken[1].redundancy


def bundled(key: str) -> History:
    return History.model_validate_json((WEIGHTS / f"{key}_epochs" / "history.json").read_text())


@pytest.mark.parametrize("key", RECORDED)
def test_bundled_recordings_end_at_the_bundled_weights(key: str) -> None:
    """So the training that is shown is the one that made the model."""
    history, folder = bundled(key), WEIGHTS / f"{key}_epochs"
    assert history.finished
    assert [row.epoch for row in history.epochs] == list(range(len(history.epochs)))
    assert len(history.epochs) == models.specs()[key].card["training"]["epochs"] + 1
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [
        f"epoch_{row.epoch:03d}.safetensors" for row in history.epochs
    ]
    last, shipped = (
        load_file(sorted(folder.glob("*.safetensors"))[-1]),
        load_file(WEIGHTS / f"{key}.safetensors"),
    )
    for name, value in shipped.items():
        assert last[name].dtype == torch.float16
        assert torch.equal(last[name], value.half()), name
    rows = [layer for row in history.epochs for layer in row.layers]
    assert all(layer.agreement is not None and layer.cka_to_last is not None for layer in rows)
    assert history.note


def test_what_is_learned_can_be_seen() -> None:
    """Right answers grow, the last layer comes to be what it is; real telephone coughs teach no such thing."""
    learned = bundled("cnnexplain_synthetic")
    accuracy = [row.accuracy or 0 for row in learned.epochs]
    assert accuracy[0] < 0.65
    assert accuracy[-1] > 0.95
    assert learned.epochs[0].layers[-1].cka_to_last < 0.5 < learned.epochs[-2].layers[-1].cka_to_last
    assert all(row.accuracy is None for row in bundled("cnnexplain").epochs), (
        "generated coughs have no such class"
    )


def test_a_bundled_row_can_be_computed_again() -> None:
    """Epoch 3 of the synthetic coughs, from its checkpoint, beside the last."""
    written, model = bundled("cnnexplain_synthetic"), models.load("cnnexplain_synthetic")
    calibration = calibration_of(model)
    held_out = np.flatnonzero(calibration.held_out).tolist()
    assert (calibration.count, len(held_out), calibration.title) == (
        written.calibration.count,
        written.calibration.held_out,
        written.calibration.title,
    )
    names = [layer.name for layer in history_module.layers_read(model)]
    measured = Measured(calibration.x, held_out, torch.tensor(calibration.labels), names)
    for number in (3, 10):
        state = load_file(WEIGHTS / "cnnexplain_synthetic_epochs" / f"epoch_{number:03d}.safetensors")
        model.module.load_state_dict({name: value.float() for name, value in state.items()})
        now = Model(model.spec, model.module, "")
        measured.add(number, now, read_layers(now, calibration) if number == 3 else None)
    row, shipped = measured.epochs()[0], written.epochs[3]
    assert row.accuracy == pytest.approx(shipped.accuracy, abs=0.02)
    assert row.one_answer == shipped.one_answer
    for own, other in zip(row.layers, shipped.layers, strict=True):
        for name in ("agreement", "settled", "r2", "redundancy", "cka_to_last", "kendall_tau"):
            assert getattr(own, name) == pytest.approx(getattr(other, name), abs=0.02), (own.name, name)
        assert own.dead == other.dead
        assert own.effective_dimension == pytest.approx(other.effective_dimension, rel=0.01)
