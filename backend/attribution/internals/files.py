"""Numbers about a network over calibration inputs of ours, in files that outlive their worker.

One safetensors file per network and calibration set, named by the digest of the network, the set, the code and torch.
Nothing is written about the user's own inputs: what came from an input goes with it. A full or read-only disk keeps
nothing and fails nothing; the oldest files go when there are too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from backend.attribution.internals.calibration import Calibration
    from models.model import Model

MOST_FILES = 32


class Files:
    """A folder of such files, once it is set. most_bytes: of all files together."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._folder: Path | None = None
        self._version: Callable[[], str] = str

    def keep_in(self, folder: Path | None, version: Callable[[], str] = str) -> None:
        """Where this process reads and writes; None writes nothing. version: names the version of the code."""
        self._folder, self._version = folder, version

    def path(self, model: Model, calibration: Calibration) -> Path | None:
        """None where nothing is to be kept."""
        if self._folder is None or not calibration.ours:
            return None
        import torch

        from backend.attribution.network.cache import stamp

        words = (stamp(model), calibration.digest, self._version(), torch.__version__)
        return self._folder / f"{hashlib.sha256(repr(words).encode()).hexdigest()}.safetensors"

    def write(
        self, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Whole or not at all."""
        from safetensors.torch import save

        data = save(
            {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()},
            None if metadata is None else dict(metadata),
        )
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
            self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        files = sorted(folder.glob("*.safetensors"), key=lambda file: -file.stat().st_mtime)
        total = 0
        for number, file in enumerate(files):
            total += file.stat().st_size
            if number >= MOST_FILES or (number and total > self.most_bytes):
                file.unlink(missing_ok=True)
