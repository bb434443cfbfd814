"""What the engine sets in its process."""

import json
import os
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

import backend
import models
from backend.attribution.network.cache import steady
from backend.attribution.network.runtime import as_usual, at_work, give_back

LARGE = 64 * 2**20 // 4
"""Numbers of a tensor that the C library would map on its own."""
TIMES = 8
PAGE = resource.getpagesize()


def blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture
def several_threads():
    with threadpool_limits(2, "blas"):
        if blas_threads() != {2}:
            pytest.skip("numpy's linear algebra has one thread here")
        yield


def test_linear_algebra_has_one_thread_while_the_engine_works(several_threads):
    with at_work():
        assert blas_threads() == {1}
        with at_work():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_threads_come_back_after_an_error(several_threads):
    with pytest.raises(ZeroDivisionError), at_work():
        raise ZeroDivisionError
    assert blas_threads() == {2}


def test_another_thread_at_work_leaves_the_number_of_threads_alone(several_threads):
    """It comes while the main thread is at work and goes after it, and the other way round."""
    came, go = threading.Event(), threading.Event()

    def other() -> None:
        with at_work():
            came.set()
            go.wait(10)

    thread = threading.Thread(target=other)
    with at_work():
        thread.start()
        assert came.wait(10)
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    go.set()
    thread.join()
    assert blas_threads() == {2}


def test_every_explanation_is_made_at_work(several_threads, monkeypatch):
    model = models.load("shapes")
    seen = []
    forward = model.module.forward
    monkeypatch.setattr(model.module, "forward", lambda x: seen.append(blas_threads()) or forward(x))
    backend.explain(model, torch.zeros(1, *model.input.shape), "gradient", target=0)
    assert seen
    assert all(threads == {1} for threads in seen)
    with steady(model):
        assert blas_threads() == {1}


FAULTS = """
import json, resource, torch
from backend.attribution.network.runtime import as_usual, at_work, give_back

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({times}):
        torch.zeros({large})
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * {page}

usual = faults()
with at_work():
    faults()
    kept = faults()
held = resident()
give_back()
print(json.dumps({{"usual": usual, "kept": kept, "held": held - resident(), "afterwards": (as_usual(), faults())[1]}}))
"""


def measured(**environment: str) -> dict[str, int]:
    code = FAULTS.format(times=TIMES, large=LARGE, page=PAGE)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=plain | environment, capture_output=True, text=True, check=True
    )
    seen: dict[str, int] = json.loads(answer.stdout)
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_freed_memory_is_kept_until_it_is_given_back():
    pages = TIMES * LARGE * 4 // PAGE
    seen = measured()
    if seen["usual"] < pages * 0.9:
        pytest.skip("the C library here keeps freed memory of itself, or pages are huge")
    assert seen["kept"] < pages / 3  # the first may find another place than before
    assert seen["held"] >= LARGE * 4
    assert (
        seen["afterwards"] >= pages / TIMES
    )  # at least what was given back; gaps in the heap are used again


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_what_the_user_set_for_memory_stays():
    pages = TIMES * LARGE * 4 // PAGE
    seen = measured(MALLOC_MMAP_THRESHOLD_="1000000")
    if seen["usual"] < pages / 2:
        pytest.skip("pages are huge")
    assert seen["kept"] > pages / 2


def test_giving_back_loses_nothing():
    with at_work():
        kept = torch.arange(LARGE)
        del kept
        kept = torch.arange(LARGE)
        give_back()
        as_usual()
        assert np.array_equal(kept[-3:].numpy(), [LARGE - 3, LARGE - 2, LARGE - 1])
