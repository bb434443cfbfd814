"""The first screen shows a result that the server computed, and opens it."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from frontend.compare.welcome import METHODS, SHOWN
from tests.browser.axe import violations

pytestmark = pytest.mark.browser
SLOW = 240_000


def test_the_first_screen_shows_maps_that_were_computed_here(site: str, page: Page) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url) if "values.npy" in request.url else None)
    page.goto(site)
    said = page.locator(".ev-result-words")
    expect(said).to_contain_text(f"in these {len(METHODS)} maps", timeout=SLOW)
    expect(page.locator(".ev-result-map")).to_have_count(len(METHODS) + 1)
    sample = next(sample for sample in httpx.get(f"{site}/api/v1/samples").json() if sample["key"] == SHOWN)
    methods = set()
    for url in fetched:
        job = httpx.get(url.split("/values.npy")[0]).json()
        assert (job["request"]["input"], job["request"]["model"]) == (sample["input"], sample["model"])
        methods.add(job["request"]["method"])
    assert methods == set(METHODS)
    expect(page.locator(".ev-result .ev-score-label").first).to_have_text(sample["label"])
    assert violations(page) == []
    page.get_by_role("button", name=f"Open {sample['title']}").click()
    expect(page.locator('.ev-map[data-state="done"]').first).to_be_visible(timeout=SLOW)
    expect(page.locator(".ev-start")).to_be_hidden()
    # the small maps are no panels: nothing of them is compared with the open case
    expect(page.locator(".ev-map .ev-map-title").first).to_have_text("Input")


def test_the_first_screen_fits_a_phone(site: str, phone: Page) -> None:
    phone.goto(site)
    expect(phone.locator(".ev-result-map").first).to_be_visible(timeout=SLOW)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
