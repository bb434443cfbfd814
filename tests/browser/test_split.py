"""The services apart, as processes: the page works in a browser, and works again after either of them was
restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import ROOT, free_port
from tests.browser.test_compare import open_sample

pytestmark = pytest.mark.browser


class Part:
    """`evident serve --part NAME`, which can be stopped and started again on the same port."""

    def __init__(self, name: str, folder: Path, **settings: str) -> None:
        self.name, self.port, self.log = name, free_port(), folder / f"{name}.log"
        self.base = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, "EVIDENT_DATA": str(folder / "data"), "EVIDENT_WORKERS": "1", **settings}

    def start(self) -> None:
        command = [sys.executable, "-m", "app", "serve", "--part", self.name, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def until_ready(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                if all(
                    httpx.get(f"{self.base}{path}", timeout=30).status_code == 200
                    for path in ("/readyz", "/api/v1/catalogue")
                ):
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.2)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Part, Part]]:
    api = Part("api", tmp_path, EVIDENT_TRUSTED_PROXIES="127.0.0.1")
    ui = Part("ui", tmp_path, EVIDENT_API_URL=api.base)
    with ExitStack() as stack:
        for part in (api, ui):
            part.start()
            stack.callback(lambda part=part: part.process.poll() is None and part.process.kill())
        ui.until_ready()
        yield api, ui


def test_the_page_works_and_survives_a_restart_of_each_part(parts: tuple[Part, Part], page: Page) -> None:
    api, ui = parts
    # The page stays open while a part is away, and its browser says what it could not load.
    page.watch.allow("Failed to load resource", "Failed to fetch", "the server did not respond")  # type: ignore[attr-defined]
    open_sample(page, ui.base, "image")
    assert api.stop() == 0
    assert httpx.get(f"{ui.base}/api/v1/limits", timeout=10).status_code == 503
    api.start()
    ui.until_ready()
    open_sample(page, ui.base, "image")
    assert ui.stop() == 0
    ui.start()
    ui.until_ready()
    open_sample(page, ui.base, "image")
