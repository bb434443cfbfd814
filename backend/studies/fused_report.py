"""Report of the study of the fused map: the verdicts and the means as Markdown, the differences as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from backend.studies.drawing import DPI, INK, ORANGE, SLATE, TEAL, calm, legend, table

COLOURS = {"holds": TEAL, "undecided": SLATE, "does not hold": ORANGE}


def write(result: dict[str, Any], out: Path) -> list[Path]:
    """fused.json, fused.md and fused.png in `out`; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"fused.{ending}" for ending in ("json", "md", "png")]
    paths[0].write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    paths[1].write_text("\n".join(markdown(result)) + "\n", encoding="utf-8")
    picture(result).savefig(paths[2], dpi=DPI, metadata={"Software": None})
    return paths


def markdown(result: dict[str, Any]) -> Iterator[str]:
    """One table of verdicts over all parts, then the means of each part."""
    metrics, methods = result["metrics"], result["methods"]
    yield table(
        ["inputs and network", *(f"{metric['family']}: {metric['title']}" for metric in metrics.values())],
        [[part["title"], *(_verdict(finding) for finding in part["findings"])] for part in result["parts"]],
    )
    for part in result["parts"]:
        yield from ("", f"**{part['title']}** ({len(part['inputs'])} inputs; mean ± standard error)", "")
        titles = {**methods, "centre_blob": "(centre blob)", "uniform": "(the same everywhere)"}
        yield table(
            ["map", *(f"{metric['title']} ({metric['better']} is better)" for metric in metrics.values())],
            [[title, *(_mean(part["means"][row][key]) for key in metrics)] for row, title in titles.items()],
        )
        alike = ", ".join(
            f"{methods[key]} {value:.3f}" for key, value in part["alike"].items() if value is not None
        )
        if alike:
            yield from (
                "",
                f"Likeness of the maps of two different inputs, by the measure of Random logit: {alike}.",
            )
        yield ""
        yield table(
            ["metric", "claimed", "against", "difference", "interval", "better on", "verdict"],
            [row for finding in part["findings"] for row in _differences(finding, result)],
        )


def _verdict(finding: dict[str, Any]) -> str:
    if finding["verdict"] == "cannot be told":
        return "no region is known" if finding["family"] == "localisation" else finding["note"]
    return f"{finding['verdict']} ({finding['n']})"


def _differences(finding: dict[str, Any], result: dict[str, Any]) -> Iterator[list[str]]:
    for against in finding["against"]:
        yield [
            result["metrics"][finding["metric"]]["title"],
            f"better than {finding['kind']}",
            result["methods"][against["parent"]],
            f"{against['difference']:+.3f}",
            f"{against['low']:+.3f} to {against['high']:+.3f}",
            f"{against['wins']:.0%} of {finding['n']}",
            finding["verdict"],
        ]


def _mean(value: dict[str, float] | None) -> str:
    return "n/a" if value is None else f"{value['mean']:.3f} ± {value['error']:.3f}"


def picture(result: dict[str, Any]) -> Figure:
    """One panel a metric: per set of inputs the differences to both parents with their intervals, right of zero where
    the fused map is better; the colour is the verdict."""
    metrics, parts = result["metrics"], result["parts"]
    figure = Figure(figsize=(11, 1.5 + 0.55 * len(parts)), layout="constrained")
    figure.suptitle(
        "Grad-CAM x LRP against Grad-CAM (upper mark) and LRP (lower mark): right of 0 it is better",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    for axes, key in zip(figure.subplots(1, len(metrics), sharey=True), metrics, strict=True):
        axes.axvline(0, color=INK, lw=0.8)
        for place, part in enumerate(parts):
            finding = next(finding for finding in part["findings"] if finding["metric"] == key)
            for against in finding["against"]:
                up = -0.16 if against["parent"] == "grad_cam" else 0.16
                reach = [
                    [against["difference"] - against["low"]],
                    [against["high"] - against["difference"]],
                ]
                axes.errorbar(
                    against["difference"],
                    place + up,
                    xerr=reach,
                    fmt="o" if against["parent"] == "grad_cam" else "s",
                    ms=4,
                    lw=1.4,
                    color=COLOURS[finding["verdict"]],
                )
            if not finding["against"]:
                axes.text(0.5, place, "not known", transform=axes.get_yaxis_transform(), fontsize=8, va="center",
                          ha="center", color=SLATE)  # fmt: skip
        axes.set_yticks(range(len(parts)), [part["title"].replace(", ", "\n", 1) for part in parts])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        calm(axes, f"{metrics[key]['family'].capitalize()}\n{metrics[key]['title']}")
    legend(
        figure,
        {f"the claim {word}" if word != "undecided" else word: colour for word, colour in COLOURS.items()},
    )
    return figure
