"""The random state of the process, which Captum and other libraries draw from.

It belongs to all threads, so whoever saves, seeds or restores it holds one lock meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

lock = threading.RLock()
State = tuple[Tensor, Any]


def state() -> State:
    """Of torch (on the CPU) and numpy."""
    return torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002 - only saved and restored


def restore(saved: State) -> None:
    with lock:
        torch.random.set_rng_state(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, this thread alone draws from the state; afterwards it is what it was."""
    with lock:
        before = state()
        try:
            yield
        finally:
            restore(before)


class Stream:
    """Random numbers of one run: seeded at the first use, continued at each further one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._state: State | None = None

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Inside, torch and numpy draw from this stream."""
        with undisturbed():
            if self._state is None:
                torch.manual_seed(self._seed)
                np.random.seed(self._seed % 2**32)  # noqa: NPY002 - Captum draws from it
            else:
                restore(self._state)
            yield
            self._state = state()
