"""Fitted lenses and mean maps of the small bundled networks, made beforehand by `evident lens`.

The first look at a network costs a pass over hundreds of generated inputs, the same on every machine. A file is used
only for the network it was made with (weights, modules, preprocessing) and the calibration set it names; anything else
is fitted as ever. A test fits every one of them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.attribution.internals.calibration import Calibration
    from models.model import Model

FOLDER = Path(__file__).parent / "bundled"
FORM = "1"
"""Of what is fitted and how it is written; files of another one are ignored."""


def file(model: Model, calibration: Calibration, kind: str) -> Path | None:
    """kind: lens or layers. None where there is none for this network and these inputs."""
    from safetensors import SafetensorError, safe_open

    from backend.attribution.network.cache import cached

    path = FOLDER / f"{model.key}.{kind}.safetensors"
    if not calibration.ours or "/" in model.key or not path.is_file():
        return None

    def current() -> bool:
        try:
            with safe_open(path, "pt") as opened:
                about = opened.metadata() or {}
        except (OSError, SafetensorError):
            return False
        return about.items() >= marks(model, calibration).items()

    return path if cached(model, "shipped lens", (kind, calibration.digest), current) else None


def marks(model: Model, calibration: Calibration) -> dict[str, str]:
    """What a file is of."""
    from backend.attribution.concepts.shipped import identity

    return {"form": FORM, "network": identity(model), "inputs": calibration.digest}
