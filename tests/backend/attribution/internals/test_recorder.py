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

import backend
import models
from app.core.errors import BadParameter, ModelRejected
from backend.attribution.internals import recorder as module_under_test
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.checkpoints import record_checkpoints
from backend.attribution.internals.recorder import HISTORY, Recorder, halved
from tests.backend.attribution.internals.squares import data, network, read, record, step


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
        ((data()[0], torch.full((len(data()[0]),), 2)), "from 0 to 1"),
        (torch.randn(12, 1, 12, 12), r"cannot take these calibration inputs, \[1, 12, 12\]"),
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


def test_a_data_set_and_arrays_are_inputs_too(tmp_path: Path) -> None:
    x, y = data(24)
    forms = {
        "set": torch.utils.data.TensorDataset(x, y),
        "pair": (x.numpy(), y.numpy()),
        "list": [(row, int(label)) for row, label in zip(x, y, strict=True)],
        "array": x.numpy(),
    }
    for name, form in forms.items():
        history = record(network(), tmp_path / name, epochs=0, calibration=form)
        assert (history.calibration.count, history.calibration.labelled) == (24, name != "array")
        assert (
            history.epochs[0].layers
            == record(network(), tmp_path / f"{name}2", epochs=0, calibration=x).epochs[0].layers
        )


def test_a_single_logit_stands_for_two_classes(tmp_path: Path) -> None:
    """It was recorded as one class, which every layer agrees with."""
    net = network()
    net[-1] = torch.nn.Linear(net[-1].in_features, 1)
    x, y = data()
    with Recorder(net, (x, y), tmp_path):
        pass
    history = read(tmp_path)
    net.load_state_dict(load_file(tmp_path / "epoch_000.safetensors"))
    network_of_two = models.wrap(net, ["a", "b"], models.ArrayInput(size=tuple(x.shape[1:])))
    held_out = np.flatnonzero(calibration_of(network_of_two, x).held_out)
    with torch.no_grad():
        right = ((net.eval()(x)[:, 0] > 0).long() == y)[held_out].float().mean()
    assert history.labels == ["class 0", "class 1"]
    assert history.epochs[0].accuracy == pytest.approx(float(right))


def test_another_network_than_at_the_beginning_is_said_in_words(tmp_path: Path) -> None:
    net = network()
    with Recorder(net, data(), tmp_path) as recorder:
        net[-1] = torch.nn.Linear(net[-1].in_features, 5)
        with pytest.warns(UserWarning, match="other layers than when the recording began"):
            recorder.epoch()
    assert "other layers" in (read(tmp_path).epochs[1].note or "")


def test_an_accuracy_in_percent_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """It is drawn as a share."""
    recorder = Recorder(network(), data(), tmp_path)
    recorder.begin()
    with pytest.warns(UserWarning, match="share from 0 to 1"):
        recorder.epoch(accuracy=93.0)
    assert all(0 <= (row.accuracy or 0) <= 1 for row in read(tmp_path).epochs)


def test_a_model_brings_its_own_inputs(tmp_path: Path) -> None:
    model = models.load("shapes")
    x = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with Recorder(model, x, tmp_path):
        pass
    history = read(tmp_path)
    assert (history.model, history.title, history.sound) == ("shapes", model.spec.title, False)
    assert history.labels == list(model.labels)
    assert not any(p.requires_grad for p in model.module.parameters()), "as it was found"


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
