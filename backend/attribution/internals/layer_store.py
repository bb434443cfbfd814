"""What filters are replaced by and compared with, kept in files: mean maps and largest pooled activations of all readable
layers of a network over calibration inputs of ours.

One pass over the inputs gives them for all layers; switching a filter off then costs one input's own pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import Incompatible
from backend.attribution.internals import shipped
from backend.attribution.internals.files import Files

if TYPE_CHECKING:
    from torch import Tensor

    from backend.attribution.internals.calibration import Calibration
    from backend.attribution.internals.pooled import Pooled
    from models.model import Model

IN_MEMORY = 32
KIND = "layers"

FILES = Files(2**29)
keep_in = FILES.keep_in


@dataclass(frozen=True, eq=False)
class KnownLayer:
    """mean_map: `[C, h, w]`. best: largest spatial mean of each filter over the inputs, `[C]`; which: the row of the
    calibration set that has it. limits: smallest and largest number of any input."""

    mean_map: Tensor
    best: Tensor
    which: Tensor
    limits: Tensor


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
        path = FILES.path(model, calibration)
        files = (shipped.file(model, calibration, KIND), path)
        known = next((part for file in files if file is not None and (part := _read(file, layer))), None)
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
    path = FILES.path(model, calibration)
    if path is not None and not path.exists():
        _write(path, _parts(seen, rows))


class Totals:
    """The same from a pass that is made for another reason, over the inputs that `internals` looks at."""

    def __init__(self, model: Model, calibration: Calibration) -> None:
        from backend.attribution.concepts.work import work_of
        from backend.attribution.internals.choice import inputs_of

        self.rows = inputs_of(calibration, work_of(model)).rows
        self.sums: dict[str, Tensor] = {}
        self.runs: dict[str, int] = {}
        self.limits = (float("inf"), float("-inf"))
        self.batches = 0
        self._among: list[int] = []

    def next(self, first: int, x: Tensor) -> None:
        """A batch begins, at this row of the calibration set."""
        wanted = set(self.rows)
        self._among = [place for place in range(len(x)) if first + place in wanted]
        self.batches += 1
        if self._among:
            part = x[self._among]
            self.limits = (min(self.limits[0], float(part.min())), max(self.limits[1], float(part.max())))

    def take(self, name: str, maps: Tensor) -> None:
        import torch

        self.runs[name] = self.runs.get(name, 0) + 1
        if self._among:
            part = maps if len(self._among) == len(maps) else maps[self._among]
            added = part.sum(0, dtype=torch.float64)
            self.sums[name] = self.sums[name] + added if name in self.sums else added

    def parts(self, pooled: Mapping[str, Tensor]) -> dict[str, KnownLayer]:
        """pooled: spatial means of every layer over all calibration inputs `[N, C]`. Layers that run once per pass."""
        import torch

        rows, limits = torch.tensor(self.rows), torch.tensor(self.limits)
        parts = {}
        for name, total in self.sums.items():
            if self.runs[name] == self.batches:
                means = pooled[name][rows]
                mean_map = (total / len(rows)).float().cpu()
                parts[name] = KnownLayer(mean_map, means.amax(0).float(), rows[means.argmax(0)], limits)
        return parts


def keep(model: Model, calibration: Calibration, parts: Mapping[str, KnownLayer]) -> None:
    path = FILES.path(model, calibration)
    if path is not None and parts:
        _write(path, parts)


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


def _write(path: Path, parts: Mapping[str, KnownLayer]) -> None:
    FILES.write(path, written(parts))


def written(parts: Mapping[str, KnownLayer], *, half: bool = False) -> dict[str, Tensor]:
    """The tensors of a file. half: mean maps in float16, to a thousandth."""
    return {
        f"{field}/{name}": getattr(part, field).half()
        if half and field == "mean_map"
        else getattr(part, field)
        for name, part in parts.items()
        for field in KnownLayer.__dataclass_fields__
    }


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
    return KnownLayer(**{**fields, "mean_map": fields["mean_map"].float()})
