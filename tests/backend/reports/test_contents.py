"""What a report says of its numbers, and what it says where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.schemas import Record
from backend.reports import words
from backend.reports.content import Report, Table
from backend.reports.html import html
from backend.reports.pdf import pdf
from tests.backend.api.reports import Page, pdf_text


def record(**more: object) -> Record:
    axis = {"name": "x", "unit": "px", "origin": "upper", "values": [0.5, 1.5]}
    return Record.model_construct(
        **{"signed": True, "target_label": "star", "x_axis": axis, "y_axis": axis, **more}
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [([[-1.0, 0.0]], True), ([[-1.0, 1e-9]], False), ([[0.0, 0.0]], False), ([[0.5, 0.5]], False)],
)
def test_a_map_without_support_says_why_nothing_of_it_is_marked(
    values: list[list[float]], told: bool
) -> None:
    """A map of zeros is called flat already."""
    [*said] = words.unmarked(record(), np.array(values))
    assert said == (
        ["Nothing in this map supports star: no part of it is marked, so none can be heard or scored alone."]
        if told
        else []
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("咳嗽 1.wav", "‹U+54B3 U+55FD› 1.wav"),
        ("سعال.wav", "‹U+0633 U+0639 U+0627 U+0644›.wav"),
        ("שיעול", "‹U+05E9 U+05D9 U+05E2 U+05D5 U+05DC›"),
        ("a\U0001fac1b", "a‹U+1FAC1›b"),
        ("кашель e\u0301 №3", "кашель é №3"),
    ],
)
def test_no_letter_of_a_name_is_a_box(name: str, told: str) -> None:
    """In a title, a table and a note; the PDF says what it does, and the HTML has the name itself."""
    table = Table("Cases", ("File", "Long"), [(name, f"{name} {'word ' * 60}")], [f"Note: {name}."], (20, 80))
    report = Report(name, "", "", "", [], {"subjects": []}, tables=[table])
    printed = pdf_text(pdf(report))
    assert printed.count(told) == 4
    assert ("cannot show" in printed) == ("U+" in told)
    assert Page(html(report)).text.count(name) >= 4
    assert "cannot show" not in Page(html(report)).text
