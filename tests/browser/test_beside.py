"""Two sides of Compare in a real browser: the sticker's pair from the gallery, one crosshair, Back, and off again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.test_compare import SLOW, address

pytestmark = pytest.mark.browser

FIRST = '#panels [data-evident="map"] .ev-map[data-state="done"]'
SECOND = '#panels-beside [data-evident="map"] .ev-map[data-state="done"]'
BOXES = """query => [...document.querySelectorAll(query)].map((node) => node.getBoundingClientRect())
    .filter(({ width }) => width).map(({ left, top, bottom, width }) => [left, top, bottom, width].map(Math.round))"""
CURSORS = """() => [...document.querySelectorAll('#panels .ev-plot--aimed, #panels-beside .ev-plot--aimed')]
    .map((plot) => plot.querySelector('.ev-hair--down').style.transform)"""

ALTERNATE = """count => {
    const sides = [...document.querySelectorAll('.ev-sides .ev-panel')].map((node) => [node.getBoundingClientRect(), node.parentElement.id])
        .filter(([{ width }]) => width).sort(([a], [b]) => a.top - b.top).map(([, id]) => id);
    return sides.length === 2 * count && sides.every((id, i) => id === ['panels', 'panels-beside'][i % 2]);
}"""


def test_a_pair_of_the_gallery_stands_in_pairs_and_closes_without_a_trace(site: str, page: Page) -> None:
    page.goto(site)
    # At once: a press is not lost while the page's first callbacks are under way.
    page.locator(".ev-start .ev-sample", has_text="honest twin").click()
    expect(page.locator("#beside-card .ev-score").first).to_be_visible(timeout=SLOW)
    page.wait_for_url(
        re.compile("model=shapes_shortcut&.*&beside=model%3Ashapes"), timeout=SLOW, wait_until="commit"
    )
    count = len(address(page)["methods"].split(","))
    page.get_by_role("button", name="Run", exact=True).first.click()
    expect(page.locator(FIRST)).to_have_count(count, timeout=SLOW)
    expect(page.locator(SECOND)).to_have_count(count, timeout=SLOW)

    told = page.locator(".ev-contrast")
    expect(told).to_contain_text(re.compile(r"star: 0\.\d\d in A, 0\.\d\d in B \(B says red, "))
    expect(told).to_contain_text(re.compile(r"on the sticker \(A / B\): .*LRP \d+\s/\s\d+\s%"))
    expect(page.locator(".ev-agreement-k strong")).to_contain_text(
        f"of {count - 1}"
    )  # the first side's alone

    above, below = (
        page.evaluate(BOXES, "#panels > .ev-panel"),
        page.evaluate(BOXES, "#panels-beside > .ev-panel"),
    )
    assert len(above) == len(below) == count
    for (left, _, bottom, width), (under, top, _, same) in zip(above, below, strict=True):
        assert (left, width) == (under, same)
        assert 0 < top - bottom <= 16
    page.locator("#panels .ev-panel--map .ev-plot").first.hover()
    # the figures follow the pointer in the next frame
    page.wait_for_function(f"count => {{ const all = ({CURSORS})(); return all.length === count && new Set(all).size === 1; }}", arg=2 * count)  # fmt: skip

    assert violations(page) == []
    page.locator("#beside-close").click()
    expect(page.locator("#beside-input-open")).to_be_focused()
    expect(page.locator("#panels-beside .ev-panel")).to_have_count(0)
    page.wait_for_url(lambda url: "beside" not in url, timeout=SLOW, wait_until="commit")
    expect(page.locator(FIRST)).to_have_count(count)
    # the figures follow the new width one by one
    page.wait_for_function(f"query => new Set(({BOXES})(query).map(([, top]) => top)).size === 2", arg="#panels > .ev-panel")  # fmt: skip
    page.go_back()
    expect(page.locator(SECOND)).to_have_count(count, timeout=SLOW)
    expect(page.locator("#beside-paired")).to_be_checked()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(ALTERNATE, arg=count, timeout=SLOW)  # the figures follow the new width one by one
    assert page.evaluate("document.documentElement.scrollWidth") == 390
