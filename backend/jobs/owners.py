"""Which process something belongs to, so that what a dead one left can be told from what a living one is
about to use."""

from __future__ import annotations

import os
import socket

import psutil


def owner_name() -> str:
    """host/pid/start: tells on the same machine at once whether the owner still lives, even when its pid
    was given away again."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{int(psutil.Process().create_time() * 100)}"


def is_dead(owner: str) -> bool:
    """True only when it certainly is: a process of this machine that has gone."""
    host, pid, started = owner.rsplit("/", 2)
    if host != socket.gethostname()[:40]:
        return False
    try:
        return int(psutil.Process(int(pid)).create_time() * 100) != int(started)
    except psutil.NoSuchProcess:
        return True
