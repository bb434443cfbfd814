"""Per filter: its strongest inputs, without it, the spots it makes, what excites it; and the whole analysis of a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import backend
import models
from app.core.errors import BadParameter, Incompatible, InvalidInput
from backend.attribution.explain import explain
from backend.attribution.internals import layer_store
from backend.attribution.internals.analysis import internals
from backend.attribution.internals.calibration import Item, calibration_of
from backend.attribution.internals.choice import classes_of, inputs_of
from backend.attribution.internals.maximisation import maximised
from backend.attribution.internals.pooled import pooled
from backend.attribution.internals.strongest import MOST, patches_of, window_of
from backend.attribution.internals.switched_off import spot, switched_off
from tests.backend.attribution.internals.planted import DEAD, SIZE, TWINS, inputs, network, wrapped


def looking_network():
    """Filter 0 is the input itself; filter 1 answers to nothing but a 3 x 3 patch's sum; both of one channel."""
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    )
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.zero_()
        module[0].weight[0, 0, 1, 1] = 1
        module[0].weight[1] = 1
    return wrapped(module, channels=1)


def test_the_strongest_cell_is_where_it_was_planted():
    model = looking_network()
    x = torch.zeros(12, 1, SIZE, SIZE)
    for number in range(12):
        x[number, 0, number, 15 - number] = 1 + number
    seen = pooled(model, "1", x)
    window = window_of(model, "1", torch.rand(4, 1, SIZE, SIZE))
    assert (window.height, window.width) == (3, 3)
    found = patches_of(seen, [f"source {number // 2}" for number in range(12)], window, (SIZE, SIZE))
    assert [patch.example for patch in found[0]] == [11, 9, 7, 5]  # two inputs a source, the stronger one
    assert len(found[0]) == MOST
    for patch in found[0]:
        assert patch.value == 1 + patch.example
        assert patch.rows.start <= patch.example < patch.rows.stop
        assert patch.columns.start <= 15 - patch.example < patch.columns.stop
        assert (patch.rows.stop - patch.rows.start, patch.columns.stop - patch.columns.start) == (3, 3)


def test_the_window_grows_with_depth():
    model = models.load("shapes")
    x = torch.rand(4, *model.input.shape)
    sizes = [window_of(model, layer, x).width for layer in ("relu1", "relu3", "relu5")]
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 3


def test_without_filters_the_answer_is_that_of_a_hook():
    model, x = network(), inputs(1)
    mean_map = torch.rand(8, SIZE, SIZE)
    off = switched_off(model, x, "1", [4, 1, 4], 2, mean_map)

    def put(_module, _inputs, output):
        changed = output.clone()
        changed[:, [1, 4]] = mean_map[[1, 4]]
        return changed

    handle = model.module[1].register_forward_hook(put)
    expected = model.logits(x)
    after = explain(model, x, "grad_cam", target=2, layer="1").stages["native"].values
    handle.remove()
    assert off.logits[1].numpy() == pytest.approx(expected[0].detach().numpy(), abs=1e-5)
    assert off.logits[0].numpy() == pytest.approx(model.logits(x)[0].detach().numpy(), abs=1e-5)
    before = explain(model, x, "grad_cam", target=2, layer="1").stages["native"].values
    assert off.maps[0] == pytest.approx(before, abs=1e-6)
    assert off.maps[1] == pytest.approx(after, abs=1e-6)
    assert off.kl > 0


def test_switching_off_a_dead_filter_changes_nothing_and_all_by_zero_everything():
    model, x = network(), inputs(1)
    dead = switched_off(model, x, "1", [DEAD], 0, None)
    assert torch.equal(dead.logits[0], dead.logits[1])
    nothing = switched_off(model, x, "1", list(range(8)), 0, None)
    with torch.no_grad():
        bare = model.module[2:](torch.zeros(1, 8, SIZE, SIZE))
    assert nothing.logits[1].numpy() == pytest.approx(bare[0].numpy(), abs=1e-6)
    assert not nothing.maps[1].any()
    with pytest.raises(BadParameter, match="filters 0 to 7"):
        switched_off(model, x, "1", [8], 0, None)


def test_the_parts_of_a_spot_add_up_to_its_grad_cam():
    model, x = network(), inputs(1)
    native = explain(model, x, "grad_cam", target=1, layer="1").stages["native"].values
    for at, cell in (((0.0, 1.0), (15, 0)), ((0.99, 0.5), (8, 15))):
        made = spot(model, x, "1", 1, at)
        assert made.cell == cell
        assert max(0, made.parts.sum()) == pytest.approx(float(native[cell]), abs=1e-6)
        assert made.parts[DEAD] == 0


def test_a_maximised_picture_excites_its_filter_more_than_any_input_and_is_the_same_again():
    model, x = network(), inputs()
    weights = [part.clone() for part in model.module.state_dict().values()]
    first, again = (maximised(model, "1", 0, steps=25, seed=3) for _ in range(2))
    other = maximised(model, "1", 0, steps=25, seed=4)
    assert np.array_equal(first.picture, again.picture)
    assert not np.array_equal(first.picture, other.picture)
    assert first.after > first.before
    assert first.picture.shape == (SIZE, SIZE, 3)
    assert 0 <= first.picture.min() <= first.picture.max() <= 1
    assert all(torch.equal(*pair) for pair in zip(weights, model.module.state_dict().values(), strict=True))
    assert not any(part._forward_hooks for part in model.module.modules())
    with torch.no_grad():
        shown = model.module[:2](model.input.normalise(torch.from_numpy(first.picture).movedim(-1, 0)[None]))
    assert first.after == pytest.approx(float(shown[0, 0].mean()), rel=1e-4)
    assert pooled(model, "1", x).means.shape == (24, 8)
    with pytest.raises(BadParameter, match="filters 0 to 7"):
        maximised(model, "1", 8)


def test_a_filter_that_no_noise_excites_is_climbed_from_a_real_input():
    """One that answers only to a corner-to-corner bright picture: every start of noise gives 0, and no gradient."""
    module = nn.Sequential(
        nn.Conv2d(1, 1, SIZE, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3)
    )
    with torch.no_grad():
        module[0].weight.fill_(1.0)
        module[0].bias.fill_(-0.8 * SIZE * SIZE)
    model = wrapped(module, channels=1)
    stuck = maximised(model, "1", 0, steps=5)
    assert (stuck.before, stuck.after, stuck.from_input) == (0, 0, False)
    real = model.input.normalise(torch.full((1, 1, SIZE, SIZE), 0.93))
    made = maximised(model, "1", 0, steps=5, real=real)
    assert made.from_input
    assert made.before > 0
    assert made.after > made.before
    colours = wrapped(
        nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3))
    )
    with torch.no_grad():
        colours.module[0].weight.zero_()
        colours.module[0].bias.fill_(-1.0)
    x = colours.input.normalise(torch.rand(1, 3, SIZE, SIZE) * 0.8 + 0.1)
    same = maximised(colours, "1", 0, steps=0, real=x).picture
    assert same == pytest.approx(colours.input.denormalise(x)[0].movedim(0, -1).numpy(), abs=1e-4)


def test_an_analysis_says_it_all_about_planted_filters():
    model, x = network(), inputs(40)
    logits = model.logits(x)
    reports = []
    found = backend.look_inside(model, "1", x, report=lambda *told: reports.append(told))
    result = found.result
    assert result.dead == [DEAD]
    assert result.filters[DEAD].importance == 0
    assert result.filters[DEAD].strongest == []
    assert result.filters[TWINS[0]].cluster == result.filters[TWINS[1]].cluster
    twin = result.filters[TWINS[0]].twin
    assert twin is not None
    assert (twin.filter, twin.r) == (TWINS[1], pytest.approx(1))
    group = next(one for one in result.groups if set(TWINS) <= set(one.filters))
    alone = result.filters[TWINS[0]].importance
    assert alone is not None
    assert group.importance > 2 * alone
    assert [one.tuning is not None for one in result.filters] == [True] * 8
    assert result.cka.layers == ["1", "3"]
    assert result.agreement.names[:2] == ["ablation", "taylor"]
    assert result.classes_from == "predictions"
    assert result.removal is not None
    assert (result.removal.counts[0], result.removal.counts[-1]) == (0, 7)
    assert reports[-1][0] == 1000
    assert [done for done, *_ in reports] == sorted(done for done, *_ in reports)
    table = reports[-1][2]
    assert table.shape == (8, 10)
    assert np.isfinite(table[[0, 1, 2, 3, 4, 5, 7], :]).all()
    assert torch.equal(model.logits(x), logits)
    again = internals(model, "1", calibration_of(model, x)).result
    assert again.model_dump(exclude={"seconds"}) == result.model_dump(exclude={"seconds"})


def test_one_class_leaves_no_auc_and_says_why():
    rng = np.random.default_rng(0)
    items = [
        Item(f"input {number}", f"source {number}", lambda picture=picture: picture, label=1)
        for number, picture in enumerate(rng.random((12, SIZE, SIZE, 3)))
    ]
    model = network()
    found = internals(model, "1", calibration_of(model, items))
    result = found.result
    assert result.classes_from == "labels"
    assert result.filters[0].auc is None
    assert (
        result.auc_reason == "All 12 inputs are labelled class 1: an AUC needs inputs of another class too."
    )
    assert result.filters[0].mean[1] is not None
    assert result.filters[0].mean[0] is None
    assert any("too few" in note for note in result.notes)
    assert result.patch is not None
    assert found.arrays["patches"].shape == (8, 4, *result.patch, 3)


def test_few_inputs_and_broken_ones_are_refused():
    model = network()
    with pytest.raises((BadParameter, InvalidInput), match="10"):
        internals(model, "1", calibration_of(model, inputs(9)))
    with pytest.raises(Incompatible, match="no such layer"):
        internals(model, "nowhere", calibration_of(model, inputs(12)))


def test_heavy_networks_see_every_source_before_any_second_view():
    model = network()
    pictures = np.random.default_rng(0).random((200, SIZE, SIZE, 3))
    items = [
        Item(f"{number}", f"source {number % 50}", lambda picture=picture: picture)
        for number, picture in enumerate(pictures)
    ]
    calibration = calibration_of(model, items)
    assert len(inputs_of(calibration, work=1)) == 200
    heavy = inputs_of(calibration, work=10**11)
    assert len(heavy) == 64
    assert len(set(heavy.sources)) == 50
    batches = torch.cat(list(heavy()))
    assert torch.equal(batches[7], calibration.x[heavy.rows[7]].cpu())


def test_many_classes_are_cut_to_those_that_inputs_belong_to():
    logits = np.zeros((30, 100))
    logits[:10, 7] = logits[10:25, 3] = logits[25:, 50] = 1
    classes = classes_of(None, logits, [str(number) for number in range(100)])
    assert classes.shown == [3, 7, 50]
    assert classes.told_apart(50)
    assert not classes.told_apart(0)
    assert classes.reason is None
    logits[np.arange(30), np.arange(30)] = 2
    assert classes_of(None, logits, [str(number) for number in range(100)]).shown == list(range(8))
    logits[:] = np.eye(100)[[4] * 28 + [9] * 2]
    unsure = classes_of(None, logits, [str(number) for number in range(100)])
    assert unsure.shown == [4, 9]
    assert unsure.reason is not None
    assert "3 outside it" in unsure.reason


def test_mean_maps_of_ours_are_kept_in_files_and_those_of_users_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(layer_store.FILES, "_folder", tmp_path)
    x = inputs()

    def known(layer, ours):
        model = network()  # anew: nothing is in memory
        calibration = calibration_of(model, x)
        calibration.ours = ours
        return layer_store.known_layer(model, layer, calibration)

    theirs = known("3", ours=False)
    assert not list(tmp_path.iterdir())
    first = known("1", ours=True)
    seen = pooled(network(), "1", x)
    assert torch.equal(first.mean_map, seen.mean_map)
    assert first.best.numpy() == pytest.approx(seen.means.max(0))
    assert first.which.tolist() == seen.means.argmax(0).tolist()
    (file,) = tmp_path.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr("backend.attribution.internals.pooled.pooled", None)  # nothing is run again
        assert torch.equal(known("3", ours=True).mean_map, theirs.mean_map)
    file.write_bytes(b"damaged")
    assert torch.equal(known("3", ours=True).mean_map, theirs.mean_map)
