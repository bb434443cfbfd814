"""A report as a PDF of A4 pages: text that can be selected, pictures with words for them, an outline, the manifest inside."""

from __future__ import annotations

from collections.abc import Sequence

from backend.reports import content, manifest
from backend.reports.content import Report, Table
from backend.reports.pdf_subject import put_subject
from backend.reports.sheet import (
    BOTTOM,
    COLOURS,
    INK,
    LEFT,
    MUTED,
    ROOM,
    UNHELD,
    Block,
    Sheet,
    heading,
    words,
)

ATTACHED = "evident-manifest.json"


def pdf(report: Report) -> bytes:
    """The same report gives the same bytes."""
    sheet = Sheet(report.title, report.subtitle, content.FOOT)
    sheet.page()
    sheet.pdf.start_section(report.title)
    sheet.put(_head(sheet, report))
    sheet.put(_banner(sheet), gap=2.5)
    for table in report.tables:
        _table(sheet, table)
    for number, subject in enumerate(report.subjects):
        put_subject(sheet, subject, titled=len(report.subjects) > 1, fresh=number > 0 or bool(report.tables))
    sheet.put(_end(sheet, report), gap=3.2)
    sheet.number_pages()
    sheet.attach(ATTACHED, manifest.as_json(report.manifest))
    return manifest.sealed(sheet.bytes())


def _head(sheet: Sheet, report: Report) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        height = sheet.text(x, y, width - 26, report.title, size=15, bold=True, draw=draw)
        height += sheet.text(x, y + height, width - 26, report.subtitle, size=8.5, colour=MUTED, draw=draw)
        if draw:
            sheet.text(x, y + height - 6.2, width, "Evident", size=11.5, bold=True, align="R")
        return height

    return block


def _banner(sheet: Sheet) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        inner = width - 12
        height = sheet.text(x + 8, y + 2, inner, content.BANNER_LEAD, size=8, bold=True, draw=draw)
        height += sheet.text(x + 8, y + 2 + height, inner, content.BANNER, size=8, draw=draw)
        if draw:
            sheet.text(x + 3, y + 2, 5, "⚠", size=8, colour=COLOURS["warning"])
            sheet.pdf.set_draw_color(217, 178, 106)
            sheet.pdf.set_line_width(0.3)
            sheet.pdf.rect(x, y, width, height + 4, round_corners=True, corner_radius=1.8)
        return height + 4

    return block


def _table(sheet: Sheet, table: Table) -> None:
    sheet.put(heading(sheet, table.title), gap=3.2)
    widths = [ROOM * part / sum(table.widths) for part in table.widths]

    def row(cells: Sequence[str], bold: bool) -> Block:
        def block(x: float, y: float, width: float, draw: bool) -> float:
            at, height = x, 0.0
            for cell, wide in zip(cells, widths, strict=True):
                colour = MUTED if bold else INK
                height = max(
                    height, sheet.text(at, y, wide - 2, cell, size=7.2, bold=bold, colour=colour, draw=draw)
                )
                at += wide
            if draw:
                sheet.rule(x, y + height + 0.6, width)
            return height + 1.4

        return block

    if table.rows:
        sheet.put(row(table.heads, True))
    for cells in table.rows:
        block = row(cells, False)
        height = block(LEFT, 0.0, ROOM, False)
        if sheet.y + height > BOTTOM:
            sheet.page()
            sheet.put(row(table.heads, True))
        block(LEFT, sheet.y, ROOM, True)
        sheet.y += height
    for note in table.notes:
        sheet.put(words(sheet, note, size=7.5, colour=MUTED), gap=1.5)


def _end(sheet: Sheet, report: Report) -> Block:
    code = _qr(report.link)

    def block(x: float, y: float, width: float, draw: bool) -> float:
        room = width - 32 if code else width
        height = heading(sheet, "Permalink and check")(x, y, room, draw)
        if report.link:
            height += (
                sheet.text(x, y + height, room, report.link, size=6.8, mono=True, draw=draw, link=report.link)
                + 1.0
            )
        height += (
            sheet.text(x, y + height, room, f"Verify: {report.verify}", size=7.2, mono=True, draw=draw) + 1.0
        )
        for note in [*report.notes, *([UNHELD] if sheet.unheld else []), report.state]:
            height += sheet.text(x, y + height, room, note, size=7.2, colour=MUTED, draw=draw) + 0.5
        if code and draw:
            _draw_code(sheet, code, x + width - 28, y, 28.0)
        return max(height, 28.0 if code else 0.0)

    return block


def _qr(link: str) -> list[bytearray]:
    """Modules, row by row; none for an address that no code can hold."""
    import segno

    if not link:
        return []
    try:
        return [bytearray(row) for row in segno.make(link, error="l", micro=False).matrix]
    except segno.DataOverflowError:
        return []


def _draw_code(sheet: Sheet, rows: list[bytearray], x: float, y: float, side: float) -> None:
    cell = side / len(rows)
    sheet.pdf.set_fill_color(0, 0, 0)
    for i, row in enumerate(rows):
        first = None
        for j, dark in enumerate([*row, 0]):
            if dark and first is None:
                first = j
            elif not dark and first is not None:
                sheet.pdf.rect(x + first * cell, y + i * cell, (j - first) * cell, cell, style="F")
                first = None
