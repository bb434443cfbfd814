"""How the threads of a parallel step wait for the next one."""

from __future__ import annotations

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""They sleep, so that they do not starve the other processes of a small machine; with the GNU library, that of torch, after
half a millisecond of looking. Without that, waking them between the steps of a network cost two threads a quarter of their
time; without the sleep, as the library comes, two processes on the same cores lose a third."""


def wait_briefly() -> None:
    """Sets `WAITING`, unless the user has set how to wait. Before torch is imported: the library reads it once."""
    if not WAITING.keys() & os.environ.keys():
        os.environ.update(WAITING)
