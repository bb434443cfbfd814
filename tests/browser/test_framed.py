"""The page in a frame of another site's page, as a notebook shows it: the browser keeps storage from it there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, free_port


@contextmanager
def notebook(cell: str) -> Iterator[str]:
    """A page with this cell on another port, under another name of this machine: another site."""

    class Notebook(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<link rel="icon" href="data:,">{cell}'.encode())

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Notebook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def framed(tmp_path: Path) -> Iterator[str]:
    """A dashboard that lets notebooks show it. What stands on its pages without a backend is enough here."""
    port = free_port()
    env = {
        **os.environ,
        "EVIDENT_API_URL": "http://127.0.0.1:9",
        "EVIDENT_FRAME_ANCESTORS": "http://localhost:*",
        "EVIDENT_DATA": str(tmp_path),
    }
    command = [sys.executable, "-m", "app", "serve", "--part", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL) as server:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while True:
            try:
                httpx.get(base, timeout=5)
                break
            except httpx.TransportError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield base
        server.terminate()


@pytest.mark.browser
def test_the_page_is_drawn_in_a_notebooks_frame(private: Page, framed: str) -> None:
    """Chromium denies storage to frames of another site here, as private windows do; the console says nothing of it."""
    private.watch.allow("status of 503")  # type: ignore[attr-defined]  # there is no backend to ask
    cell = f'<iframe src="{framed}/about" width="1200" height="800"></iframe>'
    with notebook(cell) as address:
        private.goto(address)
        inside = private.frame_locator("iframe")
        expect(inside.get_by_role("link", name="Concepts")).to_be_visible()
