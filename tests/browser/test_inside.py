"""The Inside page in a real browser: walk through the layers, switch filters off, ask who made a spot."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations

pytestmark = pytest.mark.browser
MODEL = "cnnexplain_synthetic"


def open_page(page: Page, site: str, layer: str = "relu3") -> Locator:
    """With everything that the first sentence needs; answers the slider."""
    page.goto(f"{site}/inside?model={MODEL}&layer={layer}")
    expect(page.locator(".ev-inside-lead")).to_contain_text("Decided", timeout=90_000)
    expect(page.locator(".ev-layer")).to_have_count(5)
    expect(page.locator(".ev-feature")).to_have_count(12)
    return page.get_by_role("slider", name="Layer")


def another_map(page: Page, seen: list[str]) -> str:
    """The pixels of the large map, once they are none of those seen before."""
    pixels = "document.querySelector('.ev-inside-map canvas').toDataURL()"
    return str(page.wait_for_function(f"seen => !seen.includes({pixels}) && {pixels}", arg=seen).json_value())


def test_layers_are_walked_through_without_asking_the_server(site: str, page: Page) -> None:
    slider = open_page(page, site)
    expect(slider).to_have_attribute(
        "aria-valuetext", re.compile(r"^relu3, 3 of 5: .*wheeze 0\.\d|^relu3, 3 of 5")
    )
    expect(page.locator(".ev-inside-map h2")).to_have_text("Where relu3 reads wheeze")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/layers/" in request.url else None)
    slider.focus()
    seen: list[str] = []
    for key, layer in (("ArrowRight", "relu4"), ("ArrowLeft", "relu3"), ("Home", "relu1")):
        page.keyboard.press(key)
        expect(page.locator(".ev-layer--chosen .ev-layer-name")).to_have_text(layer)
        expect(page.locator(".ev-inside-map h2")).to_have_text(f"Where {layer} reads wheeze")
        expect(page.locator(".ev-inside-features h2")).to_have_text(f"Feature maps of {layer}")
        expect(page.locator(".ev-inside-filter h2")).to_have_text(re.compile(rf"Filter \d+ of {layer}"))
        expect(page).to_have_url(re.compile(rf"layer={layer}&filter=\d+"))
        seen.append(another_map(page, seen))  # every layer has a map of its own
    assert asked == [], "maps were there before"
    page.keyboard.press("End")
    expect(page.locator(".ev-inside-map .ev-map-message")).to_contain_text("averaged away")


def test_filters_are_switched_off_and_put_back(site: str, page: Page) -> None:
    open_page(page, site)
    switches = page.get_by_role("switch")
    for number in (0, 1):
        switches.nth(number).click()
    banner = page.locator(".ev-inside-banner")
    expect(banner).to_contain_text(
        re.compile(r"Without filters \d+ and \d+: wheeze \d\.\d\d → \d\.\d\d"), timeout=60_000
    )
    expect(page.locator(".ev-feature--off")).to_have_count(2)
    expect(page.locator(".ev-inside-map h2")).to_have_text("What relu3 gives for wheeze, without 2 filters")
    expect(page.locator(".ev-inside-map .ev-bar")).not_to_contain_text("speaks against")
    page.locator(".ev-inside-map .ev-plot").click()
    expect(page.locator(".ev-inside-spots")).to_contain_text(
        re.compile("This spot was made|No filter supports")
    )
    assert violations(page) == []
    banner.get_by_role("button", name="Put back").click()
    expect(banner).to_be_hidden()
    expect(page.locator(".ev-inside-map h2")).to_have_text("Where relu3 reads wheeze")
    expect(page.locator(".ev-inside-map .ev-bar")).to_contain_text("speaks against")
