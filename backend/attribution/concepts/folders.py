"""Concepts as folders with one picture or recording per file. For the command line; the server reads concepts
from its store."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import torch
from torch import Tensor

from app.core.errors import InvalidInput, NotFound
from backend.attribution.concepts.library import Library
from backend.attribution.concepts.vectors import check_examples
from models.model import Model

MOST = 1000


class FolderLibrary(Library):
    """A reference is a built-in key or the path of a folder. Files are read in the order of their names, hidden
    ones skipped."""

    def content(self, ref: str) -> Hashable:
        """Of a folder: its path, and name, size and time of every file in it."""
        folder = Path(ref)
        if not folder.is_dir():
            return super().content(ref)
        stats = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
        return str(folder.resolve()), tuple(
            (name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats
        )

    def name(self, ref: str) -> str:
        folder = Path(ref)
        return folder.name if folder.is_dir() else super().name(ref)

    def examples(self, model: Model, ref: str) -> Tensor:
        """Prepared examples `[N, C, H, W]`. Raises NotFound, InvalidInput (too few, too many, not
        decodable)."""
        folder = Path(ref)
        if not folder.is_dir():
            return self._built_in(model, ref)
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if len(files) > MOST:
            raise InvalidInput(
                f"The folder of a concept may hold at most {MOST} files.",
                code="too_many_examples",
                field="concepts",
            )
        check_examples(len(files))
        return torch.cat([model.prepare(file) for file in files])

    def _built_in(self, model: Model, ref: str) -> Tensor:
        try:
            return super().examples(model, ref)
        except NotFound:
            raise NotFound(
                "There is no such concept; give a built-in one (striped, hum, ...) or a folder with at least 10 files.",
                code="unknown_concept",
                field="concepts",
            ) from None
