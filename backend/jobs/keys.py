"""Job keys: hashes of request, weights, code and library versions, so that the same computation has the same
key."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPUTING = (
    "models",
    "backend/attribution",
    "backend/tasks",
    "app/core/check_results.py",
    "app/core/concept_results.py",
    "app/core/lens_results.py",
    "app/core/internals_results.py",
    "app/core/evaluation_results.py",
    "app/core/schemas",
)
"""Packages and files whose code decides a result, numbers or form; routes, pages and the store do not. A test
runs every kind of job and holds what it loads against this list."""
WEIGHTS = ROOT / "models" / "weights"
"""Bundled weights and their cards."""
LIBRARIES = (
    "torch", "torchvision", "timm", "captum", "numpy", "scipy", "scikit-image", "scikit-learn", "librosa", "soundfile", "soxr", "av",
    "pillow",
)  # fmt: skip
"""Libraries whose arithmetic, decoders or architectures decide the numbers."""


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, no NaN. 1.0 and 1 differ, as they do in a schema."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def job_key(kind: str, payload: dict[str, Any], digest: str | None) -> str:
    """Hex sha256 over kind, payload, weights digest and code version.

    payload: the request as the user made it (ids, target, layer, params with defaults filled, seed). digest:
    sha256 of the weights, None for jobs without a model.
    """
    return hashlib.sha256(canonical([kind, payload, digest, code_version()]).encode()).hexdigest()


@lru_cache
def code_version() -> str:
    """Hash of the sources and the versions of the libraries that decide a result, so that an upgrade, ours or
    torch's, recomputes instead of serving yesterday's maps. Read once per process: neither changes while it
    runs."""
    digest = hashlib.sha256(canonical([(name, _version(name)) for name in LIBRARIES]).encode())
    parts = [ROOT / part for part in COMPUTING]
    files = [path for part in parts for path in ([part] if part.is_file() else part.rglob("*.py"))]
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def conditions(settings: Settings) -> str:
    """Hash of what the seconds of a run hold under: this machine, how its cores are shared out, and the code."""
    shared = (settings.engine, settings.scheduler, settings.device, settings.workers, settings.threads)
    here = [platform.node(), platform.machine(), os.cpu_count(), *shared, code_version()]
    return hashlib.sha256(canonical(here).encode()).hexdigest()


def files_in(*folders: Path | None) -> list[list[Any]]:
    """Path, size, time and inode of every file in these folders; the list changes when a file is added,
    replaced or removed."""
    entries: list[os.DirEntry[str]] = []
    for folder in folders:
        if folder is not None and folder.is_dir():
            with os.scandir(folder) as there:  # asked at every request: ten times as fast as pathlib
                entries += there
    return _fingerprints(entries)


def python_files(file: Path | None) -> list[list[Any]]:
    """The same of the operator's file of models and the Python files beside it, which it may import."""
    return [] if file is None else _fingerprints({file, *file.parent.glob("*.py")})


def _fingerprints(files: Iterable[os.DirEntry[str] | Path]) -> list[list[Any]]:
    fingerprints: list[list[Any]] = []
    for file in sorted(files, key=os.fspath):
        with suppress(FileNotFoundError):
            stat = file.stat()
            fingerprints.append([os.fspath(file), stat.st_size, stat.st_mtime_ns, stat.st_ino])
    return fingerprints


def _version(name: str) -> str | None:
    """The installed version; None in a web process without the computing libraries."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
