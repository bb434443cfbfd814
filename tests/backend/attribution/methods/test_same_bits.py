"""The same request gives the same bits in every process, also beside a busy machine."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
import torch

from backend.attribution.network.bfloat16 import has_bfloat16

MAPS = """
import hashlib, torch
import backend, models
torch.set_num_threads(1)
methods = {
    "smooth_grad": {"n_samples": 16}, "integrated_gradients": {"n_steps": 16}, "lime": {"n_samples": 512}, "rise": {"n_samples": 32},
    "lrp": {}, "fused": {},
}
for name in ("shapes", "cnnexplain_synthetic"):
    model = models.load(name)
    x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
    for method, params in methods.items():
        result = backend.explain(model, x, method, target=0, **params)
        print(name, method, hashlib.sha256(result.values.tobytes()).hexdigest(), result.plan)
"""


@pytest.mark.usefixtures("half_precision")
def test_other_processes_beside_a_busy_loop_give_the_same_bytes_as_this_one():
    """Where the network was picked by the clock, three processes gave two versions of SmoothGrad and
    integrated gradients."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        others = [
            subprocess.Popen([sys.executable, "-c", MAPS], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        answers = [process.communicate(timeout=300)[0] for process in others]
    finally:
        busy.kill()
        busy.wait()
    threads, here = torch.get_num_threads(), io.StringIO()
    try:
        with redirect_stdout(here):
            exec(MAPS, {})
    finally:
        torch.set_num_threads(threads)
    assert len(answers[0].splitlines()) == 12
    assert set(answers) == {here.getvalue()}


MEASURED = """
import hashlib, sys, torch
from pathlib import Path
import backend, models
from backend.attribution.network import plan_store
torch.set_num_threads(1)
plan_store.keep_in(Path(sys.argv[1]))
model = models.load("shapes")
x = torch.rand(1, *model.input.shape, generator=torch.Generator().manual_seed(0))
for method, params in {"smooth_grad": {"n_samples": 16}, "integrated_gradients": {"n_steps": 16}, "lime": {"n_samples": 512}}.items():
    result = backend.explain(model, x, method, target=0, **params)
    print(method, hashlib.sha256(result.values.tobytes()).hexdigest(), result.plan)
"""


@pytest.mark.usefixtures("half_precision")
def test_processes_that_measure_at_the_same_time_and_one_that_comes_later_give_the_same_bytes(tmp_path):
    def start():
        return subprocess.Popen(
            [sys.executable, "-c", MEASURED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )

    together = [process.communicate(timeout=300)[0] for process in [start(), start()]]
    later = start().communicate(timeout=300)[0]
    assert len(later.splitlines()) == 3
    assert set(together) == {later}
    if has_bfloat16(torch.device("cpu")):  # there is more than one way
        assert list(tmp_path.glob("*.json"))
