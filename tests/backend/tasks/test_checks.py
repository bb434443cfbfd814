"""Checks as a job: known shortcuts of a sample, the known region, and what cannot be checked."""

from __future__ import annotations

import numpy as np
import pytest

import models
from app.core.check_results import ChecksResult, RegionShare, SanityResult
from backend.attribution.explain import explain
from backend.tasks import TASKS
from backend.tasks.checks import ranged
from models.synthetic import coughs as synthetic
from tests.backend.tasks.conftest import payload_of, photo


def checked(files, report, values, **more):
    payload = {
        "input": payload_of(files, photo(), "image"), "model": "shapes", "explanation": "e" * 64, "method": "saliency", "target": 0,
        "values": files.put_array(values.astype(np.float32)), **more,
    }  # fmt: skip
    outcome = TASKS["checks"].run(payload, files, report)
    return ChecksResult.model_validate(outcome.result), outcome.arrays


def test_a_known_shortcut_and_the_known_region_are_weighed(files, report):
    values = np.zeros((64, 64))
    values[:16, :16] = 1.0
    height, width = np.asarray(photo()).shape[:2]
    corner, half = [0, width / 4, 0, height / 4], [0, width / 2, 0, height]
    found, arrays = checked(
        files,
        report,
        values,
        known=[{"key": "sticker", "title": "Sticker", "boxes": [corner]}],
        region={"boxes": [half]},
    )
    assert (found.shortcut.title, found.shortcut.flagged) == ("Sticker", True)
    assert found.shortcut.share == pytest.approx(1.0)
    assert found.shortcut.words == "100 % of the support lies on the sticker"
    inside = found.localisation[0]
    assert (inside.share, inside.area) == (pytest.approx(1.0), pytest.approx(0.5))
    figures = {figure.key: figure.value for figure in found.figures}
    assert figures["pointing_game"] == 1.0
    blind = {figure.key: figure.controls for figure in found.figures}
    assert blind["pointing_game"] == {
        "centre_blob": 0.5,
        "uniform": 0.5,
    }  # its peak is four cells, two of them inside
    assert blind["relevance_rank_accuracy"]["uniform"] == pytest.approx(0.5)
    assert blind["sparseness"] == {}
    assert figures["sparseness"] == pytest.approx(1 - 16 * 16 / 64**2, abs=0.01)
    assert arrays["stable"].shape == (64, 64)


def test_a_flat_map_says_so(files, report):
    found, arrays = checked(files, report, np.full((64, 64), 0.5))
    assert "same value" in found.notes["map"]
    assert (found.shortcut, found.stability, arrays) == (None, None, {})


def test_a_map_with_nothing_for_the_class_has_no_support_on_a_shortcut(files, report):
    found, _ = checked(files, report, -np.random.default_rng(0).random((64, 64)))
    assert found.shortcut is None
    assert "Nothing in this map speaks for the class" in found.notes["shortcut"]


def test_what_is_too_dear_is_not_measured_and_says_so(files, report, monkeypatch):
    monkeypatch.setattr("backend.attribution.measuring.stability.SPEND", 1.0)
    found, arrays = checked(files, report, np.random.default_rng(0).random((64, 64)))
    assert (found.stability, arrays) == (None, {})
    assert "too dear" in found.notes["stability"]


def test_a_method_that_cannot_be_checked_says_why(files, report):
    result = TASKS["sanity"].run({"model": "shapes", "method": "visual_tcav"}, files, report).result
    found = SanityResult.model_validate(result)
    assert found.state is None
    assert "beside random concepts" in found.words


def test_shares_of_a_recording_are_told_as_a_range(files, report):
    """The window moves, the map is made again: the start of the cut holds another share. A picture has no window."""
    sound = synthetic.render(3, 1, 1)
    model = models.load("cnnexplain_synthetic")
    values = explain(model, model.input.prepare((sound.waveform, sound.rate)).x, "grad_cam", target=1).values
    row = payload_of(files, sound.waveform.astype(np.float32), "audio", rate=sound.rate)
    told, _ = checked(
        files, report, values, input=row, model="cnnexplain_synthetic", method="grad_cam", target=1
    )
    regions = told.shortcut.regions
    assert all(part.low <= part.share <= part.high for part in regions)
    wide = [part for part in regions if part.high - part.low > 0.01]
    assert wide
    assert all("% (window moved by 50 ms) of the support lies" in part.words for part in wide)
    assert told.shortcut.words == regions[0].words
    still, _ = checked(files, report, np.random.default_rng(0).random((64, 64)))
    assert all(part.low is part.high is None for part in still.shortcut.regions)


def test_a_range_in_words():
    part = RegionShare(
        key="start", title="S", share=0.44, area=0.05, times=9, rare=0, flagged=True,
        words="44 % of the support lies in the first 0.1 s",
    )  # fmt: skip
    (told,) = ranged([part], [{"start": 0.59}, {"end": 0.1}])
    assert (told.low, told.high) == (0.44, 0.59)
    assert told.words == "44 to 59 % (window moved by 50 ms) of the support lies in the first 0.1 s"
    assert ranged([part], [{"start": 0.445}])[0].words == part.words
    assert ranged([part], [])[0] == part
