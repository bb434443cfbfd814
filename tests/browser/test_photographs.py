"""A photograph on a fresh machine: judged by the network for photographs, framed where it looks, explained; the
bundled ones first in the gallery, honest and credited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SAMPLES = Path(__file__).resolve().parents[2] / "models" / "samples"
ENTRIES = {
    entry["key"].removeprefix("photo_"): entry
    for entry in json.loads((SAMPLES / "photos.json").read_text(encoding="utf-8"))
}
DONE = '.ev-map[data-state="done"]'
SLOW = 120_000


def test_photographs_come_first_right_and_wrong_with_their_credits(site: str, page: Page) -> None:
    page.goto(site)
    titles = page.locator(".ev-start .ev-gallery-title")
    expect(titles).to_contain_text(["Photographs", "Coughs", "Pictures with known evidence"], timeout=SLOW)
    first = page.locator(".ev-start .ev-gallery").first
    expect(first.locator(".ev-sample")).to_have_count(len(ENTRIES))
    for entry in ENTRIES.values():
        card = first.locator(".ev-sample").filter(has=page.get_by_text(entry["title"], exact=True))
        said = {"right": "Model right", "wrong": "Model wrong", "example": "Example"}[entry["role"]]
        expect(card).to_contain_text(said)
        expect(card).to_contain_text(entry["credit"]["author"])
        expect(card).to_contain_text(entry["credit"]["licence"])


def test_a_photograph_of_ones_own_is_judged_framed_and_explained(site: str, page: Page) -> None:
    """After a drawn sample, whose own model then has no say; without a network connection, as always here."""
    page.goto(site)
    drawn = page.locator(".ev-start .ev-gallery").last.locator(".ev-sample").first
    drawn.click()
    expect(page.locator("#prediction-card .ev-score").first).to_be_visible(timeout=SLOW)
    page.wait_for_function("() => document.querySelector('.ev-picture-seen')?.hidden", timeout=SLOW)
    page.locator('[data-evident="upload"] input[type="file"]').last.set_input_files(
        SAMPLES / "photographs" / "emu_0011.jpg"
    )
    expect(page.locator("#prediction-card .ev-score-label").first).to_have_text("ostrich", timeout=SLOW)
    expect(page.locator("#prediction-card .ev-score")).to_have_count(3)
    expect(page.locator(".ev-picture-seen")).to_be_visible()
    expect(page.locator(".ev-picture-said")).to_contain_text("The network sees the frame")
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    # the frame lies over the picture, square like the network's input
    box = page.locator(".ev-picture-seen").bounding_box()
    whole = page.locator(".ev-picture").bounding_box()
    assert box
    assert whole
    assert box["width"] == pytest.approx(box["height"], abs=3)
    assert box["width"] < whole["width"]
    assert box["x"] + box["width"] / 2 == pytest.approx(whole["x"] + whole["width"] / 2, abs=2)


def test_the_box_of_a_bundled_photograph_is_outlined_and_weighed(site: str, page: Page) -> None:
    """As it lies in the crop; and it says that somebody drew it."""
    page.goto(site)
    entry = ENTRIES["rocket"]
    page.locator(".ev-start .ev-sample").filter(has=page.get_by_text(entry["title"], exact=True)).click()
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    expect(page.locator("#evidence")).to_contain_text("drawn by eye", timeout=SLOW)
    expect(page.locator("#evidence")).to_contain_text(entry["label"])
    expect(page.get_by_role("link", name="Source")).to_have_attribute("href", entry["credit"]["page"])
    page.wait_for_function(
        "() => document.querySelectorAll('.ev-known:not([hidden])').length > 0", timeout=SLOW
    )
    expect(page.locator(".ev-known:visible").first).to_contain_text(f"Evidence for {entry['label']}")
