"""An application on a port of this machine, for tests that need a real connection to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

PATIENCE = 60.0


@contextmanager
def serving(app: Any, **config: Any) -> Iterator[str]:
    """Its address, while it is served by a thread. config: of uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, **config))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
