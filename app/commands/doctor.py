"""`evident doctor`: checks packages, weights, data folder and port, and measures this machine's speed."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

NAME = "doctor"
HELP = "Check this installation: packages, weights, data folder, port, speed."
PACKAGES = (
    "fastapi",
    "uvicorn",
    "dash",
    "dash_mantine_components",
    "plotly",
    "torch",
    "captum",
    "librosa",
    "soundfile",
    "av",
    "timm",
)

Line = tuple[bool, str, str]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fast", action="store_true", help="leave out the speed measurement")


def run(args: argparse.Namespace) -> int:
    failed = 0
    steps: list[Callable[[], Iterator[Line]]] = [_place, _packages, _data, _port, _weights]
    if not args.fast:
        steps.append(_speed)
    for step in steps:
        for ok, label, detail in step():
            failed += not ok
            print(f"{'ok  ' if ok else 'FAIL'}  {label:22s} {detail}")
    print("Everything holds." if not failed else f"{failed} checks failed.")
    return 1 if failed else 0


def _place() -> Iterator[Line]:
    yield (
        True,
        "machine",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )
    root = Path(__file__).resolve().parents[2]
    for package in ("app", "backend", "frontend", "models"):
        home = Path(importlib.import_module(package).__file__ or "").resolve()
        yield (
            root in home.parents,
            f"package {package}",
            "found in this installation" if root in home.parents else "another package of that name hides it",
        )


def _packages() -> Iterator[Line]:
    from importlib.metadata import PackageNotFoundError, version

    for name in PACKAGES:
        try:
            yield True, name, version(name)
        except PackageNotFoundError:
            yield False, name, "not installed: run make setup"


def _data() -> Iterator[Line]:
    from app.core.settings import get_settings

    folder = get_settings().data
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield True, "data folder", "can be written"
    except OSError:
        yield False, "data folder", "cannot be written: set EVIDENT_DATA to another folder"


def _port() -> Iterator[Line]:
    from app.core.settings import get_settings

    port = get_settings().port
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    yield True, f"port {port}", "free" if free else "in use (Evident running already, or set PORT=...)"


def _weights() -> Iterator[Line]:
    import models
    from app.core.errors import EvidentError

    for key, spec in models.specs().items():
        if spec.weights is None:
            continue
        try:
            yield True, f"model {key}", f"weights verified, sha256 {models.load(key).digest[:12]}"
        except EvidentError as error:
            yield False, f"model {key}", error.detail


def _speed() -> Iterator[Line]:
    import torch

    import models
    from backend.attribution.estimate import profile

    timing = profile(models.load("cnnexplain"))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    yield (
        True,
        "speed",
        f"cnnexplain on {device}: {timing['forward'] * 1000:.2f} ms forward, {timing['backward'] * 1000:.2f} ms backward per input",
    )
