"""Fitted lenses that outlive their worker: one file per network and calibration set of ours.

A lens takes a pass over some hundred inputs, and every input that is looked at afterwards needs one. In memory a few
are kept with their networks; where a folder is set, files hold them for every worker and for the next start. There, a
fit that is stopped leaves what it has read, and the next one goes on from it; and its pass gathers the mean maps that
switching filters off needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.errors import Cancelled
from backend.attribution.internals import layer_store, shipped
from backend.attribution.internals.files import Files

if TYPE_CHECKING:
    from torch import Tensor

    from backend.attribution.internals.calibration import Calibration
    from backend.attribution.internals.lens import Begun, Lens
    from backend.attribution.types import Progress
    from models.model import Model

IN_MEMORY = 4
KIND = "lens"
NUMBERS = ("penalty", "temperature", "r2", "agreement", "direct", "probe")

FILES = Files(2**30)
keep_in = FILES.keep_in


def fitted_lens(
    model: Model, inputs: Calibration | Sequence[Any] | None = None, report: Progress | None = None
) -> Lens:
    """The lens of a network, from memory, from a file, or fitted now. inputs: as `calibration_of` takes them. Raises
    what `fit_lens` does."""
    from backend.attribution.internals.calibration import calibration_of
    from backend.attribution.network.cache import cached
    from backend.attribution.types import silent

    calibration = calibration_of(model, inputs)

    def make() -> Lens:
        path = FILES.path(model, calibration)
        files = (shipped.file(model, calibration, KIND), path)
        lens = next((known for file in files if file is not None and (known := _read(file, model))), None)
        return lens or _fit(model, calibration, path, report or silent)

    return cached(model, "lens", calibration.digest, make, capacity=IN_MEMORY)


def _fit(model: Model, calibration: Calibration, path: Path | None, report: Progress) -> Lens:
    from backend.attribution.internals.lens import Begun, fit_going_on, fit_lens

    if path is None:
        return fit_lens(model, calibration, report=report)
    unfinished = path.with_name(f"{path.stem}.begun.safetensors")
    begun = _begun(unfinished, model, calibration) or Begun(totals=layer_store.Totals(model, calibration))
    before = begun.done
    try:
        lens = fit_going_on(model, calibration, begun, report=report)
    except Cancelled:
        if begun.done > before:
            _leave(unfinished, begun)
        raise
    unfinished.unlink(missing_ok=True)
    tensors, about = written(lens)
    FILES.write(path, tensors, about)
    if begun.totals is not None:
        layer_store.keep(model, calibration, begun.totals.parts(begun.whole().pooled))
    return lens


def _leave(path: Path, begun: Begun) -> None:
    """What a fit has read until it was stopped."""
    whole = begun.whole()
    tensors = {f"pooled/{name}": values for name, values in whole.pooled.items()}
    totals, about = begun.totals, {"done": str(begun.done)}
    if totals is not None:
        tensors |= {f"sums/{name}": values for name, values in totals.sums.items()}
        state = {"runs": totals.runs, "limits": totals.limits, "batches": totals.batches}
        about["totals"] = json.dumps(state)
    FILES.write(path, {**tensors, "z": whole.z, "logits": whole.logits}, about)


def _begun(path: Path, model: Model, calibration: Calibration) -> Begun | None:
    """What `_leave` wrote; None for a file that is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    from backend.attribution.internals.lens import Begun
    from backend.attribution.internals.passes import Reading

    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})["totals"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        named: dict[str, dict[str, Any]] = {"pooled": {}, "sums": {}}
        for name, values in tensors.items():
            group, _, layer = name.partition("/")
            if layer:
                named[group][layer] = values
        totals = layer_store.Totals(model, calibration)
        totals.sums = {name: values.to(model.device) for name, values in named["sums"].items()}
        totals.runs, totals.limits, totals.batches = state["runs"], tuple(state["limits"]), state["batches"]
        reading = Reading(named["pooled"], tensors["z"], tensors["logits"], {})
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return Begun([reading], totals)


def written(lens: Lens) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a lens's file."""
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
    return tensors, {"lens": json.dumps(about)}


def _read(path: Path, model: Model) -> Lens | None:
    """None for a file that is missing, damaged, or of other layers."""
    from safetensors import SafetensorError, safe_open

    from backend.attribution.internals.lens import LayerLens, Lens
    from backend.attribution.internals.linear_head import head_of
    from backend.attribution.internals.readable import readable_layers

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
