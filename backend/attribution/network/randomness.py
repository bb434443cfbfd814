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
State = tuple[Tensor, list[Tensor], Any]


def state() -> State:
    """Of torch on the CPU and on each GPU in use, and of numpy."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.random.get_rng_state(), gpus, np.random.get_state()  # noqa: NPY002 - only saved and restored


def restore(saved: State) -> None:
    with lock:
        torch.random.set_rng_state(saved[0])
        if saved[1]:
            torch.cuda.set_rng_state_all(saved[1])
        np.random.set_state(saved[2])  # noqa: NPY002


def _seed(seed: int) -> None:
    """As `torch.manual_seed`, which on a machine without a GPU spends a millisecond on noting who called it."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - Captum draws from it


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
                _seed(self._seed)
            else:
                restore(self._state)
            yield
            self._state = state()
