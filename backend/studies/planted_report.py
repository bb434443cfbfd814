"""The planted-evidence experiment in words and pictures: a Markdown table, bars with intervals, one dot per input. Drawn with Pillow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

INK, FAINT, PAPER = "#1f2933", "#cbd2d9", "#ffffff"
MISLED, FAIR, BOTH = "#b8500c", "#0b7285", "#52606d"
"""Orange and blue-green keep apart for colour-blind eyes; every mark is also named."""
SCALE = 2
"""Drawn twice as large as laid out, for sharp letters."""
DOT = 2.5


def write(result: dict[str, Any], out: Path) -> list[Path]:
    """planted.json, planted.md, planted_ranking.png and planted_scores.png in `out`; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "planted.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (out / "planted.md").write_text("\n".join(markdown(result)) + "\n", encoding="utf-8")
    ranking(result).save(out / "planted_ranking.png", optimize=True)
    scores(result).save(out / "planted_scores.png", optimize=True)
    return [out / name for name in ("planted.json", "planted.md", "planted_ranking.png", "planted_scores.png")]


def markdown(result: dict[str, Any]) -> Iterator[str]:
    """Tables: per part and layer, the share of inputs ranked rightly in each network, and what the networks do without each thing."""
    settings = result["settings"]
    yield (
        f"{settings['inputs']} inputs per part, each judged in two networks; {settings['examples']} examples per concept, "
        f"{settings['counter_examples']} counter-examples, {settings['random_concepts']} random concepts, seed {settings['seed']}. "
        "Shares with 95 % Wilson intervals."
    )
    for scene in result["scenes"]:
        planted, thing = scene["planted"], scene["object"]
        yield from ("", f"### {scene['title']}", "")
        yield f"| network | says the class: both there | without the {planted} | without the {thing} |"
        yield "|---|---|---|---|"
        for network in scene["networks"]:
            shares = " | ".join(_percent(network[name]) for name in ("with_both", "without_planted", "without_object"))
            yield f"| {network['key']} ({'misled' if network['misled'] else 'fair'}) | {shares} |"
        yield from (
            "",
            f"| layer | method | right where misled | right where fair | right, both | {planted} counts for more where misled |",
        )
        yield "|---|---|---|---|---|---|"
        for row in scene["rows"]:
            shares = " | ".join(_percent(row[name]) for name in ("misled", "fair"))
            yield f"| {row['layer']} | {result['methods'][row['method']]} | {shares} | {_interval(row['both'])} | {_percent(row['across'])} |"
        yield from ("", f"| network | layer | cosine of the two directions | {planted} beats random | {thing} beats random |")
        yield "|---|---|---|---|---|"
        for row in scene["chance"]:
            network = next(found for found in scene["networks"] if found["key"] == row["network"])
            cosine = network["directions"][row["layer"]]["cosine"]
            yield f"| {row['network']} | {row['layer']} | {cosine:.2f} | {_percent(row['planted'])} | {_percent(row['object'])} |"


def _percent(share: dict[str, float]) -> str:
    return f"{100 * share['value']:.0f} %"


def _interval(share: dict[str, float]) -> str:
    return f"{100 * share['value']:.0f} % ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


class Sheet:
    """A white page in layout pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, words: str, *, size: int = 13, anchor: str = "lm", fill: str = INK) -> None:
        font = ImageFont.load_default(size * SCALE)
        self._draw.text((x * SCALE, y * SCALE), words, fill=fill, font=font, anchor=anchor)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: str) -> None:
        self._draw.rectangle((x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE), fill=fill)

    def line(self, x0: float, y0: float, x1: float, y1: float, fill: str = INK, width: float = 1) -> None:
        self._draw.line((x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE), fill=fill, width=round(width * SCALE))

    def dot(self, x: float, y: float, fill: str) -> None:
        self._draw.ellipse(((x - DOT) * SCALE, (y - DOT) * SCALE, (x + DOT) * SCALE, (y + DOT) * SCALE), fill=fill)


def ranking(result: dict[str, Any]) -> Image.Image:
    """Bars: share of inputs ranked rightly at each part's last layer, whiskers the interval over both networks, ticks each network."""
    left, wide, bar = 250, 420, 26
    methods = list(result["methods"])
    panel = 78 + bar * len(methods)
    sheet = Sheet(left + wide + 60, 46 + panel * len(result["scenes"]) + 20)
    sheet.text(16, 22, "Inputs ranked rightly: does the method say what the network goes by?", size=15)
    for number, scene in enumerate(result["scenes"]):
        top = 46 + number * panel
        layer = scene["layers"][-1]
        sheet.text(16, top + 12, f"{scene['title']} ({layer})")
        _axis(sheet, left, top + 46, wide, bar * len(methods))
        rows = {row["method"]: row for row in scene["rows"] if row["layer"] == layer}
        for place, method in enumerate(methods):
            y = top + 46 + bar * (place + 0.5)
            share = rows[method]["both"]
            sheet.text(left - 10, y, result["methods"][method], anchor="rm", size=12)
            sheet.box(left, y - 8, left + max(1, wide * share["value"]), y + 8, FAINT)
            sheet.line(left + wide * share["low"], y, left + wide * share["high"], y, BOTH, 1.5)
            for name, colour, up in (("misled", MISLED, -8), ("fair", FAIR, 0)):
                x = left + wide * rows[method][name]["value"]
                sheet.line(x, y + up, x, y + up + 8, colour, 3)
    below = 46 + panel * len(result["scenes"])
    _legend(sheet, left, below, (("misled network alone", MISLED), ("fair network alone", FAIR), ("both", BOTH)))
    return sheet.image


def scores(result: dict[str, Any]) -> Image.Image:
    """One dot per input: Visual-TCAV's attribution of the object (across) and of the planted thing (up), at each part's last layer."""
    side, gap = 250, 74
    scenes = result["scenes"]
    sheet = Sheet(40 + (side + gap) * len(scenes), side + 138)
    sheet.text(16, 22, "Visual-TCAV: attribution of the planted thing against the object's, one dot per input", size=15)
    for number, scene in enumerate(scenes):
        x0, y0, layer = 62 + number * (side + gap), 70, scene["layers"][-1]
        sheet.text(x0, y0 - 16, f"{scene['planted']} against {scene['object']} ({layer})")
        for corner in ((0, 0, side, 0), (0, side, side, side), (0, 0, 0, side), (side, 0, side, side)):
            sheet.line(x0 + corner[0], y0 + corner[1], x0 + corner[2], y0 + corner[3], FAINT)
        sheet.line(x0, y0 + side, x0 + side, y0, FAINT)
        for value in (0.0, 0.5, 1.0):
            sheet.text(x0 - 8, y0 + side * (1 - value), f"{value:g}", anchor="rm", size=11)
            sheet.text(x0 + side * value, y0 + side + 12, f"{value:g}", anchor="mm", size=11)
        sheet.text(x0 + side / 2, y0 + side + 30, f"across: {scene['object']}; up: {scene['planted']}", anchor="mm", size=12)
        for network in scene["networks"]:
            wanted = (network["key"], layer, "visual_tcav")
            found = next(row for row in scene["scores"] if (row["network"], row["layer"], row["method"]) == wanted)
            for planted, thing in zip(found["planted"], found["object"], strict=True):
                sheet.dot(x0 + side * thing, y0 + side * (1 - planted), MISLED if network["misled"] else FAIR)
    _legend(sheet, 62, 70 + side + 52, (("misled network: right above the line", MISLED), ("fair network: right below it", FAIR)))
    return sheet.image


def _axis(sheet: Sheet, left: float, top: float, wide: float, high: float) -> None:
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + wide * value
        sheet.line(x, top, x, top + high, FAINT)
        sheet.text(x, top - 8, f"{100 * value:.0f} %", anchor="mm", size=11)


def _legend(sheet: Sheet, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
    for words, colour in entries:
        sheet.box(x, y - 5, x + 10, y + 5, colour)
        sheet.text(x + 16, y, words, size=12)
        x += 40 + 6.6 * len(words)
