"""What a person typed is no formula in a table that somebody opens."""

from __future__ import annotations

import pytest

from app.core.text import spreadsheet_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_would_be_computed_is_kept_from_it(text):
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "a=1", "cough -3", 0, -1.5, None])
def test_everything_else_stays_as_it_is(value):
    assert spreadsheet_cell(value) == value
