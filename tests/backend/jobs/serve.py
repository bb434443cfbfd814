"""A backend in a process of its own, to be killed: submits its jobs (harmless when they are known), exits
when all have ended."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from app.core.settings import Settings
from backend.api.services import Services


async def main(folder: Path, number: int) -> None:
    import tests.backend.toys  # noqa: F401

    services = Services(Settings(data=folder, workers=2), plugins=("tests.backend.toys",), preload=False)
    await services.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    work = asyncio.create_task(submit_and_wait(services, number))
    await asyncio.wait([work, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    await services.stop()
    print("stopped", flush=True)


async def submit_and_wait(services: Services, number: int) -> None:
    print("started", flush=True)
    for n in range(number):
        payload = {"name": n, "plus": n, "steps": 3, "nap": 0.01}
        await services.jobs.submit("toy_echo", payload, key=f"{n:064x}")
        print("accepted", n, flush=True)
    for n in range(number):
        while (await services.jobs.wait(f"{n:064x}", 10)).active:
            pass
    print("finished", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
