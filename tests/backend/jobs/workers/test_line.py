"""Which worker a task goes to: one that has worked with its model, while it is free; nobody waits for it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from backend.jobs.workers.pool import Item, Line

LONG = 20.0


class Waiting:
    """Slots that wait in line, and what each got."""

    def __init__(self, line, *slots):
        self.line, self.pool = line, ThreadPoolExecutor(8)
        self.got = {slot.name: self.pool.submit(line.get, slot, LONG) for slot in slots}
        until(lambda: len(line._free) == len(slots))

    def of(self, name):
        return self.got[name].result(LONG)


def slot(name, *models):
    return SimpleNamespace(name=name, models=set(models))


def item(model=None):
    return Item("explanation", {"model": model} if model else {}, "id", "interactive")


def until(done):
    deadline = time.monotonic() + LONG
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def line():
    return Line()


@pytest.mark.parametrize("knowing", ["first", "second", "third"])
def test_a_task_goes_to_the_worker_that_knows_its_model(line, knowing):
    slots = [
        slot(name, *(["resnet"] if name == knowing else ["shapes"])) for name in ("first", "second", "third")
    ]
    waiting, task = Waiting(line, *slots), item("resnet")
    line.put(task)
    assert waiting.of(knowing) is task
    for _ in range(2):
        line.put(None)
    assert [waiting.of(name) for name in ("first", "second", "third") if name != knowing] == [None, None]


def test_while_it_is_busy_any_other_takes_it(line):
    """The second task of a model starts at once on another worker."""
    waiting = Waiting(line, slot("knows", "resnet"), slot("other"))
    first, second = item("resnet"), item("resnet")
    line.put(first)
    line.put(second)
    assert (waiting.of("knows"), waiting.of("other")) == (first, second)


def test_what_nobody_knows_and_what_is_about_no_model_goes_to_anybody_in_its_order(line):
    tasks = [item("new"), item(), item("new")]
    for task in tasks:
        line.put(task)
    assert [line.get(slot("only", "resnet"), LONG) for _ in tasks] == tasks


def test_nothing_to_do_is_none_after_a_while(line):
    assert line.get(slot("a"), 0.0) is None
    assert line._free == []


def test_nothing_is_lost_or_done_twice_under_many_hands(line):
    tasks, taken, lock = [item(f"m{n % 5}") for n in range(300)], [], threading.Lock()

    def work(number):
        me = slot(str(number), f"m{number}")
        while (task := line.get(me, LONG)) is not None:
            with lock:
                taken.append(task)
            me.models = {*me.models, task.model}

    with ThreadPoolExecutor(8) as pool:
        hands = [pool.submit(work, n) for n in range(8)]
        for task in tasks:
            line.put(task)
        for _ in hands:
            line.put(None)
        for hand in hands:
            hand.result(LONG)
    assert sorted(map(id, taken)) == sorted(map(id, tasks))
