"""What a person's own table of labels says of files, for one network."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from app.core.errors import InvalidInput
from app.core.schemas import LabelLine, LabelTable
from models.labelled import LABELS, LabelledFile, table_of

MOST = 20_000
"""Lines of a table."""
NOTED = 3
"""Labels that are no classes, and classes, named one by one."""
LETTERS = 40
ELLIPSIS = "\u2026"


def read_table(data: bytes, classes: Sequence[str], title: str = LABELS) -> LabelTable:
    """Raises InvalidInput, which names the line, for what cannot be read at all."""
    files = table_of(data, title)
    if len(files) > MOST:
        raise InvalidInput(
            f"{title} has {len(files):,} lines, and {MOST:,} are read: leave the lines of other files out.",
            field="labels",
        )
    known: dict[tuple[str, int | None], int | None] = {}
    unknown: dict[str, list[int]] = {}
    lines = []
    for file in files:
        said = (file.label, file.thing)
        if said not in known:
            known[said] = file.class_in(classes)
        number = known[said]
        if number is None and file.label:
            unknown.setdefault(file.label, []).append(file.line)
        lines.append(_line(file, None if number is None else classes[number]))
    return LabelTable(lines=lines, notes=_notes(unknown, classes, title))


def _line(file: LabelledFile, label: str | None) -> LabelLine:
    return LabelLine(
        line=file.line,
        file=file.name,
        label=label,
        box=None if file.box is None else list(file.box),
        mask=file.cells.get("mask", ""),
    )


def _notes(unknown: dict[str, list[int]], classes: Sequence[str], title: str) -> list[str]:
    """Labels that this network has no class for, with their first line."""
    notes = []
    for label, lines in list(unknown.items())[:NOTED]:
        near = difflib.get_close_matches(label[:LETTERS], classes, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"name one of its classes ({_some(classes)}) or its number from 0."
        )
        where = f"line {lines[0]}" if len(lines) == 1 else f"line {lines[0]} and {len(lines) - 1:,} more"
        notes.append(f"{title}, {where}: {_shown(label)} is no class of this network; {hint}")
    if len(unknown) > NOTED:
        notes.append(f"{len(unknown) - NOTED:,} more labels are no classes of this network.")
    return notes


def _some(classes: Sequence[str]) -> str:
    return ", ".join(classes) if len(classes) <= NOTED else f"{', '.join(classes[:NOTED])} {ELLIPSIS}"


def _shown(label: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in label)
    return f"\u201c{plain if len(plain) <= LETTERS else plain[:LETTERS] + ELLIPSIS}\u201d"
