"""A recording from checkpoints that are there already: every epoch measured as the recorder would have measured it."""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from app.core.errors import BadParameter, NotFound
from app.core.training_results import History
from backend.attribution.internals.calibration import Calibration
from backend.attribution.internals.recorder import HISTORY, Recorder
from models.model import Model
from models.weights_file import load_weights, read, tensors


def record_checkpoints(
    folder: Path,
    like: Model,
    calibration: Calibration | None = None,
    *,
    losses: Mapping[int, float] | None = None,
    title: str = "",
    note: str = "",
) -> History:
    """Measures `epoch_000.safetensors`, `epoch_001.safetensors`, ... of the folder and writes its `history.json`.

    like: the network they are checkpoints of. calibration: None takes the program's own. losses: by epoch, as the
    training told them. Raises BadParameter (no checkpoints), ModelRejected (they do not fit the network).
    """
    files = sorted(folder.glob("epoch_*.safetensors"), key=_epoch)
    if not files:
        raise BadParameter("This folder holds no checkpoints (epoch_000.safetensors, ...).", field="folder")
    module = copy.deepcopy(like.module)
    with tempfile.TemporaryDirectory() as made:
        recorder = None
        for file in files:
            load_weights(module, tensors(read(file, NotFound)))
            if recorder is None:
                recorder = Recorder(module, calibration, made, like=like, title=title, note=note)
            if _epoch(file) == 0:
                recorder.begin()
            else:
                recorder.epoch(loss=(losses or {}).get(_epoch(file)), number=_epoch(file))
        assert recorder is not None
        recorder.finish()
        shutil.copy(Path(made) / HISTORY, folder / HISTORY)
        return recorder.history


def _epoch(file: Path) -> int:
    number = re.search(r"(\d+)$", file.stem)
    return int(number[1]) if number else 0
