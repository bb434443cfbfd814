"""The shortcut meter: an even map has as much as the area, planted networks that read the border or a hum are flagged, and maps
of nothing seldom are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import models
from backend.attribution.explain import explain
from backend.attribution.measuring.shortcuts import (
    Region,
    bands_of,
    hum_lines,
    regions_of,
    regions_of_picture,
    shares,
)
from models.inputs.sound import SoundInput
from models.media.segment import segment
from models.synthetic import coughs

SOUND = coughs.render(5, 0, 1, coughs=1)
HUMMING = coughs.render(5, 0, 1, coughs=1, hum=True)


def test_an_even_map_has_the_share_of_the_area():
    prepared = SoundInput().prepare((SOUND.waveform, SOUND.rate))
    regions = regions_of(prepared, (SOUND.waveform, SOUND.rate))
    assert {region.key for region in regions} >= {"start", "end", "pauses"}
    for each in shares(np.ones((64, 128)), regions):
        assert each.share == pytest.approx(each.area)
        assert not each.flagged


def test_shares_are_sums_of_what_is_positive():
    values = np.random.default_rng(0).normal(size=(6, 9))
    mask = np.zeros((6, 9), bool)
    mask[2:4, 3:5] = True
    each = shares(values, [Region("a", "A", "there", mask)])[0]
    positive = values.clip(min=0)
    assert each.share == pytest.approx(positive[2:4, 3:5].sum() / positive.sum())
    rolled = [
        np.roll(positive, (i, j), (0, 1))[2:4, 3:5].sum() / positive.sum() for i in range(6) for j in range(9)
    ]
    assert each.rare == pytest.approx(np.mean(np.array(rolled) >= each.share - 1e-9))
    assert shares(-np.abs(values), [Region("a", "A", "there", mask)]) == []


class Reads(nn.Module):
    """The mean brightness of the cells of a mask."""

    def __init__(self, mask):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        self.register_buffer("mask", torch.from_numpy(mask.astype(np.float32)))

    def forward(self, x):
        read = (self.conv(x) * self.mask).sum((1, 2, 3))
        return torch.stack([-read, read], 1)


@pytest.mark.parametrize("place", ["border", "centre"])
def test_a_network_that_reads_the_border_is_flagged_and_one_that_reads_the_centre_is_not(place):
    picture = np.random.default_rng(0).integers(60, 200, (64, 64), dtype=np.uint8)
    border = np.ones((64, 64), bool)
    border[3:-3, 3:-3] = False
    centre = np.zeros((64, 64), bool)
    centre[20:44, 20:44] = True
    net = models.wrap(
        Reads(border if place == "border" else centre), labels=["a", "b"], input=models.ImageInput(size=(64, 64), channels=1)
    )  # fmt: skip
    prepared = net.input.prepare(picture)
    result = explain(net, prepared.x, "input_x_gradient", target=1)
    first = shares(result.values, regions_of(prepared))[0]
    assert (first.key, first.flagged) == ("border", place == "border")
    assert first.share == pytest.approx(float(place == "border"), abs=1e-6)


@pytest.mark.parametrize(("smooth", "most"), [(0, 0.01), (3, 0.05), (6, 0.12)])
def test_maps_of_nothing_are_seldom_flagged(smooth, most):
    """White and smooth noise, 200 maps each."""
    rng, columns, rows = np.random.default_rng(1), np.zeros((64, 128), bool), np.zeros((64, 128), bool)
    columns[:, :6], rows[:14] = True, True
    regions = [Region("columns", "", "", columns), Region("rows", "", "", rows)]
    flagged = dict.fromkeys(("columns", "rows"), 0)
    for _ in range(200):
        noise = gaussian_filter(rng.normal(size=(64, 128)), smooth)
        for each in shares(noise, regions):
            flagged[each.key] += each.flagged
    assert max(flagged.values()) <= most * 200


def test_a_hum_is_heard_where_it_is_and_only_there():
    assert hum_lines(HUMMING.waveform, HUMMING.rate) == [100.0, 200.0, 300.0, 400.0, 500.0]
    assert hum_lines(SOUND.waveform, SOUND.rate) == []
    rng = np.random.default_rng(0)
    assert sum(bool(hum_lines(rng.normal(size=16000), 8000)) for _ in range(30)) == 0
    prepared = SoundInput().prepare((HUMMING.waveform, HUMMING.rate))
    rows = bands_of(prepared.y_axis, [100.0, 500.0])
    centres = prepared.y_axis.values
    assert all(abs(centres[rows] - 100).min() <= 50 for _ in range(1))
    assert centres[rows].max() < 560


def test_the_words_know_whether_the_cough_comes_later():
    late = (np.r_[np.zeros(4000, np.float32) + 1e-4, SOUND.waveform], SOUND.rate)
    prepared = SoundInput().prepare(late)
    start = prepared.window[0]
    assert min(event.start for event in segment(*late) if event.end > start) > start + 0.1
    words = {region.key: region.words for region in regions_of(prepared, late)}
    assert words["start"] == "in the first 0.1 s, before the cough"


def test_what_was_filled_up_is_a_region():
    short = SOUND.waveform[: SOUND.rate]
    prepared = SoundInput().prepare((short, SOUND.rate), start=0.0)
    padding = next(region for region in regions_of(prepared, (short, SOUND.rate)) if region.key == "padding")
    columns = np.flatnonzero(padding.mask[0])
    assert prepared.x_axis.values[columns[0]] == pytest.approx(1.0, abs=0.016)
    assert columns[-1] == 127


def test_bars_of_one_colour_are_found():
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    bars = {region.key: region for region in regions_of_picture(picture)}["bars"]
    assert not bars.mask.any()
    picture[:7], picture[-5:] = 0, 0
    bars = {region.key: region for region in regions_of_picture(picture)}["bars"]
    assert np.flatnonzero(bars.mask[:, 30]).tolist() == [*range(7), *range(35, 40)]
