"""The verdict on a concept, in the same words wherever it is shown."""

from __future__ import annotations

from dash.development.base_component import Component

from app.core.concept_results import Verdict
from frontend.ui import common

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "counts": ("counts", "ok"),
    "undecided": ("undecided", "warning"),
    "not_more_than_chance": ("not more than chance", "unknown"),
}


GLYPHS: dict[Verdict, str] = {"undecided": "help", "not_more_than_chance": "close"}


def verdict(value: Verdict, because: str) -> Component:
    """The one word for it everywhere; why, or what would decide it, on pointing."""
    words, state = VERDICTS[value]
    return common.chip(words, state, because, GLYPHS.get(value))


def p_words(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"
