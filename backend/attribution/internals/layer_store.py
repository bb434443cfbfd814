"""What filters are replaced by and compared with, kept in files: mean maps and largest pooled activations of all readable
layers of a network over calibration inputs of ours.

One pass over the inputs gives them for all layers; switching a filter off then costs one input's own pass. Files are
named by the digest of the network, the calibration set, the code and torch, as fitted lenses are. Nothing is written
about the user's own inputs: what came from an input goes with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import Incompatible

if TYPE_CHECKING:
    from torch import Tensor

    from backend.attribution.internals.calibration import Calibration
    from backend.attribution.internals.pooled import Pooled
    from models.model import Model

IN_MEMORY = 32
MOST_FILES, MOST_BYTES = 32, 2**29

_folders: list[tuple[Path, Callable[[], str]]] = []
"""The folder that is set, if any, and what names the version of the code."""


@dataclass(frozen=True, eq=False)
class KnownLayer:
    """mean_map: `[C, h, w]`. best: largest spatial mean of each filter over the inputs, `[C]`; which: the row of the
    calibration set that has it. limits: smallest and largest number of any input."""

    mean_map: Tensor
    best: Tensor
    which: Tensor
    limits: Tensor


def keep_in(folder: Path | None, version: Callable[[], str] = str) -> None:
    """Where this process reads and writes; None writes nothing."""
    _folders[:] = [] if folder is None else [(folder, version)]


def read_layers(model: Model) -> list[str]:
    """Names of the layers that are read; none for a network without a linear layer at its end."""
    from backend.attribution.internals.readable import readable_layers

    try:
        return [read.name for read in readable_layers(model) if read.reason is None]
    except Incompatible:
        return []


def known_layer(model: Model, layer: str, calibration: Calibration) -> KnownLayer:
    """From memory, from a file, or by a pass over the inputs that `internals` looks at. Raises what `pooled` does."""
    from backend.attribution.concepts.work import work_of
    from backend.attribution.internals.choice import inputs_of
    from backend.attribution.internals.pooled import check_layer, pooled
    from backend.attribution.network.cache import cached

    check_layer(model, layer)

    def make() -> KnownLayer:
        path = _path(model, calibration)
        known = _read(path, layer) if path is not None else None
        if known is None:
            chosen = inputs_of(calibration, work_of(model))
            seen = pooled(model, layer, chosen, others=read_layers(model))
            parts = _parts(seen, chosen.rows)
            if path is not None:
                _write(path, parts)
            known = parts[layer]
        return known

    return cached(model, "known layer", (layer, calibration.digest), make, capacity=IN_MEMORY)


def remember(model: Model, calibration: Calibration, rows: tuple[int, ...], seen: Pooled) -> None:
    """Keeps what an analysis has seen anyway."""
    path = _path(model, calibration)
    if path is not None and not path.exists():
        _write(path, _parts(seen, rows))


def _parts(seen: Pooled, rows: tuple[int, ...]) -> dict[str, KnownLayer]:
    import torch

    row_numbers, limits = torch.tensor(rows), torch.tensor(seen.limits)
    means = {**seen.others, seen.layer: seen.means}
    return {
        name: KnownLayer(
            maps.contiguous(),
            torch.from_numpy(means[name].max(axis=0)).float(),
            row_numbers[torch.from_numpy(means[name].argmax(axis=0))],
            limits,
        )
        for name, maps in seen.mean_maps.items()
        if name in means
    }


def _path(model: Model, calibration: Calibration) -> Path | None:
    if not _folders or not calibration.ours:
        return None
    import torch

    from backend.attribution.network.cache import stamp

    folder, version = _folders[0]
    words = (stamp(model), calibration.digest, version(), torch.__version__)
    return folder / f"{hashlib.sha256(repr(words).encode()).hexdigest()}.safetensors"


def _write(path: Path, parts: Mapping[str, KnownLayer]) -> None:
    """Whole or not at all, and never a reason to fail: a full or read-only disk keeps nothing."""
    from safetensors.torch import save

    tensors = {
        f"{field}/{name}": getattr(part, field).cpu().contiguous().clone()
        for name, part in parts.items()
        for field in KnownLayer.__dataclass_fields__
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(save(tensors))
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        _prune(path.parent)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"), key=lambda file: -file.stat().st_mtime)
    total = 0
    for number, file in enumerate(files):
        total += file.stat().st_size
        if number >= MOST_FILES or (number and total > MOST_BYTES):
            file.unlink(missing_ok=True)


def _read(path: Path, layer: str) -> KnownLayer | None:
    """None for a file that is missing, damaged, or without this layer."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            if f"mean_map/{layer}" not in names:
                return None
            fields = {field: file.get_tensor(f"{field}/{layer}") for field in KnownLayer.__dataclass_fields__}
    except (OSError, SafetensorError):
        return None
    return KnownLayer(**fields)
