"""What is lost without filters: held against a hook and full passes, on every kind of network; and planted filters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import models
from app.core.errors import Incompatible, InvalidInput
from backend.attribution.internals.answers import kl
from backend.attribution.internals.importance import DRAWS, effects, removal, steps_of, taylor
from backend.attribution.internals.pooled import pooled
from backend.attribution.network.head import suffix
from models.synthetic.shapes import generate
from tests import tiny
from tests.backend.attribution.internals.planted import DEAD, TWINS, inputs, network


def by_hooks(model, layer, x, mean_map, sets):
    """kl, drops, kept: one full pass per set, the definition of mean ablation."""
    before = model.logits(x).double()
    rows = []
    for members in sets:

        def put(_module, _inputs, output, members=members):
            changed = output.clone()
            changed[:, members] = mean_map[members]
            return changed

        handle = model.module.get_submodule(layer).register_forward_hook(put)
        with torch.no_grad():
            after = model.logits(x).double()
        handle.remove()
        p, q = F.log_softmax(before, 1), F.log_softmax(after, 1)
        kept = (before.argmax(1) == after.argmax(1)).double().mean()
        rows.append(((p.exp() * (p - q)).sum(1).mean(), (before - after).mean(0), kept))
    kl, drops, kept = zip(*rows, strict=True)
    return torch.stack(kl).numpy(), torch.stack(drops).numpy(), torch.stack(kept).numpy()


def layers_that_run_once(model):
    counts = {}
    handles = [
        part.register_forward_hook(lambda *_, name=name: counts.update({name: counts.get(name, 0) + 1}))
        for name, part in model.module.named_modules()
        if name
    ]
    model.logits(torch.zeros(1, *model.input.shape))
    for handle in handles:
        handle.remove()
    return [layer.name for layer in model.layers if counts[layer.name] == 1]


@pytest.mark.parametrize("name", tiny.BUILDERS)
def test_the_suffix_over_inputs_and_filters_is_the_hook(name):
    model = tiny.build(name)
    x = torch.cat([tiny.picture(seed) for seed in range(11)])
    logits = model.logits(x)
    for layer in layers_that_run_once(model):
        seen = pooled(model, layer, x)
        sets = [[k] for k in range(len(seen.mean_map))] + [[0, 2], list(range(len(seen.mean_map)))]
        ours = effects(model, layer, x, seen.mean_map, sets)
        kl, drops, kept = by_hooks(model, layer, x, seen.mean_map, sets)
        assert ours.kl == pytest.approx(kl, abs=1e-5)
        assert ours.drops == pytest.approx(drops, abs=1e-5)
        assert ours.kept.tolist() == kept.tolist()
    assert torch.equal(model.logits(x), logits)


@pytest.mark.parametrize(("name", "layer"), [("residual", "bn1"), ("dense", "conv1"), ("mobile", "block.2")])
def test_each_input_keeps_what_passes_the_layer_by(name, layer):
    """A shortcut's values are the input's own: with those of another input the numbers would be others."""
    model = tiny.build(name)
    x = torch.cat([3 * tiny.picture(seed) for seed in range(10)])
    split = suffix(model, layer)
    features, head = split.at_rows(x)
    assert split.traced
    assert split.bypassed
    rows = torch.tensor([3, 0, 3, 9])
    assert torch.allclose(head(features[rows], rows), model.module(x)[rows], atol=1e-5)
    assert not torch.allclose(head(features[rows], rows.flip(0)), model.module(x)[rows], atol=1e-3)


def test_a_module_that_cannot_be_traced_gives_the_same_numbers():
    model = network()
    x = inputs()
    seen = pooled(model, "1", x)
    sets = [[k] for k in range(8)]
    fast = effects(model, "1", x, seen.mean_map, sets)
    split = suffix(model, "1")
    split.traced = False
    slow = effects(model, "1", x, seen.mean_map, sets)
    assert slow.kl == pytest.approx(fast.kl, abs=1e-6)


def test_a_dead_filter_is_listed_and_nothing_is_lost_without_it():
    model, x = network(), inputs()
    seen = pooled(model, "1", x)
    assert seen.dead == [DEAD]
    lost = effects(model, "1", x, seen.mean_map, [[DEAD], [TWINS[0]]])
    # a batch of another size may round the last bit differently, on some processors
    assert lost.kl[0] < 1e-12
    assert lost.kl[1] > 1e-4
    assert taylor(model, "1", x, seen.mean_map)[DEAD] == 0


def test_twins_look_small_alone_and_the_group_is_what_the_filter_was():
    whole, split, x = network(split=False), network(split=True), inputs()
    alone = effects(whole, "1", x, pooled(whole, "1", x).mean_map, [[TWINS[0]]])
    seen = pooled(split, "1", x)
    parts = effects(split, "1", x, seen.mean_map, [[TWINS[0]], list(TWINS)])
    assert parts.kl[1] == pytest.approx(alone.kl[0], rel=1e-4)
    assert parts.drops[1] == pytest.approx(alone.drops[0], abs=1e-5)
    assert parts.kl[0] < 0.5 * parts.kl[1]


def test_divergence_of_classes_judged_independently_adds_up(monkeypatch):
    model = network()
    before, after = torch.randn(5, 3).double(), torch.randn(2, 5, 3).double()
    monkeypatch.setattr(models.Model, "independent", True)
    p, q = torch.sigmoid(before), torch.sigmoid(after)
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1)
    assert kl(model, before, after).numpy() == pytest.approx(expected.numpy())


def test_taylor_is_exact_where_the_rest_is_linear():
    """Behind the last layer only a mean and a linear layer follow."""
    model, x = network(), inputs()
    seen = pooled(model, "3", x)
    weight, means = model.module[6].weight.detach(), torch.from_numpy(seen.means)
    change = (means - seen.mean_map.double().mean((1, 2))) * weight[model.logits(x).argmax(1)]
    assert taylor(model, "3", x, seen.mean_map) == pytest.approx(change.abs().mean(0).numpy(), abs=1e-6)


def test_taking_the_important_filters_first_hurts_most():
    model = models.load("shapes")
    x = torch.cat([model.prepare(image) for image in generate(40, 5).images])
    seen = pooled(model, "relu5", x)
    lost = effects(model, "relu5", x, seen.mean_map, [[k] for k in seen.living])
    ranking = [seen.living[place] for place in np.argsort(-lost.kl)]
    curves = removal(model, "relu5", x, seen.mean_map, ranking, seed=4)
    assert curves.random.shape == (DRAWS, len(curves.counts))
    assert curves.descending.mean() < curves.random.mean() - 0.02
    assert curves.random.mean() < curves.ascending.mean() - 0.02
    ends = np.stack([curves.descending, curves.ascending, *curves.random])
    assert (ends[:, 0] == 1).all()
    assert np.ptp(ends[:, -1]) == 0
    again = removal(model, "relu5", x, seen.mean_map, ranking, seed=4)
    assert np.array_equal(again.random, curves.random)


def test_steps_of_a_curve_begin_with_none_and_end_with_all():
    for filters in (0, 1, 3, 10, 64, 2048):
        steps = steps_of(filters)
        assert (steps[0], steps[-1]) == (0, filters)
        assert steps == sorted(set(steps))


def test_what_cannot_be_looked_at_is_refused():
    model = network()
    with pytest.raises(Incompatible, match="no such layer"):
        pooled(model, "nowhere", inputs())
    with pytest.raises(InvalidInput, match="at least 10"):
        pooled(model, "1", inputs(9))
    twice = tiny.build("residual")
    with pytest.raises(Incompatible, match="runs 3 times"):
        pooled(twice, "relu", torch.cat([tiny.picture(seed) for seed in range(10)]))
    x = inputs()
    x[3] = 1e38  # finite, and beyond what the first convolution can add up
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        pooled(model, "1", x)
