"""Pictures with axes on the pages of a PDF, and what is drawn over them."""

from __future__ import annotations

from backend.reports.content import Figure
from backend.reports.sheet import MUTED, Block, Sheet

AXIS = 9.0
"""Millimetres left of a plot, for its labels."""


def figure_block(sheet: Sheet, figure: Figure) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        left, wide = x + AXIS, width - AXIS
        high = wide * figure.aspect
        if draw:
            sheet.image(figure.png, left, y, wide, high, figure.alt)
            for share, label in figure.x_ticks:
                sheet.text(
                    left + share * wide - 10, y + high + 0.7, 20, label, size=6.5, colour=MUTED, align="C"
                )
            for share, label in figure.y_ticks:
                sheet.text(x - 3, y + share * high - 1.6, AXIS + 2, label, size=6.5, colour=MUTED, align="R")
            _marks(sheet, figure, (left, y, wide, high))
        return high + 4.2

    return block


def _marks(sheet: Sheet, figure: Figure, box: tuple[float, float, float, float]) -> None:
    left, top, wide, high = box
    draw = sheet.pdf
    for mark in figure.marks:
        placed = [
            (left + a * wide, top + b * high, left + c * wide, top + d * high) for a, b, c, d in mark.segments
        ]
        if mark.kind == "region":
            for colour, width, dash in (((0, 0, 0), 0.75, (0.0, 0.0)), ((255, 255, 255), 0.4, (1.3, 0.8))):
                draw.set_draw_color(*colour)
                draw.set_line_width(width)
                draw.set_dash_pattern(*dash)
                for line in placed:
                    draw.line(*line)
            draw.set_dash_pattern()
        elif mark.kind == "window":
            draw.set_draw_color(255, 255, 255)
            draw.set_line_width(0.3)
            for a, b, c, d in placed:
                draw.rect(a, b, c - a, d - b)
        elif mark.kind == "line":
            [(a, b, c, _)] = placed
            draw.set_draw_color(255, 255, 255)
            draw.set_line_width(0.25)
            draw.set_dash_pattern(0.5, 0.7)
            draw.line(a, b, c, b)
            draw.set_dash_pattern()
            _label(sheet, a + 1.5, b + 0.7, mark.label, "L")
        else:
            [(a, _, c, d)] = placed
            _label(sheet, (a + c) / 2, d - 3.6, mark.label, "C")


def _label(sheet: Sheet, x: float, y: float, text: str, align: str) -> None:
    """White on black, over a picture."""
    width = sheet.measure(text, 6.5) + 2
    x = x - width / 2 if align == "C" else x
    sheet.pdf.set_fill_color(16, 19, 22)
    sheet.pdf.rect(x, y, width, 3.3, style="F")
    sheet.text(x, y + 0.1, width, text, size=6.5, colour=(255, 255, 255), align="C")
