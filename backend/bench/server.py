"""`evident serve` in a process of its own with an empty data folder, and the calls that the benchmark
makes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from backend.bench.subject import network

BOOT_SECONDS = 120.0
LONGEST = 900.0
POLL = 0.05


@dataclass(frozen=True, eq=False)
class Server:
    """A running server. boot: seconds from starting the process to the first 200 of /readyz."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    boot: float

    def upload(self, path: Path) -> str:
        """The id of an input."""
        answer = self.client.post("/api/v1/inputs", files={"file": (path.name, path.read_bytes())})
        return str(answer.raise_for_status().json()["id"])

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Posts an explanation; waits while the server is still getting its models ready."""
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            answer = self.client.post("/api/v1/explanations", json=request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return dict(answer.raise_for_status().json())
            time.sleep(1.0)

    def predict(self, input_id: str, model: str) -> None:
        """Waits for the prediction, as the page does before it asks for maps."""
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            answer = self.client.post("/api/v1/predictions", json={"input": input_id, "model": model})
            if answer.status_code == httpx.codes.OK:
                return
            if answer.status_code not in (httpx.codes.ACCEPTED, httpx.codes.SERVICE_UNAVAILABLE):
                answer.raise_for_status()
            if time.monotonic() > deadline:
                raise RuntimeError("no prediction came")
            time.sleep(POLL)

    def explain(self, requests: Sequence[dict[str, Any]]) -> list[str]:
        """Posts them all and waits until the last has ended, on one stream of events. Raises RuntimeError
        when one failed."""
        ids = [self.ask(request)["id"] for request in requests]
        with self.client.stream(
            "GET", "/api/v1/explanations/events", params={"ids": ",".join(ids)}
        ) as stream:
            for _ in stream.iter_lines():
                pass
        states = [self.client.get(f"/api/v1/explanations/{id}").json()["state"] for id in ids]
        if set(states) != {"done"}:
            raise RuntimeError(f"explanations ended as {sorted(set(states))}")
        return ids

    def study(self, request: dict[str, Any]) -> None:
        """Posts a study and waits until it has ended. Raises RuntimeError when it failed, or left inputs out."""
        answer = self.client.post("/api/v1/evaluations", json=request).raise_for_status().json()
        with self.client.stream("GET", f"/api/v1/evaluations/{answer['id']}/events") as stream:
            for _ in stream.iter_lines():
                pass
        study = self.client.get(f"/api/v1/evaluations/{answer['id']}").json()
        methods = {row["method"] for row in study["result"]["rows"] if not row["control"]}
        counts = {entry["n"] for entry in study["result"]["table"] if entry["method"] in methods}
        if study["state"] != "done" or counts != {request["count"]}:
            raise RuntimeError(f"the study ended as {study['state']}, with scores of {sorted(counts)} inputs")

    def catalogue(self) -> None:
        """Waits until everything that is computed at the first start is stored: also the networks of the weights
        folder, which join the list one by one."""
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._listed() and time.monotonic() < deadline:
            time.sleep(0.5)

    def _listed(self) -> bool:
        answer = self.client.get("/api/v1/catalogue")
        return answer.status_code == httpx.codes.OK and all(
            model["reason"] is not None for model in answer.json()["absent"]
        )

    @property
    def web_bytes(self) -> int:
        """Resident memory of the web process."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def worker_bytes(self) -> int:
        """The most that any worker ever had resident (its high-water mark where the system keeps one)."""
        return max(_peak(child) for child in psutil.Process(self.process.pid).children(recursive=True))


@contextmanager
def serving(data: Path, workers: int, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Starts, waits until ready, and ends the server with its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVIDENT_")}
    command = [
        sys.executable,
        "-m",
        "app",
        "serve",
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--data",
        str(data),
    ]
    data.mkdir(parents=True, exist_ok=True)
    with (
        (data / "bench.log").open("wb") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LONGEST) as client,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).resolve().parents[2],
            env=inherited | (environment or {}),
            stdout=log,
            stderr=log,
        )
        try:
            yield Server(process, client, _until_ready(process, client, started))
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def write_weights(folder: Path, models: Iterable[str]) -> None:
    """Seeded random weights as safetensors: nothing is downloaded."""
    from safetensors.torch import save_file

    folder.mkdir()
    for key in models:
        state = network(key).module.state_dict()
        save_file(
            {name: tensor.contiguous() for name, tensor in state.items()},
            folder / f"{key.replace(':', '_')}.safetensors",
        )


def _until_ready(process: subprocess.Popen[bytes], client: httpx.Client, started: float) -> float:
    while time.perf_counter() - started < BOOT_SECONDS and process.poll() is None:
        try:
            if client.get("/readyz", timeout=2).status_code == httpx.codes.OK:
                return time.perf_counter() - started
        except httpx.TransportError:
            pass
        time.sleep(POLL)
    raise RuntimeError("the server did not become ready")


def _peak(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024
    except (OSError, StopIteration):
        return int(process.memory_info().rss)
