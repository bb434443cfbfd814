"""The network is the one the design describes, and the shipped weights are what their cards say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import models
from models.architectures.cnnexplain import DEFAULT_LAYER, CnnExplain
from models.training.loop import seeded

WEIGHTS = Path(models.__file__).parent / "weights"
KEYS = ("cnnexplain", "cough_check", "cnnexplain_synthetic", "cnnexplain_shortcut")


def test_layers_and_parameters():
    module = CnnExplain()
    shapes = [tuple(m.weight.shape) for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    assert shapes == [(16, 1, 5, 5), (32, 16, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3)]
    # 5*5*16 + 16, 9*16*32 + 32, 9*32*64 + 64, 9*64*128 + 128, 128*2 + 2
    assert sum(p.numel() for p in module.parameters()) == 416 + 4640 + 18496 + 73856 + 258
    relus = [m for m in module.modules() if isinstance(m, torch.nn.ReLU)]
    assert len(relus) == 4
    assert not any(relu.inplace for relu in relus)
    assert CnnExplain(classes=5)(torch.zeros(2, 1, 64, 128)).shape == (2, 5)


def test_logits_are_the_mean_of_the_class_activation_map_plus_the_bias():
    """Global average pooling and one linear layer: what CAM rests on."""
    module = seeded(CnnExplain, 0).eval()
    x = torch.rand(1, 1, 64, 128, generator=torch.Generator().manual_seed(0))
    maps = x
    for name, part in module.named_children():
        maps = part(maps)
        if name == DEFAULT_LAYER:
            break
    assert maps.shape == (1, 128, 8, 16)
    cam = torch.einsum("ck,nkij->ncij", module.linear.weight, maps)
    torch.testing.assert_close(cam.mean((2, 3)) + module.linear.bias, module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", KEYS)
def test_shipped_weights_are_what_their_card_says(key):
    card = json.loads((WEIGHTS / f"{key}.json").read_text())
    assert card["sha256"] == hashlib.sha256((WEIGHTS / f"{key}.safetensors").read_bytes()).hexdigest()
    model = models.load(key)
    assert model.digest == card["sha256"]
    assert len(model.labels) == 2
    assert model.default_layer == DEFAULT_LAYER
    assert sum(p.numel() for p in model.module.parameters()) == card["parameters"]
    assert "Research and teaching only" in card["intended_use"]
    assert f"evident train {key}" in card["command"]
    found = model.prepare((np.random.default_rng(0).normal(size=20000).astype(np.float32), 8000))
    torch.testing.assert_close(
        model.predict(found), torch.softmax(model.logits(found) / card["temperature"], 1)
    )


def test_the_card_of_the_covid_model_says_how_little_it_means():
    card = models.specs()["cnnexplain"].card
    rows = {row["label"]: row for row in card["AUC, side by side"]}
    own, shuffled, room, channel = (
        rows[name]
        for name in (
            "This network, by person",
            "The same with shuffled labels",
            "Loudness, background and length alone",
            "Another channel (Telegram)",
        )
    )
    assert shuffled["low"] < 0.5 < shuffled["high"]
    assert room["value"] > own["value"], "the caution on the card rests on this"
    assert channel["value"] < own["value"]
    assert "0.846 to 0.619" in card["other_studies"]
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in rows.values())


def test_checkpoints_of_the_covid_model_end_at_its_weights():
    """Float16 copies of every epoch; the last one is the shipped network."""
    files = sorted((WEIGHTS / "cnnexplain_epochs").glob("epoch_*.safetensors"))
    epochs = models.specs()["cnnexplain"].card["training"]["epochs"]
    assert [file.stem for file in files] == [f"epoch_{i:03d}" for i in range(epochs + 1)]
    assert sum(file.stat().st_size for file in files) < 4_000_000
    last, shipped = load_file(files[-1]), load_file(WEIGHTS / "cnnexplain.safetensors")
    for name, value in shipped.items():
        assert last[name].dtype == torch.float16
        torch.testing.assert_close(last[name].float(), value, rtol=1e-3, atol=1e-4)
    assert not torch.equal(load_file(files[0])["conv1.weight"], last["conv1.weight"])
