"""A study on paper: the table in Markdown, scores with intervals and ranks by family as plots."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from app.core.evaluation_results import StudyEntry, StudyMetric, StudyResult, Verdict
from backend.studies.drawing import DPI, INK, ORANGE, SLATE, TEAL, calm, table

COLUMNS = 3
"""Plots beside each other."""
WIDE = 1000
"""From this ratio of the means on, a control would push all methods to the edge of a scale that is not logarithmic."""


def as_markdown(result: StudyResult) -> str:
    """The sentence, one table per family, what passed, the methods paragraph."""
    entries = {(entry.method, entry.metric): entry for entry in result.table}
    parts = ["".join(part.text for part in result.sentence)]
    for family in dict.fromkeys(metric.family for metric in result.metrics):
        metrics = [metric for metric in result.metrics if metric.family == family]
        arrows = [_named(metric) for metric in metrics]
        rows = [
            [row.title, *(_field(entries[row.method, metric.key]) for metric in metrics)]
            for row in result.rows
        ]
        parts.append(f"### {family.capitalize()}\n\n{table(['', *arrows], rows)}")
    notes = {entry.note for entry in result.table if entry.note}
    if notes:
        parts.append("\n".join(f"- {note}" for note in sorted(notes)))
    titles = {row.method: row.title for row in result.rows}
    verdicts = [[titles[each.method], _verdict(each), each.because] for each in result.verdicts]
    parts.append(f"### For this network\n\n{result.rule}\n\n{table(['method', '', 'because'], verdicts)}")
    parts.append(f"### Methods\n\n{result.paragraph}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _named(metric: StudyMetric) -> str:
    """With the arrow that says what is better."""
    return f"{metric.title} {'↑' if metric.better == 'higher' else '↓'}"


def _verdict(verdict: Verdict) -> str:
    return "passed" if verdict.passed else "not passed" if verdict.judged else "not judged"


def _field(entry: StudyEntry) -> str:
    if entry.mean is None:
        return "–"
    text = f"{entry.mean:.3f}"
    if entry.low is not None:
        text += f" ({entry.low:.3f} to {entry.high:.3f})"
    if entry.best:
        text = f"**{text}**"
    return f"{text}{' ⇅' if entry.flips else ''}"


def plot_scores(result: StudyResult, file: Path) -> None:
    """One plot a metric: means with intervals, controls in grey."""
    shown = [
        metric
        for metric in result.metrics
        if any(entry.mean is not None for entry in result.table if entry.metric == metric.key)
    ]
    if not shown:
        return
    lines = -(-len(shown) // COLUMNS)
    figure = Figure(
        (4.2 * min(COLUMNS, len(shown)), (0.9 + 0.24 * len(result.rows)) * lines), layout="constrained"
    )
    for number, metric in enumerate(shown, 1):
        _plot(figure.add_subplot(lines, min(COLUMNS, len(shown)), number), result, metric)
    figure.savefig(file, dpi=DPI)


def _plot(axes: object, result: StudyResult, metric: StudyMetric) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    entries = {entry.method: entry for entry in result.table if entry.metric == metric.key}
    for place, row in enumerate(result.rows):
        entry = entries[row.method]
        if entry.mean is None:
            continue
        colour = SLATE if row.control else ORANGE if entry.best else TEAL
        if entry.low is not None and entry.high is not None:
            axes.plot([entry.low, entry.high], [place, place], color=colour, lw=2, solid_capstyle="butt")
        axes.plot(entry.mean, place, "o", color=colour, ms=5)
    axes.set_yticks(range(len(result.rows)), [row.title for row in result.rows])
    axes.set_ylim(len(result.rows) - 0.5, -0.5)
    means = [entry.mean for entry in entries.values() if entry.mean is not None]
    if min(means) > 0 and max(means) > WIDE * min(means):
        axes.set_xscale("log")
    calm(axes, _named(metric))


def plot_ranks(result: StudyResult, file: Path) -> None:
    """Mean rank of each method by family; the best is at the top."""
    families = [family for family in result.families if len(family.ranks) > 1]
    if not families:
        return
    figure = Figure((2.2 + 1.5 * len(families), 3.6), layout="constrained")
    axes = figure.add_subplot()
    titles = {row.method: row.title for row in result.rows}
    for number, method in enumerate(verdict.method for verdict in result.verdicts):
        places = [
            next((rank.rank for rank in family.ranks if rank.method == method), None) for family in families
        ]
        known = [(x, rank) for x, rank in enumerate(places) if rank is not None]
        if not known:
            continue
        xs, ranks = zip(*known, strict=True)
        colour = (ORANGE, TEAL, SLATE, INK)[number % 4]
        axes.plot(xs, ranks, marker="o", color=colour, lw=1.5, ms=5, ls=("-", "--", ":")[number // 4 % 3])
        axes.annotate(
            titles[method],
            (xs[-1], ranks[-1]),
            (6, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
            color=colour,
        )
    axes.invert_yaxis()
    axes.set_xticks(range(len(families)), [family.family for family in families])
    axes.set_xlim(-0.3, len(families) - 0.2 + 0.8)
    calm(axes, "Mean rank (1 is best)")
    figure.savefig(file, dpi=DPI)
