"""The smallest parts of the pages: checks and problems in words."""

from __future__ import annotations

from frontend.client import ApiProblem, silent
from frontend.ui.common import checks, problem
from tests.frontend import canned
from tests.frontend.trees import parts, texts


def test_checks_that_passed_are_one_chip_and_the_rest_is_named():
    drawn = checks(canned.SOUND.checks)
    chips = [texts(part) for part in parts(drawn) if "ev-chip" in str(getattr(part, "className", "")).split()]
    assert [" ".join(chip.split()) for chip in chips] == [
        "3 of 4 checks passed",
        "Far from the recordings the model learned from. unlike training set",
    ]
    assert "cough found" in texts(drawn)


def test_a_problem_shows_its_words_code_and_id():
    refusal = silent("Try again in a moment.")
    refusal.problem.request_id = "r-77"
    said = texts(problem(ApiProblem(refusal.problem)))
    assert "Try again in a moment." in said
    assert "unreachable · r-77" in said
