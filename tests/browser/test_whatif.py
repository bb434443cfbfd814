"""What if: a region drawn with the mouse and with the keyboard alone, over all maps; and the user's own region."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.test_compare import DONE, SLOW, open_sample

pytestmark = pytest.mark.browser

SAID = re.compile(
    r"this region: \d\.\d\d → \d\.\d\d.*, (stronger than|higher than with) \d+ of 20 random regions\."
)
PAINTED = "canvas => canvas.toDataURL()"


def test_a_region_by_mouse_and_by_keyboard(page: Page, site: str) -> None:
    open_sample(page, site, "image")
    card = page.locator(".ev-whatif")
    said = card.locator(".ev-whatif-said")
    maps = page.locator(f"#panels {DONE}")
    expect(maps.nth(1)).to_be_visible(timeout=SLOW)
    last = maps.last.locator("canvas.ev-figure-canvas")
    card.get_by_role("button", name="Draw a region").click()
    before = last.evaluate(PAINTED)
    box = maps.first.locator(".ev-plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=3)
    page.mouse.up()
    expect(said).to_have_text(SAID, timeout=SLOW)
    expect(page.locator("dialog")).to_have_count(0)  # drawing does not open the map
    assert last.evaluate(PAINTED) != before  # outlined over every map, not only where it was drawn
    expect(card.locator(".ev-whatif-dots circle")).to_have_count(20)
    assert violations(page) == []

    pad = card.get_by_role("application")
    drawn = pad.inner_text()
    card.get_by_role("button", name="Keep", exact=True).click()
    expect(said).to_have_text(re.compile("^Keeping only"), timeout=SLOW)
    pad.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(pad).not_to_have_text(drawn)
    expect(said).to_have_text(SAID, timeout=SLOW)
    card.get_by_role("button", name="Undo").click()
    card.get_by_role("button", name="Undo").click()
    expect(pad).to_have_text(drawn)

    card.get_by_role("button", name="Use as my region").click()
    expect(maps.first.locator(".ev-known")).to_contain_text("Your region")
    card.get_by_role("button", name="Maps without it").click()
    expect(maps.first.locator(".ev-map-title")).to_contain_text("the region alone", timeout=SLOW)
    card.get_by_role("button", name="Forget my region").click()
    expect(card.get_by_role("button", name="Use as my region")).to_be_visible()

    pad.focus()
    page.keyboard.press("Escape")
    expect(card.locator(".ev-whatif-body")).to_be_hidden()
    expect(maps.first.locator(".ev-map-title")).not_to_contain_text("region")
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Draw a region").evaluate("button => button.blur()")
    page.keyboard.press("b")  # the keyboard alone: a rectangle in the middle, asked about at once
    expect(pad).to_be_focused()
    expect(said).to_have_text(SAID, timeout=SLOW)
