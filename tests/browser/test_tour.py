"""The tour from the first screen to the last step: the person does one thing a step, the page does it, and the card says
what the page shows; it can be left, gone on with, and done by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = pytest.mark.browser
SLOW = 240_000


def pointed(page: Page, step: int) -> None:
    """The card of a step, with the focus on it, pointing at one thing in view."""
    card = page.get_by_role("region", name="Tour")
    expect(card).to_contain_text(f"step {step} of 6", timeout=SLOW)
    expect(page.locator("[data-toured]")).to_have_count(1, timeout=SLOW)
    expect(page.locator("[data-toured]")).to_be_in_viewport()
    expect(card.get_by_role("heading")).to_be_focused()


def seen(page: Page, words: str) -> None:
    """The step is done: the card says what is to be seen."""
    card = page.get_by_role("region", name="Tour")
    expect(card.get_by_role("button", name=re.compile("Next|Finish"))).to_have_class(
        re.compile("primary"), timeout=SLOW
    )
    expect(card).to_contain_text(re.compile(words))
    expect(page.locator("[data-toured]")).to_have_count(0)


def go_on(page: Page) -> None:
    page.get_by_role("region", name="Tour").get_by_role("button", name="Next").click()


def test_the_tour_is_walked_left_and_gone_on_with(site: str, page: Page) -> None:
    page.goto(site)
    page.get_by_role("button", name="Show me in three minutes").click()
    pointed(page, 1)
    assert violations(page) == []
    page.get_by_role("button", name="Take me there").press("Enter")
    page.keyboard.press("ArrowRight")
    seen(page, r"street sign, 0\.\d\d: right\. .* to \d+ % .* point at the sign itself")
    go_on(page)
    pointed(page, 2)
    page.get_by_role("button", name="Leave the tour").click()
    expect(page.get_by_role("region", name="Tour")).to_be_hidden()
    expect(page.locator("#content")).to_be_focused()
    page.goto(site)
    page.get_by_role("button", name="Go on with the tour").click()
    pointed(page, 2)
    page.locator("#look-sign").get_by_text("Against", exact=True).click()
    seen(page, r": wrong\. .* around the rocket, \d+ % of the picture")
    go_on(page)
    pointed(page, 3)
    page.wait_for_function("() => JSON.parse(localStorage['evident-tour']).noted.cheat", timeout=SLOW)
    page.locator("#model-select").click()
    page.get_by_role("option", name="Shapes: known evidence").click()
    seen(page, r"cheat said star, .* twin says red, .* Same picture, another reason")
    go_on(page)
    pointed(page, 4)
    page.locator("[data-toured]").click()
    seen(page, r"wheeze, \d\.\d\d: wrong\. .* it listens to the room")
    go_on(page)
    pointed(page, 5)
    page.locator("#concept-run").click()
    seen(page, r"Striped: (counts|undecided|not more than chance)")
    go_on(page)
    pointed(page, 6)
    expect(page).to_have_url(re.compile("look=100%2C20%2Cfor%2Cown%2Ccividis"))
    page.locator("[data-report]").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    seen(page, "computed again and compared")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("button", name="Show me in three minutes")).to_be_visible(timeout=SLOW)


def test_on_a_phone_the_card_leaves_what_it_points_at_in_view(site: str, phone: Page) -> None:
    phone.goto(f"{site}/?tour=1")  # as `evident demo` opens it
    pointed(phone, 1)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    target, card = (phone.locator(part).bounding_box() for part in ("[data-toured]", ".ev-tour"))
    assert target
    assert card
    assert target["y"] < card["y"], "what is to be pressed is not covered"
    phone.locator("[data-toured]").tap(position={"x": 40, "y": 20})
    seen(phone, "street sign")
