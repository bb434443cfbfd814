"""The browser modules in the hands of a test: on a page (`expose`), or in node without any browser
(`Node`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from tests.node import find

HERE = Path(__file__).parent
HANDLES = (HERE / "handles.js").read_text()
MODULES = Path(__file__).resolve().parents[3] / "frontend" / "assets" / "evident"


def expose(page: Page) -> None:
    """Gives the page a global `evident` that holds what its own modules export. The pages themselves have
    no such global."""
    base = page.locator("script[src*='/page.js']").evaluate(
        "(script) => new URL('evident', script.src).pathname"
    )
    page.evaluate(HANDLES, base)


class Node:
    """One node process that holds the modules; `evaluate` as that of a page, for functions that need no
    document."""

    def __init__(self) -> None:
        command = [find(), str(HERE / "bridge.mjs"), MODULES.as_uri(), str(HERE / "handles.js")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def evaluate(self, code: str, argument: Any = None) -> Any:
        """The value of a JavaScript function of one plain argument, or of an expression."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"code": code, "argument": argument}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer.get("value")

    def call(self, code: str, *arguments: Any) -> Any:
        """The value of a JavaScript function of plain arguments; arrays go as lists."""
        plain = [item.tolist() if isinstance(item, np.ndarray) else item for item in arguments]
        return self.evaluate(f"(values) => ({code})(...values)", plain)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=10)
