"""Processor seconds of ways to run a network, measured once per machine and kept in files.

Whether a fused network pays depends on the machine, and no two measurements are equal. So one process measures, and
every process on this machine reads its answer: one small file per network and question, written whole and only once.
Processor time, so that other programs do not count. Where no folder is set (plain Python use) nothing is measured,
and the rule that `passes` gives holds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

FORMAT = 2
"""Counts up when the ways themselves change: older files are then no longer read."""
Seconds = Mapping[str, float]
"""Processor seconds by the words for what was measured."""

_folders: list[Path] = []
"""The one that is set, if any."""


def keep_in(folder: Path | None) -> None:
    """Where the measurements of this process are read and written; None measures nothing."""
    _folders[:] = [] if folder is None else [folder]


def is_kept() -> bool:
    return bool(_folders)


def measured(architecture: str, question: str, measure: Callable[[], Seconds]) -> Seconds:
    """What was measured on this machine, now if need be. Of several processes that measure at once the first
    one's answer holds for all. Without a folder: nothing."""
    path = _path(architecture, question)
    if path is None:
        return {}
    known = _read(path)
    if known is None:
        fresh = dict(measure())
        with suppress(OSError):  # a full or read-only disk: this process goes by its own measurement
            _write(path, fresh)
        known = _read(path) or fresh
    return known


def _path(architecture: str, question: str) -> Path | None:
    if not _folders:
        return None
    import torch  # not above: a worker sets itself up before anything heavy is loaded

    what = (FORMAT, architecture, question, torch.__version__, torch.get_num_threads(), processor())
    return _folders[0] / f"{hashlib.sha256(repr(what).encode()).hexdigest()}.json"


@lru_cache
def processor() -> str:
    """The processor in words, with what torch uses of it, and the graphics card."""
    import torch

    words = [platform.machine(), torch.backends.cpu.get_cpu_capability(), platform.processor()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
        words += [
            line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "flags"))
        ][:2]
    if torch.cuda.is_available():
        words.append(torch.cuda.get_device_name())
    return " ".join(words)


def _read(path: Path) -> Seconds | None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(value, dict) and all(
        type(seconds) in (int, float) and math.isfinite(seconds) and seconds >= 0
        for seconds in value.values()
    )
    return value if whole and value else None


def _write(path: Path, value: Seconds) -> None:
    """Whole or not at all; a readable file that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
        if path.exists() and _read(path) is None:
            new.replace(path)
            return
        try:
            path.hardlink_to(new)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            new.replace(path)
    finally:
        new.unlink(missing_ok=True)
