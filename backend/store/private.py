"""Permissions of the data folder: folders 0700, files 0600, whatever the umask and the folder's age."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

OURS = ("blobs", "spool", "cache")
"""Folders inside the data folder that are ours to change; the folder itself may have been given with other
things in it."""


def make_private(folder: Path) -> None:
    """Makes the data folder, or closes an open one and our folders in it; other folders in it are left
    alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if (
        stat.S_IMODE(mode) == 0o700 or mode & stat.S_ISVTX
    ):  # closed already; or a folder shared by all, like /tmp
        return
    with suppress(PermissionError):
        for name in OURS:
            for path in (folder / name, *(folder / name).rglob("*")):
                if path.exists() and not path.is_symlink():
                    path.chmod(0o700 if path.is_dir() else 0o600)
        folder.chmod(0o700)


def private_file(path: Path, *, create: bool = True) -> Path:
    """Makes the file readable by its owner alone, creating it if needed. Raises nothing: opening it will."""
    with suppress(OSError):
        if create:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    return path
