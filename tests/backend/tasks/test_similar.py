"""What a network sees as alike: twins are nearest, and reasons change the order in the direction they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from backend.attribution.network.embedding import embedded, embedded_for
from backend.tasks import TASKS
from backend.tasks.similar import look, nearest, sentences
from models.synthetic import coughs as synthetic
from tests.backend.tasks.conftest import payload_of


def test_features_times_weights_are_what_is_added():
    """Pooled maps into one linear layer: r = w z, and with the bias it is the logit."""
    model = models.load("cnnexplain_synthetic")
    x = torch.rand(1, 1, 64, 128, generator=torch.Generator().manual_seed(0))
    features, added = embedded_for(model, x, 1)
    head = model.module.linear
    assert added == pytest.approx(features * head.weight[1].double().detach().numpy(), abs=1e-5)
    logit = float(model.logits(x)[0, 1])
    assert added.sum() + float(head.bias[1]) == pytest.approx(logit, abs=1e-4)
    assert embedded(model, x)[0] == pytest.approx(features, abs=1e-6)


@pytest.fixture(scope="module")
def colours():
    """The answer is how red the picture is; green and blue are seen, and count nothing."""
    see, answer = nn.Conv2d(3, 3, 1, bias=False), nn.Linear(3, 2, bias=False)
    see.weight.data = torch.eye(3).reshape(3, 3, 1, 1)
    answer.weight.data = torch.tensor([[-4.0, 0, 0], [4.0, 0, 0]])
    net = nn.Sequential(see, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), answer)
    return models.wrap(net, labels=["pale", "red"], input=models.ImageInput(size=(8, 8)))


def plain(red, green, blue):
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8).clone()


def test_reasons_change_the_order(colours):
    """As red but greener: farther by what is seen, nearest by what counts."""
    asked = look(colours, plain(0.5, 0.5, 0.5), 1)
    others = [
        ("as red", look(colours, plain(0.5, 0.9, 0.5), 1)),
        ("less red", look(colours, plain(0.3, 0.5, 0.5), 1)),
    ]
    told = nearest(asked, others, 2, colours.labels)
    assert [part.input for part in told if part.by == "embedding"] == ["less red", "as red"]
    assert [part.input for part in told if part.by == "relevance"] == ["as red", "less red"]
    as_red = next(part for part in told if part.by == "relevance")
    assert as_red.distance == pytest.approx(0, abs=1e-9)
    less_red = next(part for part in told if part.by == "embedding")
    assert less_red.distance == pytest.approx(0.2 / np.sqrt(0.75))
    assert less_red.model_says == "red"


def recording(files, waveform, rate, id):
    row = payload_of(files, waveform.astype(np.float32), "audio", rate=rate)
    return {**row, "id": id * 64}


def test_a_twin_with_a_little_noise_is_nearest(files, report):
    """Among other generated coughs, both ways; also when all of it is asked a second time."""
    rng = np.random.default_rng(0)
    first = synthetic.render(7, 0, 1)
    noisy = first.waveform + 0.0005 * np.abs(first.waveform).max() * rng.standard_normal(len(first.waveform))
    inputs = [{"input": recording(files, noisy, first.rate, "a"), "start": None}]
    for number in range(1, 9):
        other = synthetic.render(7, number, number % 2)
        inputs.append({"input": recording(files, other.waveform, other.rate, str(number)), "start": None})
    inputs.append({"input": recording(files, 0 * noisy, first.rate, "9"), "start": None})
    asked = {"input": recording(files, first.waveform, first.rate, "b"), "model": "cnnexplain_synthetic"}
    for _ in range(2):
        result = TASKS["similar"].run({**asked, "inputs": inputs, "n": 3}, files, report).result
        assert (result["searched"], result["left_out"]) == (9, 1), "a silent one cannot be taken"
        for way in ("embedding", "relevance"):
            told = [part for part in result["neighbours"] if part["by"] == way]
            assert told[0]["input"] == "a" * 64
            assert [part["distance"] for part in told] == sorted(part["distance"] for part in told)
    assert result["words"].startswith("9 inputs searched.")


def test_nothing_to_compare_with(colours):
    assert nearest(look(colours, plain(1.0, 0.0, 0.0), 1), [], 5, colours.labels) == []
    assert "no other input" in sentences("red", 0, [])
