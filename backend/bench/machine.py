"""The machine and the library versions that the figures hold for."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The machine and library versions that the figures hold for."""
    import torch

    names = ("torch", "captum", "lime", "grad-cam", "zennit", "numpy", "scikit-image", "visual-tcav")
    return {
        "processor": _processor(),
        "features": features(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: number for name in names if (number := _version(name))},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


FEATURES = {
    "AMX": ("amx_bf16",),
    "AVX512-BF16": ("avx512_bf16",),
    "AVX512": ("avx512f",),
    "AVX2": ("avx2",),
    "ARM bf16": ("bf16",),
}
"""What the arithmetic of networks uses, by the names that Linux gives it; the fastest first."""


@cache
def features() -> list[str]:
    """Those of this processor that arithmetic with networks uses. Asked of torch where the system does not
    say."""
    flags = set(_cpu_lines("flags") or _cpu_lines("Features"))
    if flags:
        return [label for label, names in FEATURES.items() if flags.issuperset(names)]
    import torch

    return [torch.backends.cpu.get_cpu_capability()]


def has_amx() -> bool:
    return "AMX" in features()


def _processor() -> str:
    return " ".join(_cpu_lines("model name")) or platform.processor() or "unknown"


def _cpu_lines(key: str) -> list[str]:
    """The words behind the first line of that name in /proc/cpuinfo; none on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return next((line.partition(":")[2].split() for line in lines if line.startswith(key)), [])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
