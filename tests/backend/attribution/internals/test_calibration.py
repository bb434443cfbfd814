"""What the layers are read on: enough, deterministic, split by source and not by order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import models
from app.core.errors import BadParameter, Incompatible
from backend.attribution.internals.calibration import FEWEST, HELD_OUT, Item, calibration_of
from tests import tiny


def _inputs(count: int) -> torch.Tensor:
    return torch.cat([tiny.picture(seed) for seed in range(count)])


def test_all_views_of_a_photograph_are_on_one_side_and_samples_are_never_fitted_on() -> None:
    calibration = calibration_of(tiny.build("plain"))
    sides = {}
    for source, held_out in zip(calibration.sources, calibration.held_out, strict=True):
        sides.setdefault(source, set()).add(bool(held_out))
    assert all(len(side) == 1 for side in sides.values())
    assert all(sides[name] == {True} for name in ("cat", "street sign", "rocket"))
    share = np.mean([side == {True} for side in sides.values()])
    assert abs(share - HELD_OUT) < 0.02
    assert len(set(calibration.names)) == calibration.count == 6 * len(sides)
    mirrored = calibration.raw(1)
    assert np.array_equal(mirrored[:, ::-1], calibration.raw(0))


def test_batches_are_what_prepare_gives_whatever_their_size() -> None:
    model = models.load("shapes")
    calibration = calibration_of(model)
    first = next(calibration_of(model).batches(7))
    assert torch.equal(first, calibration.x[:7])
    prepared = calibration.prepared(3)
    assert prepared is not None
    assert torch.equal(prepared.x[0], calibration.x[3])
    assert calibration.labels is not None
    assert set(calibration.labels) == {0, 1, 2, 3}


def test_who_is_held_out_does_not_depend_on_the_order() -> None:
    model, x = tiny.build("plain"), _inputs(40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    one, other = calibration_of(model, x), calibration_of(model, x[order])
    assert one.held_out.sum() == 10
    assert np.array_equal(one.held_out[order.numpy()], other.held_out)


def test_equal_inputs_are_one_source() -> None:
    model, x = tiny.build("plain"), _inputs(FEWEST)
    calibration = calibration_of(model, torch.cat([x, x]))
    assert np.array_equal(calibration.held_out[:FEWEST], calibration.held_out[FEWEST:])
    with pytest.raises(BadParameter, match="different"):
        calibration_of(model, x[:1].repeat(50, 1, 1, 1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (torch.zeros(9, 3, 32, 32), "At least 10"),
        (torch.zeros(20, 3, 16, 16), "prepared as this network takes them"),
        (torch.full((20, 3, 32, 32), torch.nan), "not finite"),
        ([Item("a", "a", lambda: np.zeros((8, 8, 3), np.uint8))] * 30, "At least 10"),
    ],
)
def test_unusable_inputs_are_refused_in_words(wrong: object, words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        calibration_of(tiny.build("plain"), wrong)


def test_no_inputs_of_ours_for_tables_of_numbers() -> None:
    model = models.wrap(tiny.Plain(), labels=["a", "b", "c"], input=models.ArrayInput(size=(3, 16, 16)))
    with pytest.raises(Incompatible, match="your own"):
        calibration_of(model)


def test_coughs_for_networks_of_coughs_and_other_sounds_where_they_are_told_apart() -> None:
    wheeze, detector = models.load("cnnexplain_synthetic"), models.load("cough_check")
    coughs, mixed = calibration_of(wheeze), calibration_of(detector)
    assert coughs.labels is not None
    assert sum(coughs.labels) == coughs.count / 2
    assert mixed.labels is None
    assert any("hiss" in name for name in mixed.names)
    assert not any("hiss" in name for name in coughs.names)
    waveform, rate = mixed.raw(mixed.count - 1)
    assert torch.isfinite(detector.prepare((waveform, rate))).all()
