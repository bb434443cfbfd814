"""A region masked in the sound itself, and what the model says of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from app.core.schemas import Alteration
from backend.tasks.masked_sound import heard_what_if, masked, moved
from models.regions import checked_cells

EVIDENCE = [0.7, 1.2, 1100.0, 1900.0]


class Reads(nn.Module):
    """The logit is the mean level of the cells in the box."""

    def __init__(self, inside):
        super().__init__()
        self.register_buffer("weights", torch.as_tensor(inside / inside.sum(), dtype=torch.float32))

    def forward(self, x):
        return 6 * (x * self.weights).sum((1, 2, 3))[:, None]


@pytest.fixture(scope="module")
def sound():
    return 0.1 * np.random.default_rng(0).standard_normal(18_000).astype(np.float32), 8000


@pytest.fixture(scope="module")
def model(sound):
    spec = models.SoundInput()
    prepared = spec.prepare(sound, start=0.0)
    inside = checked_cells(Alteration(boxes=[EVIDENCE]), prepared.y_axis, prepared.x_axis)
    return models.wrap(Reads(inside), labels=["no", "yes"], input=spec)


def asked(model, sound, boxes, mode):
    prepared = model.input.prepare(sound, start=0.0)
    wish = Alteration(boxes=boxes, mode=mode)
    inside = checked_cells(wish, prepared.y_axis, prepared.x_axis)
    return heard_what_if(model, prepared, sound, wish, inside, 1, None)


def test_the_region_that_is_read(model, sound):
    """Erased, the frames that reach over its edges are left; kept alone, all of it; elsewhere the same region means less."""
    made = asked(model, sound, [EVIDENCE], "erase")
    assert made.odds[0] > 3
    assert made.odds[1] < made.odds[0] / 3
    assert made.stronger_than >= 18  # of 20: one lies a single cell beside it
    kept = asked(model, sound, [EVIDENCE], "keep")
    assert kept.odds[1] == pytest.approx(kept.odds[0], rel=0.1)
    assert kept.stronger_than == 20


def test_a_region_that_is_not_read_changes_nothing(model, sound):
    made = asked(model, sound, [[0.7, 1.2, 2600, 3300]], "erase")
    assert made.odds[1] == pytest.approx(made.odds[0], abs=0.05)


def test_keeping_everything_that_sounds_changes_nothing_and_keeping_nothing_is_silence(model, sound):
    prepared = model.input.prepare(sound, start=0.0)
    whole = masked(model, prepared, sound, [[-1.0, 99.0, -100.0, 5000.0]], keep=True)
    assert np.abs((whole - prepared.x).numpy())[..., 2:-2].max() < 0.02
    tone = np.sin(np.arange(16000) * 2 * np.pi * 440 / 8000).astype(np.float32), 8000
    prepared = model.input.prepare(tone)
    assert not masked(model, prepared, tone, [[-1.0, 99.0, -100.0, 5000.0]], keep=False).any()


def test_a_moved_box_keeps_its_size_in_cells(model, sound):
    prepared = model.input.prepare(sound, start=0.0)
    box = moved(EVIDENCE, (7, -5), prepared.y_axis, prepared.x_axis)
    cells = [
        np.interp(ends, axis.values, np.arange(len(axis.values)))
        for axis, ends in (
            (prepared.x_axis, [EVIDENCE[:2], box[:2]]),
            (prepared.y_axis, [EVIDENCE[2:], box[2:]]),
        )
    ]
    assert cells[0][1] - cells[0][0] == pytest.approx([-5, -5])
    assert cells[1][1] - cells[1][0] == pytest.approx([7, 7])
    assert moved(EVIDENCE, (0, 0), prepared.y_axis, prepared.x_axis) == EVIDENCE
