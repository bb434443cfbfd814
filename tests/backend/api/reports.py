"""Reports as a reader of the file sees them."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from typing import Any

import pypdf

from backend.reports import manifest


class Page(HTMLParser):
    """Texts by the name under which they are marked, attributes of every element, and the text of the whole page."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.shown: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "path", "br"):
            self._open.append((tag, dict(attrs).get("data-shown")))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in ("style", "script"):
            return
        self.words.append(data)
        for _, name in self._open:
            if name:
                self.shown[name] = self.shown.get(name, "") + data

    @property
    def text(self) -> str:
        return plain(" ".join(self.words))

    @property
    def sounds(self) -> list[bytes]:
        return [
            base64.b64decode((a["src"] or "").split(",", 1)[1]) for tag, a in self.elements if tag == "audio"
        ]


def plain(text: str) -> str:
    """One blank between words: where lines break is the layout's."""
    return " ".join(text.replace("\u00a0", " ").split())


def pdf_text(data: bytes) -> str:
    return plain(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages))


def manifest_of(data: bytes) -> dict[str, Any]:
    """By a reader of its own: from the block of an HTML file, or the file that a PDF holds."""
    if data.startswith(b"%PDF"):
        [[held]] = pypdf.PdfReader(io.BytesIO(data)).attachments.values()
        return json.loads(held)
    text = data.decode()
    return json.loads(text.split(manifest.BEGIN, 1)[1].split(manifest.END, 1)[0])
