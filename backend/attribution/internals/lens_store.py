"""Fitted lenses that outlive their worker: one file per network and calibration set of ours.

A lens takes a pass over some hundred inputs, and every input that is looked at afterwards needs one. In memory a few
are kept with their networks; where a folder is set, files hold them for every worker and for the next start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.attribution.internals.files import Files

if TYPE_CHECKING:
    from backend.attribution.internals.calibration import Calibration
    from backend.attribution.internals.lens import Lens
    from backend.attribution.types import Progress
    from models.model import Model

IN_MEMORY = 4
NUMBERS = ("penalty", "temperature", "r2", "agreement", "direct", "probe")

FILES = Files(2**30)
keep_in = FILES.keep_in


def fitted_lens(
    model: Model, inputs: Calibration | Sequence[Any] | None = None, report: Progress | None = None
) -> Lens:
    """The lens of a network, from memory, from a file, or fitted now. inputs: as `calibration_of` takes them. Raises
    what `fit_lens` does."""
    from backend.attribution.internals.calibration import calibration_of
    from backend.attribution.internals.lens import fit_lens
    from backend.attribution.network.cache import cached
    from backend.attribution.types import silent

    calibration = calibration_of(model, inputs)

    def make() -> Lens:
        path = FILES.path(model, calibration)
        lens = _read(path, model) if path is not None else None
        if lens is None:
            lens = fit_lens(model, calibration, report=report or silent)
            if path is not None:
                _write(path, lens)
        return lens

    return cached(model, "lens", calibration.digest, make, capacity=IN_MEMORY)


def _write(path: Path, lens: Lens) -> None:
    tensors = {
        f"{number}.{name}": getattr(part, name)
        for number, part in enumerate(lens.layers)
        for name in ("mean", "scale", "weight", "bias")
    }
    about = {
        "title": lens.title,
        "count": lens.count,
        "held_out": lens.held_out,
        "grid": lens.grid,
        "majority": lens.majority,
        "accuracy": lens.accuracy,
        "layers": [
            {"name": part.layer.name, "trusted": part.trusted}
            | {name: getattr(part, name) for name in NUMBERS}
            for part in lens.layers
        ],
    }
    FILES.write(path, tensors, {"lens": json.dumps(about)})


def _read(path: Path, model: Model) -> Lens | None:
    """None for a file that is missing, damaged, or of other layers."""
    from safetensors import SafetensorError, safe_open

    from backend.attribution.internals.lens import LayerLens, Lens
    from backend.attribution.internals.readable import head_of, readable_layers

    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["lens"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        listed = readable_layers(model)
        readable = {part.name: part.layer for part in listed if part.reason is None}
        if list(readable) != [part["name"] for part in about["layers"]]:
            return None
        layers = tuple(
            LayerLens(
                layer=readable[part["name"]],
                grid=about["grid"],
                trusted=part["trusted"],
                **{name: tensors[f"{number}.{name}"] for name in ("mean", "scale", "weight", "bias")},
                **{name: part[name] for name in NUMBERS},
            )
            for number, part in enumerate(about["layers"])
        )
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    kept = {name: about[name] for name in ("title", "count", "held_out", "grid", "majority", "accuracy")}
    return Lens(model=model, layers=layers, listed=tuple(listed), note=head_of(model).note, **kept)
