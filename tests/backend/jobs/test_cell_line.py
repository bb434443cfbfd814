"""The order of a study's cells, played with workers that take what they are given."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from backend.jobs.cell_line import AHEAD, CellLine, Place

METHODS = ["grad_cam", "smooth_grad", "lrp", "uniform"]
SECONDS = {"grad_cam": 5, "smooth_grad": 3, "lrp": 2, "uniform": 0.1}


def played(inputs: int, workers: int) -> dict[int, Counter[int]]:
    """How many cells of each input each worker measured. Whoever is free takes the first cell whose input no other has,
    as `Queue.claim` gives it."""
    rng = np.random.default_rng(0)
    line = CellLine((number, method) for number in range(inputs) for method in METHODS)
    queue: list[Place] = []
    busy: dict[int, tuple[float, Place]] = {}
    met: dict[int, Counter[int]] = {worker: Counter() for worker in range(workers)}
    now = 0.0
    while True:
        while (place := line.next(workers)) is not None:
            queue.append(place)
        for worker in sorted(set(range(workers)) - set(busy)):
            if queue:
                others = {place[0] for _, place in busy.values()}
                place = min(queue, key=lambda place: place[0] in others)
                queue.remove(place)
                met[worker][place[0]] += 1
                busy[worker] = (now + SECONDS[place[1]] * rng.uniform(0.8, 1.2), place)
        if not busy:
            assert not queue
            return met
        worker = min(busy, key=busy.__getitem__)
        now, place = busy.pop(worker)
        line.ended(place)


@pytest.mark.parametrize(("inputs", "workers"), [(8, 1), (8, 2), (12, 3), (16, 4)])
def test_hardly_an_input_is_met_by_more_than_one_worker(inputs, workers):
    met = played(inputs, workers)
    assert sum(met.values(), Counter()) == dict.fromkeys(range(inputs), len(METHODS))
    assert (
        sum(len(seen) for seen in met.values()) <= 1.25 * inputs
    )  # in the order of the table: workers * inputs


@pytest.mark.parametrize(("inputs", "workers"), [(1, 2), (3, 2), (5, 4), (2, 8)])
def test_every_cell_is_measured_once_and_every_worker_gets_some(inputs, workers):
    met = played(inputs, workers)
    assert sum(met.values(), Counter()) == dict.fromkeys(range(inputs), len(METHODS))
    assert sum(bool(seen) for seen in met.values()) == min(workers, inputs * len(METHODS), AHEAD * workers)


def test_no_more_is_asked_for_than_workers_can_soon_begin():
    line = CellLine((number, method) for number in range(100) for method in METHODS)
    asked = [line.next(2) for _ in range(50)]
    assert asked[:5] == [(0, "grad_cam"), (0, "smooth_grad"), (1, "grad_cam"), (1, "smooth_grad"), None]
    line.ended((0, "grad_cam"))
    assert line.next(2) == (0, "lrp")
    assert line.next(2) is None
