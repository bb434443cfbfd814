"""The first look at a network: what comes with the program is what a fit gives, and a stopped fit goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from app.core.errors import Cancelled
from backend.attribution.internals import calibration, layer_store, lens_store, shipped
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.choice import inputs_of
from backend.attribution.internals.lens import fit_lens
from backend.attribution.internals.pooled import pooled
from models.synthetic.shapes import generate, labels_of

SMALL = (
    "cnnexplain",
    "cnnexplain_shortcut",
    "cnnexplain_synthetic",
    "cough_check",
    "shapes",
    "shapes_shortcut",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where lenses and mean maps are written; a small calibration set, for which nothing comes along."""
    monkeypatch.setattr(calibration, "DRAWN", 64)
    lens_store.keep_in(tmp_path / "lenses")
    layer_store.keep_in(tmp_path / "layers")
    yield tmp_path
    lens_store.keep_in(None)
    layer_store.keep_in(None)


def test_the_lens_that_comes_along_is_that_of_a_fit_now():
    model = models.load("cnnexplain_synthetic")
    inputs = calibration_of(model)
    ours, fresh = lens_store.fitted_lens(model), fit_lens(model, inputs)
    assert [part.layer.name for part in ours.layers] == [part.layer.name for part in fresh.layers]
    for a, b in zip(ours.layers, fresh.layers, strict=True):
        for name in ("mean", "scale", "weight", "bias"):
            wanted = getattr(b, name)
            torch.testing.assert_close(
                getattr(a, name), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max())
            )  # a fit on another processor differs by its rounding
        assert (a.r2, a.agreement, a.temperature) == pytest.approx(
            (b.r2, b.agreement, b.temperature), rel=1e-5
        )
        assert a.trusted == b.trusted
    known = layer_store.known_layer(model, "relu3", inputs)
    seen = pooled(model, "relu3", inputs.x)
    torch.testing.assert_close(
        known.mean_map, seen.mean_map, rtol=1e-3, atol=1e-3 * float(seen.mean_map.max())
    )
    assert known.which.tolist() == seen.means.argmax(0).tolist()


@pytest.mark.parametrize("key", SMALL)
def test_a_small_bundled_network_is_opened_without_a_calibration_input(key, monkeypatch):
    model = models.load(key)
    monkeypatch.setattr(calibration.Calibration, "_prepared", None)
    lens = lens_store.fitted_lens(model)
    assert lens.layers[-1].agreement > 0.9
    assert layer_store.known_layer(model, lens.layers[-1].layer.name, calibration_of(model)).best.any()


def test_another_network_or_other_inputs_do_not_take_what_comes_along(monkeypatch):
    model = models.load("shapes")
    assert shipped.file(model, calibration_of(model), "lens")
    with torch.no_grad():
        model.module.relu5.register_buffer("more", torch.zeros(1))
    assert shipped.file(model, calibration_of(model), "lens") is None
    monkeypatch.setattr(calibration, "DRAWN", 64)
    fresh = models.load("shapes")
    assert shipped.file(fresh, calibration_of(fresh), "lens") is None


def test_a_stopped_fit_goes_on_where_it_was_and_gives_the_same(folder):
    def stop(done: int, total: int) -> None:
        if done >= 24:
            raise Cancelled("The job was stopped.")

    with pytest.raises(Cancelled):
        lens_store.fitted_lens(models.load("shapes"), report=stop)
    seen: list[int] = []
    lens = lens_store.fitted_lens(models.load("shapes"), report=lambda done, total: seen.append(done))
    assert seen[0] == 32  # the first 24 were not read again
    model = models.load("shapes")
    fresh = fit_lens(model)
    for a, b in zip(lens.layers, fresh.layers, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert a.temperature == b.temperature
    assert not list(folder.glob("lenses/*.begun.*"))


def test_the_pass_of_the_lens_leaves_the_mean_maps_that_switching_off_needs(folder, monkeypatch):
    model = models.load("shapes")
    lens_store.fitted_lens(model)
    inputs = calibration_of(model)
    wanted = {name: pooled(model, name, inputs.x) for name in ("relu1", "relu5")}
    monkeypatch.setattr("backend.attribution.internals.pooled.pooled", None)  # nothing is run again
    for name, seen in wanted.items():
        known = layer_store.known_layer(model, name, inputs)
        torch.testing.assert_close(known.mean_map, seen.mean_map)
        np.testing.assert_allclose(known.best, seen.means.max(0), rtol=1e-5)
        assert known.limits.tolist() == pytest.approx(seen.limits)
    few = layer_store.Totals(models.load("shapes"), inputs)
    assert few.rows == inputs_of(inputs, 1).rows


def test_labels_of_drawings_are_known_without_drawing_them():
    assert labels_of(300, 5).tolist() == generate(300, 5, "random").labels.tolist()
