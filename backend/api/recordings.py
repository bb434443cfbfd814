"""Recordings of trainings: ours, and those in the operator's folder (`evident serve --recordings FOLDER`).

FOLDER/history.json         one recording, or
FOLDER/run_7/history.json   one per folder, also while its training goes on

The files are somebody's, perhaps half written: nothing in them is run, sizes are limited, and what is no recording says so.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.core.errors import EvidentError, InvalidInput, NotFound
from app.core.settings import MiB
from app.core.training_results import History, Recording, RecordingInfo
from models.header import check_header

BUNDLED = Path(__file__).resolve().parents[2] / "models" / "weights"
EPOCHS = "_epochs"
"""Of the names of our recordings' folders."""
HISTORY = "history.json"
PREFIX = "own-"
"""Of the keys of the operator's recordings."""
MOST = 200
"""Recordings listed, the latest first."""
HISTORY_BYTES, KERNEL_BYTES = 32 * MiB, 64 * MiB
PATIENCE, PACES = 120.0, 4.0
"""A training that has not ended and says nothing for so many seconds, or so many times its longest epoch, has stopped."""
DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@dataclass(frozen=True)
class Place:
    """Where one recording is."""

    key: str
    folder: Path
    own: bool


def check_recordings(folder: Path) -> None:
    """Raises InvalidInput. An empty folder is no mistake: its training may be yet to begin."""
    if not folder.is_dir():
        raise InvalidInput(
            f"There is no folder {folder}; make it, or give --recordings the folder of a Recorder.",
            field="recordings",
        )


def places(watched: Path | None) -> list[Place]:
    """The operator's, the latest first, then ours."""
    own = (
        []
        if watched is None
        else [Place(_key(watched, folder), folder, True) for folder in _folders(watched)]
    )
    ours = [
        Place(file.parent.name.removesuffix(EPOCHS), file.parent, False)
        for file in sorted(BUNDLED.glob(f"*{EPOCHS}/{HISTORY}"))
    ]
    return [*own, *sorted(ours, key=lambda place: not place.key.endswith("synthetic"))]


def _folders(watched: Path) -> list[Path]:
    try:
        candidates = [watched, *(path for path in watched.iterdir() if not path.name.startswith("."))]
        dated = [
            (path.joinpath(HISTORY).stat().st_mtime, path)
            for path in candidates
            if (path / HISTORY).is_file()
        ]
    except OSError:  # it is gone for the moment
        return []
    return [path for _, path in sorted(dated, key=lambda pair: (-pair[0], pair[1].name))[:MOST]]


def _key(watched: Path, folder: Path) -> str:
    """By the folder's name, where this is fit for an address."""
    name = folder.name if folder != watched else f"{folder.name}-itself"
    plain = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", name, re.ASCII)
    return PREFIX + (
        name if plain else hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    )


def listed(watched: Path | None) -> list[RecordingInfo]:
    """All of them; one that cannot be read says why."""
    return [_info(place) for place in places(watched)]


def _info(place: Place) -> RecordingInfo:
    try:
        history = read(place.folder)
    except EvidentError as error:
        return RecordingInfo(
            key=place.key,
            title=place.folder.name[:80],
            model="",
            epochs=0,
            live=False,
            note=error.detail,
            readable=False,
        )
    return RecordingInfo(
        key=place.key,
        title=history.title,
        model=history.model,
        epochs=len(history.epochs),
        live=place.own and is_live(place.folder, history),
        note=history.note,
    )


def recording(watched: Path | None, key: str) -> Recording:
    """Raises NotFound, InvalidInput."""
    place = find(watched, key)
    history = read(place.folder)
    return Recording(
        **history.model_dump(),
        key=place.key,
        own=place.own,
        live=place.own and is_live(place.folder, history),
        kernels_shape=history.kernels.shape if history.kernels else None,
    )


def find(watched: Path | None, key: str) -> Place:
    """By its key, which never becomes part of a path. Raises NotFound."""
    place = next((place for place in places(watched) if place.key == key), None)
    if place is None:
        raise NotFound(
            "There is no recording of that name; ask for the list of recordings.", code="unknown_recording"
        )
    return place


def read(folder: Path) -> History:
    """Raises InvalidInput for what is no recording."""
    file = folder / HISTORY
    try:
        stat = file.stat()
        if stat.st_size > HISTORY_BYTES:
            raise _unreadable(f"its {HISTORY} is larger than {HISTORY_BYTES // MiB} MiB")
        history = _parsed(file, stat.st_mtime_ns, stat.st_size)
    except OSError:
        raise _unreadable(f"its {HISTORY} cannot be opened") from None
    if history is None:
        raise _unreadable(f"its {HISTORY} is damaged, or of another version of Evident")
    return history


@lru_cache(16)
def _parsed(file: Path, changed: int, size: int) -> History | None:
    """None for what is no history. changed, size: so that one that has grown is read again; pages ask every few seconds."""
    try:
        return History.model_validate_json(file.read_bytes())
    except (ValidationError, RecursionError):
        return None


def is_live(folder: Path, history: History) -> bool:
    """Whether its training still goes on, as far as the time of its last word tells."""
    if history.finished:
        return False
    times = [row.recorded for row in history.epochs]
    pace = max((after - before for before, after in itertools.pairwise(times)), default=0.0)
    try:
        silent = time.time() - (folder / HISTORY).stat().st_mtime
    except OSError:
        return False
    return silent <= max(PATIENCE, PACES * pace)


def kernels(watched: Path | None, key: str, epoch: int) -> np.ndarray:
    """The first layer's kernels at an epoch, float32 `[n, c, kh, kw]`. Raises NotFound, InvalidInput."""
    place = find(watched, key)
    history = read(place.folder)
    if history.kernels is None or all(row.epoch != epoch for row in history.epochs):
        raise NotFound("This recording holds no kernels of that epoch.", code="unknown_epoch")
    return _tensor(
        place.folder / f"epoch_{epoch:03d}.safetensors", history.kernels.tensor, history.kernels.shape
    )


def checkpoint(watched: Path | None, key: str, epoch: int) -> Path:
    """The file of an epoch's weights. Raises NotFound, InvalidInput."""
    place = find(watched, key)
    if all(row.epoch != epoch for row in read(place.folder).epochs):
        raise NotFound("This recording holds no such epoch.", code="unknown_epoch")
    path = place.folder / f"epoch_{epoch:03d}.safetensors"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            check_header(start + file.read(min(int.from_bytes(start, "little"), size)), size)
    except (OSError, EvidentError, ValueError, OverflowError):
        raise _unreadable("the checkpoint of this epoch is missing or damaged") from None
    return path


def _tensor(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of a safetensors file; nothing else of it is read."""
    broken = _unreadable("the checkpoint of this epoch is missing or damaged")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            header = check_header(start + file.read(min(length, size)), size)
            entry = header.get(name)
            begin, end = _span(entry, shape, size - 8 - length)
            file.seek(8 + length + begin)
            data = file.read(end - begin)
        assert entry is not None
        values = np.frombuffer(data, DTYPES[entry["dtype"]]).reshape(shape).astype(np.float32)
    except (OSError, EvidentError, ValueError, KeyError, TypeError, OverflowError):
        raise broken from None
    return values if np.isfinite(values).all() else np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _span(entry: Any, shape: tuple[int, ...], room: int) -> tuple[int, int]:
    """First and last byte of a tensor. Raises ValueError where the header contradicts itself."""
    if not isinstance(entry, dict) or entry.get("shape") != list(shape):
        raise ValueError
    begin, end = entry["data_offsets"]
    wanted = math.prod(shape) * DTYPES[entry["dtype"]].itemsize
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end <= room:
        raise ValueError
    if end - begin != wanted or wanted > KERNEL_BYTES:
        raise ValueError
    return begin, end


def _unreadable(why: str) -> InvalidInput:
    return InvalidInput(
        f"This recording cannot be shown: {why}. If its training goes on, try again in a moment.",
        code="recording_unreadable",
    )
