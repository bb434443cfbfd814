"""The budgets of the page, in a real browser: from a file to its first map, crosshair and look, sound, and a link that
gives the same pixels. Needs playwright and a Chromium (`make test` brings both); left out without them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.bench.first_pictures import variant
from backend.bench.harness import LeftOut, Row, Setting, figure
from backend.bench.server import serving
from backend.bench.subject import SOUND

TITLE = "The page, in a browser"
ORDER = 54
FIRST_MAP, CROSSHAIR, LOOK, LISTEN = 2.0, 50.0, 100.0, 300.0
"""Most seconds, and most milliseconds."""
PATIENCE = 120_000
DONE = '.ev-map[data-state="done"]'
FILE = '[data-evident="upload"] input[type="file"]'
DRAWN = """async (act) => {
  const canvas = document.querySelector('.ev-map[data-state="done"]:not(.ev-map--input) canvas');
  const before = canvas.toDataURL();
  const started = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key: act, bubbles: true}));
  for (;;) {
    await new Promise(requestAnimationFrame);
    if (canvas.toDataURL() !== before) return performance.now() - started;
    if (performance.now() - started > 10000) throw new Error('nothing was drawn');
  }
}"""
POINTED = """async (share) => {
  const plot = document.querySelector('.ev-map[data-state="done"]:not(.ev-map--input) .ev-plot');
  const box = plot.getBoundingClientRect();
  const at = {clientX: box.left + share * box.width, clientY: box.top + share * box.height, pointerType: 'mouse', bubbles: true};
  const hair = plot.querySelector('.ev-hair--down');
  const before = hair.style.transform;
  const started = performance.now();
  plot.dispatchEvent(new PointerEvent('pointermove', at));
  await new Promise(requestAnimationFrame);
  if (hair.style.transform === before) throw new Error('the crosshair did not move');
  return performance.now() - started;
}"""
HEARD = """async () => {
  const started = performance.now();
  document.querySelector('.ev-listen button:not([disabled])').click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const sound = performance.getEntriesByType('resource').find((file) => file.name.includes('/audio.wav') && file.startTime >= started);
    if (sound?.responseStart) return sound.responseStart - started;
    if (performance.now() - started > 10000) throw new Error('no sound came');
  }
}"""
PICTURE = (
    "() => document.querySelector('.ev-map[data-state=\"done\"]:not(.ev-map--input) canvas').toDataURL()"
)


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """Six figures."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        yield LeftOut(TITLE, "playwright is not installed.")
        return
    path = os.environ.get("EVIDENT_BROWSER") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not path:
        yield LeftOut(TITLE, "there is no Chromium on this machine.")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "data", 2) as server,
        sync_playwright() as playwright,
    ):
        server.catalogue()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield from _pictures(page, str(server.client.base_url), setting)
        yield from _sound(page, str(server.client.base_url), setting)
        browser.close()


def _pictures(page: Any, base: str, setting: Setting) -> Iterator[Row]:
    """A picture nobody has sent before, the look of its maps, and its link."""
    times = []
    for number in range(setting.rounds + 1):
        setting.tell(f"a picture to its first map, {number} of {setting.rounds}")
        page.goto(base)
        page.locator(FILE).first.wait_for(state="attached")
        file = {"name": "a.png", "mimeType": "image/png", "buffer": variant(500 + number)}
        started = time.perf_counter()
        page.locator(FILE).last.set_input_files(file)
        page.locator(DONE).first.wait_for()
        times.append(time.perf_counter() - started)
    note = f"The very first took {times[0]:.1f} s: the network is loaded and measured."
    yield figure("From a file to its first map", times[1:], most=FIRST_MAP, unit="s", note=note)
    page.wait_for_load_state("networkidle")
    count = max(3, setting.rounds)
    moved = [page.evaluate(POINTED, 0.2 + 0.1 * number) for number in range(count)]
    yield figure("Crosshair on every map", moved, most=CROSSHAIR, unit="ms")
    opacity = [page.evaluate(DRAWN, "[") for _ in range(count)]
    yield figure(
        "Opacity", opacity, most=LOOK, unit="ms", note="Until the map is drawn anew, without the server."
    )
    threshold = [page.evaluate(DRAWN, "-") for _ in range(count)]
    yield figure("Threshold", threshold, most=LOOK, unit="ms")
    setting.tell("the link")
    page.wait_for_timeout(500)
    before, address = page.evaluate(PICTURE), page.url
    page.goto("about:blank")
    page.goto(address)
    page.locator(f"{DONE}:not(.ev-map--input)").first.wait_for()
    page.wait_for_function(f"(before) => ({PICTURE})() === before", arg=before, timeout=20_000)
    yield figure("A link gives the same pixels", [0.0], most=0.0, unit="differences")


def _sound(page: Any, base: str, setting: Setting) -> Iterator[Row]:
    setting.tell("a recording")
    page.goto(base)
    page.locator(FILE).first.wait_for(state="attached")
    page.locator(FILE).last.set_input_files(SOUND)
    page.locator(".ev-listen button:not([disabled])").first.wait_for()
    page.wait_for_load_state("networkidle")
    heard = []
    for _ in range(max(3, setting.rounds)):
        heard.append(page.evaluate(HEARD))
        page.locator(".ev-listen button").first.click()
        page.evaluate("performance.clearResourceTimings()")
    yield figure(
        "Listen to what a map marks", heard, most=LISTEN, unit="ms", note="Until the sound begins to arrive."
    )
