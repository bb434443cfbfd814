"""Owners: names of processes, so that files and jobs of a dead process can be told from those of a living
one."""

from __future__ import annotations

import os
import socket

import psutil


def owner_name() -> str:
    """This process as `host/pid/start`; the start time tells it from a later process with the same pid."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{int(psutil.Process().create_time() * 100)}"


def is_dead(owner: str) -> bool:
    """True if the owner was a process of this machine and has ended; False for other machines."""
    host, pid, started = owner.rsplit("/", 2)
    if host != socket.gethostname()[:40]:
        return False
    try:
        return int(psutil.Process(int(pid)).create_time() * 100) != int(started)
    except psutil.NoSuchProcess:
        return True
