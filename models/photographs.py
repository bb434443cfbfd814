"""The bundled photographs: objects and animals, no people. Counter-examples of concepts made of photographs.

From Caltech 101 (Li, Andreeto, Ranzato, Perona; CC-BY-4.0), files unchanged; `credits.csv` beside them holds
author, source and licence of each.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "samples" / "photographs"


def credit_rows() -> list[dict[str, str]]:
    """file, source, licence, credit: one row per photograph."""
    with (FOLDER / "credits.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def photographs(count: int | None = None) -> list[np.ndarray]:
    """The first `count`, all by default: uint8 `[h, w, 3]` each, in the order of the credits."""
    from PIL import Image

    return [np.asarray(Image.open(FOLDER / row["file"]).convert("RGB")) for row in credit_rows()[:count]]
