"""The served program: start, answers from the store, work side by side, memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from backend.bench.harness import Row, Setting, figure, seconds, versus
from backend.bench.server import Server, serving, write_weights
from backend.bench.subject import PICTURE

TITLE = "The service: `evident serve` in processes of its own"
ORDER = 50
SMALL, LARGE = "torchvision:resnet18", "torchvision:resnet50"
JOBS, COPIES = 20, 8
LONG_JOBS, LONG_COPIES = 8, 60
REPEATS = 20
MIB, MB = 2**20, 10**6
STUDY_INPUTS = 16
STUDY: dict[str, Any] = {
    "model": SMALL,
    "set": "photographs",
    "methods": ["grad_cam", "smooth_grad", "lrp"],
    "metrics": ["sparseness", "pixel_flipping", "faithfulness_correlation"],
}
METHODS: dict[str, dict[str, Any]] = {
    "grad_cam": {}, "lime": {"n_samples": 200}, "smooth_grad": {}, "integrated_gradients": {}, "lrp": {}, "fused": {},
}  # fmt: skip
"""An explanation set; LIME's memory does not depend on its samples."""


def rows(setting: Setting) -> Iterator[Row]:
    """Seven figures."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        write_weights(weights, (SMALL, LARGE))
        environment = {"EVIDENT_WEIGHTS": str(weights)}
        yield from _one_server(Path(folder) / "one", environment, setting)
        one_thread = environment | {"EVIDENT_THREADS": "1"}
        yield _at_once(Path(folder), one_thread, setting)
        yield _two_workers(Path(folder), one_thread, setting)
        yield _study(Path(folder), one_thread, setting)


def _one_server(data: Path, environment: dict[str, str], setting: Setting) -> Iterator[Row]:
    """Start, store, memory."""
    setting.tell("first start")
    with serving(data, 1, environment) as server:
        server.catalogue()
    boots = []
    for number in range(1 if setting.quick else max(3, setting.rounds)):
        setting.tell(f"start {number + 1}")
        with serving(data, 1, environment) as server:
            boots.append(server.boot)
            if number == 0:
                yield from _filled(server, setting)
    yield figure("Start to ready, second start on", boots, most=5.0, unit="s")


def _filled(server: Server, setting: Setting) -> Iterator[Row]:
    setting.tell("an explanation set with a ResNet-50")
    input_id = server.upload(PICTURE)
    requests = [
        {"input": input_id, "model": LARGE, "method": method, "params": params}
        for method, params in METHODS.items()
    ]
    (map_id, *_) = server.explain(requests[:1] if setting.quick else requests)

    def again() -> None:
        explanation = server.client.post("/api/v1/explanations", json=requests[0]).raise_for_status().json()
        server.client.get(f"/api/v1/explanations/{explanation['id']}/values.npy").raise_for_status()

    again()
    note = "Request, answer and the map's numbers."
    yield figure(
        "Same map again", [1000 * seconds(again) for _ in range(REPEATS)], most=50, unit="ms", note=note
    )
    note = f"Its high-water mark after {len(METHODS)} methods."
    yield figure(
        "Memory of the worker, ResNet-50", [server.worker_bytes() / MIB], most=1536, unit="MiB", note=note
    )
    for address in ("/", f"/api/v1/explanations/{map_id}/overlay.png"):
        server.client.get(address).raise_for_status()
    yield figure(
        "Memory of the web process",
        [server.web_bytes / MB],
        most=150,
        unit="MB",
        note="Resident, with the page served.",
    )


def _at_once(folder: Path, environment: dict[str, str], setting: Setting) -> Row:
    """Short explanations: a server with one worker runs them in that and in the one it keeps for short work."""
    jobs = 4 if setting.quick else JOBS
    with serving(folder / "short", 1, environment) as server:
        ask = _asking(server, COPIES)
        setting.tell("workers load the network")
        ask(range(4))
        times: list[tuple[float, float]] = []
        for number in range(setting.rounds):
            setting.tell(f"{jobs} short explanations, round {number + 1} of {setting.rounds}")
            seeds = range(1000 * (number + 1), 1000 * (number + 1) + jobs)
            together = seconds(partial(ask, seeds))
            times.append((together, sum(seconds(partial(ask, [500 + seed])) for seed in seeds)))
    note = f"SmoothGrad with {COPIES} copies, one thread each: the server's worker and the one it keeps for short work."
    return versus(f"{jobs} short explanations at once", "one after the other", times, goal=1.7, note=note)


def _two_workers(folder: Path, environment: dict[str, str], setting: Setting) -> Row:
    """Both servers stay up and take turns; every round asks for maps that neither has seen. The maps are long
    enough not to count as short work, which has a worker of its own in either server."""
    jobs = 2 if setting.quick else LONG_JOBS
    with (
        serving(folder / "single", 1, environment) as single,
        serving(folder / "double", 2, environment) as double,
    ):
        asks = [_asking(double, LONG_COPIES), _asking(single, LONG_COPIES)]
        for ask in asks:
            setting.tell("workers load the network")
            ask(range(4))  # each worker has met the network before the clock runs
        times: list[tuple[float, float]] = []
        for number in range(setting.rounds):
            setting.tell(f"{jobs} explanations, round {number + 1} of {setting.rounds}")
            seeds = range(100 * (number + 1), 100 * (number + 1) + jobs)
            ours, theirs = (seconds(partial(ask, seeds)) for ask in asks)
            times.append((ours, theirs))
    note = f"SmoothGrad with {LONG_COPIES} copies, one thread each."
    return versus(f"{jobs} explanations, two workers", "one worker", times, goal=1.7, note=note)


def _study(folder: Path, environment: dict[str, str], setting: Setting) -> Row:
    """A study is many small jobs, so a second worker takes half of them; every round is a study that neither server has
    seen (another seed)."""
    inputs = 4 if setting.quick else STUDY_INPUTS
    with (
        serving(folder / "study-single", 1, environment) as single,
        serving(folder / "study-double", 2, environment) as double,
    ):
        for server in (double, single):
            setting.tell("workers load the network")
            server.catalogue()
            server.study(STUDY | {"count": 4, "seed": 1})
        times: list[tuple[float, float]] = []
        for number in range(setting.rounds):
            setting.tell(f"a study of {inputs} inputs, round {number + 1} of {setting.rounds}")
            request = STUDY | {"count": inputs, "seed": 100 + number}
            ours, theirs = (seconds(partial(server.study, request)) for server in (double, single))
            times.append((ours, theirs))
    methods, metrics = ", ".join(STUDY["methods"]), ", ".join(STUDY["metrics"])
    note = f"{methods} under {metrics} on photographs, one thread each."
    return versus(f"A study of {inputs} inputs, two workers", "one worker", times, goal=1.7, note=note)


def _asking(server: Server, copies: int) -> Callable[[Iterable[int]], list[str]]:
    """A function that asks a server for SmoothGrad maps with these seeds and waits for all."""
    request = {
        "input": server.upload(PICTURE),
        "model": SMALL,
        "method": "smooth_grad",
        "params": {"n_samples": copies},
    }
    return lambda seeds: server.explain([request | {"seed": seed} for seed in seeds])
