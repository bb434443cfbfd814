"""What if a region were not there: planted networks whose answer is known, and a simulation of the count where there is
nothing to be found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import models
from app.core.errors import BadParameter
from backend.attribution.whatif import altered, filled, random_regions, stronger, what_if
from models.inputs.sound import SoundInput

SIZE = (12, 16)
REGION = np.zeros(SIZE, bool)
REGION[3:6, 4:9] = True


class Reads(nn.Module):
    """The logit is a weighted sum of the picture: known to the last digit."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, x):
        return (x * self.weights).sum((1, 2, 3), keepdim=False)[:, None]


def reading(weights):
    return models.wrap(Reads(weights), labels=["no", "yes"], input=models.ImageInput(size=SIZE))


def photo(seed=0):
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


def test_a_network_that_reads_only_the_region():
    made = what_if(reading(REGION / 10), photo(), REGION, "erase", "black", target=1)
    assert made.probabilities[1, 1] == pytest.approx(0.5)  # nothing is left to read
    assert made.probabilities[0, 1] > 0.9
    assert made.stronger_than == 20
    kept = what_if(reading(REGION / 10), photo(), REGION, "keep", "black", target=1)
    assert kept.probabilities[1, 1] == pytest.approx(kept.probabilities[0, 1])
    assert kept.stronger_than == 20


def test_a_network_that_ignores_the_region():
    for mode in ("erase", "replace"):
        made = what_if(reading(~REGION / 100), photo(), REGION, mode, "noise", target=1)
        assert made.probabilities[1, 1] == pytest.approx(made.probabilities[0, 1], abs=0.02)
    made = what_if(reading(~REGION / 100), photo(), REGION, "erase", "black", target=1)
    assert made.probabilities[1, 1] == pytest.approx(made.probabilities[0, 1])
    assert made.stronger_than == 0
    assert what_if(reading(~REGION / 100), photo(), REGION, "keep", "black", target=1).stronger_than == 0


def test_a_network_that_reads_nothing_is_never_moved_by_chance():
    """Equal scores count against the region, also where sums of float32 differ in their last digit."""
    assert what_if(reading(np.zeros(SIZE)), photo(), REGION, target=1).stronger_than == 0
    before, after, randoms = 0.5, 0.5 + 1e-5, np.full(20, 0.5)
    assert stronger(before, after, randoms, "erase") == 0
    assert stronger(before, 0.6, randoms, "erase") == 20
    assert stronger(before, 0.6, np.array([0.3, 0.45]), "erase") == 1  # whichever way it moves
    assert stronger(before, 0.4, np.array([0.3, 0.45]), "keep") == 1


def test_with_nothing_to_be_found_every_count_is_as_likely():
    """A region put anywhere by chance, in pictures of noise and a network that reads all of it: the count is uniform
    over 0..20 (chi squared on 21 cells; 1 in 1,000 above 45.3)."""
    rng = np.random.default_rng(5)
    model = reading(rng.normal(size=SIZE) / 20)
    counts = np.zeros(21)
    for trial in range(630):
        region = np.zeros(SIZE, bool)
        top, left = rng.integers(0, SIZE[0] - 3 + 1), rng.integers(0, SIZE[1] - 4 + 1)
        region[top : top + 3, left : left + 4] = True
        made = what_if(
            model, photo(trial), region, ("erase", "keep", "replace")[trial % 3], "black", 1, trial
        )
        counts[made.stronger_than] += 1
    assert ((counts - 30) ** 2 / 30).sum() < 45.3


def test_random_regions_have_the_same_shape_and_lie_elsewhere():
    made = random_regions(REGION, seed=1)
    assert not made.wrapped
    assert made.regions.shape == (20, *SIZE)
    assert len({region.tobytes() for region in made.regions} | {REGION.tobytes()}) == 21
    for region in made.regions:
        rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
        assert region.sum() == REGION.sum()
        assert (len(rows), len(columns)) == (3, 5)
        assert region[rows[0] : rows[0] + 3, columns[0] : columns[0] + 5].all()
    assert (random_regions(REGION, seed=1).regions == made.regions).all()
    assert (random_regions(REGION, seed=2).regions != made.regions).any()


def test_a_large_region_runs_over_the_border_and_a_band_stays_a_band():
    large = np.zeros(SIZE, bool)
    large[1:, :14] = True
    made = random_regions(large, seed=0)
    assert made.wrapped
    assert (made.regions.sum((1, 2)) == large.sum()).all()
    band = np.zeros((12, 40), bool)
    band[:, 3:6] = True
    made = random_regions(band, seed=0)
    assert not made.wrapped
    assert (made.regions.all(1).sum(1) == 3).all()  # full height, wherever it is
    narrow = np.zeros((12, 6), bool)
    narrow[:, :2] = True
    assert len(random_regions(narrow, seed=0).regions) == 5  # there are no more places


def test_nothing_is_put_into_the_padding_of_a_short_recording():
    made = random_regions(REGION, seed=0, columns=11)
    assert not made.regions[:, :, 11:].any()
    reaching = np.roll(REGION, 5, 1)
    assert random_regions(reaching, seed=0, columns=11).regions[:, :, 11:].any()


def test_fillers():
    model, x = reading(REGION), photo()
    assert (filled(model, x, "black", 0) == 0).all()
    assert torch.allclose(filled(model, x, "mean", 0)[0, :, 0, 0], x.mean((2, 3))[0])
    noise = filled(model, x, "noise", 0)
    assert (noise == filled(model, x, "noise", 0)).all()
    assert (noise != filled(model, x, "noise", 1)).any()
    colours = {tuple(cell) for cell in x[0].flatten(1).T.tolist()}
    assert {tuple(cell) for cell in noise[0].flatten(1).T.tolist()} == colours
    blurred = filled(model, x, "blur", 0)
    assert blurred.var() < x.var() / 2
    with pytest.raises(BadParameter, match="black, mean, blur or noise"):
        filled(model, x, "silence", 0)
    sound = models.wrap(
        nn.Sequential(nn.Flatten(), nn.Linear(64 * 128, 2)), labels=["a", "b"], input=SoundInput()
    )
    assert (filled(sound, torch.rand(1, *SoundInput().shape), "silence", 0) == 0).all()


def test_altered_inputs():
    model, x = reading(REGION), photo()
    erased, kept = (altered(model, x, REGION, mode, "black") for mode in ("erase", "keep"))
    inside = torch.from_numpy(REGION)
    assert (erased[..., inside] == 0).all()
    assert (erased[..., ~inside] == x[..., ~inside]).all()
    assert torch.equal(erased + kept, x)


def test_what_a_saturated_probability_hides():
    """The probability is 1 to the last digit of float32 before and after; the log odds are the sum that was read."""
    weights = np.full(SIZE, 1.0)
    x = photo()
    made = what_if(reading(weights), x, REGION, "erase", "black", target=1)
    assert made.probabilities[:2, 1].astype(np.float32).tolist() == [1.0, 1.0]
    inside = torch.from_numpy(REGION)
    assert made.odds[0] == pytest.approx(float(x.sum()), rel=1e-5)
    assert made.odds[0] - made.odds[1] == pytest.approx(float(x[..., inside].sum()), rel=1e-4)
    drops = [made.odds[0] - odds for odds in made.odds[2:]]
    assert made.stronger_than == sum(drop < made.odds[0] - made.odds[1] for drop in drops)


def test_the_faster_copy_says_what_the_module_says():
    """The passes go through the engine, and their log odds are those of the module as given."""
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).eval()
    model = models.wrap(net, labels=["a", "b", "c"], input=models.ImageInput(size=SIZE))
    x, seed = photo(3), 7
    what_if(model, x, REGION, seed=seed)  # the engine chooses its copy
    asked = []
    hook = net.register_forward_hook(lambda _module, inputs, _out: asked.append(len(inputs[0])))
    told = what_if(model, x, REGION, seed=seed)
    assert sum(asked) <= 1, "at most the class is asked of the module itself"
    hook.remove()
    every = np.concatenate([REGION[None], random_regions(REGION, seed).regions])
    with torch.no_grad():
        chances = (
            model.predict(torch.cat([x, altered(model, x, every, "erase")])).double().numpy()[:, told.target]
        )
    assert told.odds == pytest.approx(np.log(chances / (1 - chances)), abs=1e-4)
