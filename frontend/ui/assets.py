"""Where the browser's files are: their address names their contents, so that a browser asks for each once and keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "assets"


def fingerprint(folder: Path) -> str:
    """Of the names and contents of all files. Modules and styles name each other relative to themselves, so one
    fingerprint in the path in front of them holds for all."""
    digest = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


BASE = f"/assets/{fingerprint(FOLDER)}"
"""As the files were when the server started."""


def url(name: str) -> str:
    """Address of a file of the folder."""
    return f"{BASE}/{name}"
