"""The order in which a study asks for its cells. Pure.

What the network answered to an input is kept by the worker that asked it, for the next cell of the same input (about a
third of the time of a photograph's cells, measured). So the cells of one input follow each other, and each worker gets an
input of its own; `Queue.claim` sees to it that a worker stays with its input.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

Place = tuple[int, str]
"""Number of the input, key of the method."""
AHEAD = 2
"""Cells of an input that wait or run: a worker that ends one finds the next."""


class CellLine:
    """The cells that are still to be asked for."""

    def __init__(self, places: Iterable[Place]) -> None:
        """places: input by input."""
        self._waiting: dict[int, deque[Place]] = {}
        for place in places:
            self._waiting.setdefault(place[0], deque()).append(place)
        self._asked: Counter[int] = Counter()

    def next(self, workers: int) -> Place | None:
        """The cell to ask for now; None while enough are asked for, or none is left."""
        begun = [number for number, count in self._asked.items() if count]
        for number in begun:
            if self._asked[number] < AHEAD and number in self._waiting:
                return self._take(number)
        fresh = next((number for number in self._waiting if number not in begun), None)
        if fresh is not None:
            # The next input is there before the last cell of another has ended.
            busy = sum(self._asked[number] > 1 or number in self._waiting for number in begun)
            return self._take(fresh) if busy < workers else None
        if self._waiting and self._asked.total() < AHEAD * workers:  # fewer inputs than workers: they share
            return self._take(next(iter(self._waiting)))
        return None

    def ended(self, place: Place) -> None:
        """A cell that was asked for has ended."""
        self._asked[place[0]] -= 1

    def _take(self, number: int) -> Place:
        cells = self._waiting[number]
        place = cells.popleft()
        if not cells:
            del self._waiting[number]
        self._asked[number] += 1
        return place
