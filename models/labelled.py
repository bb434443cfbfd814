"""Files of a folder, and what is known of them: classes, boxes and masks from a `labels.csv`, else the class from the folder that a
file lies in.

    FOLDER/labels.csv                       lines with the column `file` and any of `label`, `imagenet_index`, `box_x0`, `box_y0`, `box_x1`,
                                            `box_y1` (pixels of the file) and `mask`; or lines of `file,label` without a head.
                                            UTF-8; commas, semicolons or tabs between the cells
    FOLDER/cat/1.jpg, FOLDER/dog/2.jpg      the label of a file is the folder it lies in
    FOLDER/3.wav                            or no label at all

Files and numbers only, no torch.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from app.core.errors import EvidentError, InvalidInput
from app.core.schemas import Region
from app.core.settings import get_settings
from models.media import decode
from models.media.sniff import FAMILY, HEAD, Family, sniff
from models.regions import packed, painted, require_same_size

LABELS = "labels.csv"
THINGS = 1000
"""Classes of the networks that name the things of ImageNet."""
SIDES = ("box_x0", "box_x1", "box_y0", "box_y1")
SAYING = ("label", "imagenet_index", *SIDES, "mask")
"""Columns that say something of a file."""
MARKS = (",", ";", "\t")
"""What stands between the cells: a spreadsheet writes semicolons where the comma belongs to numbers."""


@dataclass(frozen=True)
class LabelledFile:
    """name: as the table or the folder has it. label: of its class, "" where none is said. thing: number of its class in ImageNet.
    box: left, right, top, bottom in pixels. cells: of its line in the table, by their heads. line: its number there."""

    name: str
    path: Path
    label: str = ""
    thing: int | None = None
    box: tuple[float, float, float, float] | None = None
    mask: Path | None = None
    cells: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    def class_in(self, labels: Sequence[str]) -> int | None:
        """Number of its class for a network with these labels; None where they have none for it."""
        if self.thing is not None and len(labels) == THINGS and self.thing < THINGS:
            return self.thing
        return class_of(self.label, labels)

    def region(self) -> Region | None:
        """Where its evidence is known to be: the mask, else the box. Raises what reading a picture raises, and BadParameter for
        a mask of another size than its picture."""
        if self.mask is None:
            return self.boxed()
        limits = get_settings().limits
        mask = decode(self.mask.read_bytes(), limits, "mask").canonical
        if family_of(self.path) == "image":
            require_same_size(mask.shape[:2], decode(self.path.read_bytes(), limits).canonical.shape[:2])
        return Region(mask=packed(painted(mask)))

    def boxed(self) -> Region | None:
        """Its box alone."""
        return None if self.box is None else Region(boxes=[list(self.box)])


def labelled_files(folder: Path, table: Path | None = None, within: bool = False) -> list[LabelledFile]:
    """In the order of the table, or of their names. table: None takes the folder's, where it has one. within: refuses files that
    lie outside of the folder. Raises InvalidInput, which names the line."""
    table = table or folder / LABELS
    if not table.is_file():
        paths = sorted(path for path in chain(folder.glob("*"), folder.glob("*/*")) if path.is_file())
        return [
            LabelledFile(
                str(path.relative_to(folder)), path, path.parent.name if path.parent != folder else ""
            )
            for path in paths
        ]
    places = (table.parent, folder, table.parent.parent, folder.parent)

    def path(text: str) -> Path | None:
        """Named from the table, the folder of the inputs, or the folder either lies in."""
        return next((at / text for at in places if _is_file(at / text, folder if within else None)), None)

    try:
        data = table.read_bytes()
    except OSError:
        raise InvalidInput(f"{table.name} cannot be read from the disk.", field="labels") from None
    return [_line(cells, number, table.name, path) for number, cells in _lines(data, table.name)]


def table_of(data: bytes, title: str = LABELS) -> list[LabelledFile]:
    """The lines of a table whose files are elsewhere: paths are as it has them. Raises InvalidInput, which names the line."""
    files = [_line(cells, number, title, Path) for number, cells in _lines(data, title)]
    if not files:
        raise InvalidInput(f"{title} has no lines: give each file a line with its label.", field="labels")
    if not set(SAYING) & set(files[0].cells):
        raise InvalidInput(
            f"{title} says nothing of its files: beside `file` its first line must hold `label` (or {', '.join(SAYING[1:])}).",
            field="labels",
        )
    require_once(files, title)
    return files


def require_once(files: Iterable[LabelledFile], title: str) -> None:
    """Raises InvalidInput for a file that the table names twice, whatever it says of it."""
    lines: dict[Path, int] = {}
    for each in files:
        first = lines.setdefault(each.path, each.line)
        if first != each.line:
            raise InvalidInput(
                f"{title}, line {each.line}: line {first} names the same file; every file counts once, so leave one of the two out.",
                field="labels",
            )


def family_of(path: Path) -> Family | None:
    """By its first bytes; None for what cannot be read or is no file of ours."""
    if path.name.startswith("."):
        return None
    try:
        with path.open("rb") as file:
            return FAMILY[sniff(file.read(HEAD))]
    except (OSError, EvidentError):
        return None


def class_of(label: str, labels: Sequence[str]) -> int | None:
    """Which class a label names: by its name, capitals aside, or by its number."""
    names = [name.casefold() for name in labels]
    if label.casefold() in names:
        return names.index(label.casefold())
    return int(label) if label.isascii() and label.isdigit() and int(label) < len(labels) else None


def _lines(data: bytes, title: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line, and its cells by their heads."""
    try:
        text = data.decode("utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), "")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(MARKS, key=first.count))
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error):
        raise InvalidInput(
            f"{title} cannot be read; save it as a CSV file in UTF-8, with commas between the cells.",
            field="labels",
        ) from None
    heads = [head.lower() for head in rows[0][1]] if rows else []
    if "file" in heads:
        rows = rows[1:]
    elif rows:
        heads = ["file", "label"]
    for number, row in rows:
        if len(row) < len(heads):
            raise InvalidInput(
                f"{title}, line {number}: it has fewer cells than it should; put commas between the cells. The first line "
                "holds the column `file`, or each line a file and its label.",
                field="labels",
            )
        yield number, dict(zip(heads, row, strict=False))


def _line(cells: dict[str, str], number: int, title: str, path: Callable[[str], Path | None]) -> LabelledFile:
    """path: of what a cell names; None where there is no such file."""
    where = f"{title}, line {number}"

    def named(column: str) -> Path | None:
        text = cells.get(column, "")
        there = path(text) if text else None
        if text and there is None:
            raise InvalidInput(
                f"{where}: there is no such {column}; name it from the table's folder on. The first line holds the column `file`, or a "
                "file and its label.",
                field="labels",
            )
        return there

    file = named("file")
    if file is None:
        raise InvalidInput(f"{where}: it names no file.", field="labels")
    thing = cells.get("imagenet_index", "")
    return LabelledFile(
        cells["file"],
        file,
        cells.get("label", ""),
        int(thing) if thing.isascii() and thing.isdigit() else None,
        _box(cells, where),
        named("mask"),
        cells,
        number,
    )


def _is_file(path: Path, inside: Path | None) -> bool:
    return path.is_file() and (inside is None or path.resolve().is_relative_to(inside.resolve()))


def _box(cells: Mapping[str, str], where: str) -> tuple[float, float, float, float] | None:
    texts = [cells.get(name, "") for name in SIDES]
    if not any(texts):
        return None
    try:
        left, right, low, high = map(float, texts)
    except ValueError:
        raise InvalidInput(f"{where}: a box is four numbers, {', '.join(SIDES)}.", field="labels") from None
    if not (left < right and low < high):
        raise InvalidInput(f"{where}: the box has no area.", field="labels")
    return left, right, low, high
