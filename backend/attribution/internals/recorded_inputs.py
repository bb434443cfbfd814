"""What a recording is measured on: calibration inputs and labels, in the forms in which training loops have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter
from backend.attribution.internals.calibration import Calibration

MOST = 1000
"""Calibration inputs: every epoch is measured on all of them."""


def gathered(calibration: Any) -> tuple[Any, Tensor | None]:
    """What `calibration_of` takes, and labels `[n]` or None. Raises BadParameter."""
    if isinstance(calibration, np.ndarray) and calibration.dtype.kind in "biuf":
        calibration = torch.from_numpy(calibration)
    if calibration is None or isinstance(calibration, Tensor | Calibration):
        return calibration, None
    parts = [calibration] if _is_pair(calibration) else calibration
    batches: list[Tensor] = []
    truths: list[Tensor] = []
    try:
        for part in parts:
            x, y = part if isinstance(part, tuple | list) else (part, None)
            x = torch.as_tensor(x).detach().cpu().float()
            batches.append(x[None] if x.ndim == 3 else x)  # of a data set: one input
            truths += [] if y is None else [torch.as_tensor(y).detach().cpu().reshape(-1).long()]
            if sum(map(len, batches)) >= MOST:
                break
        x, y = torch.cat(batches), torch.cat(truths) if truths else None
    except (TypeError, ValueError, RuntimeError):
        raise BadParameter(
            "The calibration inputs must be a tensor [N, C, H, W], a pair of inputs and labels, or a loader of either.",
            field="calibration",
        ) from None
    if y is not None and len(y) != len(x):
        raise BadParameter(
            f"There are {len(x)} calibration inputs and {len(y)} labels; give one label per input.",
            field="calibration",
        )
    if _is_pair(calibration):
        return x, y
    return x[:MOST], None if y is None else y[:MOST]


def _is_pair(calibration: Any) -> bool:
    """Inputs and labels; not a list of batches."""
    if not isinstance(calibration, tuple | list) or len(calibration) != 2:
        return False
    x, y = calibration
    return isinstance(x, Tensor | np.ndarray) and not (isinstance(y, Tensor) and y.ndim > 1)


def check_labels(labels: Tensor | None, classes: int) -> None:
    """Raises BadParameter for a label that is no class."""
    if labels is not None and labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise BadParameter(
            f"The labels of the calibration inputs must be whole numbers from 0 to {classes - 1}.",
            field="calibration",
        )
