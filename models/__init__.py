"""Models: specs, preprocessing with axes and units, verified loading, our own networks and their training, the
hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.inputs.front_end import SpectrogramInput
    from models.inputs.image import ImageInput
    from models.inputs.sound import SoundInput
    from models.inputs.table import ArrayInput
    from models.loading import architecture, from_file, load, specs, wrap
    from models.model import Model
    from models.spec import Axis, InputSpec, Layer, ModelSpec, Prepared

__all__ = [
    "ArrayInput", "Axis", "ImageInput", "InputSpec", "Layer", "Model", "ModelSpec", "Prepared", "SoundInput", "SpectrogramInput", "architecture", "from_file", "load",
    "specs", "wrap",
]  # fmt: skip

_HOME = {
    "models.inputs.image": ("ImageInput",),
    "models.inputs.front_end": ("SpectrogramInput",),
    "models.inputs.sound": ("SoundInput",),
    "models.inputs.table": ("ArrayInput",),
    "models.loading": ("architecture", "from_file", "load", "specs", "wrap"),
    "models.model": ("Model",),
    "models.spec": ("Axis", "InputSpec", "Layer", "ModelSpec", "Prepared"),
}
_LAZY = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name at first use: the process that decodes uploads uses `models.media.segment` without
    torch."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'models' has no attribute {name!r}")
