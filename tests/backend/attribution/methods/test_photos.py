"""Real photos, public weights: the pointing game on boxes that people drew."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import backend
import models
from backend.studies.evidence import centre_blob

pytestmark = pytest.mark.data


def pointing(real_data: Path, method: str | None) -> dict[bool, list[bool]]:
    """Right or wrong prediction -> whether the map's peak (None: the middle of the photo) lies in the
    labelled box, for the predicted class."""
    model = models.load(
        "torchvision:squeezenet1_1", weights=real_data / "weights" / "squeezenet1_1.safetensors"
    )
    hits: dict[bool, list[bool]] = {True: [], False: []}
    with (real_data / "images" / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["box_x0"]]
    for row in rows:
        prepared = model.input.prepare(real_data / row["file"])
        target = int(model.predict(prepared.x).argmax())
        values = (
            centre_blob(prepared.x.shape[-2:])
            if method is None
            else backend.explain(model, prepared.x, method, target=target).values
        )
        i, j = np.unravel_index(int(np.argmax(values)), values.shape)
        x, y = prepared.x_axis.values[j], prepared.y_axis.values[i]
        x0, y0, x1, y1 = (float(row[f"box_{side}"]) for side in ("x0", "y0", "x1", "y1"))
        right = str(target) in row["accepted_indices"].split()
        hits[right].append(bool(x0 <= x < x1 and y0 <= y < y1))
    return hits


def test_grad_cams_peak_lies_in_the_box_of_most_photos_that_were_named_rightly(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hits, middle = pointing(real_data, "grad_cam"), pointing(real_data, None)
    with capsys.disabled():
        for name, found in (("Grad-CAM's peak", hits), ("The middle of the photo", middle)):
            print(
                f"\n{name} in the box: {sum(found[True])} of {len(found[True])} named rightly, {sum(found[False])} of {len(found[False])} named wrongly"
            )
    assert len(hits[True]) >= 50
    assert np.mean(hits[True]) > 0.8
