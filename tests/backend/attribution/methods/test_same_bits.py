"""The same request gives the same bits in every process, also beside a busy machine."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
import torch

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
