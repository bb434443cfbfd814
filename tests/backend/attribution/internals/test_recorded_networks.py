"""What is recorded whatever trains the network and however it is built: the names of Keras and Lightning, several
processes, networks that are rewritten or cannot be read."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

import models
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.recorder import Recorder
from tests.backend.attribution.internals.squares import data, network, read, record


def test_names_of_keras(tmp_path: Path) -> None:
    """Epochs counted from 0, what was measured by name."""
    recorder = Recorder(network(), data(), tmp_path)
    recorder.set_params({"epochs": 2})
    recorder.on_train_begin()
    for epoch in range(2):
        recorder.on_epoch_begin(epoch)
        recorder.on_epoch_end(
            epoch, {"loss": 1.0 - epoch / 2, "val_accuracy": 0.5 + epoch / 4, "accuracy": 0.9}
        )
    recorder.on_train_end({})
    history = read(tmp_path)
    assert [(row.epoch, row.loss, row.accuracy) for row in history.epochs] == [
        (0, None, None),
        (1, 1.0, 0.5),
        (2, 0.5, 0.75),
    ]
    assert history.finished


def test_names_of_lightning(tmp_path: Path) -> None:
    """A Trainer asks a callback for every hook it knows."""
    recorder = Recorder(network(), data(), tmp_path)
    trainer = types.SimpleNamespace(
        current_epoch=0, callback_metrics={"train_loss": torch.tensor(0.5), "val_acc": 0.7}
    )
    for hook in ("setup", "on_fit_start", "on_sanity_check_start", "on_train_start", "on_train_batch_end"):
        getattr(recorder, hook)(trainer, None)
    recorder.on_train_epoch_end(trainer, None)
    recorder.on_train_end(trainer, None)
    assert recorder.state_dict() == {}
    assert recorder.state_key == "Recorder"
    assert [(row.epoch, row.loss, row.accuracy) for row in read(tmp_path).epochs] == [
        (0, None, None),
        (1, 0.5, 0.7),
    ]
    with pytest.raises(AttributeError):
        recorder.anything_else  # noqa: B018


def test_of_several_processes_the_first_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_available", True), ("is_initialized", True), ("get_rank", 1)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    with Recorder(network(), data()[0], tmp_path) as recorder:
        recorder.epoch(loss=1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_compiled_or_parallel_network_is_the_network_inside(tmp_path: Path) -> None:
    """So that its checkpoints fit it, whatever trains it."""
    net = network()
    history = record(nn.DataParallel(net), tmp_path, epochs=0)
    assert [layer.name for layer in history.layers] == ["2", "5"]
    assert set(load_file(tmp_path / "epoch_000.safetensors")) == set(net.state_dict())


def test_a_calibration_of_another_network_serves_too(tmp_path: Path) -> None:
    x, _ = data()
    other = models.wrap(network(), ["a", "b"], models.ArrayInput(size=(3, 12, 12)))
    history = record(network(), tmp_path, epochs=1, calibration=calibration_of(other, x))
    assert history.calibration.count == 40
    assert history.epochs[1].decision_depth is not None


class Functional(nn.Module):
    """Rectified by a function, one activation used twice, and a softmax at the end, which is taken off to explain logits."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.head = nn.ReLU(), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        x = F.relu(self.relu(self.second(x)) + x)
        return torch.softmax(self.head(x.mean((2, 3))), 1)


def test_networks_that_are_rewritten_to_be_explained(tmp_path: Path) -> None:
    """The copy takes over the weights of each epoch all the same."""
    torch.manual_seed(0)
    history = record(Functional(), tmp_path, epochs=2)
    assert [row.note for row in history.epochs] == [None, None, None]
    assert history.layers
    assert all(layer.r2 is not None for row in history.epochs for layer in row.layers)


class Prototypes(nn.Module):
    """Answers by distances to two points: there is no final linear layer to read layers through."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 6, 3), nn.ReLU()
        self.points = nn.Parameter(torch.eye(2, 6))

    def forward(self, x: Tensor) -> Tensor:
        return -(self.relu(self.conv(x)).mean((2, 3))[:, None] - self.points).square().sum(-1)


def test_a_network_without_a_linear_head_is_recorded_without_the_lens(tmp_path: Path) -> None:
    torch.manual_seed(0)
    history = record(Prototypes(), tmp_path, epochs=1)
    row = history.epochs[1]
    assert "linear layer" in (row.note or "")
    assert (row.layers[0].agreement, row.decision_depth) == (None, None)
    assert row.layers[0].cka_to_last == pytest.approx(1, abs=1e-4)
