"""A map in the large view, on a harness page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import show, wait_frames
from tests.browser.widgets.server import Site, pixel_axes

pytestmark = pytest.mark.browser


def drawn(page: Page, within: str, u: float, v: float) -> list[int]:
    """Colour of the first figure inside `within`, at a place of its plot in fractions from the top left."""
    return page.evaluate(
        """([within, u, v]) => { const root = document.querySelector(within), canvas = root.querySelector("canvas");
            const { left, top, width, height } = root.querySelector(".ev-plot").style, css = (text) => parseFloat(text);
            const ratio = canvas.width / canvas.clientWidth;
            const at = [css(left) + u * css(width), css(top) + v * css(height)].map((x) => Math.round(x * ratio));
            const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, ...at, 1, 1, 0, 0, 1, 1);
            return [...copy.getImageData(0, 0, 1, 1).data]; }""",
        [within, u, v],
    )


def test_a_click_shows_a_map_large_arrows_lead_on_and_escape_leads_back(bench: Page, served: Site) -> None:
    first, second = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    first[2, 6], second[6, 1] = 1.0, 0.5
    a = show(bench, served, first, pixel_axes(8, 8), "a", "First", signed=False)
    show(bench, served, second, pixel_axes(8, 8), "b", "Second", signed=False)
    bench.evaluate("evident.setLook({ opacity: 100, scale: 'own' })")
    canvas = bench.locator(f"#{a} .ev-figure-canvas")
    canvas.focus()
    bench.locator(f"#{a} .ev-plot").click(position={"x": 20, "y": 20})
    dialog = bench.get_by_role("dialog", name="First, large")
    expect(dialog).to_be_visible()
    wait_frames(bench)
    box = dialog.locator(".ev-plot").bounding_box()
    assert box
    assert min(box["width"], box["height"]) > 0.75 * 900
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert drawn(bench, "dialog", 6.5 / 8, 2.5 / 8) == drawn(bench, f"#{a}", 6.5 / 8, 2.5 / 8)
    expect(dialog).to_contain_text("1 of 2")
    expect(dialog).to_contain_text("used for")
    expect(dialog.locator(".ev-readout-table tbody tr")).to_have_count(2)

    before = drawn(bench, "dialog", 6.5 / 8, 2.5 / 8)
    bench.evaluate("evident.setLook({ colours: 'viridis', opacity: 60 })")
    wait_frames(bench)
    assert drawn(bench, "dialog", 6.5 / 8, 2.5 / 8) == drawn(bench, f"#{a}", 6.5 / 8, 2.5 / 8) != before

    bench.keyboard.press("ArrowRight")
    expect(bench.get_by_role("dialog", name="Second, large")).to_be_visible()
    wait_frames(bench)
    assert drawn(bench, "dialog", 1.5 / 8, 6.5 / 8)[:3] != drawn(bench, "dialog", 6.5 / 8, 2.5 / 8)[:3]
    bench.keyboard.press("ArrowRight")
    bench.keyboard.press("ArrowLeft")
    expect(bench.get_by_role("heading", name="Second")).to_have_count(2)
    bench.keyboard.press("Escape")
    expect(bench.locator("dialog")).to_have_count(0)
    expect(canvas).to_be_focused()
    bench.keyboard.press("Enter")
    expect(bench.get_by_role("dialog", name="First, large")).to_be_visible()


def test_the_large_view_of_a_panel_that_goes_closes(bench: Page, served: Site) -> None:
    ids = scenes.compare(bench, served, sound=True, size=32)
    bench.locator(".ev-plot").nth(1).hover()
    bench.get_by_role("button", name="Show large").nth(1).click()
    dialog = bench.locator("dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(f"2 of {len(ids) + 1}")  # the input is the first
    title = dialog.locator("h2").inner_text()
    bench.evaluate(
        "(title) => [...document.querySelectorAll('[data-evident=map]')].find((root) => root.dataset.title === title).remove()",
        title,
    )
    expect(dialog).to_have_count(0)
