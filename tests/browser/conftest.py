"""A real server and a real browser. Every page fails its test on a console message, a page error or a
request that leaves the machine."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.browser.widgets import scenes
from tests.browser.widgets.server import Site

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("provide", Path(__file__).with_name("provide.py"))
assert _spec
assert _spec.loader
provide = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(provide)

# A cold server on a busy machine needs a while for its first catalogue; a test that waits is not a test of
# speed.
expect.set_options(timeout=30_000)

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


# Only so that a server that hangs is noticed: all tests of a session fail with its server.
PATIENCE = 600.0

DELAY = int(os.environ.get("EVIDENT_TEST_DELAY", "0"))
"""Milliseconds that every answer may come later, each by another part of it: looks for what only holds when answers
are quick."""
LATER = """{
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    await new Promise((next) => setTimeout(next, Math.random() * MOST));
    return answer;
  };
}"""
DESKTOP: ViewportSize = {"width": 1440, "height": 900}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the browser's cache: what it fetched and compiled for one test it need not for the next."""
    return tmp_path_factory.mktemp("profile")


@pytest.fixture(scope="module")
def window(profile: Path) -> Iterator[BrowserContext]:
    """An ordinary window, which uses the cache. Not for the whole session: while it is open its event loop counts
    as running, also for tests of other folders in the same process."""
    path = provide.installed()
    assert path, "no browser: run make test, which provides one"
    with sync_playwright() as playwright:
        window = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=QUIET, viewport=DESKTOP
        )
        yield window
        window.close()


@pytest.fixture(scope="module")
def browser(window: BrowserContext) -> Browser:
    """Opens private windows."""
    assert window.browser
    return window.browser


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of `evident serve` in a process of its own, with an empty data folder and its catalogue
    computed."""
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    env = {**os.environ, "EVIDENT_DATA": str(folder / "data")}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                # Ready is not enough: until there is a catalogue every page waits, and the first test with it.
                if httpx.get(f"{base}/api/v1/catalogue", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the server did not become ready:\n" + (folder / "log").read_text()[-4000:])
            time.sleep(0.2)
        yield base
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class Watch:
    """What a page must not do: speak in the console, throw, or ask another machine."""

    def __init__(self, page: Page) -> None:
        self._heard: list[str] = []
        self._allowed: list[str] = []
        page.on(
            "console",
            lambda message: self._heard.append(
                f"console {message.type}: {message.text} ({message.location['url']})"
            ),
        )
        page.on("pageerror", lambda error: self._heard.append(f"page error: {error}"))
        page.on("request", self._request)

    @property
    def complaints(self) -> list[str]:
        return [line for line in self._heard if not any(part in line for part in self._allowed)]

    def _request(self, request: object) -> None:
        url = urlsplit(request.url)  # type: ignore[attr-defined]
        if url.scheme in {"http", "https", "ws", "wss"} and url.hostname not in {"127.0.0.1", "localhost"}:
            self._heard.append(f"foreign request: {url.hostname}")

    def allow(self, *parts: str) -> None:
        """Messages that the test brings about, early or late, e.g. the browser's own line for a refused
        upload."""
        self._allowed.extend(parts)


def _watched(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(30_000)
    if DELAY:
        page.add_init_script(LATER.replace("MOST", str(DELAY)))
    watch = Watch(page)
    page.watch = watch  # type: ignore[attr-defined]
    yield page
    assert not watch.complaints, "the browser complained: " + "; ".join(watch.complaints[:5])


def _private(browser: Browser, **options: object) -> Iterator[Page]:
    context = browser.new_context(**options)  # type: ignore[arg-type]
    try:
        yield from _watched(context)
    finally:
        context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A desktop that was here before: its cache is warm, and nothing else is left of the tests before."""
    blank = window.new_cdp_session(window.pages[0])
    blank.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    blank.detach()
    window.clear_permissions()
    try:
        yield from _watched(window)
    finally:
        for page in window.pages[1:]:
            page.close()


@pytest.fixture
def private(browser: Browser) -> Iterator[Page]:
    """A private window: nothing is in its cache, and frames of another site may store nothing."""
    yield from _private(browser, viewport=DESKTOP)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    yield from _private(browser, viewport={"width": 390, "height": 844}, has_touch=True)


@pytest.fixture
def served() -> Site:
    """The widgets on a page without Dash, for one test: it remembers what was asked of it."""
    return Site()


@pytest.fixture
def bench(page: Page, served: Site) -> Page:
    """An empty harness page that remembers what the widgets told Dash."""
    scenes.open_harness(page, served)
    page.evaluate("() => { window.told = []; evident.on('tell', (item) => told.push(item)); }")
    return page
