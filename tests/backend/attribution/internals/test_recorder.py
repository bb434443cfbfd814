"""The recorder leaves a training as it is, writes what can be computed again, and never stands in its way."""

from __future__ import annotations

import json
import random
import types
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

import backend
import models
from app.core.errors import BadParameter, ModelRejected
from app.core.training_results import History
from backend.attribution.internals import recorder as module_under_test
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.checkpoints import record_checkpoints
from backend.attribution.internals.recorder import HISTORY, Recorder, halved


def data(n: int = 40) -> tuple[Tensor, Tensor]:
    """Squares that are bright in the first channel or not."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(n, 3, 12, 12, generator=generator), torch.arange(n) % 2
    x[:, 0] += y[:, None, None]
    return x, y


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(8, 2),
        )


def step(net: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    net.train()
    loss = F.cross_entropy(net(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def trained(folder: Path | None) -> dict[str, Any]:
    """Three epochs with dropout, batch norm, momentum and draws from every random state, recorded or not."""
    x, y = data()
    net, calls = network(), []
    net[0].weight.requires_grad_(False)  # a frozen layer stays frozen
    net[5].register_forward_hook(lambda *_: calls.append(1))
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, momentum=0.9)
    recorder = None if folder is None else Recorder(net, (x, y), folder)
    if recorder is not None:
        recorder.begin()
    draws = []
    for _ in range(3):
        loss = step(net, optimiser, x, y)
        if recorder is not None:
            with torch.no_grad(), torch.autocast("cpu"):  # as a loop may call it
                recorder.epoch(loss=loss)
        draws += [torch.rand(()).item(), float(np.random.rand()), random.random()]
    return {
        "weights": torch.cat([value.double().flatten() for value in net.state_dict().values()]),
        "gradients": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "draws": draws,
        "modes": [part.training for part in net.modules()],
        "frozen": [p.requires_grad for p in net.parameters()],
        "hooks": [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules()],
        "calls": len(calls),
        "grad": torch.is_grad_enabled(),
    }


def test_a_recorded_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    runs = []
    for folder in (None, tmp_path / "run"):
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        runs.append(trained(folder))
    plain, recorded = runs
    assert torch.equal(plain["weights"], recorded["weights"])
    for one, other in zip(plain["gradients"], recorded["gradients"], strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)
    for name in ("draws", "modes", "frozen", "hooks", "calls", "grad"):
        assert plain[name] == recorded[name], name
    history = read(tmp_path / "run")
    assert [row.epoch for row in history.epochs] == [0, 1, 2, 3]
    assert not history.finished, "nobody said that it had ended"


def read(folder: Path) -> History:
    return History.model_validate_json((folder / HISTORY).read_text())


def record(net: nn.Module, folder: Path, epochs: int = 2, **options: Any) -> History:
    x, y = data()
    optimiser = torch.optim.SGD(net.parameters(), 0.2)
    with Recorder(net, options.pop("calibration", (x, y)), folder, **options) as recorder:
        for _ in range(epochs):
            recorder.epoch(loss=step(net, optimiser, x, y))
    return read(folder)


def test_the_checkpoints_are_what_was_measured(tmp_path: Path) -> None:
    """float16, the last one the trained network rounded; and measured again they give the same rows."""
    net = network()
    history = record(net, tmp_path, labels=["dark", "bright"], title="Squares")
    assert (history.title, history.labels, history.finished) == ("Squares", ["dark", "bright"], True)
    assert [layer.name for layer in history.layers] == ["2", "5"]
    assert history.kernels is not None
    assert (history.kernels.tensor, history.kernels.shape) == ("0.weight", (6, 3, 3, 3))
    last = load_file(tmp_path / "epoch_002.safetensors")
    for name, value in net.state_dict().items():
        assert torch.equal(last[name], halved(value)), name
        assert last[name].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
    like = models.wrap(network(), ["dark", "bright"], models.ArrayInput(size=(3, 12, 12)))
    losses = {row.epoch: row.loss for row in history.epochs if row.loss is not None}
    again = record_checkpoints(tmp_path, like, data()[0], losses=losses)
    assert again.accuracy_of == "none"
    for row, other in zip(history.epochs, again.epochs, strict=True):
        own = {"accuracy", "recorded", "seconds"}
        assert row.model_dump(exclude=own) == other.model_dump(exclude=own)


def test_the_last_epoch_is_like_itself(tmp_path: Path) -> None:
    history = record(network(), tmp_path, epochs=3)
    for layer in history.epochs[-1].layers:
        assert layer.cka_to_last == pytest.approx(1, abs=1e-4)
        assert layer.kendall_tau == pytest.approx(1)
    first = history.epochs[0].layers[-1]
    assert first.cka_to_last is not None
    assert first.cka_to_last < 0.9999
    assert history.accuracy_of == "calibration"
    assert all(row.accuracy is not None for row in history.epochs)


def test_what_the_training_tells_replaces_what_was_measured(tmp_path: Path) -> None:
    x, y = data()
    with Recorder(network(), (x, y), tmp_path) as recorder:
        assert read(tmp_path).epochs[0].accuracy is not None
        recorder.epoch(loss=torch.tensor(0.5, requires_grad=True), accuracy=torch.tensor(0.75))
        recorder.epoch(loss="a word", accuracy=0.8)
    rows = read(tmp_path).epochs
    assert [row.accuracy for row in rows] == [None, 0.75, 0.8]
    assert [row.loss for row in rows] == [None, 0.5, None]


def test_dead_filters_are_listed(tmp_path: Path) -> None:
    net = network()
    with torch.no_grad():
        net[4].weight[3], net[4].bias[3] = 0, -1
        net[4].weight[5], net[4].bias[5] = 0, 2  # answers to everything alike
    history = record(net, tmp_path, epochs=0)
    dead = {layer.name: layer.dead for layer in history.epochs[0].layers}
    assert dead["2"] == []
    assert set(dead["5"]) >= {3, 5}
    assert len(dead["5"]) < 8


def test_weights_that_are_not_finite_are_noted_and_the_training_goes_on(tmp_path: Path) -> None:
    x, _ = data()
    net = network()
    with Recorder(net, x, tmp_path) as recorder:
        with torch.no_grad():
            net[4].weight[0] = torch.nan
        recorder.epoch(loss=float("nan"))
        with torch.no_grad():
            net[4].weight[0] = 0.1
        recorder.epoch(loss=0.2)
    bad, good = read(tmp_path).epochs[1:]
    assert "not finite" in (bad.note or "")
    assert (bad.loss, bad.decision_depth, bad.layers[0].cka_to_last) == (None, None, None)
    assert (good.note, good.layers[1].cka_to_last) == (None, pytest.approx(1, abs=1e-4))


def test_a_disk_that_is_full_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before stays readable, and no half file is left."""
    x, _ = data()
    with Recorder(network(), x, tmp_path) as recorder:
        recorder.epoch(loss=1.0)

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(module_under_test, "save", full)
            with pytest.warns(UserWarning, match="without measures"):
                recorder.epoch(loss=0.5)
        recorder.epoch(loss=0.25)
    rows = read(tmp_path).epochs
    assert [row.loss for row in rows] == [None, 1.0, 0.5, 0.25]
    assert rows[2].note
    assert rows[3].decision_depth is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch_000.safetensors",
        "epoch_001.safetensors",
        "epoch_003.safetensors",
        HISTORY,
    ]


def test_an_error_of_the_training_is_passed_on_and_leaves_a_recording(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Recorder(network(), data(), tmp_path) as recorder:  # noqa: PT012
        recorder.epoch(loss=1.0)
        raise KeyError
    history = read(tmp_path)
    assert (len(history.epochs), history.finished) == (2, False)


def test_a_recording_is_not_written_over_by_accident(tmp_path: Path) -> None:
    record(network(), tmp_path, epochs=2)
    with pytest.raises(BadParameter, match="holds a recording already"):
        Recorder(network(), data(), tmp_path)
    assert len(record(network(), tmp_path, epochs=0, replace=True).epochs) == 1
    assert not (tmp_path / "epoch_002.safetensors").exists()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BadParameter, match="a file of that name"):
        Recorder(network(), data(), file)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (torch.zeros(9, 3, 12, 12), "10 different inputs"),
        (torch.zeros(12, 3, 12, 12), "10 different inputs"),
        (torch.randn(12, 3, 12), "N, C, H, W"),
        ((data()[0], torch.zeros(3)), "one label per input"),
        (data()[0].where(data()[0] < 2, torch.nan), "not finite"),
        ("a word", "loader of either"),
        (7, "loader of either"),
        (None, "tensor"),
        (torch.randn(1001, 3, 12, 12), "at most 1000"),
    ],
)
def test_calibration_inputs_that_are_refused(calibration: Any, words: str, tmp_path: Path) -> None:
    """Before any training, and nothing is written."""
    with pytest.raises(BadParameter, match=words):
        Recorder(network(), calibration, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_networks_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="2 outputs but 3 labels"):
        Recorder(network(), data(), tmp_path, labels=["a", "b", "c"])
    with pytest.raises(BadParameter, match="a torch module or a Model"):
        Recorder("resnet", data(), tmp_path)  # type: ignore[arg-type]


def test_a_loader_gives_inputs_and_labels(tmp_path: Path) -> None:
    x, y = data(48)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16)
    history = record(network(), tmp_path, epochs=0, calibration=loader)
    assert (history.calibration.count, history.calibration.labelled) == (48, True)


def test_a_model_brings_its_own_inputs(tmp_path: Path) -> None:
    model = models.load("shapes")
    x = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with Recorder(model, x, tmp_path):
        pass
    history = read(tmp_path)
    assert (history.model, history.title, history.sound) == ("shapes", model.spec.title, False)
    assert history.labels == list(model.labels)
    assert not any(p.requires_grad for p in model.module.parameters()), "as it was found"


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


def test_numbers_that_float16_cannot_hold_are_kept(tmp_path: Path) -> None:
    assert halved(torch.tensor([1e6])).dtype == torch.float32
    assert halved(torch.tensor([1.5])).dtype == torch.float16
    assert halved(torch.tensor(3)).dtype == torch.int64


def test_it_is_public_and_its_file_is_plain_json(tmp_path: Path) -> None:
    assert backend.Recorder is Recorder
    record(network(), tmp_path, epochs=1)
    text = (tmp_path / HISTORY).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["format"] == 1
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1, "a server may run as another user than the training"


def test_a_long_training_is_compared_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing every epoch with the last may not take the training's time; the end has all of it."""
    monkeypatch.setattr(module_under_test, "AT_ONCE", -1.0)
    ticks = count()
    monkeypatch.setattr(
        module_under_test,
        "time",
        types.SimpleNamespace(time=module_under_test.time.time, monotonic=lambda: float(next(ticks))),
    )
    x, _ = data()
    with Recorder(network(), x, tmp_path) as recorder:
        for _ in range(3):
            recorder.epoch()
        waiting = [row.layers[0].cka_to_last for row in recorder.history.epochs]
        assert waiting == [pytest.approx(1, abs=1e-4), None, None, None]
    assert all(row.layers[0].cka_to_last is not None for row in read(tmp_path).epochs)


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
