"""The outcome of "What if" in words, as the page says it too (tests/frontend/evident/whatif.test.mjs)."""

from __future__ import annotations

from backend.tasks.whatif import sentence


def test_the_outcome_in_a_sentence():
    said = sentence("erase", (0.81, 0.44), (1.45, -0.24), 19, 20)
    assert said == "Erasing this region: 0.81 \u2192 0.44, stronger than 19 of 20 random regions."
    hidden = sentence("keep", (0.9999, 0.998), (9.2, 6.2), 2, 3)
    assert hidden == (
        "Keeping only this region: 1.00 \u2192 1.00 (log odds 9.2 \u2192 6.2), higher than with 2 of 3 random regions."
    )
    assert "no other place" in sentence("replace", (0.6, 0.5), (0.4, 0.0), 0, 0)
