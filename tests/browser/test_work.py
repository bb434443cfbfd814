"""What is worked on stays: on every page, by Back and Forward, until it is closed. In a real browser."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_pages import settled

pytestmark = pytest.mark.browser

MAP = '.ev-map[data-state="done"]'
NAME = ".ev-input-card .ev-input-name"


def opened(page: Page, title: str) -> None:
    """An input with its first map, and the address that says so."""
    expect(page.locator(NAME)).to_have_text(title, timeout=60_000)
    expect(page.locator(MAP).first).to_be_visible(timeout=90_000)
    expect(page).to_have_url(re.compile(r"target=.*layer="))


def test_the_work_travels_through_the_pages_and_back(site, page):
    page.goto(f"{site}/")
    samples = page.locator(".ev-start .ev-sample")
    names = [samples.nth(number).locator(".ev-sample-title").inner_text() for number in (0, 1)]
    samples.first.click()
    opened(page, names[0])
    at_first = page.url
    subject = re.search(r"model=[^&]+&input=[^&]+", at_first)
    assert subject
    for name in ("Concepts", "Models", "About"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
        if name == "Concepts":
            expect(page.locator(".ev-concept-pick")).to_have_count(1)
            expect(page).to_have_url(re.compile(re.escape(subject[0])))
    page.get_by_role("link", name="Compare", exact=True).click()
    opened(page, names[0])
    expect(page).to_have_url(at_first)

    page.locator("#samples-open").click()
    page.get_by_role("dialog").locator(".ev-sample").nth(1).click()
    opened(page, names[1])
    page.locator("#look-top [role=slider]").press("End")
    page.locator("#look-top [role=slider]").press("ArrowLeft")
    page.go_back()
    opened(page, names[0])
    expect(page).to_have_url(at_first)
    page.go_forward()
    opened(page, names[1])

    page.get_by_role("button", name="Close this input").click()
    expect(page).to_have_url(f"{site}/")
    expect(page.get_by_role("link", name="Concepts", exact=True)).to_have_attribute("href", "/concepts")
    page.go_back()
    opened(page, names[1])


PASTE = """([text, picture]) => {
    const clipboardData = new DataTransfer();
    if (text) clipboardData.setData("text/plain", text);
    if (picture) clipboardData.items.add(new File([Uint8Array.from(picture)], "image.png", { type: "image/png" }));
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def stripes() -> list[int]:
    """A small picture as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.tile(np.uint8([40, 220]).repeat(8), (64, 4))).save(buffer, "PNG")
    return list(buffer.getvalue())


def test_a_pasted_picture_opens_is_offered_again_and_is_asked_about_before_it_goes(site, page):
    settled(page, f"{site}/")  # a page that is still being built hears no paste
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Choose file")).to_be_visible()
    offered = page.locator(".ev-start .ev-recent")
    expect(offered).to_have_count(0)
    page.evaluate(PASTE, ["https://example.org/cat.png", None])
    expect(page.get_by_role("alert").filter(has_text="Nothing is fetched from an address")).to_be_visible()
    page.evaluate(PASTE, [None, stripes()])
    expect(page.locator(NAME)).to_have_text("pasted picture.png", timeout=60_000)
    expect(page).to_have_url(re.compile("input="))
    page.get_by_role("button", name="Close this input").click()
    expect(offered).to_have_count(1)
    offered.click()
    expect(page.locator(NAME)).to_be_visible()

    dialog = page.get_by_role("dialog", name="Delete?")
    page.get_by_role("button", name="Delete this file from the server").click()
    dialog.get_by_role("button", name="Keep", exact=True).click()
    expect(page.locator(NAME)).to_be_visible()
    page.get_by_role("button", name="Delete this file from the server").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible()
    expect(offered).to_have_count(0)
    # What was still being fetched when the picture went is rightly answered 404, and the browser says so.
    page.watch.allow("status of 404")
