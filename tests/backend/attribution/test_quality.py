"""What is said about a map's quality: from what its method measured, by one table, and nothing where nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import backend
import models
from backend.attribution.quality import MEASURES, Measure, quality_of
from backend.attribution.types import Attribution

MAP = np.arange(12, dtype=np.float32).reshape(3, 4)
SAMPLES = Path(models.__file__).parent / "samples"


def result(gap: float | None = None, values: np.ndarray = MAP, **extras: Any) -> Attribution:
    return Attribution(values, signed=True, native=(3, 4), gap=gap, extras=extras)


@pytest.mark.parametrize("key", MEASURES)
def test_each_measure_calls_its_own_thresholds_good_and_fair_and_what_lies_beyond_them_not(key: str) -> None:
    measure = MEASURES[key]
    worse = -1e-6 if measure.good > measure.fair else 1e-6
    assert measure.state(measure.good) == "good"
    assert measure.state(measure.good + worse) == "fair"
    assert measure.state(measure.fair) == "fair"
    assert measure.state(measure.fair + worse) == "poor"


@pytest.mark.parametrize("key", MEASURES)
def test_the_sentence_states_the_thresholds_that_are_applied(key: str) -> None:
    measure: Measure = MEASURES[key]
    said = measure.quality(key, measure.good)
    assert f"{measure.written(measure.good)}; fair: " in said.meaning
    assert said.meaning.endswith(f"{measure.written(measure.fair)}.")


def test_the_gravest_comes_first_and_the_rest_in_the_order_of_the_table() -> None:
    said = quality_of(result(r2=0.9, uncertainty=0.6, samples=1000, segments=50))
    assert [(each.key, each.state) for each in said] == [("standard_error", "poor"), ("fit", "good")]
    assert [each.key for each in quality_of(result(r2=0.9, uncertainty=0.1))] == ["fit", "standard_error"]


def test_a_map_of_which_nothing_was_measured_gets_no_mark() -> None:
    assert quality_of(result()) == []
    assert quality_of(result(uncertainty=None, samples=40)) == []
    assert quality_of(result(uncertainty=float("inf"))) == []


def test_a_flat_map_gets_no_mark_whatever_was_measured() -> None:
    assert quality_of(result(gap=0.0, values=np.zeros((3, 4), np.float32), r2=1.0)) == []


def test_pieces_with_too_few_samples_for_a_standard_error_are_called_so() -> None:
    [said] = quality_of(result(uncertainty=None, samples=60, segments=50))
    assert (said.state, said.word, said.value) == ("poor", "too few", None)


def test_the_sum_is_held_against_the_score_or_against_the_difference_to_a_baseline() -> None:
    assert quality_of(result(gap=0.1, conservation=0.9))[0].key == "conservation"
    assert quality_of(result(gap=0.1))[0].key == "completeness"


def test_the_share_that_grad_cam_cuts_off_is_that_of_its_formula() -> None:
    model = models.load("shapes")
    x = model.prepare(SAMPLES / "image_dotted.png")
    said = backend.explain(model, x, method="grad_cam", target=2)
    kept: list[torch.Tensor] = []
    layer = model.module.get_submodule(said.layer or "")

    def keep(_: Any, __: Any, out: torch.Tensor) -> torch.Tensor:
        kept.append(out.detach().requires_grad_())
        return kept[0].clone()  # what follows may work in place

    hook = layer.register_forward_hook(keep)
    score = model.logits(x)[0, 2]
    hook.remove()
    gradient = torch.autograd.grad(score, kept[0])[0]
    signed = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).detach()
    negative = float(-signed[signed < 0].sum())
    assert said.extras["clipped"] == pytest.approx(negative / float(signed.abs().sum()), rel=1e-4)
    assert negative > 0
