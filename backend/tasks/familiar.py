"""How far an input lies from those that a network learned from, in what the network sees of it.

    d^2 = (z - m)^T P (z - m)

z is the embedding (`backend.attribution.network.embedding`), m the mean and P the inverse covariance (Ledoit and Wolf's
shrinkage) over its training inputs. d is told as a percentile of the distances of inputs that it was not trained on, of the
same kind. Mean, P and those percentiles come along with the network; no input does. `evident gate` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.core.schemas import Check

if TYPE_CHECKING:
    from torch import Tensor

    from models import Model

FOLDER = "familiar"
"""Below the bundled weights."""
FORM = "1"
UNUSUAL, STRANGE = 95.0, 99.0
"""Percentiles from which an input is unusual, and from which the gate doubts."""


@dataclass(frozen=True, eq=False)
class Reference:
    """mean `[D]`, precision `[D, D]`; distances: of held-out inputs, ascending. words: what they are."""

    mean: np.ndarray
    precision: np.ndarray
    distances: np.ndarray
    words: str

    def distance(self, z: np.ndarray) -> np.ndarray:
        """`[N]` of embeddings `[N, D]`."""
        away = z - self.mean
        return np.sqrt(np.maximum(np.einsum("nd,de,ne->n", away, self.precision, away), 0))

    def percentile(self, z: np.ndarray) -> np.ndarray:
        """`[N]` in 0..100: share of held-out inputs that lie nearer."""
        return 100 * np.searchsorted(self.distances, self.distance(z), side="left") / len(self.distances)


def fitted(training: np.ndarray, held_out: np.ndarray, words: str) -> Reference:
    """Of embeddings `[N, D]` and `[M, D]`."""
    from sklearn.covariance import LedoitWolf

    estimate = LedoitWolf().fit(training)
    reference = Reference(estimate.location_, estimate.precision_, np.empty(0), words)
    return Reference(
        reference.mean, reference.precision, np.sort(reference.distance(held_out)), reference.words
    )


def write(reference: Reference, model: Model, folder: Path) -> Path:
    """The file of this network below a folder of weights."""
    from safetensors.numpy import save_file

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    path = folder / FOLDER / f"{model.key}.safetensors"
    numbers = {
        "mean": reference.mean,
        "precision": reference.precision,
        "distances": np.quantile(reference.distances, np.linspace(0, 1, 201)),
    }
    about = {"form": FORM, "weights": model.digest, "words": reference.words}
    save_file({name: part.astype(np.float32) for name, part in numbers.items()}, path, about)
    return path


def reference_of(model: Model, folder: Path | None = None) -> Reference | None:
    """None for a network without one, and for one whose weights are others than those it was made with."""
    from safetensors import SafetensorError, safe_open

    from models.catalogue import WEIGHTS

    path = (folder or WEIGHTS) / FOLDER / f"{model.key}.safetensors"
    if "/" in model.key or not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            if about.get("form") != FORM or about.get("weights") != model.digest:
                return None
            parts = [file.get_tensor(name).astype(np.float64) for name in ("mean", "precision", "distances")]
    except (OSError, SafetensorError):
        return None
    mean, precision, distances = parts
    return Reference(mean, precision, distances, about["words"])


def familiar_checks(model: Model, windows: Sequence[Tensor]) -> list[Check]:
    """windows: the prepared input `[1, C, H, W]` first, then the same with its window moved a little. Nothing for a network
    without a reference."""
    import torch

    from backend.attribution.network.embedding import embedded

    reference = reference_of(model)
    if reference is None:
        return []
    return [familiar_check(reference.percentile(embedded(model, torch.cat(list(windows)))), reference.words)]


def familiar_check(percentiles: np.ndarray, words: str) -> Check:
    """percentiles: of the window first, then of the moved ones."""
    state = "bad" if percentiles[0] > STRANGE else "warning" if percentiles[0] > UNUSUAL else "ok"
    said = {
        "ok": "Like what the model learned from",
        "warning": "Unusual for this model",
        "bad": "Unlike what the model learned from",
    }[state]
    far = span(percentiles.min(), percentiles.max())
    return Check(
        key="familiar",
        label="Familiar",
        state=state,  # type: ignore[arg-type]
        detail=f"{said}: farther from it than {far} % of {words}.",
    )


def span(low: float, high: float) -> str:
    """`44 to 59`; `44` where both are that, rounded."""
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
