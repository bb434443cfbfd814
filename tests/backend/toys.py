"""Tasks that behave badly on purpose, for the engine and job tests. Workers import this module as a
plugin."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from app.core.errors import BadParameter
from backend.tasks import Outcome, Task, register
from backend.tasks.payloads import Payload


class Toy(Payload):
    """What any of the toys may be asked; each looks at its own part."""

    steps: int = 1
    nap: float = 0.0
    plus: int = 0
    name: str | int | None = None
    log: Path | None = None
    pid: Path | None = None
    pids: Path | None = None
    bug: bool = False
    quote: str = "CANARY-secret"
    count: Path | None = None
    times: int = 0
    mib: int = 0


class ToyResult(BaseModel, extra="allow"):
    """Whatever the toy says."""


class ToyTask(Task[Toy, ToyResult]):
    Payload = Toy


@register
class Echo(ToyTask):
    """Sleeps in small steps, reports, and leaves a map and a file."""

    key, lane = "toy_echo", "interactive"

    def compute(self, payload, files, report):
        steps = payload.steps
        if payload.pid:
            payload.pid.write_text(str(os.getpid()))
        if payload.pids:
            (payload.pids / str(os.getpid())).touch()
        for step in range(steps):
            report(step, steps, np.full((2, 3), step, np.float32), unit="naps")
            time.sleep(payload.nap)
        report(steps, steps)
        if payload.log:  # one line per completed run, atomically appended: what the kill tests count
            with payload.log.open("a") as file:
                file.write(f"{payload.name}\n")
        values = np.arange(6, dtype=np.float32).reshape(2, 3) + payload.plus
        return Outcome(
            ToyResult(echo=payload.name, pid=os.getpid()), {"values": values}, {"note.txt": b"hello"}
        )


@register
class EchoDecode(Echo):
    key, lane = "toy_decode", "decode"


@register
class EchoBatch(Echo):
    key, lane, rank = "toy_batch", "batch", -10


@register
class EchoShort(Echo):
    key, lane = "toy_short", "short"


@register
class EchoFirst(Echo):
    key, lane, rank = "toy_first", "interactive", 50


@register
class Wrong(ToyTask):
    """Fails: with an error of ours, or with a bug whose message quotes private data."""

    key, lane = "toy_wrong", "interactive"

    def compute(self, payload, files, report):
        if payload.bug:
            raise KeyError(payload.quote)
        raise BadParameter("The number must be even.", code="odd", field="params.n")


@register
class Suicide(ToyTask):
    """Dies by kill -9 the first `times` times (counted in a file), then succeeds."""

    key, lane = "toy_suicide", "interactive"

    def compute(self, payload, files, report):
        report(1, 10)
        with payload.count.open("ab") as file:
            file.write(b".")
        if payload.count.stat().st_size <= payload.times:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(ToyResult(survived=True))


@register
class Stubborn(ToyTask):
    """Never looks at the cancel flag."""

    key, lane = "toy_stubborn", "interactive"

    def compute(self, payload, files, report):
        payload.pid.write_text(str(os.getpid()))
        time.sleep(60)
        return Outcome(ToyResult())


@register
class Spin(ToyTask):
    """Burns CPU in the light lane."""

    key, lane = "toy_spin", "decode"

    def compute(self, payload, files, report):
        payload.pid.write_text(str(os.getpid()))
        while True:
            pass


@register
class Greedy(ToyTask):
    """Takes `mib` MiB of memory and touches it."""

    key, lane = "toy_greedy", "interactive"

    def compute(self, payload, files, report):
        block = np.ones(payload.mib * 1024 * 1024, np.uint8)
        return Outcome(ToyResult(sum=int(block[:: 1024 * 1024].sum()), pid=os.getpid()))


@register
class GreedyDecode(Greedy):
    key, lane = "toy_greedy_decode", "decode"


@register
class Passing(ToyTask):
    """Uses memory as the engine's passes do, and lets go of it."""

    key, lane = "toy_passing", "interactive"

    def compute(self, payload, files, report):
        import psutil

        from backend.attribution.network.runtime import at_work

        with at_work():
            for _ in range(3):
                np.ones(payload.mib * 2**17)
        return Outcome(ToyResult(pid=os.getpid(), resident=psutil.Process().memory_info().rss))


@register
class Environment(ToyTask):
    """What a worker process looks like from inside."""

    key, lane = "toy_environment", "interactive"

    def compute(self, payload, files, report):
        import sys

        from app.core.settings import get_settings

        names = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "NUMBA_CACHE_DIR", "EVIDENT_DATABASE")
        torch = sys.modules.get("torch")
        return Outcome(
            ToyResult(
                env={name: os.environ.get(name) for name in names},
                audio_seconds=get_settings().limits.audio_seconds,
                torch=torch is not None,
                threads=torch.get_num_threads() if torch else None,
            )
        )


@register
class EnvironmentDecode(Environment):
    key, lane = "toy_environment_decode", "decode"
