"""Report of cnnexplain against MobileNetV2: a Markdown table, and a dot with its interval per measure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from backend.studies.drawing import DPI, INK, ORANGE, TEAL, calm, legend, table

COLOURS = (TEAL, ORANGE)
MEASURES = {
    "gini": "coherence: Gini",
    "entropy": "coherence: entropy",
    "specificity": "class specificity",
    "noise": "consistency under noise",
    "same_class": "consistency within the class",
    "mass": "relevance on the wheeze",
    "deletion": "deletion",
    "insertion": "insertion",
}


def write(result: dict[str, Any], out: Path) -> list[Path]:
    """journal.json, journal.md and journal.png in `out`; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"journal.{ending}" for ending in ("json", "md", "png")]
    paths[0].write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    paths[1].write_text("\n".join(markdown(result)) + "\n", encoding="utf-8")
    picture(result).savefig(paths[2], dpi=DPI, metadata={"Software": None})
    return paths


def markdown(result: dict[str, Any]) -> Iterator[str]:
    """The networks, then one table a method: both networks, the difference, and who is better."""
    settings = result["settings"]
    titles = {network["key"]: network["title"] for network in result["networks"]}
    yield (
        f"{len(settings['seeds'])} trainings of each network for {settings['epochs']} epochs, maps of {settings['inputs']} recordings with a wheeze "
        "that all of them judge rightly. 95 % intervals over trainings and recordings."
    )
    yield ""
    yield table(
        ["network", "parameters", "AUC", "right answers"],
        [
            [
                network["title"],
                f"{network['runs'][0]['parameters']:,}",
                ", ".join(f"{run['auc']:.3f}" for run in network["runs"]),
                ", ".join(f"{100 * run['accuracy']:.1f} %" for run in network["runs"]),
            ]
            for network in result["networks"]
        ],
    )
    for method, title in result["methods"].items():
        yield from ("", f"**{title}**", "")
        yield table(
            ["measure", *titles.values(), "difference", "better"],
            [
                [
                    f"{MEASURES[row['measure']]} ({'higher' if row['higher_is_better'] else 'lower'} is better)",
                    *(_interval(row["values"][key]) for key in titles),
                    _interval(row["difference"], sign="+"),
                    titles.get(row["better"] or "", "no difference shown"),
                ]
                for row in result["rows"]
                if row["method"] == method
            ],
        )
    beside = ", ".join(f"{100 * share:.1f} % ({name})" for name, share in result["baselines"].items())
    yield from ("", f"Relevance on the wheeze of maps that look at nothing: {beside}.")
    orders = "; ".join(
        f"{titles[key]}: deletion {chance['deletion']:.2f}, insertion {chance['insertion']:.2f}"
        for key, chance in result["chance"].items()
    )
    yield from ("", f"The curves where the order of the cells is drawn: {orders}.")


def verdict(result: dict[str, Any]) -> dict[str, int]:
    """How many rows each network wins; `none` where no difference is shown."""
    counts = {network["key"]: 0 for network in result["networks"]} | {"none": 0}
    for row in result["rows"]:
        counts[row["better"] or "none"] += 1
    return counts


def picture(result: dict[str, Any]) -> Figure:
    """One panel a method: per measure both networks' means with intervals, faint dots the single trainings."""
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    figure.suptitle(
        "Whose maps are better? Two networks, trained the same way on generated coughs",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    keys = [network["key"] for network in result["networks"]]
    for axes, (method, title) in zip(
        figure.subplots(1, len(result["methods"]), sharey=True), result["methods"].items(), strict=True
    ):
        rows = [row for row in result["rows"] if row["method"] == method]
        for place, row in enumerate(rows):
            for key, colour, up in zip(keys, COLOURS, (-0.14, 0.14), strict=True):
                value = row["values"][key]
                around = [[value["mean"] - value["low"]], [value["high"] - value["mean"]]]
                axes.errorbar(value["mean"], place + up, xerr=around, fmt="o", ms=4, color=colour, lw=1.4)
                axes.plot(
                    value["runs"], [place + up] * len(value["runs"]), "|", ms=7, color=colour, alpha=0.5
                )
        words = [
            f"{MEASURES[row['measure']]} {'(more)' if row['higher_is_better'] else '(less)'}" for row in rows
        ]
        axes.set_yticks(range(len(rows)), words)
        if not axes.yaxis_inverted():
            axes.invert_yaxis()
        calm(axes, title)
    titles = [network["title"] for network in result["networks"]]
    legend(figure, dict(zip(titles, COLOURS, strict=True)))
    return figure


def _interval(share: dict[str, float], sign: str = "") -> str:
    return f"{share['mean']:{sign}.2f} ({share['low']:{sign}.2f} to {share['high']:{sign}.2f})"
