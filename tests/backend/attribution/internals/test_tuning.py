"""Kernels whose tuning is known, captioned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from backend.attribution.internals.tuning import convolution_of, tuning
from models.inputs.sound import SoundInput
from models.spec import Axis
from tests import tiny
from tests.backend.attribution.internals.planted import wrapped

TIME = Axis("time", "s", 0.016 * np.arange(128))
PITCH = Axis("frequency", "Hz", np.linspace(100, 4000, 64))
RAMP = np.linspace(-1, 1, 5)


def one(plane, *axes):
    return tuning(np.asarray(plane, float)[None, None], *axes)[0]


def test_sound_edges_are_told_in_milliseconds_and_hertz():
    across = np.tile(RAMP, (5, 1))
    onset, offset = one(across, PITCH, TIME), one(-across, PITCH, TIME)
    assert (onset.kind, onset.degrees) == ("time edge", pytest.approx(0))
    assert onset.words.startswith("Onset")
    assert "ms" in onset.words
    assert offset.words.startswith("Offset")
    above, below = one(across.T, PITCH, TIME), one(-across.T, PITCH, TIME)
    assert (above.kind, above.degrees) == ("frequency edge", pytest.approx(90))
    assert "louder above" in above.words
    assert "Hz" in above.words
    assert "louder below" in below.words
    tone, gap = np.zeros((5, 5)), np.zeros((5, 5))
    tone[:] = np.array([-1, 0, 2, 0, -1])[:, None]
    gap[:] = -tone.T
    assert one(tone, PITCH, TIME).words.startswith("A tone")
    assert one(gap, PITCH, TIME).words.startswith("A short gap")


def test_a_slant_rises_or_falls_in_pitch():
    rows, columns = np.mgrid[:7, :7] - 3
    rising = np.cos(np.pi * (rows - columns) / 3)  # along row = column: later is higher
    assert one(rising, PITCH, TIME).kind == "oriented"
    assert "rising" in one(rising, PITCH, TIME).words
    assert "falling" in one(rising[::-1], PITCH, TIME).words


@pytest.mark.parametrize(
    ("degrees", "words"), [(0, "Vertical"), (90, "Horizontal"), (45, "Diagonal (up"), (135, "Diagonal (down")]
)
def test_period_and_orientation_of_a_grating_are_measured(degrees, words):
    rows, columns = np.mgrid[:11, :11] - 5
    angle = np.radians(degrees)
    grating = np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / 4)
    measured = one(grating)
    assert measured.kind == "oriented"
    assert measured.degrees == pytest.approx(degrees, abs=4)
    assert measured.period == pytest.approx(4, rel=0.1)
    assert measured.words.startswith(words)
    assert "edge" in measured.words


def test_blobs_colours_and_empty_kernels():
    kernels = np.zeros((4, 3, 3, 3))
    kernels[0] = 1
    kernels[1] = -1
    kernels[2, 0], kernels[2, 2] = 1, -1
    kernels[3, 0, 1, 1] = 1e-5
    kinds = [(one.kind, one.words) for one in tuning(kernels)]
    assert kinds[0] == ("blob", "Brightness of a spot")
    assert kinds[1] == ("blob", "Darkness of a spot")
    assert kinds[2] == ("colour", "Colour: red against blue")
    assert kinds[3][0] == "flat"


def test_a_layer_has_the_kernels_of_the_convolution_that_alone_made_it():
    model = tiny.build("batch_normed")
    weights = [part.weight for part in model.module if isinstance(part, nn.Conv2d)]
    first, second = convolution_of(model, "2"), convolution_of(model, "6")
    assert first is not None
    assert second is not None
    assert (first.first, second.first) == (True, False)
    assert torch.equal(torch.from_numpy(first.weights), weights[0].detach())
    assert torch.equal(torch.from_numpy(second.weights), weights[1].detach())
    sums, joined = tiny.build("mobile"), tiny.build("dense")
    assert convolution_of(sums, "head.2") is not None
    assert convolution_of(joined, "norm2") is None  # two convolutions side by side


def test_a_sum_has_no_kernels():
    class Summed(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), nn.ReLU()
            self.last = nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.act(self.left(x) + self.right(x)).mean((2, 3)))

    assert convolution_of(wrapped(Summed()), "act") is None


def test_the_bundled_network_of_coughs_is_captioned():
    model = models.load("cnnexplain")
    assert isinstance(model.input, SoundInput)
    found = convolution_of(model, "relu1")
    assert found is not None
    assert found.first
    assert all(
        "ms" in said.words or "Hz" in said.words
        for said in tuning(found.weights, PITCH, TIME)
        if said.kind != "flat"
    )
