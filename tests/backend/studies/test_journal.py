"""cnnexplain against MobileNetV2: each measure on maps whose value is known, and the comparison finds what is there and
nothing where there is nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import models
from app.core.errors import BadParameter
from backend.studies import journal, journal_report
from models.synthetic import coughs
from models.training import sound


class Band(nn.Module):
    """Hears one band of frequencies: class 1 by its mean, whatever else sounds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 1, 1), nn.ReLU()
        self.linear = nn.Linear(1, 2)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.conv.bias.zero_()
            self.linear.weight.copy_(torch.tensor([[-40.0], [40.0]]))
            self.linear.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.relu(self.conv(x))[:, :, 8:16].mean((2, 3)))


@pytest.fixture(scope="module")
def band():
    return models.wrap(Band(), coughs.LABELS, sound.INPUT)


def test_gini_and_entropy_are_zero_and_one_where_all_is_equal_or_in_one_cell():
    even, peak = np.ones((4, 8)), np.zeros((4, 8))
    peak[1, 2] = -3.0
    assert journal.gini(even) == pytest.approx(0, abs=1e-12)
    assert journal.gini(peak) == pytest.approx(1 - 1 / 32)
    assert journal.entropy(even) == pytest.approx(1)
    assert journal.entropy(peak) == 0
    assert journal.gini(0 * even) == 0
    assert journal.entropy(0 * even) == 1
    values = np.random.default_rng(0).normal(size=(4, 8))
    sizes = np.abs(values).ravel()
    slow = np.abs(sizes[:, None] - sizes[None]).sum() / (2 * 32**2 * sizes.mean())
    assert journal.gini(values) == pytest.approx(slow)


def test_curves_fall_soonest_in_the_order_that_the_network_goes_by(band):
    x = torch.full((1, 1, 64, 128), 0.5)
    right, wrong = np.zeros((64, 128)), np.zeros((64, 128))
    right[8:16], wrong[40:64] = 1.0, 1.0
    deleted = [journal.curve(band, x, values, keep=False) for values in (right, wrong)]
    inserted = [journal.curve(band, x, values, keep=True) for values in (right, wrong)]
    # By the right order an eighth of the cells decides; by the wrong one half of the picture goes before it matters.
    assert deleted[0] < 0.62 < deleted[1]
    assert inserted[0] > 0.9 > inserted[1]


def test_maps_moved_with_the_wheeze_are_alike_and_others_are_not():
    rng = np.random.default_rng(1)
    shape = rng.normal(size=(8, 12))
    fields, middles = [], [(20, 40), (30, 90), (10, 25)]
    for row, column in middles:
        field = np.zeros((64, 128))
        field[row - 4 : row + 4, column - 6 : column + 6] = shape
        fields.append(field)
    crops = [journal._around(field, middle) for field, middle in zip(fields, middles, strict=True)]
    assert journal._alike(crops) == pytest.approx([1, 1, 1])
    noise = [journal._around(rng.normal(size=(64, 128)), middle) for middle in middles]
    assert max(map(abs, journal._alike(noise))) < 0.2


def test_a_window_at_the_edge_keeps_its_size():
    assert journal._around(np.ones((64, 128)), (0, 127)).shape == journal.WINDOW


def compared(first, second):
    values = {
        (key, "m"): [{"gini": list(run)} for run in table]
        for key, table in zip(journal.NETWORKS, (first, second), strict=True)
    }
    return journal._compared("m", "gini", values)


def test_a_difference_is_said_where_there_is_one_and_seldom_where_there_is_none():
    rng = np.random.default_rng(2)
    row = compared(rng.normal(1, 0.1, (3, 24)), rng.normal(0, 0.1, (3, 24)))
    assert row["better"] == "cnnexplain"
    assert row["difference"]["low"] > 0.8
    said = 0
    for _ in range(40):
        inputs = rng.normal(0, 1, 24)  # the same recordings are hard for both
        said += compared(*(inputs + rng.normal(0, 0.3, (3, 24)) for _ in range(2)))["better"] is not None
    # 0.05 * 40 = 2 are expected of an exact interval; three trainings each make it somewhat narrow.
    assert said <= 8


def test_the_whole_study_on_a_small_scale_is_written_and_can_be_read(tmp_path, monkeypatch):
    def small(key, seed, epochs=None, progress=True):
        assert not progress
        return models.wrap(Band(), coughs.LABELS, sound.INPUT, key=key), {
            "auc": 1.0, "accuracy": 1.0, "parameters": 6, "seconds": 0.0,
        }  # fmt: skip

    monkeypatch.setattr(journal, "train", small)
    steps = []
    result = journal.study(
        inputs=2,
        seeds=(0,),
        n_steps=4,
        progress=False,
        report=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(number + 1, 8) for number in range(8)]
    # Two networks that are one network: nothing may be told apart.
    assert {row["better"] for row in result["rows"]} == {None}
    assert journal_report.verdict(result) == {"cnnexplain": 0, "mobilenet_v2": 0, "none": 16}
    paths = journal_report.write(result, tmp_path)
    assert json.loads(paths[0].read_text()) == result
    assert "no difference shown" in paths[1].read_text()
    # The band is an eighth of the picture: cells drawn by chance take it away in step with everything else.
    assert result["chance"]["cnnexplain"]["deletion"] == pytest.approx(0.9, abs=0.1)
    assert result["chance"]["cnnexplain"] == result["chance"]["mobilenet_v2"]
    assert paths[2].read_bytes()[:4] == b"\x89PNG"


def test_too_few_inputs_and_networks_that_hear_nothing_are_refused(monkeypatch):
    with pytest.raises(BadParameter, match="two inputs"):
        journal.study(inputs=1)

    def deaf(key, seed, epochs=None, progress=True):
        module = Band()
        with torch.no_grad():
            module.linear.weight.neg_()
        return models.wrap(module, coughs.LABELS, sound.INPUT, key=key), {}

    monkeypatch.setattr(journal, "train", deaf)
    with pytest.raises(BadParameter, match="agree on 0"):
        journal.study(inputs=2, seeds=(0,), progress=False)


def test_both_networks_take_the_same_input_and_can_be_explained():
    for _, build in journal.NETWORKS.values():
        model = models.wrap(build(), coughs.LABELS, sound.INPUT)
        for method in journal.METHOD_KEYS:
            assert journal.METHODS[method].is_compatible(model).ok
