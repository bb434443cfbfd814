"""Forward passes of long runs: the network that the engine fuses, against its eager copy in bfloat16 and the
module as given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from backend.attribution.network.passes import Passes
from backend.attribution.network.plan import Plan
from backend.bench.harness import LeftOut, Row, Setting, seconds, versus
from backend.bench.subject import network

TITLE = "Forward passes of a long run (224 x 224): theirs / ours"
ORDER = 15
ARCHITECTURES = ("resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2", "densenet121")
LONG_RUN = 100_000
"""A run for which any fused network pays that is faster."""


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """Two rows per architecture."""
    for name in ARCHITECTURES[2:3] if setting.quick else ARCHITECTURES:
        setting.tell(name)
        passes = Passes.of(network(f"torchvision:{name}"))
        eager = passes.plan("forward")
        started = time.perf_counter()
        fused = passes.fused(LONG_RUN)
        prepared = time.perf_counter() - started
        if fused is None:
            yield LeftOut(name, "the engine keeps its eager network: it cannot be fused, or is no faster.")
        yield from _rows(
            name, fused or eager, eager, passes.exact, prepared, setting, passes.model.input.shape
        )


def _rows(
    name: str, best: Plan, eager: Plan, exact: Plan, prepared: float, setting: Setting, shape: tuple[int, ...]
) -> Iterator[Row]:
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    plans = {"best": best, "eager": eager, "exact": exact}
    works = {key: _one_batch(plan, x) for key, plan in plans.items()}
    for work in works.values():
        work()
    times: dict[str, list[float]] = {key: [] for key in plans}
    for _ in range(setting.rounds):
        for key, work in works.items():
            times[key].append(1000 * seconds(work) / plans[key].batch)
    per_second = {key: f"{1000 / min(column):.0f}" for key, column in times.items()}
    for key, words in (("eager", eager.description), ("exact", exact.description)):
        if best is plans[key]:
            continue
        note = f"{per_second['best']} against {per_second[key]} images/s."
        if best is not eager:
            note += f" Prepared and compared in {prepared:.1f} s."
        pairs = list(zip(times["best"], times[key], strict=True))
        yield versus(name, words.partition(", batch")[0], pairs, goal=None, note=note, unit="ms an image")


def _one_batch(plan: Plan, x: Tensor) -> Callable[[], None]:
    batch = plan.laid_out(x.repeat(plan.batch, 1, 1, 1))

    def run() -> None:
        with torch.inference_mode():
            plan.network(batch)

    return run
