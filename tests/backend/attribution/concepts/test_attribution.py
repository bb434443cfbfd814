"""Visual-TCAV against a slow second implementation written from the definition, loop by loop, plus limit
cases."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from captum.attr import IntegratedGradients
from torch.nn.modules.module import register_module_forward_hook

import backend
from app.core.errors import BadParameter, Incompatible, InvalidInput
from backend.attribution.concepts.attribution import attribution_field, path_gradients
from backend.attribution.network.head import suffix
from tests import tiny

EPS = 1e-7
LAYERS = {
    "plain": "1", "single_logit": "4", "batch_normed": "2", "residual": "bn1", "dense": "conv1", "mobile": "block", "fire": "act",
}  # fmt: skip


def examples(seed, n=11):
    return torch.cat([tiny.picture(seed * 100 + i) for i in range(n)])


def stripes(n=11):
    x = examples(7, n)
    x[:, 0, :, ::4] += 2.5
    return x


def slow_vector(model, layer, positives, negatives):
    split = suffix(model, layer)
    plus = [split.features(x[None])[0] for x in positives]
    minus = [split.features(x[None])[0] for x in negatives]
    v = sum(f.mean((1, 2)) for f in plus) / len(plus) - sum(f.mean((1, 2)) for f in minus) / len(minus)

    def emblem(features):
        p = [
            max(0.0, float(v @ features[:, i, j]))
            for i in range(features.shape[1])
            for j in range(features.shape[2])
        ]
        return sum(value * value for value in p) / (sum(p) + EPS)

    def median(side):
        found = sorted(emblem(f) for f in side)
        return found[round((len(found) - 1) / 2)]

    return v, median(plus), median(minus)


def slow_scores(model, x, layer, vector, target):
    """Steps 3 to 6, one concept, one class, from the definition."""
    v, e_plus, e_minus = vector
    split = suffix(model, layer)
    features, head = split.features(x), split.head(x)
    raw = torch.relu(torch.einsum("c,chw->hw", v, features[0]))
    concept_map = (
        (raw.clamp(e_minus, e_plus) - e_minus) / (e_plus - e_minus)
        if e_plus > e_minus
        else torch.zeros_like(raw)
    )
    gradients = []
    for step in range(51):
        path = (features * step / 50).requires_grad_(True)
        out = head(path)
        column = 0 if out.shape[1] == 1 else target
        gradients.append(torch.autograd.grad(out[0, column], path)[0][0])
    mean = sum((a + b) / 2 for a, b in itertools.pairwise(gradients)) / 50
    product = mean * features[0]
    z, z0 = head(features)[0], head(torch.zeros_like(features))[0]
    if len(z) == 1:
        sides = [torch.relu(-product), torch.relu(product)]
        share = float(sides[target].sum() / max(sides[0].sum(), sides[1].sum()))
        positive = sides[target]
    else:
        rise = [max(0.0, float(a - b)) for a, b in zip(z, z0, strict=True)]
        share = rise[target] / max(rise) if max(rise) > 0 else 0.0
        positive = torch.relu(product)
    field = positive / (positive.sum() + EPS) * share
    flipped = v.clone()
    for c in range(len(v)):
        if float((features[0, c] * concept_map).sum()) < 0:
            flipped[c] = -flipped[c]
    w = torch.relu(flipped)
    w = w / w.max() if w.max() > 0 else w
    return concept_map, float(sum(w[c] * (field[c] * concept_map).sum() for c in range(len(v)))), share


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_matches_the_definition_loop_by_loop(name):
    model, layer = tiny.build(name), LAYERS[name]
    positives, negatives, x = stripes(), examples(2, 12), stripes(1) + 0.3 * tiny.picture(5)
    cav = backend.concept_vector(model, layer, positives, negatives)
    expected = slow_vector(model, layer, positives, negatives)
    assert torch.allclose(cav.direction, expected[0], atol=1e-6)
    assert cav.emblems == pytest.approx(expected[1:], abs=1e-5)
    out = backend.concept_attribution(model, x, layer, [cav], targets=list(range(len(model.labels))))
    for target in range(len(model.labels)):
        maps, score, share = slow_scores(model, x, layer, expected, target)
        assert torch.allclose(out.maps[0], maps, atol=1e-4)
        assert float(out.scores[0, target]) == pytest.approx(score, abs=1e-5)
        assert -1e-6 <= float(out.scores[0, target]) <= share + 1e-6 <= 1 + 2e-6


def test_the_cases_of_this_suite_include_negative_activations_flips_and_bypasses():
    model = tiny.build("mobile")
    split = suffix(model, "block")
    assert float(split.features(tiny.picture()).min()) < 0
    assert split.bypassed
    assert not suffix(tiny.build("plain"), "1").bypassed


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_the_head_from_a_layer_gives_the_networks_own_logits(name):
    model, x = tiny.build(name), tiny.picture(3)
    for layer in [found.name for found in model.layers]:
        split = suffix(model, layer)
        assert split.traced
        with torch.no_grad():
            assert torch.allclose(split.head(x)(split.features(x)), model.module(x), atol=1e-5), layer


def prefix_runs(model, work):
    """How often the network's first module runs during `work()`. Watched from outside: a hook of the network's
    own would be a change of the network."""
    first = next(module for module in model.module.modules() if not list(module.children()))
    runs = []
    handle = register_module_forward_hook(lambda module, *_: runs.append(1) if module is first else None)
    try:
        work()
    finally:
        handle.remove()
    return len(runs)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_an_input_and_its_head_come_from_one_run_of_the_prefix(name):
    model, x = tiny.build(name), tiny.picture(3)
    for layer in [found.name for found in model.layers][1:]:
        split = suffix(model, layer)
        features, head = split.at(x)
        assert torch.equal(features, split.features(x))
        assert torch.equal(head(features), split.head(x)(features)), layer
        assert prefix_runs(model, lambda split=split: split.at(x)) == 1
        assert prefix_runs(model, lambda layer=layer: attribution_field(model, x, layer, [0])) == 1
        given = split.at(x)
        assert (
            prefix_runs(
                model, lambda layer=layer, given=given: attribution_field(model, x, layer, [0], at=given)
            )
            == 0
        )


def test_an_untraceable_network_gives_the_same_numbers_by_hooks():
    import models

    class Branching(tiny.Plain):
        def forward(self, x):
            return super().forward(x) if float(x.sum()) > -1e9 else x

    torch.manual_seed(0)
    module = Branching()
    size = models.ImageInput(size=(tiny.SIZE, tiny.SIZE))
    free = models.wrap(module, labels=list("abc"), input=size)
    plain = tiny.Plain()
    plain.load_state_dict(module.state_dict())
    traced = models.wrap(plain, labels=list("abc"), input=size)
    assert not suffix(free, "4").traced
    results = [
        backend.concept_attribution(
            m, tiny.picture(1), "4", [backend.concept_vector(m, "4", stripes(), examples(2))]
        )
        for m in (free, traced)
    ]
    assert torch.allclose(results[0].maps, results[1].maps, atol=1e-6)
    assert torch.allclose(results[0].scores, results[1].scores, atol=1e-6)


def test_the_field_is_captums_integrated_gradients_of_the_head_from_zero_maps():
    model, x, layer = tiny.build("batch_normed"), tiny.picture(4), "2"
    split = suffix(model, layer)
    features, head = split.features(x), split.head(x)
    mean, slopes = path_gradients(head, features, [2])
    ours = mean[0] * features[0]
    theirs = IntegratedGradients(head).attribute(
        features, torch.zeros_like(features), target=2, n_steps=51, method="riemann_trapezoid"
    )[0]
    # Captum's trapezoid weights sum to 50/51 for 51 points; the field is normalised afterwards, so the factor
    # does not matter.
    assert torch.allclose(ours * 50 / 51, theirs, atol=1e-6)
    at_end = torch.autograd.grad(head(leaf := features.clone().requires_grad_(True))[0, 2], leaf)[0]
    assert torch.allclose(slopes[0], at_end[0].sum((1, 2)), atol=1e-5)
    positive = torch.relu(theirs)
    field = attribution_field(model, x, layer, [2])
    assert torch.allclose(field.values[0], positive / positive.sum() * field.shares[0], atol=1e-6)


def test_many_concepts_and_classes_at_once_equal_one_by_one():
    model, x, layer = tiny.build("residual"), tiny.picture(6), "relu"
    cavs = [backend.concept_vector(model, layer, stripes(), examples(s)) for s in (2, 3, 4)]
    together = backend.concept_attribution(model, x, layer, cavs, targets=[2, 0])
    assert together.scores.shape == (3, 2)
    for i, cav in enumerate(cavs):
        for j, target in enumerate([2, 0]):
            alone = backend.concept_attribution(model, x, layer, [cav], targets=[target])
            assert torch.allclose(together.maps[i], alone.maps[0], atol=1e-6)
            assert float(together.scores[i, j]) == pytest.approx(float(alone.scores[0, 0]), abs=1e-6)


def test_a_dead_direction_gives_no_map_and_no_score():
    model, layer = tiny.build("plain"), "1"
    cav = backend.concept_vector(model, layer, stripes(), examples(2))
    dead = type(cav)(cav.direction, (0.5, 0.5), layer, 11, 11)
    out = backend.concept_attribution(model, tiny.picture(), layer, [dead])
    assert not dead.recognised
    assert out.maps.abs().max() == 0
    assert out.scores.abs().max() == 0


def test_streamed_counter_examples_give_the_same_direction_as_held_ones(monkeypatch):
    model, layer, many = tiny.build("plain"), "4", examples(3, 40)
    held = backend.concept_vector(model, layer, stripes(), many)
    monkeypatch.setattr("backend.attribution.concepts.vectors.KEEP_BYTES", 0)
    streamed = backend.concept_vector(model, layer, stripes(), lambda: iter(many.split(7)))
    assert torch.allclose(held.direction, streamed.direction, atol=1e-6)
    assert held.emblems == pytest.approx(streamed.emblems, abs=1e-6)


def test_median_is_an_element_half_to_even():
    from backend.attribution.concepts.vectors import median_element

    for n in range(1, 8):
        values = torch.arange(n, dtype=torch.float32).flip(0)
        k = (n - 1) / 2
        even = round(k) if k % 1 != 0.5 else 2 * math.floor((k + 0.5) / 2)
        assert float(median_element(values)) == even


def test_bad_sets_and_layers_are_refused_in_plain_words():
    model = tiny.build("plain")
    with pytest.raises(InvalidInput, match="same"):
        backend.concept_vector(model, "1", stripes(), stripes())
    with pytest.raises(InvalidInput, match="empty"):
        backend.concept_vector(model, "1", stripes(), torch.zeros(0, 3, tiny.SIZE, tiny.SIZE))
    with pytest.raises(Incompatible, match="spatial"):
        backend.concept_vector(model, "5", stripes(), examples(2))
    with pytest.raises(BadParameter, match="shape"):
        backend.concept_vector(model, "1", stripes(), torch.zeros(3, 1, 4, 4))
    cav = backend.concept_vector(model, "1", stripes(), examples(2))
    with pytest.raises(BadParameter, match="layer"):
        backend.concept_attribution(model, tiny.picture(), "4", [cav])
    with pytest.raises(BadParameter, match="Classes"):
        backend.concept_attribution(model, tiny.picture(), "1", [cav], targets=[9])


class BatchReader(torch.nn.Module):
    """Reads its batch size off its input, before and behind the layer; a parameter and a shortcut without
    a batch reach the head."""

    def __init__(self, fresh=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = (
            torch.nn.Conv2d(3, 6, 3, padding=1),
            torch.nn.Conv2d(6, 8, 3, stride=2, padding=1),
        )
        self.scale, self.token, self.fc = (
            torch.nn.Parameter(torch.rand(8)),
            torch.nn.Parameter(torch.rand(1, 8)),
            torch.nn.Linear(8, 3),
        )
        self.fresh = fresh

    def forward(self, x):
        n, c, *_ = x.shape[0], self.scale.shape[0]
        zeros = torch.zeros(n, c) if self.fresh else x.new_zeros(n, c)
        h = torch.relu(self.second(torch.relu(self.first(x)))) * self.scale.view(1, -1, 1, 1)
        h = h.view(x.size(0), c, -1).mean(2) + self.token.expand(n, -1) + zeros + x.mean((1, 2, 3)).view(n, 1)
        return self.fc(h).view(n, -1)


class Standardised(torch.nn.Conv2d):
    """A weight-standardised convolution: numbers made of weights alone."""

    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)
        return torch.nn.functional.conv2d(x, w, self.bias, self.stride, self.padding)


def standardised():
    layers = (
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.ReLU(),
        Standardised(8, 6, 3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    return torch.nn.Sequential(*layers, torch.nn.Linear(6, 3))


class Mutating(tiny.Plain):
    """Writes into a tensor of its own: the traced halves would lose it."""

    def forward(self, x):
        kept = x.new_zeros(x.shape[0], 3)
        kept[:, 0] = x.mean((1, 2, 3))
        return super().forward(x) + kept


OUTSIDE = {
    "batch from the input": (BatchReader, "first", True),
    "a tensor made in passing": (lambda: BatchReader(fresh=True), "first", False),
    "standardised": (standardised, "1", True),
    "mutating": (Mutating, "1", False),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_passes_the_layer_without_a_batch(name):
    """The head of any batch gives the module's own numbers, and the analysis those of the hooks."""
    import models

    build, layer, traced = OUTSIDE[name]
    torch.manual_seed(0)
    module, size = build().eval(), models.ImageInput(size=(tiny.SIZE, tiny.SIZE))
    model, x = models.wrap(module, labels=list("abc"), input=size), tiny.picture(3)
    split = suffix(model, layer)
    features, head = split.at(x)
    assert split.traced is traced
    with torch.no_grad():
        own = model.module(x)
        torch.testing.assert_close(
            head(features.expand(5, *features.shape[1:])), own.expand(5, 3), atol=1e-5, rtol=0
        )
    results = []
    for way in (True, False):
        split.traced = way and traced
        cav = backend.concept_vector(model, layer, stripes(), examples(2))
        results.append(backend.concept_attribution(model, x, layer, [cav]).scores)
    torch.testing.assert_close(*results, atol=1e-5, rtol=0)
