"""One input on the pages of a PDF: what it is, whether it is fit for use, the score, the maps, the model, what reviewers said."""

from __future__ import annotations

from backend.reports.content import AGAIN, Line, Map, Score, Subject
from backend.reports.pdf_figures import AXIS, figure_block
from backend.reports.sheet import (
    ACCENT,
    BOTTOM,
    COLOURS,
    INK,
    LINE,
    MUTED,
    ROOM,
    Block,
    Sheet,
    heading,
    pairs,
    stack,
    words,
)

SIGNS = {"ok": "✓", "warning": "⚠", "bad": "✕", "unknown": "?"}


def put_subject(sheet: Sheet, subject: Subject, *, titled: bool, fresh: bool) -> None:
    if fresh:
        sheet.page()
    if titled:
        sheet.put(words(sheet, subject.title, size=12, bold=True))
        sheet.pdf.start_section(subject.title, level=1)
    for told in subject.missing:
        sheet.put(words(sheet, f"⚠ {told}", colour=COLOURS["warning"]), gap=2.0)
    facts = stack(heading(sheet, subject.kind.capitalize()), pairs(sheet, subject.facts))
    sheet.beside([facts, stack(heading(sheet, "Fit for use"), _fitness(sheet, subject))], gap=3.2)
    if subject.overview is not None:
        sheet.put(stack(heading(sheet, subject.overview_title), _overview(sheet, subject)), gap=3.2)
    if subject.score is not None:
        score = stack(heading(sheet, "Model score"), _score(sheet, subject.score))
        sheet.beside(
            [score, stack(heading(sheet, "How it was made"), words(sheet, subject.score.made))], gap=3.2
        )
        if subject.score.coughs:
            sheet.put(_coughs(sheet, subject.score), gap=2.5)
    _maps(sheet, subject)
    if subject.again is not None:
        rows, note = (
            pairs(sheet, subject.again.rows, label=34.0),
            words(sheet, subject.again.note, colour=MUTED),
        )
        sheet.put(stack(heading(sheet, AGAIN), rows, note), gap=3.2)
    model = stack(heading(sheet, "What the model is"), _model(sheet, subject))
    sheet.beside([model, stack(heading(sheet, "Reviewer’s verdict"), _verdict(sheet, subject))], gap=3.2)
    lines = [words(sheet, line, size=6.6, mono=True) for line in subject.settings]
    sheet.put(stack(heading(sheet, "Settings, versions, seeds, hashes"), *lines), gap=3.2)


def _fitness(sheet: Sheet, subject: Subject) -> Block:
    if not subject.checks and subject.gate is None:
        return words(sheet, "Nothing is checked for this kind of input.", colour=MUTED)

    def block(x: float, y: float, width: float, draw: bool) -> float:
        height = 0.0
        for line in subject.checks:
            if draw:
                sheet.text(x, y + height, 4, SIGNS[line.state], size=7.5, colour=COLOURS[line.state])
            left = sheet.text(x + 4.5, y + height, 21, line.label, size=7.5, draw=draw)
            right = sheet.text(x + 26, y + height, width - 26, line.detail, size=7.5, colour=MUTED, draw=draw)
            height += max(left, right) + 0.3
        if subject.gate is not None:
            # The reasons stand above, with what was checked.
            text = f"{SIGNS[subject.gate.state]} {subject.gate.label}"
            height += 0.8
            height += sheet.text(
                x, y + height, width, text, bold=True, colour=COLOURS[subject.gate.state], draw=draw
            )
        return height

    return block


def _overview(sheet: Sheet, subject: Subject) -> Block:
    assert subject.overview is not None
    share = 1.0 if subject.kind == "recording" else 0.5
    figure = subject.overview

    def block(x: float, y: float, width: float, draw: bool) -> float:
        wide = min(width * share, 75.0 / max(figure.aspect, 0.01) + AXIS)
        return figure_block(sheet, figure)(x, y, wide, draw)

    return block


def _score(sheet: Sheet, score: Score) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        within = f"  ({score.within})" if score.within else ""
        height = sheet.text(x, y, width, score.headline, size=11, bold=True, draw=draw)
        if draw and within:
            at = x + sheet.measure(score.headline, 11, True)
            sheet.text(at, y + 0.9, width, within, size=8, colour=MUTED)
        pair = len(score.bars) == 2 and score.bars[1].low is None
        for bar in score.bars[:1] if pair else score.bars:
            height += 1.2
            if draw:
                _track(sheet, x, y + height, width, (bar.value, bar.low, bar.high))
            height += 3.0
            ends = (score.bars[1].label, "0.5", bar.label) if pair else (bar.label, "", f"{bar.value:.2f}")
            if draw:
                for text, align in zip(ends, "LCR", strict=True):
                    sheet.text(x, y + height, width, text, size=7, colour=MUTED, align=align)
            height += 3.6
        return height

    return block


def _track(
    sheet: Sheet, x: float, y: float, width: float, at: tuple[float, float | None, float | None]
) -> None:
    value, low, high = at
    sheet.pdf.set_fill_color(*LINE)
    sheet.pdf.rect(x, y, width, 1.7, style="F", round_corners=True, corner_radius=0.8)
    if low is not None and high is not None:
        sheet.pdf.set_fill_color(159, 184, 222)
        sheet.pdf.rect(x + low * width, y, max(0.3, (high - low) * width), 1.7, style="F")
    sheet.pdf.set_fill_color(*ACCENT)
    sheet.pdf.rect(x + value * width - 0.25, y - 0.6, 0.5, 2.9, style="F")


def _coughs(sheet: Sheet, score: Score) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        label = f"Each cough alone, score for {score.bars[0].label}:"
        at, height = sheet.measure(label, 7.5) + 3, 4.4
        if draw:
            sheet.text(x, y + 0.5, width, label, size=7.5, colour=MUTED)
        for number, value in score.coughs:
            if at + 14 > width:
                at, height = 0.0, height + 5.2
            if draw:
                sheet.pdf.set_draw_color(*LINE)
                sheet.pdf.set_line_width(0.25)
                sheet.pdf.rect(x + at, y + height - 4.4, 13, 4.4, round_corners=True, corner_radius=0.9)
                sheet.text(x + at + 1.5, y + height - 3.9, 4, number, size=7.5, bold=True)
                sheet.text(x + at + 1, y + height - 3.9, 10.8, value, size=7.5, align="R")
            at += 14.5
        return height

    return block


def _maps(sheet: Sheet, subject: Subject) -> None:
    maps = subject.maps
    if not maps:
        return
    targets = " and ".join(f"“{target}”" for target in dict.fromkeys(one.target for one in maps))
    above = heading(sheet, f"What the model used for {targets}")
    across = 3
    for first in range(0, len(maps), across):
        row: list[Block] = [_map(sheet, one) for one in maps[first : first + across]]
        row += [lambda x, y, width, draw: 0.0] * (across - len(row))
        if first == 0:  # the heading stays with the first row
            height = above(0.0, 0.0, ROOM, False)
            tallest = max(block(0.0, 0.0, (ROOM - 12) / 3, False) for block in row)
            if sheet.y + 3.2 + height + tallest > BOTTOM:
                sheet.page()
                sheet.put(above)
            else:
                sheet.put(above, gap=3.2)
        sheet.beside(row, between=6.0, gap=3.0 if first else 0.0)


def _map(sheet: Sheet, one: Map) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        height = sheet.text(x, y, width, one.title, size=8, bold=True, draw=draw) + 0.4
        height += _badge(sheet, one.badge, x, y + height, width, draw)
        height += figure_block(sheet, one.figure)(x, y + height, width, draw)
        if draw:
            sheet.image(one.bar, x + AXIS, y + height, width - AXIS, 1.3, "")
        height += 1.8
        low, middle, high = one.bar_words
        left, wide = x + AXIS, width - AXIS
        if draw and middle:
            sheet.pdf.set_fill_color(*INK)
            sheet.pdf.rect(left + wide / 2 - 0.15, y + height - 2.2, 0.3, 2.0, style="F")
        if draw:
            sheet.text(left, y + height, wide, low, size=6.3, colour=MUTED)
        told = wide - sheet.measure(low, 6.3) - 2.0
        height += sheet.text(
            left + wide - told, y + height, told, high, size=6.3, colour=MUTED, align="R", draw=draw
        )
        height += (
            sheet.text(left, y + height, wide, one.bar_note, size=6.3, colour=MUTED, align="R", draw=draw)
            + 1.0
        )
        return height + sheet.text(
            x, y + height, width, " ".join([*one.words, *one.checked]), size=7.0, draw=draw
        )

    return block


def _badge(sheet: Sheet, badge: Line, x: float, y: float, width: float, draw: bool) -> float:
    return (
        sheet.text(
            x,
            y,
            width,
            f"{SIGNS[badge.state]} {badge.label}",
            size=7.2,
            colour=COLOURS[badge.state],
            draw=draw,
        )
        + 0.8
    )


def _model(sheet: Sheet, subject: Subject) -> Block:
    def figures(x: float, y: float, width: float, draw: bool) -> float:
        height = 1.0
        for label, value, interval, note in subject.figures_of_model:
            text = f"{label} ({note})" if note else label
            if draw:
                sheet.text(x + width - 33, y + height, 17, value, size=7.5, bold=True)
                sheet.text(x + width - 16, y + height, 16, interval, size=7.5, colour=MUTED, align="R")
            height += sheet.text(x, y + height, width - 35, text, size=7.5, draw=draw) + 0.5
        return height

    blocks = [words(sheet, subject.model, size=7.5)]
    if subject.figures_of_model:
        blocks.append(figures)
    blocks += [words(sheet, text, size=7.2, colour=MUTED) for text in subject.cautions]
    return stack(*blocks, gap=0.8)


def _verdict(sheet: Sheet, subject: Subject) -> Block:
    if not subject.verdict:
        return words(sheet, "None was recorded with this view.", colour=MUTED)
    return pairs(sheet, subject.verdict, label=28.0)
