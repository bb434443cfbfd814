"""The served program: start, answers from the store, two workers against one, memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.bench.harness import Row, Setting, figure, seconds, versus
from backend.bench.server import Server, serving, write_weights
from backend.bench.subject import PICTURE

TITLE = "The service: `evident serve` in processes of its own"
ORDER = 50
SMALL, LARGE = "torchvision:resnet18", "torchvision:resnet50"
JOBS, COPIES = 20, 8
REPEATS = 20
MIB, MB = 2**20, 10**6
METHODS: dict[str, dict[str, Any]] = {
    "grad_cam": {}, "lime": {"n_samples": 200}, "smooth_grad": {}, "integrated_gradients": {}, "lrp": {}, "fused": {},
}  # fmt: skip
"""An explanation set; LIME's memory does not depend on its samples."""


def rows(setting: Setting) -> Iterator[Row]:
    """Five figures."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        write_weights(weights, (SMALL, LARGE))
        environment = {"EVIDENT_WEIGHTS": str(weights)}
        yield from _one_server(Path(folder) / "one", environment, setting)
        yield _two_workers(Path(folder), environment, setting)


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


def _two_workers(folder: Path, environment: dict[str, str], setting: Setting) -> Row:
    """Both servers stay up and take turns; every round asks for maps that neither has seen."""
    jobs = 4 if setting.quick else JOBS
    one_thread = environment | {"EVIDENT_THREADS": "1"}
    with (
        serving(folder / "single", 1, one_thread) as single,
        serving(folder / "double", 2, one_thread) as double,
    ):
        servers = (double, single)
        ids = [server.upload(PICTURE) for server in servers]

        def ask(which: int, seeds: range) -> float:
            params = {"n_samples": COPIES}
            requests = [
                {"input": ids[which], "model": SMALL, "method": "smooth_grad", "params": params, "seed": seed}
                for seed in seeds
            ]
            return seconds(lambda: servers[which].explain(requests))

        for which in (0, 1):
            setting.tell("workers load the network")
            ask(which, range(4))  # each worker has met the network before the clock runs
        times: list[tuple[float, float]] = []
        for number in range(setting.rounds):
            setting.tell(f"{jobs} explanations, round {number + 1} of {setting.rounds}")
            seeds = range(100 * (number + 1), 100 * (number + 1) + jobs)
            times.append((ask(0, seeds), ask(1, seeds)))
    return versus(
        f"{jobs} explanations, two workers",
        "one worker",
        times,
        goal=1.7,
        note=f"SmoothGrad with {COPIES} copies, one thread each.",
    )
