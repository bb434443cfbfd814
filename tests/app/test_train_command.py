"""`evident train` records what it trains, and trains no other network for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.commands.train import recorded
from backend.api import recordings
from backend.attribution.internals import calibration
from models.training import images


def test_a_recorded_training_of_ours_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording lies beside the weights, where `evident serve --recordings` finds it; its end is the network."""
    monkeypatch.setattr(images, "VALIDATION", 32)
    monkeypatch.setattr("models.synthetic.shapes.CHUNK", 32)
    monkeypatch.setattr(calibration, "DRAWN", 32)
    calibration._drawings.cache_clear()
    try:
        for name in ("plain", "recorded"):
            record = recorded("shapes", tmp_path / name) if name == "recorded" else None
            images.train(
                tmp_path / name, ["shapes"], epochs=1, rows=64, test_rows=32, record=record, progress=False
            )
    finally:
        calibration._drawings.cache_clear()
    plain, trained = (load_file(tmp_path / name / "shapes.safetensors") for name in ("plain", "recorded"))
    assert all(torch.equal(plain[name], trained[name]) for name in plain)
    (entry, *_) = recordings.listed(tmp_path / "recorded")
    assert (entry.key, entry.model, entry.epochs, entry.live) == ("own-shapes_epochs", "shapes", 2, False)
    history = recordings.recording(tmp_path / "recorded", entry.key)
    assert [row.loss is None for row in history.epochs] == [True, False]
    assert (history.accuracy_of, history.calibration.count) == ("calibration", 32)
    last = load_file(tmp_path / "recorded" / "shapes_epochs" / "epoch_001.safetensors")
    assert all(torch.equal(last[name], trained[name].half()) for name in trained)
