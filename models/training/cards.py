"""Model cards: origin, training and figures of the weights, as the JSON file beside them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from models.training.measures import Estimate

INTENDED_USE = "Research and teaching only: to study explanations, never to judge a person's health."
COPPOCK = (
    "Coppock et al. 2024 (67,842 people, PCR-tested): the AUC of sound for Covid-19 fell from 0.846 to 0.619 when ill and well people were "
    "matched on symptoms."
)


def figure(
    label: str, value: Estimate | float, *, note: str = "", spread: float | None = None
) -> dict[str, Any]:
    """One figure of a card, with its interval or its standard deviation over runs."""
    if isinstance(value, Estimate):
        row: dict[str, Any] = {"label": label, **value.as_dict()}
    else:
        row = {"label": label, "value": round(float(value), 4)}
    if spread is not None:
        row["spread"] = round(float(spread), 4)
    if note:
        row["note"] = note
    return row


def ship(module: nn.Module, key: str, out: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Writes `KEY.safetensors` and `KEY.json` (with the weights' sha256 and the versions) into `out`;
    returns the card."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{key}.safetensors"
    save_file({name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}, path)
    path.chmod(0o644)
    parameters = sum(value.numel() for value in module.parameters())
    versions = {"python": platform.python_version(), "torch": torch.__version__.split("+")[0]}
    whole = {
        **card,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "parameters": parameters,
        "versions": versions,
    }
    (out / f"{key}.json").write_text(
        json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    return whole
