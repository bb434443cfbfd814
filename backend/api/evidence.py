"""Where bundled samples hold their evidence, from the files beside them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from app.core.errors import NotFound
from app.core.schemas import KnownEvidence, KnownRegion, PixelRuns
from models.regions import packed

# Read as files: importing the package would bring torch into this process.
FOLDER = Path(__file__).resolve().parents[2] / "models" / "samples"
GROUPS = ("photographs", "sounds", "drawings")
"""In the order of the gallery."""


@lru_cache
def sample_entries() -> list[dict[str, Any]]:
    """Of all files beside the samples, group by group."""
    entries = [
        entry for path in sorted(FOLDER.glob("*.json")) for entry in json.loads(path.read_text("utf-8"))
    ]
    return sorted(entries, key=lambda entry: GROUPS.index(entry["group"]))


@lru_cache
def known_evidence(key: str) -> KnownEvidence:
    """Raises NotFound for a sample whose evidence is not known, or that holds none."""
    unknown: dict[str, Any] = {"evidence": {}}
    entry = next((entry for entry in sample_entries() if entry["key"] == key), unknown)
    evidence = entry["evidence"]
    regions = [
        KnownRegion(
            key="evidence",
            title="Known evidence",
            boxes=evidence.get("boxes", []),
            mask=_runs(evidence.get("mask")),
        ),
        KnownRegion(key="sticker", title="Sticker", mask=_runs(evidence.get("sticker"))),
        KnownRegion(key="hum", title="Mains hum", boxes=evidence.get("hum", [])),
    ]
    located = [region for region in regions if region.boxes or region.mask]
    if not located:
        raise NotFound(
            "No place is known that holds this sample's evidence; nothing can be outlined.",
            code="no_known_evidence",
        )
    label = entry.get("label") if located[0].key == "evidence" else None
    how: Literal["program", "eye"] = "eye" if entry.get("credit") else "program"
    return KnownEvidence(sample=key, model=entry["model"], label=label, how=how, regions=located)


def _runs(file: str | None) -> PixelRuns | None:
    """Run lengths of a bundled black and white picture."""
    if file is None:
        return None
    with Image.open(FOLDER / file) as picture:
        return packed(np.asarray(picture.convert("L")) > 0)
