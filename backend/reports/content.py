"""What a report says, before it is set as PDF or HTML: both say the same, word for word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

BANNER_LEAD = "Research and teaching only. Not a medical device. Do not use to diagnose, rule out or triage."
BANNER = (
    "Maps show what the model used, not what is wrong with the patient. In the largest study, sound-based Covid models fell from "
    "AUC 0.85 to 0.62 once symptoms were matched."
)
FOOT = "Research and teaching only. Not a medical device."
UNSIGNED = (
    "The report is not signed. Checking it recomputes what it claims and compares; it cannot tell who made it, "
    "nor whether a verdict was written by the person it names."
)
AGAIN = "The marked region alone, and all but it"
State = Literal["ok", "warning", "bad", "unknown"]


@dataclass(frozen=True)
class Mark:
    """Something drawn over a picture, in shares of its width and height from the top left. region: a dashed outline as segments
    `(x0, y0, x1, y1)`; window: the part that the model looked at; event: a cough; line: a height, with its words."""

    kind: Literal["region", "window", "event", "line"]
    segments: Sequence[tuple[float, float, float, float]]
    label: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture with axes. png: its pixels. aspect: height over width as drawn. x_ticks, y_ticks: share from the left and from the
    top, and the label. alt: the picture in words."""

    png: bytes
    aspect: float
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    alt: str
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Sound:
    title: str
    wav: bytes


@dataclass(frozen=True)
class Line:
    """One checked thing: a state with its word, never colour alone."""

    label: str
    state: State
    detail: str


@dataclass(frozen=True)
class ScoreBar:
    """One class: its score, and the interval where there is one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Score:
    """headline, within: the outcome. made: how, in sentences. bars: the classes shown. coughs: each alone."""

    headline: str
    within: str
    made: str
    bars: Sequence[ScoreBar] = ()
    coughs: Sequence[tuple[str, str]] = ()
    withheld: bool = False


@dataclass(frozen=True)
class Map:
    """One map with what belongs to it. words: what follows from its numbers; checked: what its checks say. badge: state and words of the sanity check. bar: colours from left to right (PNG, one row),
    with the words under its left end, under zero and under its right end; bar_note: where the colour is full."""

    key: str
    title: str
    target: str
    badge: Line
    figure: Figure
    bar: bytes
    bar_words: tuple[str, str, str]
    bar_note: str
    words: Sequence[str]
    checked: Sequence[str]
    conditions: str
    sounds: Sequence[Sound] = ()


@dataclass(frozen=True)
class Again:
    """What the model says of the marked region alone and of all but it: labelled texts, and how to read them."""

    rows: Sequence[tuple[str, str]]
    note: str


@dataclass(frozen=True)
class Subject:
    """One input and all that is said of it. missing: what is no longer there, in sentences. facts, settings: labelled texts.
    figures_of_model: label, value, interval and note of what the model's card states."""

    title: str
    kind: str
    facts: Sequence[tuple[str, str]]
    checks: Sequence[Line]
    gate: Line | None
    overview: Figure | None
    overview_title: str
    score: Score | None
    maps: Sequence[Map]
    model: str
    figures_of_model: Sequence[tuple[str, str, str, str]]
    cautions: Sequence[str]
    verdict: Sequence[tuple[str, str]]
    settings: Sequence[str]
    sounds: Sequence[Sound] = ()
    missing: Sequence[str] = ()
    again: Again | None = None
    anchor: str = "input-1"


@dataclass(frozen=True)
class Table:
    """A summary: heads, rows, and sentences under it. widths: of the columns, in parts of their sum."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    widths: Sequence[float]


@dataclass(frozen=True)
class Report:
    """title, subtitle: of the first page. link: of the same view, "" without one. state: the time of the newest thing in it (UTC).
    manifest: the same for a machine, as `backend.reports.manifest.sealed` takes it."""

    title: str
    subtitle: str
    state: str
    link: str
    subjects: Sequence[Subject]
    manifest: Mapping[str, Any]
    tables: Sequence[Table] = ()
    verify: str = "evident verify report.html"
    notes: Sequence[str] = field(default=(UNSIGNED,))
