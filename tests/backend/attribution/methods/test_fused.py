"""The fused map against a second implementation by scipy, its limit cases, and its parents."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.nn.modules.module import register_module_forward_hook

import models
from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import explain
from backend.attribution.lrp.prepared import step_of
from backend.attribution.methods import METHODS, fused
from backend.attribution.methods.fused import blurred, by_maximum, min_max
from backend.attribution.types import Attribution
from tests import tiny
from tests.backend.attribution.lrp import networks

NAMES = tuple(name for name in networks.NAMES if name != "channels_last")
STAGES = {"grad_cam_pp", "denoised", "lrp", "product", "fused"}


def by_hand(cam: np.ndarray, lrp: np.ndarray, tau: float, sigma: float) -> dict[str, np.ndarray]:
    """Section 3 of the method's description, written out with scipy. cam, lrp: raw maps `[H, W]`."""
    c = (cam - cam.min()) / (cam.max() - cam.min()) if np.ptp(cam) > 0 else np.zeros_like(cam)
    denoised = np.minimum(np.maximum(c - tau, 0), 1)
    scaled = lrp / np.abs(lrp).max()
    product = scaled * denoised
    offsets = np.arange(5) - 2
    kernel = (
        np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * sigma**2))
        if sigma
        else (np.hypot(*np.meshgrid(offsets, offsets)) == 0) * 1.0
    )
    smooth = ndimage.convolve(product.astype(np.float64), kernel / kernel.sum(), mode="mirror")
    top = np.abs(smooth).max()
    return {
        "grad_cam_pp": c,
        "denoised": denoised,
        "lrp": scaled,
        "product": product,
        "fused": smooth / top if top else smooth,
    }


def explained(name: str, target: int = 1, **params: float | str | bool) -> Attribution:
    return explain(networks.build(name), tiny.picture(), "fused", target=target, **params)


FORMS = {
    "signed": lambda weight, cam: weight * cam,
    "positive": lambda weight, cam: weight * cam if weight > 0 else 0.0,
    "root": lambda weight, cam: (
        math.copysign(math.exp(0.5 * math.log(abs(weight) * cam)), weight) if weight and cam else 0.0
    ),
}
"""Cell by cell, in Python's own numbers."""


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_product_cell_by_cell(form: str) -> None:
    result = explained("plain", product=form)
    cam, lrp = (result.stages[name].values for name in ("denoised", "lrp"))
    assert (lrp < 0).any()
    assert (cam > 0).any()
    expected = [
        [FORMS[form](float(weight), float(share)) for weight, share in zip(*rows, strict=True)]
        for rows in zip(lrp, cam, strict=True)
    ]
    np.testing.assert_allclose(result.stages["product"].values, expected, atol=1e-6)
    smooth = by_maximum(blurred(np.array(expected, np.float32), 1.1))
    np.testing.assert_allclose(result.values, smooth, atol=1e-5)
    assert result.signed == (form != "positive")
    assert result.values.min() >= 0 or result.signed


def test_the_signed_product_is_the_one_that_is_made_without_a_word() -> None:
    plain, signed = explained("residual"), explained("residual", product="signed")
    np.testing.assert_array_equal(plain.values, signed.values)
    stages = plain.stages
    np.testing.assert_array_equal(stages["product"].values, stages["lrp"].values * stages["denoised"].values)


@pytest.mark.parametrize(("tau", "sigma"), [(0.2, 1.1), (0.0, 4.0), (0.5, 0.0)])
@pytest.mark.parametrize("name", NAMES)
def test_every_stage_against_scipy(name: str, tau: float, sigma: float) -> None:
    model, x = networks.build(name), tiny.picture()
    target = int(model.logits(x).argmax())
    result = explain(model, x, "fused", target=target, tau=tau, sigma=sigma)
    cam = explain(model, x, "grad_cam_pp", target=target).values
    lrp = explain(model, x, "lrp", target=target).values
    expected = by_hand(cam.astype(np.float64), lrp.astype(np.float64) / 3, tau, sigma)
    assert set(result.stages) == STAGES
    for stage, values in expected.items():
        np.testing.assert_allclose(result.stages[stage].values, values, atol=2e-5, err_msg=stage)
    np.testing.assert_allclose(result.values, expected["fused"], atol=2e-5)
    assert cam.any()
    assert result.values.any()


def test_no_threshold_and_no_blur_is_the_plain_product() -> None:
    result = explained("plain", tau=0.0, sigma=0.0)
    product = result.stages["grad_cam_pp"].values * result.stages["lrp"].values
    np.testing.assert_allclose(result.values, product / np.abs(product).max(), atol=1e-6)


def test_a_narrow_gaussian_changes_nothing() -> None:
    np.testing.assert_allclose(
        explained("plain", sigma=0.05).values, explained("plain", sigma=0.0).values, atol=1e-6
    )


def test_zero_wherever_grad_cam_is_below_the_threshold_before_the_blur() -> None:
    result = explained("residual", tau=0.4)
    outside = result.stages["grad_cam_pp"].values <= 0.4
    assert outside.any()
    assert not result.stages["product"].values[outside].any()


def test_an_empty_cam_gives_zeros_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "weighted", lambda activations, _g: torch.zeros(activations.shape[2:]))
    result = explained("plain")
    assert not result.values.any()
    assert not result.stages["denoised"].values.any()
    assert any("Grad-CAM++ marks nothing" in note for note in result.notes)
    assert result.stages["lrp"].values.any()


def test_a_single_peak_below_the_threshold_cannot_happen_but_a_flat_cam_can() -> None:
    """Min-max puts the highest cell at 1, above any threshold; only a flat map is lost, and it carries no
    place."""
    assert min_max(np.array([[0.0, 1e-9]])).max() == 1.0
    assert not min_max(np.full((3, 3), 7.0)).any()
    assert not by_maximum(np.zeros((3, 3))).any()


@pytest.mark.parametrize("sigma", [1.1, 4.0])
def test_the_blur_keeps_a_constant_and_the_mass_of_an_inner_point(sigma: float) -> None:
    np.testing.assert_allclose(blurred(np.full((9, 9), 0.3, np.float32), sigma), 0.3, atol=1e-6)
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 1.0
    spread = blurred(point, sigma)
    assert spread.sum() == pytest.approx(1.0, abs=1e-6)
    assert (spread > 0).sum() == 25
    assert spread[4, 4] / spread[4, 6] == pytest.approx(np.exp(4 / (2 * sigma**2)), rel=1e-4)


@pytest.mark.parametrize("name", ["plain", "residual", "dense"])
def test_another_class_gives_another_map_in_both_parents(name: str) -> None:
    first, second = (explained(name, target=target) for target in (0, 1))
    for stage in ("grad_cam_pp", "lrp", "fused"):
        assert not np.allclose(first.stages[stage].values, second.stages[stage].values, atol=1e-3), stage


def test_the_layer_moves_the_cam_and_leaves_lrp() -> None:
    model, x = tiny.build("plain"), tiny.picture()
    shallow, deep = (explain(model, x, "fused", target=0, layer=layer) for layer in ("1", "4"))
    assert not np.allclose(shallow.stages["grad_cam_pp"].values, deep.stages["grad_cam_pp"].values)
    np.testing.assert_array_equal(shallow.stages["lrp"].values, deep.stages["lrp"].values)


def test_size_only_is_the_absolute_map_and_unsigned() -> None:
    signed, size = explained("plain"), explained("plain", abs=True)
    np.testing.assert_array_equal(size.values, np.abs(signed.values))
    assert signed.signed
    assert not size.signed


def test_the_rules_reach_lrp_and_only_lrp() -> None:
    plus, epsilon = explained("batch_normed"), explained("batch_normed", preset="epsilon")
    np.testing.assert_array_equal(plus.stages["grad_cam_pp"].values, epsilon.stages["grad_cam_pp"].values)
    assert not np.allclose(plus.stages["lrp"].values, epsilon.stages["lrp"].values)


@pytest.mark.parametrize("name", NAMES)
def test_one_forward_pass_serves_both_parents(name: str) -> None:
    """LRP and Grad-CAM++ read the same pass of the rewritten network; the module itself does not run."""
    model, x = networks.build(name), tiny.picture()
    explain(model, x, "fused", target=0)  # the verdict and the search for the layer's step come first
    cam, lrp = (explain(model, x, method, target=0) for method in ("grad_cam_pp", "lrp"))
    calls = []
    handle = register_module_forward_hook(
        lambda module, *_: calls.append(1) if module is model.module else None
    )
    result = explain(model, x, "fused", target=0)
    handle.remove()
    assert not calls
    assert result.forwards == lrp.forwards == cam.forwards + lrp.forwards - 1
    assert result.backwards == cam.backwards + lrp.backwards
    declared = METHODS["fused"].cost(model, METHODS["fused"].Params())
    assert (declared.forwards, declared.backwards) == (result.forwards, result.backwards)


def test_a_layer_that_the_rewrite_merged_away_is_read_from_the_module() -> None:
    """A convolution in front of its batch norm is no step of the rewritten network: one forward pass more."""
    model, x = networks.build("batch_normed"), tiny.picture()
    layer = next(name for name, part in model.module.named_modules() if isinstance(part, torch.nn.Conv2d))
    assert step_of(model, layer) is None
    result = explain(model, x, "fused", target=0, layer=layer)
    cam = explain(model, x, "grad_cam_pp", target=0, layer=layer)
    np.testing.assert_allclose(result.stages["grad_cam_pp"].values, min_max(cam.values), atol=1e-6)
    assert result.forwards == METHODS["fused"].cost(model, METHODS["fused"].Params()).forwards + 1


@pytest.mark.parametrize("name", ["residual", "dense", "mobile"])
def test_every_layer_of_the_picker_gives_the_grad_cam_it_gives_alone(name: str) -> None:
    model, x = networks.build(name), tiny.picture()
    for layer in model.offered_layers:
        result = explain(model, x, "fused", target=1, layer=layer.name)
        cam = explain(model, x, "grad_cam_pp", target=1, layer=layer.name)
        np.testing.assert_allclose(
            result.stages["grad_cam_pp"].values, min_max(cam.values), atol=1e-5, err_msg=layer.name
        )


def test_refused_where_lrp_is_refused() -> None:
    model = models.wrap(networks.Branching().eval(), ["a", "b"], models.ImageInput(size=(16, 16)))
    assert METHODS["fused"].is_compatible(model) == METHODS["lrp"].is_compatible(model)
    with pytest.raises(Incompatible):
        explain(model, torch.rand(1, 3, 16, 16), "fused")


@pytest.mark.parametrize(
    "params", [{"tau": 0.7}, {"tau": -0.1}, {"sigma": 5.0}, {"preset": "none"}, {"product": "sum"}]
)
def test_parameters_out_of_range_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(BadParameter):
        explained("plain", **params)


@pytest.mark.data
def test_photos_are_sharper_than_grad_cam_and_lie_where_it_points(real_data: Path) -> None:
    """More of the fused map's weight lies in few cells than of Grad-CAM++'s (Gini), and its peak is above
    the threshold of the CAM."""
    model = models.load(
        "torchvision:squeezenet1_1", weights=real_data / "weights" / "squeezenet1_1.safetensors"
    )
    for path in sorted((real_data / "images" / "photos").glob("*.jpg"))[:20:5]:
        result = explain(model, model.prepare(Image.open(path)), "fused")
        cam = result.stages["grad_cam_pp"].values
        assert gini(np.abs(result.values)) > gini(cam)
        assert cam[np.unravel_index(np.abs(result.values).argmax(), cam.shape)] > 0.1


def gini(values: np.ndarray) -> float:
    ordered = np.sort(values.ravel().astype(np.float64))
    ranks = np.arange(1, ordered.size + 1)
    return float((2 * ranks - ordered.size - 1) @ ordered / (ordered.size * ordered.sum()))
