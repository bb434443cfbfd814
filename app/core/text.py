"""Validation of text that users send: one rule for bodies, forms and addresses, so that accepted text can be
stored, shown, logged and sent on anywhere.

No NUL (PostgreSQL refuses it), no other control character, no override of the writing direction, no half of
a surrogate pair (UTF-8 cannot hold it), bounded, and in Unicode normal form C, so that two spellings of one name are one name.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, StringConstraints

from app.core.errors import BadParameter

NAME_LETTERS = 200
LONGEST = 100_000
"""Characters of one text in a JSON body; fields that are names allow far fewer."""
_HIDDEN = "\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
"""Overrides of the writing direction, which make a text look like another, and what is no character."""
_REFUSED = re.compile(f"[\x00-\x1f\x7f-\x9f{_HIDDEN}]")
_REFUSED_IN_LINES = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_HIDDEN}]")


def plain_text(value: str, most: int = LONGEST, *, field: str | None = None, lines: bool = False) -> str:
    """The text in normal form C. lines: tabs and line ends are allowed. Raises BadParameter (`bad_text`),
    never quoting the text."""
    if len(value) > most:
        raise BadParameter(
            f"A text is longer than {most:,} characters; shorten it.", code="bad_text", field=field
        )
    if (_REFUSED_IN_LINES if lines else _REFUSED).search(value):
        raise BadParameter(
            "A text holds a control character or half of a two-part character; send printable characters only.",
            code="bad_text",
            field=field,
        )
    return unicodedata.normalize("NFC", value)


def decoded(quoted: bytes) -> str:
    """A percent-encoded part of an address as text. Raises BadParameter when it is not UTF-8 or not plain."""
    try:
        return plain_text(unquote_to_bytes(quoted).decode("utf-8"))
    except UnicodeDecodeError:
        raise BadParameter(
            "The address is not UTF-8; encode its characters as UTF-8.", code="bad_text"
        ) from None


def _valid(value: str) -> str:
    """`plain_text` for pydantic, which knows a refusal by its ValueError."""
    try:
        return plain_text(value)
    except BadParameter as error:
        raise ValueError(error.detail) from None


Name = Annotated[str, StringConstraints(max_length=NAME_LETTERS), AfterValidator(_valid)]
"""A name or an id in a request: of a model, a method, a layer, an input, a concept."""


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings that a spreadsheet takes for a formula."""


def spreadsheet_cell(value: Any) -> Any:
    """A text that a spreadsheet would compute is kept from it by an apostrophe (names are free text); anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
