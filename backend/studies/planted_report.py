"""Report of the planted-evidence experiment: Markdown tables, bars with intervals, one dot per input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from backend.studies.drawing import DPI, FAINT, INK, ORANGE, SLATE, TEAL, calm, legend, table

MISLED, FAIR, BOTH = ORANGE, TEAL, SLATE


def write(result: dict[str, Any], out: Path) -> list[Path]:
    """planted.json, planted.md, planted_ranking.png and planted_scores.png in `out`; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "planted.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (out / "planted.md").write_text("\n".join(markdown(result)) + "\n", encoding="utf-8")
    ranking(result).savefig(out / "planted_ranking.png", dpi=DPI, metadata={"Software": None})
    scores(result).savefig(out / "planted_scores.png", dpi=DPI, metadata={"Software": None})
    return [
        out / name for name in ("planted.json", "planted.md", "planted_ranking.png", "planted_scores.png")
    ]


def markdown(result: dict[str, Any]) -> Iterator[str]:
    """Tables: per part and layer, the share of inputs ranked rightly in each network, and what the
    networks do without each thing."""
    settings = result["settings"]
    yield (
        f"{settings['inputs']} inputs per part, each judged in two networks; {settings['examples']} examples per concept, "
        f"{settings['counter_examples']} counter-examples, {settings['random_concepts']} random concepts, seed {settings['seed']}. "
        "Shares with 95 % Wilson intervals."
    )
    for scene in result["scenes"]:
        planted, thing = scene["planted"], scene["object"]
        yield from ("", f"### {scene['title']}", "")
        yield table(
            ["network", "says the class: both there", f"without the {planted}", f"without the {thing}"],
            [
                [
                    f"{network['key']} ({'misled' if network['misled'] else 'fair'})",
                    *(_percent(network[name]) for name in ("with_both", "without_planted", "without_object")),
                ]
                for network in scene["networks"]
            ],
        )
        yield ""
        yield table(
            [
                "layer",
                "method",
                "right where misled",
                "right where fair",
                "right, both",
                f"{planted} counts for more where misled",
            ],
            [
                [
                    row["layer"],
                    result["methods"][row["method"]],
                    _percent(row["misled"]),
                    _percent(row["fair"]),
                    _interval(row["both"]),
                    _percent(row["across"]),
                ]
                for row in scene["rows"]
            ],
        )
        yield ""
        cosines = {
            (network["key"], layer): at["cosine"]
            for network in scene["networks"]
            for layer, at in network["directions"].items()
        }
        yield table(
            [
                "network",
                "layer",
                "cosine of the two directions",
                f"{planted} beats random",
                f"{thing} beats random",
            ],
            [
                [
                    row["network"],
                    row["layer"],
                    f"{cosines[row['network'], row['layer']]:.2f}",
                    _percent(row["planted"]),
                    _percent(row["object"]),
                ]
                for row in scene["chance"]
            ],
        )


def _percent(share: dict[str, float]) -> str:
    return f"{100 * share['value']:.0f} %"


def _interval(share: dict[str, float]) -> str:
    return f"{100 * share['value']:.0f} % ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def ranking(result: dict[str, Any]) -> Figure:
    """Bars: share of inputs ranked rightly at each part's last layer, whiskers the interval over both
    networks, ticks each network."""
    scenes, methods = result["scenes"], list(result["methods"])
    figure = Figure(figsize=(7.6, 0.9 + 2.1 * len(scenes)), layout="constrained")
    figure.suptitle(
        "Inputs ranked rightly: does the method say what the network goes by?",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    for axes, scene in zip(
        figure.subplots(len(scenes), sharex=True, squeeze=False)[:, 0], scenes, strict=True
    ):
        layer = scene["layers"][-1]
        rows = {row["method"]: row for row in scene["rows"] if row["layer"] == layer}
        for place, method in enumerate(methods):
            row = rows[method]
            both = row["both"]
            axes.barh(place, both["value"], height=0.6, color=FAINT)
            axes.errorbar(
                both["value"],
                place,
                xerr=[[both["value"] - both["low"]], [both["high"] - both["value"]]],
                color=BOTH,
                lw=1.2,
            )
            for name, colour, up in (("misled", MISLED, -0.3), ("fair", FAIR, 0.0)):
                axes.vlines(row[name]["value"], place + up, place + up + 0.3, color=colour, lw=3)
        axes.set_yticks(range(len(methods)), [result["methods"][method] for method in methods])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        calm(axes, f"{scene['title']} ({layer})")
    legend(
        figure, {"misled network alone": MISLED, "fair network alone": FAIR, "both, with 95 % interval": BOTH}
    )
    return figure


def scores(result: dict[str, Any]) -> Figure:
    """One dot per input: Visual-TCAV's attribution of the object (across) and of the planted thing (up),
    at each part's last layer."""
    scenes = result["scenes"]
    figure = Figure(figsize=(3.3 * len(scenes), 4.3), layout="constrained")
    title = "Visual-TCAV: attribution of the planted thing against the object's, one dot per input"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    for axes, scene in zip(figure.subplots(1, len(scenes), squeeze=False)[0], scenes, strict=True):
        layer = scene["layers"][-1]
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
        for network in scene["networks"]:
            series = (network["key"], layer, "visual_tcav")
            dots = next(
                row for row in scene["scores"] if (row["network"], row["layer"], row["method"]) == series
            )
            axes.scatter(
                dots["object"],
                dots["planted"],
                s=9,
                color=MISLED if network["misled"] else FAIR,
                linewidths=0,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=scene["object"], ylabel=scene["planted"], aspect="equal")
        calm(axes, f"{scene['planted']} against {scene['object']} ({layer})")
    legend(figure, {"misled network: right above the line": MISLED, "fair network: right below it": FAIR})
    return figure
