"""Checks as a job: known shortcuts of a sample, the known region, and what cannot be checked."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.check_results import ChecksResult, SanityResult
from backend.tasks import TASKS
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
