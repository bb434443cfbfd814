"""Real records of one bundled recording, for tests without a server. `python -m tests.frontend.recorded`
records them again."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("recorded.json")
METHODS = (
    "grad_cam",
    "lime",
    "smooth_grad",
    "lrp",
    "fused",
    "visual_tcav",
    "grad_cam_pp",
    "integrated_gradients",
    "guided_grad_cam",
    "occlusion",
)
FEWER = {"lime": {"n_samples": 400}}


def make(method: str) -> dict[str, Any]:
    """What the task answers for this method, on `sound_wheeze.flac`."""
    import models
    from backend.attribution.explain import explain, resolve_params
    from backend.attribution.methods import METHODS as REGISTERED
    from backend.tasks import finite
    from backend.tasks.explanation import record

    model = models.load("cnnexplain_synthetic")
    prepared = model.input.prepare(Path(models.__file__).parent / "samples" / "sound_wheeze.flac")
    params = FEWER.get(method, {})
    result = explain(model, prepared.x, method, target=1, **params)
    used = resolve_params(REGISTERED[method], model, params).model_dump(mode="json")
    return finite(record(model, prepared, result, used, 0).model_dump())


@cache
def records() -> dict[str, dict[str, Any]]:
    """By method."""
    records: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
    return records


if __name__ == "__main__":
    FILE.write_text(
        json.dumps({method: make(method) for method in METHODS}, indent=None, separators=(",", ":")) + "\n"
    )
