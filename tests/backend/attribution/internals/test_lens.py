"""The layer lens: exact where it must be, honest where there is nothing to read, the network left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from app.core.errors import BadParameter, Incompatible
from backend.attribution.explain import explain
from backend.attribution.internals import calibration, lens_store
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.layer_maps import layer_maps, small
from backend.attribution.internals.lens import fit_lens
from backend.attribution.internals.ridge import fit_ridge
from tests import tiny
from tests.backend.attribution.internals.networks import calibration_inputs, published, read_names

PUBLISHED = [
    "vgg",
    "torchvision:resnet18",
    "torchvision:mobilenet_v2",
    "torchvision:densenet121",
    "torchvision:squeezenet1_1",
    "timm:mobilenetv3_small_050",
]


@pytest.mark.parametrize("name", tiny.BUILDERS)
@pytest.mark.parametrize("grid", [1, 2])
def test_the_last_layer_is_the_model_and_every_map_means_its_logit(name: str, grid: int) -> None:
    model, x = tiny.build(name), tiny.picture()
    expected = model.logits(x)[0]
    lens = backend.fit_lens(model, calibration_inputs(24), grid=grid)
    out = lens.predict(x)
    assert torch.allclose(out.logits[-1], expected, atol=1e-4)
    assert torch.allclose(out.probabilities[-1], model.predict(x)[0], atol=1e-5)
    assert out.kl[-1] == pytest.approx(0, abs=1e-6)
    assert out.layers[:-1] == tuple(read_names(model))
    for row, layer in enumerate(out.layers[:-1]):
        for target in range(len(model.labels)):
            cam, constant = lens.cam(x, layer, target)
            assert cam.mean() + constant == pytest.approx(float(out.logits[row, target]), abs=1e-4)
    assert torch.equal(model.logits(x)[0], expected)
    assert all(not module._forward_hooks for module in model.module.modules())


@pytest.mark.parametrize("key", PUBLISHED)
def test_the_last_layer_is_the_model_on_published_architectures(key: str) -> None:
    model, x = published(key), calibration_inputs(1, 64)
    lens = fit_lens(model, calibration_inputs(12, 64))
    out = lens.predict(x)
    assert torch.allclose(out.logits[-1], model.logits(x)[0], atol=1e-4)
    assert len(out.layers) >= 6
    last = lens.layers[-1]
    cam, constant = lens.cam(x, last.layer.name, 3)
    assert cam.mean() + constant == pytest.approx(float(out.logits[-2, 3]), abs=1e-4)


def test_a_layer_that_holds_z_itself_is_read_exactly() -> None:
    """Global average pooling and a linear layer: the last maps' means are z."""
    model = tiny.build("plain")
    lens = fit_lens(model, calibration_inputs(60))
    assert lens.layers[-1].r2 > 1 - 1e-6
    assert lens.layers[-1].agreement == 1
    out = lens.predict(tiny.picture())
    assert torch.allclose(out.logits[-2], out.logits[-1], atol=1e-3)


def test_a_shuffled_z_cannot_be_read() -> None:
    """Held-out R2 of a relation that is not there stays at or below zero, for wide layers too."""
    generator = torch.Generator().manual_seed(0)
    for columns in (8, 200):
        scores = []
        for _ in range(10):
            g = torch.randn(80, columns, generator=generator, dtype=torch.float64)
            z = (g @ torch.randn(columns, 5, generator=generator, dtype=torch.float64))[
                torch.randperm(80, generator=generator)
            ]
            fit = fit_ridge(g[:60], z[:60], np.arange(60) % 5)
            predicted = g[60:] @ fit.weight.T + fit.bias
            scores.append(
                1 - float((z[60:] - predicted).square().sum() / (z[60:] - z[60:].mean(0)).square().sum())
            )
        assert np.mean(scores) <= 0.0


def test_a_network_whose_head_reads_noise_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """z and logits of other inputs: nothing that the layers hold explains them."""
    from backend.attribution.internals import lens as module

    model = tiny.build("plain")
    reading = module._read_all
    order = torch.randperm(80, generator=torch.Generator().manual_seed(3))

    def shuffled(*args: object) -> object:
        whole = reading(*args)  # type: ignore[arg-type]
        return type(whole)(whole.pooled, whole.z[order], whole.logits[order], {})

    monkeypatch.setattr(module, "_read_all", shuffled)
    lens = fit_lens(model, calibration_inputs(80))
    assert all(part.r2 <= 0.02 for part in lens.layers)
    assert not any(part.trusted for part in lens.layers)


@pytest.mark.parametrize(("rows", "columns"), [(40, 6), (30, 90)])
def test_the_ridge_is_that_of_scikit_learn(rows: int, columns: int) -> None:
    from sklearn.linear_model import Ridge

    generator = torch.Generator().manual_seed(1)
    g = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    z = g[:, :3] @ torch.randn(3, 50, generator=generator, dtype=torch.float64) + torch.randn(
        rows, 50, generator=generator, dtype=torch.float64
    )
    fit = fit_ridge(g, z, np.arange(rows) % 5)
    slow = Ridge(alpha=fit.penalty, solver="cholesky").fit(g.numpy(), z.numpy())
    assert np.allclose(fit.weight.numpy(), slow.coef_, atol=1e-8)
    assert np.allclose(fit.bias.numpy(), slow.intercept_, atol=1e-8)


def test_the_penalty_is_the_best_over_the_folds() -> None:
    from sklearn.linear_model import Ridge

    from backend.attribution.internals.ridge import PENALTIES

    generator = torch.Generator().manual_seed(2)
    g = torch.randn(40, 60, generator=generator, dtype=torch.float64)
    z = g[:, :2] @ torch.randn(2, 70, generator=generator, dtype=torch.float64) + 0.5 * torch.randn(
        40, 70, generator=generator, dtype=torch.float64
    )
    folds = np.arange(40) % 5
    errors = [
        sum(
            np.square(
                z[folds == k].numpy()
                - Ridge(alpha=penalty * 32)
                .fit(g[folds != k].numpy(), z[folds != k].numpy())
                .predict(g[folds == k].numpy())
            ).sum()
            for k in range(5)
        )
        for penalty in PENALTIES
    ]
    assert fit_ridge(g, z, folds).penalty == PENALTIES[int(np.argmin(errors))] * 40


class _Decides(nn.Module):
    """The class is the sign of the input's mean. Layer `early` hides it: its maps hold the mean's magnitude alone;
    `late` gets it past that layer, by a second path."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.ReLU(), nn.ReLU()
        self.last = nn.ReLU()
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[4.0, -4.0], [-4.0, 4.0]]))
            self.fc.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        hidden = self.early(torch.cat([mean.abs(), mean.square()], 1) + 0.0)
        both = torch.cat([mean, -mean], 1)
        late = self.late(both + 0 * hidden)
        return self.fc(self.last(late * 1.0).mean((2, 3)))


def test_decided_from_is_the_layer_where_the_class_can_first_be_read() -> None:
    model = models.wrap(_Decides(), labels=["up", "down"], input=models.ImageInput(size=(8, 8)))
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(200, 1, 1, 1, generator=generator)
    lens = fit_lens(model, signs.expand(200, 3, 8, 8).clone())
    fits = {part.layer.name: part for part in lens.layers}
    assert set(fits) >= {"early", "late"}
    assert not fits["early"].trusted
    assert fits["late"].trusted
    for sign in (-1.0, 1.0):
        out = lens.predict(torch.full((1, 3, 8, 8), sign))
        assert out.decided_from == "late"


def test_controls_where_shapes_match_and_where_there_are_labels() -> None:
    """The direct logit lens is the head itself where the last maps' means are z; a probe reads the labels of our
    drawings from the last layer about as well as the network names them."""
    model = models.load("shapes")
    lens = fit_lens(model)
    fits = {part.layer.name: part for part in lens.layers}
    assert {name for name, part in fits.items() if part.direct is not None} == {"relu4", "relu5"}
    assert fits["relu5"].direct == 1
    assert fits["relu4"].direct is not None
    assert fits["relu4"].direct < 0.6
    out = lens.predict(model.prepare("models/samples/image_star.png"))
    assert torch.allclose(out.direct["relu5"], out.logits[-1], atol=1e-4)
    assert lens.accuracy is not None
    assert lens.accuracy > 0.9
    probes = [part.probe for part in lens.layers]
    assert probes[-1] is not None
    assert abs(probes[-1] - lens.accuracy) < 0.05
    assert probes[0] is not None
    assert probes[0] < probes[-1] - 0.1
    unlabelled = fit_lens(tiny.build("plain"), calibration_inputs(20))
    assert (unlabelled.accuracy, unlabelled.layers[0].probe) == (None, None)


def test_the_order_of_the_calibration_inputs_does_not_matter() -> None:
    model, x, inputs = tiny.build("residual"), tiny.picture(), calibration_inputs(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(4))
    one, other = fit_lens(model, inputs).predict(x), fit_lens(model, inputs[order]).predict(x)
    assert torch.allclose(one.logits, other.logits, atol=1e-4)
    assert one.kl == pytest.approx(other.kl, abs=1e-4)


def test_a_filter_that_never_fires_is_not_divided_by() -> None:
    module = tiny.Plain()
    with torch.no_grad():
        module[0].weight[3] = 0
        module[0].bias[3] = -1
    model = models.wrap(module, labels=["a", "b", "c"], input=models.ImageInput(size=(32, 32)))
    lens = fit_lens(model, calibration_inputs(30))
    assert float(lens.layers[0].scale[3]) == 0
    out = lens.predict(tiny.picture())
    assert torch.isfinite(out.logits).all()
    cam, constant = lens.cam(tiny.picture(), "1", 0)
    assert cam.mean() + constant == pytest.approx(float(out.logits[0, 0]), abs=1e-4)


def test_grad_cam_of_all_layers_is_that_of_the_method_layer_by_layer() -> None:
    for name in tiny.BUILDERS:
        model, x = tiny.build(name), tiny.picture()
        names = read_names(model)
        together = layer_maps(model, x, names, 1).layers
        for layer in names:
            alone = explain(model, x, "grad_cam", target=1, layer=layer).stages["native"].values
            maps = together[layer]
            assert maps is not None
            assert np.allclose(maps.grad_cam.numpy(), alone, atol=1e-6), (name, layer)


def test_shares_add_up_to_the_logit_without_biases() -> None:
    """mean_ij(dy/dA A) summed over filters, times the number of places, is the logit where everything after the layer
    is linear and without a bias."""
    module = tiny.Plain()
    nn.init.zeros_(module[7].bias)
    model = models.wrap(module, labels=["a", "b", "c"], input=models.ImageInput(size=(32, 32)))
    x = tiny.picture()
    maps = layer_maps(model, x, ["4"], 2).layers["4"]
    assert maps is not None
    assert float(maps.share.sum()) * 16 * 16 == pytest.approx(float(model.logits(x)[0, 2]), abs=1e-5)
    strongest = maps.strongest(3)
    assert strongest == sorted(range(12), key=lambda k: -abs(float(maps.share[k])))[:3]


def test_large_maps_are_averaged_down_and_keep_their_means() -> None:
    maps = torch.randn(2, 225, 113, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    less = small(maps)
    assert less.shape == (2, 75, 57)
    assert np.allclose(less.mean((1, 2)), maps.mean((1, 2)), atol=1e-6)
    even = torch.arange(2 * 224 * 224.0).view(2, 224, 224)
    assert np.allclose(small(even)[0, 0, 0], even[0, :2, :2].mean())


def test_bad_input_is_refused_in_words() -> None:
    model = tiny.build("plain")
    with pytest.raises(BadParameter, match="At least 10"):
        fit_lens(model, calibration_inputs(9))
    with pytest.raises(BadParameter, match="grid"):
        fit_lens(model, calibration_inputs(20), grid=3)
    lens = fit_lens(model, calibration_inputs(20))
    with pytest.raises(BadParameter, match="must have shape"):
        lens.predict(torch.zeros(1, 3, 8, 8))
    with pytest.raises(BadParameter, match="it reads 1, 4"):
        lens.cam(tiny.picture(), "0")


def test_numbers_that_are_not_finite_are_named_with_their_layer() -> None:
    class Overflows(tiny.Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x * torch.where(x.abs().amax() > 8, torch.inf, 1.0))

    model = models.wrap(Overflows(), labels=["a", "b", "c"], input=models.ImageInput(size=(32, 32)))
    inputs = calibration_inputs(40).clamp(-2.5, 2.5)
    inputs[7, 0, 0, 0] = 9.0
    with pytest.raises(Incompatible, match="At 1 the network gives numbers that are not finite"):
        fit_lens(model, inputs)


def test_independent_classes_keep_their_own_probabilities() -> None:
    model = models.wrap(
        nn.Sequential(*tiny.Plain(), nn.Sigmoid()),
        labels=["a", "b", "c"],
        input=models.ImageInput(size=(32, 32)),
    )
    out = fit_lens(model, calibration_inputs(30)).predict(tiny.picture())
    assert torch.allclose(out.probabilities[-1], model.predict(tiny.picture())[0], atol=1e-5)
    assert out.kl[-1] == pytest.approx(0, abs=1e-6)


def test_a_fitted_lens_is_read_again_from_its_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "lenses"
    lens_store.keep_in(folder)
    monkeypatch.setattr(calibration, "DRAWN", 64)
    try:
        x = models.load("shapes").prepare("models/samples/image_star.png")
        first = lens_store.fitted_lens(models.load("shapes")).predict(x)
        monkeypatch.setattr("backend.attribution.internals.lens.fit_lens", None)
        again = lens_store.fitted_lens(models.load("shapes")).predict(x)
        assert torch.equal(first.logits, again.logits)
        assert first.decided_from == again.decided_from
        (file,) = folder.iterdir()
        file.write_bytes(b"damaged")
        monkeypatch.setattr("backend.attribution.internals.lens.fit_lens", fit_lens)
        assert torch.equal(lens_store.fitted_lens(models.load("shapes")).predict(x).logits, first.logits)
    finally:
        lens_store.keep_in(None)


def test_a_lens_on_inputs_of_the_users_own_is_not_written(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "lenses"
    lens_store.keep_in(folder)
    try:
        model = tiny.build("plain")
        first = lens_store.fitted_lens(model, calibration_of(model, calibration_inputs(12)))
        assert lens_store.fitted_lens(model, calibration_of(model, calibration_inputs(12))) is first
        assert not folder.exists()
    finally:
        lens_store.keep_in(None)
