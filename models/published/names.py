"""Names of classes: presets, and lists that people bring as text, JSON or CSV. Imports no torch."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from app.core.errors import EvidentError, ModelRejected
from app.core.text import plain_text

CARD = Path(__file__).parents[1] / "weights" / "squeezenet1_1.json"
IMAGENET = 1000
MOST, LETTERS = 25_000, 200
DOUBLED = 0.01
"""Share of labels that may be there before."""
HEADINGS = {"label", "labels", "class", "classes", "name", "names", "class_name", "category"}
"""First lines of tables that are headings; a column of such a name holds the labels."""
NUMBERS = {"index", "id", "class_id", "class_index", "number", "target"}


@cache
def imagenet_labels() -> tuple[str, ...]:
    """Short names of the 1,000 ImageNet classes in the order of the logits: those of the bundled SqueezeNet."""
    return tuple(json.loads(CARD.read_text(encoding="utf-8"))["labels"])


def usual_labels(classes: int, metadata: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Labels for a network that came without: those in its file's own remarks, ImageNet's for 1,000 classes, else
    numbers. A single logit has two."""
    with suppress(EvidentError):
        labels = read_labels((metadata or {}).get("labels", ""))
        if len(labels) == classes:
            return tuple(labels)
    return imagenet_labels() if classes == IMAGENET else numbered(classes)


def numbered(classes: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(max(2, classes)))


def read_labels(text: str, outputs: int | None = None) -> list[str]:
    """Labels in the order of the outputs, from a JSON list or object, a table (CSV) or one label per line. outputs:
    of the network, None where it is not known yet. Raises ModelRejected, which never quotes more of the text
    than a label that is doubled."""
    text = text.removeprefix("\ufeff").strip()
    labels = [_clean(label) for label in _entries(text)]
    if not 2 <= len(labels) <= MOST or not all(labels):
        raise _bad(f"There must be 2 to {MOST:,} labels, one per output and none of them empty.")
    labels = _told_apart(labels)
    if outputs is not None and len(labels) != outputs and (outputs, len(labels)) != (1, 2):
        raise _bad(
            f"The network has {outputs:,} outputs but there are {len(labels):,} labels; give one label per output."
        )
    return labels


def _told_apart(labels: list[str]) -> list[str]:
    """ImageNet's own list has two cranes: a few labels that are there more than once get their number; many are a
    mistake. Raises ModelRejected."""
    times = Counter(labels)
    if len(labels) - len(times) > DOUBLED * len(labels):
        label, most = times.most_common(1)[0]
        raise _bad(f"The label {label[:40]} is there {most} times; each class needs a name of its own.")
    return [f"{label} ({i})" if times[label] > 1 else label for i, label in enumerate(labels)]


def _bad(detail: str) -> ModelRejected:
    return ModelRejected(detail, code="bad_labels", field="labels")


def _clean(label: str) -> str:
    """A label without what could pass it off as something else. Raises BadParameter."""
    return " ".join(plain_text(label.replace("\t", " "), LETTERS, field="labels").split())


def _entries(text: str) -> list[str]:
    if text.startswith(("[", "{")):
        return _from_json(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if any(mark in lines[0] for mark in ",;\t") if lines else False:
        return _from_table(lines)
    return lines[1:] if len(lines) > 1 and lines[0].strip().lower() in HEADINGS else lines


def _from_json(text: str) -> list[str]:
    """`["cat", "dog"]`, `{"0": "cat", "1": "dog"}`, `{"cat": 0, "dog": 1}`, ImageNet's `{"0": ["n02123045", "cat"]}`, or
    one of these under `labels`, `classes` or `id2label`."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad("The labels are not valid JSON.") from None
    if isinstance(value, dict):
        value = next(
            (value[name] for name in ("labels", "classes", "names", "id2label") if name in value), value
        )
    if isinstance(value, dict):
        value = _by_number(value)
    if not isinstance(value, list):
        raise _bad("The labels must be a list of texts, one per output.")
    entries = [entry[-1] if isinstance(entry, list) and entry else entry for entry in value]
    if not all(isinstance(entry, str) for entry in entries):
        raise _bad("The labels must be a list of texts, one per output.")
    return entries


def _by_number(value: dict[str, Any]) -> list[Any]:
    """Entries in the order of their numbers, which must be 0, 1, 2, ... without a gap."""
    pairs = [(number, name) for name, number in value.items() if type(number) is int]
    if len(pairs) != len(value):
        pairs = [(int(name), entry) for name, entry in value.items() if name.isdecimal() and len(name) < 9]
    return _ordered(pairs, len(value))


def _ordered(pairs: list[tuple[int, Any]], count: int) -> list[Any]:
    numbers = sorted(number for number, _ in pairs)
    if len(pairs) != count or numbers != list(range(count)):
        raise _bad("The labels must be numbered 0, 1, 2, ... without a gap, in the order of the outputs.")
    return [entry for _, entry in sorted(pairs, key=lambda pair: pair[0])]


def _from_table(lines: list[str]) -> list[str]:
    """The column of names, in the order of the column of numbers where there is one. Lines of plain names with a
    comma in each ("tench, Tinca tinca") are names: a table has numbers or a heading."""
    mark = next((mark for mark in "\t;," if all(mark in line for line in lines)), None)
    if mark is None:
        return lines
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark, strict=True))
    except csv.Error:
        raise _bad("The table of labels could not be read; give one label per line.") from None
    if len({len(row) for row in rows}) != 1:
        return lines
    head = [cell.strip().lower() for cell in rows[0]]
    named = [i for i, cell in enumerate(head) if cell in HEADINGS]
    body = rows[1:] if named or set(head) & NUMBERS else rows
    numbers = next((i for i in range(len(head)) if body and all(_is_number(row[i]) for row in body)), None)
    if not named and numbers is None:
        return lines
    column = named[0] if named else next((i for i in range(len(head) - 1, -1, -1) if i != numbers), 0)
    if numbers is None or numbers == column:
        return [row[column] for row in body]
    return _ordered([(int(row[numbers]), row[column]) for row in body], len(body))


def _is_number(cell: str) -> bool:
    return cell.strip().isdecimal() and len(cell) < 9
