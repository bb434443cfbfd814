"""Makes the files of `shipped`: lenses and mean maps of bundled networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file

import models
from backend.attribution.internals import layer_store, lens_store, shipped
from backend.attribution.internals.calibration import calibration_of
from backend.attribution.internals.lens import Begun, fit_going_on

MOST_CELLS = 131_072
"""Numbers of a layer's mean maps; those of larger layers are left to be computed."""


def bundle(keys: tuple[str, ...], folder: Path = shipped.FOLDER) -> Iterator[Path]:
    """The files of bundled models, fitted now."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in keys:
        model = models.load(key)
        calibration = calibration_of(model)
        begun = Begun(totals=layer_store.Totals(model, calibration))
        lens = fit_going_on(model, calibration, begun)
        assert begun.totals is not None
        parts = begun.totals.parts(begun.whole().pooled)
        about = shipped.marks(model, calibration)
        small = {name: part for name, part in parts.items() if part.mean_map.numel() <= MOST_CELLS}
        for kind, (tensors, more) in {
            "lens": lens_store.written(lens),
            "layers": (layer_store.written(small, half=True), {}),
        }.items():
            path = folder / f"{key}.{kind}.safetensors"
            whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
            save_file(whole, path, about | more)
            yield path
