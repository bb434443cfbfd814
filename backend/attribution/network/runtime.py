"""What the engine sets in its process.

numpy's linear algebra    on one thread while the engine works: after each product its other threads spin for a while,
                          on the cores that torch's passes need (two cores: a sensitivity of ten gradient maps takes
                          1.2 s, and 0.25 s with one thread)
freed memory              kept, from the first use on: each pass lets go of the same hundreds of megabytes and asks for
                          them again, and what comes from the system comes page by page, zeroed (a fifth of the time
                          of a pass). `give_back` hands it back.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""What `mallopt` of the GNU C library calls its settings."""
KEEP = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}
"""Nothing is mapped on its own, and nothing is handed back."""
USUAL = {MMAP_MAX: 2**16, MMAP_THRESHOLD: 2**25, TRIM_THRESHOLD: 2**26}
"""As the library sets itself in a process that has freed something large."""


class _State:
    """depth: `at_work` blocks of the main thread that are open. keeps: whether freed memory is kept."""

    depth = 0
    keeps = False
    limit: Any = None


@contextmanager
def at_work() -> Iterator[None]:
    """Inside, the process is set up for passes. May be nested, and entered by several threads; linear algebra is limited
    by the main one, because OpenBLAS takes no number of threads from the others."""
    if not _State.keeps:
        _set(KEEP)
        _State.keeps = True
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not _State.depth:
        _State.limit = ThreadpoolController().limit(limits=1, user_api="blas")
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        if not _State.depth:
            _State.limit.restore_original_limits()


def share_cores(processes: int) -> None:
    """Gives this process, one of so many that compute beside each other, its share of the cores."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


def as_usual() -> None:
    """Memory as in a process without the engine, until it works again: for work of others that is timed beside ours."""
    _set(USUAL)
    _State.keeps = False
    give_back()


def give_back() -> None:
    """Hands freed memory back to the system, where the C library can: also what loading, tracing and compiling have let
    go of, half a gigabyte for a ResNet-50; the next large tensors may not fit into the gaps."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set(settings: dict[int, int]) -> None:
    for name, value in settings.items():
        _mallopt()(name, value)


@cache
def _mallopt() -> Callable[[int, int], int]:
    """`mallopt` of the GNU C library; does nothing where there is another one, or where the user has set it."""
    set_by_user = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    with suppress(OSError, AttributeError, ValueError):
        if not set_by_user and os.confstr("CS_GNU_LIBC_VERSION"):
            mallopt: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
            return mallopt
    return lambda name, value: 0
