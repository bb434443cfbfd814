"""A report as one HTML file: no script, no request to anywhere, sounds and pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from backend.reports import content, manifest
from backend.reports.content import Figure, Line, Map, Mark, Report, Score, Sound, Subject, Table

CSS = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
SIGNS = {"ok": "✓", "warning": "⚠", "bad": "✕", "unknown": "?"}
STATES = {"ok": "fine", "warning": "warning", "bad": "not fit", "unknown": "not known"}


def html(report: Report) -> bytes:
    """UTF-8. The manifest stands in a JSON block before the end of the body."""
    parts = [
        "<!doctype html>\n<html lang=en>\n<head><meta charset=utf-8>",
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        "<meta name=viewport content='width=device-width, initial-scale=1'><meta name=robots content=noindex>",
        f"<title>{escape(report.title)} · Evident</title>\n<style>\n{CSS.read_text('utf-8')}</style></head>\n<body><main>",
        _head(report),
        *(_table(table) for table in report.tables),
        *(_subject(subject, len(report.subjects) > 1) for subject in report.subjects),
        _end(report),
        f"</main>\n{manifest.block(report.manifest)}\n</body></html>\n",
    ]
    return manifest.sealed("\n".join(parts).encode())


def _head(report: Report) -> str:
    return (
        f"<header class=head><div><h1>{escape(report.title)}</h1><p class=muted>{escape(report.subtitle)}</p></div><div class=brand>Evident</div></header>"
        f"<div class=banner role=note><p><strong>⚠ {content.BANNER_LEAD}</strong> {content.BANNER}</p></div>"
    )


def _table(table: Table) -> str:
    heads = "".join(f"<th scope=col>{escape(head)}</th>" for head in table.heads)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    notes = "".join(f"<p class=muted>{escape(note)}</p>" for note in table.notes)
    title = f"<h2 class=part>{escape(table.title)}</h2>"
    if not table.rows:
        return f"{title}{notes}"
    return (
        f"{title}<div class=scroll tabindex=0 role=region aria-label='{escape(table.title, True)}'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{notes}"
    )


def _subject(subject: Subject, titled: bool) -> str:
    parts = [f"<section class=subject id={subject.anchor}>"]
    if titled:
        parts.append(f"<h2>{escape(subject.title)}</h2>")
    if subject.missing:
        parts.append(f"<div class=missing role=note>{_paragraphs(subject.missing)}</div>")
    facts = "".join(_fact(*row) for row in subject.facts)
    parts.append(
        f"<div class=two><div><h3 class=part>{escape(subject.kind.capitalize())}</h3><dl>{facts}</dl>{_sounds(subject.sounds)}</div>"
    )
    parts.append(f"<div>{_fitness(subject)}</div></div>")
    if subject.overview is not None:
        wide = "" if subject.kind == "recording" else " photo"
        parts.append(f"<h3 class=part>{escape(subject.overview_title)}</h3>{_figure(subject.overview, wide)}")
    if subject.score is not None:
        parts.append(_score(subject, subject.score))
    if subject.maps:
        targets = " and ".join(f"“{target}”" for target in dict.fromkeys(one.target for one in subject.maps))
        maps = "".join(_map(subject, number, one) for number, one in enumerate(subject.maps, 1))
        parts.append(
            f"<h3 class=part>What the model used for {escape(targets)}</h3><div class=maps>{maps}</div>"
        )
        if any(one.sounds for one in subject.maps):
            parts.append("<p class=muted>Masked sound is unlike anything the model was trained on.</p>")
    if subject.again is not None:
        rows = "".join(_fact(*row) for row in subject.again.rows)
        told = f"<dl>{rows}</dl>" if rows else ""
        parts.append(
            f"<h3 class=part>{content.AGAIN}</h3>{told}<p class=muted>{escape(subject.again.note)}</p>"
        )
    parts.append(
        f"<div class=two><div><h3 class=part>What the model is</h3>{_model(subject)}</div><div>{_verdict(subject)}</div></div>"
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in subject.settings)
    parts.append(
        f"<h3 class=part>Settings, versions, seeds, hashes</h3><div class='settings mono'>{lines}</div></section>"
    )
    whole = "\n".join(parts)
    return whole if titled else _raised(whole)


def _raised(whole: str) -> str:
    """Headings one level up, where no title stands over them: no level is left out. Texts are escaped and hold none."""
    for level in (3, 4):
        whole = whole.replace(f"<h{level}", f"<h{level - 1}").replace(f"</h{level}>", f"</h{level - 1}>")
    return whole


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _fact(name: str, value: str) -> str:
    mono = " class=mono" if name == "SHA-256" else ""
    return f"<dt>{escape(name)}</dt><dd{mono}>{escape(value)}</dd>"


def _state(line: Line) -> str:
    return f"<span class={line.state} role=img aria-label='{STATES[line.state]}'>{SIGNS[line.state]}</span>"


def _fitness(subject: Subject) -> str:
    if not subject.checks and subject.gate is None:
        return "<h3 class=part>Fit for use</h3><p class=muted>Nothing is checked for this kind of input.</p>"
    rows = "".join(
        f"<li>{_state(line)}<span>{escape(line.label)}</span><span class=muted>{escape(line.detail)}</span></li>"
        for line in subject.checks
    )
    gate = subject.gate
    told = (
        ""
        if gate is None
        else f"<p class='gate {gate.state}'>{SIGNS[gate.state]} <strong>{escape(gate.label)}</strong></p>"
    )
    return f"<h3 class=part>Fit for use</h3><ul class=checks>{rows}</ul>{told}"


def _score(subject: Subject, score: Score) -> str:
    name = subject.anchor
    coughs = "".join(
        f"<li><b>{escape(number)}</b><span data-shown='{name}.cough.{number}'>{escape(value)}</span></li>"
        for number, value in score.coughs
    )
    label = score.bars[0].label if score.bars else ""
    each = (
        f"<p class=muted>Each cough alone, score for {escape(label)}</p><ul class=coughs>{coughs}</ul>"
        if coughs
        else ""
    )
    shown = f" data-shown='{name}.score'" if not score.withheld else ""
    within = (
        f" <span class=muted>(<span data-shown='{name}.interval'>{escape(score.within)}</span>)</span>"
        if score.within
        else ""
    )
    return (
        f"<div class=two><div><h3 class=part>Model score</h3><p><span class=headline{shown}>{escape(score.headline)}</span>{within}</p>{_tracks(score)}{each}</div>"
        f"<div><h3 class=part>How it was made</h3><p>{escape(score.made)}</p></div></div>"
    )


def _tracks(score: Score) -> str:
    bars = score.bars
    if not bars:
        return ""
    pair = len(bars) == 2 and bars[1].low is None
    out = []
    for bar in bars[:1] if pair else bars:
        band = (
            ""
            if bar.low is None or bar.high is None
            else f"<i style='left:{100 * bar.low:.1f}%;width:{100 * (bar.high - bar.low):.1f}%'></i>"
        )
        spoken = f"{bar.label}: {bar.value:.2f}" + (
            "" if bar.low is None else f", interval {bar.low:.2f} to {bar.high:.2f}"
        )
        ends = (
            f"<span>{escape(bars[1].label)}</span><span>0.5</span><span>{escape(bar.label)}</span>"
            if pair
            else f"<span>{escape(bar.label)}</span><span>{bar.value:.2f}</span>"
        )
        out.append(
            f"<div class=track role=img aria-label='{escape(spoken, True)}'>{band}<b style='left:{100 * bar.value:.1f}%'></b></div><div class=ends>{ends}</div>"
        )
    return "".join(out)


def _map(subject: Subject, number: int, one: Map) -> str:
    low, middle, high = one.bar_words
    badge = one.badge
    words = " ".join(one.words)
    return (
        f"<article class=map><header><h4 class=name>{escape(one.title)}</h4><span class='badge {badge.state}' title='{escape(badge.detail, True)}'>"
        f"{SIGNS[badge.state]} {escape(badge.label)}</span></header>{_figure(one.figure)}"
        f"<div class=bar><img src='{_data(one.bar, 'image/png')}' alt=''><div><span>{escape(low)}</span><span>{escape(middle)}</span><span>{escape(high)}</span></div><div><span></span><span>{escape(one.bar_note)}</span></div></div>"
        f"<p data-shown='{subject.anchor}.map.{number}'>{escape(words)}</p>{_paragraphs(one.checked)}{_sounds(one.sounds)}</article>"
    )


def _figure(figure: Figure, more: str = "") -> str:
    y = "".join(
        f"<span style='top:{100 * share:.2f}%'>{escape(label)}</span>" for share, label in figure.y_ticks
    )
    x = "".join(
        f"<span style='left:{100 * share:.2f}%'>{escape(label)}</span>" for share, label in figure.x_ticks
    )
    return (
        f"<div class='figure{more}'><div class=y aria-hidden=true>{y}</div><div class=plot style='padding-bottom:{100 * figure.aspect:.2f}%'>"
        f"<img src='{_data(figure.png, 'image/png')}' alt='{escape(figure.alt, True)}'>{_marks(figure.marks)}</div><div class=x aria-hidden=true>{x}</div></div>"
    )


def _marks(marks: Sequence[Mark]) -> str:
    if not marks:
        return ""
    drawn, told = [], []
    for mark in marks:
        if mark.kind == "region":
            path = "".join(f"M{a:.4f} {b:.4f}L{c:.4f} {d:.4f}" for a, b, c, d in mark.segments)
            drawn.append(_line(path, "#000", 3.5, "") + _line(path, "#fff", 1.6, "5 3"))
        elif mark.kind == "window":
            drawn += [
                _line(f"M{a:.4f} {b:.4f}H{c:.4f}V{d:.4f}H{a:.4f}Z", "#fff", 1.2, "")
                for a, b, c, d in mark.segments
            ]
        elif mark.kind == "line":
            [(a, b, c, d)] = mark.segments
            drawn.append(_line(f"M{a:.4f} {b:.4f}L{c:.4f} {d:.4f}", "#fff", 1.2, "2 3"))
            told.append(f"<span class=note style='top:{100 * b + 1:.2f}%'>{escape(mark.label)}</span>")
        else:
            [(a, _, c, _)] = mark.segments
            told.append(f"<span class=number style='left:{50 * (a + c):.2f}%'>{escape(mark.label)}</span>")
    return f"<svg viewBox='0 0 1 1' preserveAspectRatio=none aria-hidden=true>{''.join(drawn)}</svg>{''.join(told)}"


def _line(path: str, colour: str, width: float, dash: str) -> str:
    return f"<path d='{path}' fill=none stroke='{colour}' stroke-width={width} stroke-dasharray='{dash}' vector-effect=non-scaling-stroke />"


def _sounds(sounds: Sequence[Sound]) -> str:
    if not sounds:
        return ""
    players = "".join(
        f"<div><p>{escape(sound.title)}</p><audio controls preload=metadata aria-label='{escape(sound.title, True)}' src='{_data(sound.wav, 'audio/wav')}'></audio></div>"
        for sound in sounds
    )
    return f"<div class=sounds>{players}</div>"


def _model(subject: Subject) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(label)}{f' <span class=muted>({escape(note)})</span>' if note else ''}</th><td class=n><strong>{escape(value)}</strong></td>"
        f"<td class='n muted'>{escape(interval)}</td></tr>"
        for label, value, interval, note in subject.figures_of_model
    )
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    return f"<p>{escape(subject.model)}</p>{table}{_paragraphs(subject.cautions)}"


def _verdict(subject: Subject) -> str:
    if not subject.verdict:
        return "<h3 class=part>Reviewer’s verdict</h3><p class=muted>None was recorded with this view.</p>"
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in subject.verdict)
    return f"<h3 class=part>Reviewer’s verdict</h3><dl>{rows}</dl>"


def _end(report: Report) -> str:
    link = (
        f"<p class=mono><a href='{escape(report.link, True)}'>{escape(report.link)}</a></p>"
        if report.link
        else "<p class=muted>No address was given.</p>"
    )
    return (
        f"<section><h2 class=part>Permalink and check</h2><div class=link><div>{link}<p>Verify: <span class=mono>{escape(report.verify)}</span></p>"
        f"{_paragraphs(report.notes)}</div>{_qr(report.link)}</div></section><footer>{content.FOOT} {escape(report.state)}</footer>"
    )


def _qr(link: str) -> str:
    """As a drawing in the page. None for an address that no code can hold."""
    import segno

    if not link:
        return ""
    try:
        code = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        return ""
    return f"<div class=qr role=img aria-label='The permalink as a QR code'>{code.svg_inline(border=0, omitsize=True)}</div>"


def _data(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
