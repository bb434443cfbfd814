"""Pages of a PDF that know how high a text will be before they set it: blocks are measured, then drawn where they fit."""

from __future__ import annotations

import importlib.util
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, WrapMode
from fpdf.fonts import TTFFont

Colour = tuple[int, int, int]
INK: Colour = (22, 25, 29)
MUTED: Colour = (92, 102, 112)
LINE: Colour = (226, 229, 233)
ACCENT: Colour = (36, 86, 166)
COLOURS: dict[str, Colour] = {
    "ok": (28, 124, 84),
    "warning": (154, 91, 0),
    "bad": (163, 38, 42),
    "unknown": MUTED,
}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 210.0, 297.0, 11.0, 9.5, 283.5
ROOM = WIDTH - 2 * LEFT
LEADING = 1.38
POINT = 25.4 / 72
Block = Callable[[float, float, float, bool], float]
"""(x, y, width, draw) -> height, millimetres. The same height whether it draws or not."""
_UNSEEN = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
UNHELD = "U+… between ‹ and › is a letter that this PDF cannot show, by its number in Unicode; the HTML report shows it."


RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


class Sheet:
    """An A4 document, filled from the top. dated: the time that it states as its own (a fixed one makes equal bytes)."""

    def __init__(self, title: str, subject: str, foot: str, dated: datetime | None = None) -> None:
        self.pdf = FPDF(format="A4")
        self.pdf.set_auto_page_break(False)
        self.pdf.set_margins(0, 0, 0)
        self.pdf.c_margin = 0
        for family, style, file in (
            ("sans", "", "DejaVuSans.ttf"),
            ("sans", "B", "DejaVuSans-Bold.ttf"),
            ("mono", "", "DejaVuSansMono.ttf"),
        ):
            self.pdf.add_font(family, style, fonts() / file)
        self.pdf.set_lang("en")
        self.pdf.set_title(title)
        self.pdf.set_subject(subject)
        self.pdf.set_author("Evident")
        self.pdf.set_creator("Evident")
        self.pdf.set_creation_date(dated or datetime(1980, 1, 1, tzinfo=UTC))
        self.foot, self.y = foot, BOTTOM
        self.unheld = False
        """Whether a letter stands as its number, so that UNHELD has to be said."""

    def page(self) -> None:
        self.pdf.add_page()
        self.y = TOP

    def put(self, block: Block, gap: float = 0.0) -> None:
        """Below what stands, on the next page where there is no room."""
        self.beside([block], gap=gap)

    def beside(self, blocks: Sequence[Block], *, between: float = 8.0, gap: float = 0.0) -> None:
        """Next to each other, equally wide."""
        width = (ROOM - between * (len(blocks) - 1)) / len(blocks)
        height = max(block(LEFT, 0.0, width, False) for block in blocks)
        if self.y + gap + height > BOTTOM and self.y > TOP:
            self.page()
        else:
            self.y += gap
        for number, block in enumerate(blocks):
            block(LEFT + number * (width + between), self.y, width, True)
        self.y += height

    def text(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        *,
        size: float = 8.0,
        bold: bool = False,
        mono: bool = False,
        colour: Colour = INK,
        align: str = "L",
        draw: bool = True,
        link: str = "",
    ) -> float:
        """Wrapped at `width`. The height."""
        self.pdf.set_font("mono" if mono else "sans", "B" if bold and not mono else "", size)
        self.pdf.set_text_color(*colour)
        self.pdf.set_xy(x, y)
        step = size * POINT * LEADING
        whole = self._legible(text)
        if not whole:
            return 0.0
        height = self.pdf.multi_cell(
            width, step, whole, align=align, dry_run=not draw, output=MethodReturnValue.HEIGHT, link=link,
            wrapmode=WrapMode.CHAR if mono else WrapMode.WORD,
        )  # fmt: skip
        assert isinstance(height, float | int)
        return float(height)

    def cell(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        *,
        bold: bool,
        colour: Colour,
        draw: bool,
        size: float = 7.2,
    ) -> float:
        """A text that most often needs one line: fifty times as fast there, which counts in a table of 2,000 rows."""
        wide = self.measure(text, size, bold) > width  # and with it the font is chosen
        shown = self._legible(text)
        if wide or "\n" in shown:
            return self.text(x, y, width, shown, size=size, bold=bold, colour=colour, draw=draw)
        if draw and shown:
            self.pdf.set_text_color(*colour)
            self.pdf.text(x, y + size * POINT * 1.03, shown)
        return size * POINT * LEADING

    def measure(self, text: str, size: float, bold: bool = False) -> float:
        self.pdf.set_font("sans", "B" if bold else "", size)
        return float(self.pdf.get_string_width(self._legible(text)))

    def _legible(self, text: str) -> str:
        """With the numbers of the letters that the chosen font does not hold, or cannot join: a box would say nothing."""
        whole = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
        if whole.isascii():
            return whole
        parts = []
        for held, group in groupby(whole, self._held):
            letters = "".join(group)
            self.unheld |= not held
            parts.append(letters if held else f"‹{' '.join(f'U+{ord(letter):04X}' for letter in letters)}›")
        return "".join(parts)

    def _held(self, letter: str) -> bool:
        """DejaVu has Arabic and Hebrew letters too, but without a shaping engine they would stand apart or in the wrong order."""
        font = self.pdf.current_font
        assert isinstance(font, TTFFont)
        return letter == "\n" or (
            ord(letter) in font.cmap and unicodedata.bidirectional(letter) not in RIGHT_TO_LEFT
        )

    def rule(self, x: float, y: float, width: float) -> None:
        self.pdf.set_draw_color(*LINE)
        self.pdf.set_line_width(0.25)
        self.pdf.line(x, y, x + width, y)

    def image(self, png: bytes, x: float, y: float, width: float, height: float, alt: str) -> None:
        self.pdf.image(io.BytesIO(png), x, y, width, height, alt_text=alt)

    def number_pages(self) -> None:
        """The foot of every page, when their number is known."""
        total = self.pdf.pages_count
        for number in range(1, total + 1):
            self.pdf.page = number
            self.text(LEFT, 287.0, 120.0, self.foot, size=7, colour=MUTED)
            self.text(LEFT, 287.0, ROOM, f"Page {number} of {total}", size=7, colour=MUTED, align="R")
        self.pdf.page = total

    def attach(self, name: str, data: bytes) -> None:
        """As it is, so that a reader finds it without unpacking anything."""
        self.pdf.embed_file(bytes=data, basename=name, mime_type="application/json", compress=False, desc="What the report claims, for a machine")  # fmt: skip

    def bytes(self) -> bytes:
        return bytes(self.pdf.output() or b"")


def fonts() -> Path:
    """DejaVu of matplotlib's own data: the package is found, not loaded."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"


def stack(*blocks: Block, gap: float = 0.0) -> Block:
    """One under the other."""

    def stacked(x: float, y: float, width: float, draw: bool) -> float:
        height = 0.0
        for block in blocks:
            part = block(x, y + height, width, draw)
            height += part + (gap if part else 0.0)
        return max(0.0, height - gap) if height else 0.0

    return stacked


def heading(sheet: Sheet, text: str) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        height = sheet.text(x, y, width, text, size=8, bold=True, colour=MUTED, draw=draw)
        if draw:
            sheet.rule(x, y + height + 0.9, width)
        return height + 2.6

    return block


def words(sheet: Sheet, text: str, **look: object) -> Block:
    return lambda x, y, width, draw: sheet.text(x, y, width, text, draw=draw, **look) if text else 0.0  # type: ignore[arg-type]


def pairs(sheet: Sheet, rows: Sequence[tuple[str, str]], label: float = 25.0) -> Block:
    def block(x: float, y: float, width: float, draw: bool) -> float:
        height = 0.0
        for name, value in rows:
            left = sheet.text(x, y + height, label - 1, name, colour=MUTED, draw=draw)
            mono = name == "SHA-256"
            right = sheet.text(
                x + label, y + height, width - label, value, size=7 if mono else 8, mono=mono, draw=draw
            )
            height += max(left, right) + 0.4
        return height

    return block
