"""Every page in both themes, with what opens over it: axe finds nothing, targets are large enough, the focus goes to
what opened and back, and a screen at 200 % loses nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import DRAWN, clean_in_both_themes
from tests.browser.test_pages import open_first_sample, settled

pytestmark = pytest.mark.browser

PATHS = ("/", "/concepts", "/inside", "/measure", "/cases", "/models", "/about", "/nowhere")
TARGET = 24


def opens(page: Page, opener: Locator, closes: bool = True) -> None:
    """What opens is clean and takes the focus; Escape closes it and the focus is back."""
    opened = page.locator('[role="dialog"]:visible, dialog[open]')
    opener.focus()
    page.keyboard.press("Enter")
    expect(opened).to_have_count(1)
    page.wait_for_function("() => document.activeElement.closest('[role=\"dialog\"], dialog[open]')")
    clean_in_both_themes(page)
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(opener).to_be_focused()


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_on_any_page_and_at_twice_the_size_none_scrolls_sideways(site, page, path):
    page.watch.allow("404")
    settled(page, site + path)
    clean_in_both_themes(page)
    page.set_viewport_size({"width": 720, "height": 450})
    page.evaluate(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    for link in page.get_by_role("navigation", name="Pages").get_by_role("link").all():
        expect(link).to_be_in_viewport(ratio=1)


def large_enough_to_hit(page: Page) -> None:
    """Boxes and switches: the input itself takes the click, its words beside it are more, not instead."""
    page.locator(".ev-tune").nth(1).click()
    expect(page.locator(".mantine-Switch-track").first).to_be_visible()
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('input[type=checkbox]:not([role=switch]), .mantine-Switch-track')]"
        ".filter((box) => box.checkVisibility()).map((box) => box.getBoundingClientRect())"
        ".map(({ width, height }) => Math.min(width, height))"
    )
    assert len(sizes) >= 6
    assert min(sizes) >= TARGET


def test_an_open_case_with_everything_that_opens_over_it(site, page):
    open_first_sample(page, site)
    clean_in_both_themes(page)
    opens(page, page.locator("#samples-open"))
    opens(page, page.locator(".ev-tune").first)
    opens(page, page.get_by_role("button", name="Keyboard help"))
    page.locator('.ev-map[data-state="done"] .ev-map-more').last.click()
    clean_in_both_themes(page)
    page.keyboard.press("Escape")
    large_enough_to_hit(page)


def test_what_opens_over_concepts_and_models(site, page):
    settled(page, f"{site}/concepts")
    opens(page, page.get_by_role("button", name="New", exact=True))
    settled(page, f"{site}/models?open=cough_check")
    expect(page.get_by_role("dialog").locator(".ev-measure").first).to_be_visible()
    clean_in_both_themes(page)
