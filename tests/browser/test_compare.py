"""The Compare page on a real server with bundled models: from a sample to maps, settings, links, levels,
themes, a phone."""

from __future__ import annotations

import re
import zipfile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

DONE = '.ev-map[data-state="done"]'
SLOW = 90_000
"""Milliseconds a map may take on a busy machine before the test gives up."""


def sample(site: str, modality: str, role: str | None = None) -> dict[str, str]:
    """A bundled sample of that kind, as the API lists it."""
    samples = httpx.get(f"{site}/api/v1/samples", timeout=30).json()
    return next(item for item in samples if item["modality"] == modality and role in {None, item["role"]})


def open_sample(page: Page, site: str, modality: str = "audio", role: str | None = None) -> dict[str, str]:
    """From the empty page to a prediction with its first finished map."""
    chosen = sample(site, modality, role)
    page.goto(site)
    # At once, while the page's first callbacks are under way: a press is not lost among them.
    page.locator(".ev-start .ev-sample").filter(
        has=page.get_by_text(chosen["title"], exact=True)
    ).first.click()
    expect(page.locator("#prediction-card .ev-score").first).to_be_visible(timeout=SLOW)
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    return chosen


def address(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_address(page: Page, *, has: str = "", lacks: str = "") -> None:
    """The address bar follows the page by replacement, a moment after the controls."""
    page.wait_for_url(
        lambda url: has in url and not (lacks and lacks in url), timeout=SLOW, wait_until="commit"
    )


def ticked_in(page: Page) -> list[str]:
    """Keys of the ticked methods, once the address names them."""
    wait_for_address(page, has="methods=")
    return address(page)["methods"].split(",")


def states(page: Page) -> dict[str, str]:
    """Method key -> state of its panel."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-evident="map"]')]
            .map((node) => [node.dataset.key, node.querySelector('.ev-map')?.dataset.state]))"""
    )


def wait_for_maps(page: Page, count: int) -> None:
    expect(page.locator(DONE)).to_have_count(count, timeout=SLOW)


def test_the_empty_page_offers_a_way_in_and_known_cases(site, page):
    page.goto(site)
    expect(page.get_by_text("Not a medical device")).to_be_visible()
    expect(page.get_by_text("Drop a file here")).to_be_visible()
    expect(page.get_by_text("up to 25 MB")).to_be_visible()
    for words in ("Model right", "Model wrong", "Shortcut"):
        expect(page.locator(".ev-start").get_by_text(words, exact=True).first).to_be_visible()
    expect(page.locator("#panels")).to_be_hidden()


def test_a_press_on_a_sample_counts_before_the_modules_are_there(site, page):
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/evident/main.mjs", hold)
    page.goto(site)
    page.locator(".ev-start .ev-sample").first.click()
    for route in held:
        route.continue_()
    expect(page.locator("#prediction-card .ev-score").first).to_be_visible(timeout=SLOW)


@pytest.mark.parametrize("modality", ["audio", "image"])
def test_a_sample_gives_a_prediction_and_cheap_maps_by_itself(site, page, modality):
    chosen = open_sample(page, site, modality)
    expect(page.locator(".ev-prediction-words")).to_contain_text(chosen["known"][:40])
    expect(page.get_by_text("Model score, not a probability")).to_be_visible()
    ticked = ticked_in(page)
    assert len(ticked) >= 4
    assert address(page)["input"] == chosen["input"]
    assert address(page)["model"] == chosen["model"]
    expect(page.locator("#panels > .ev-panel")).to_have_count(len(ticked) + 1)


def test_a_changed_class_marks_maps_as_changed_and_computes_nothing_by_itself(site, page):
    open_sample(page, site)
    page.wait_for_timeout(500)
    before = page.locator('[data-evident="map"]').evaluate_all(
        "nodes => nodes.map((node) => node.dataset.explanation)"
    )
    page.locator("#target-select").click()
    page.get_by_role("option").nth(1).click()
    expect(page.locator('[data-evident="map"][data-stale="1"]')).to_have_count(len(before))
    expect(page.get_by_text("press Run").first).to_be_visible()
    assert (
        page.locator('[data-evident="map"]').evaluate_all(
            "nodes => nodes.map((node) => node.dataset.explanation)"
        )
        == before
    )
    page.get_by_role("button", name="Run", exact=True).first.click()
    expect(page.locator('[data-evident="map"][data-stale="1"]')).to_have_count(0, timeout=SLOW)
    after = page.locator('[data-evident="map"]').evaluate_all(
        "nodes => nodes.map((node) => node.dataset.explanation)"
    )
    assert not set(before) & set(after)


def test_parameters_are_drawn_from_the_schema_and_travel_in_the_link(site, page):
    open_sample(page, site)
    methods = {
        method["key"]: method
        for method in httpx.get(f"{site}/api/v1/catalogue", timeout=30).json()["methods"]
    }
    method = methods["smooth_grad"]
    page.get_by_role("button", name=f"Parameters of {method['title']}").click()
    drawer = page.get_by_role("dialog", name=method["title"])
    for part in method["schema"]["properties"].values():
        expect(drawer.get_by_text(part["title"], exact=True).first).to_be_visible()
    title, default = (method["schema"]["properties"]["n_samples"][key] for key in ("title", "default"))
    drawer.get_by_label(title).fill(str(default - 10))
    page.keyboard.press("Tab")
    wait_for_address(page, has="params=")
    assert address(page)["params"] == f'{{"smooth_grad":{{"n_samples":{default - 10}}}}}'
    expect(page.locator('[data-key="smooth_grad"][data-stale="1"]')).to_have_count(1)
    drawer.get_by_role("button", name="Reset to defaults").click()
    wait_for_address(page, lacks="params=")
    expect(page.locator('[data-key="smooth_grad"][data-stale="1"]')).to_have_count(0)


def test_a_link_restores_the_same_maps_and_settings(site, page):
    open_sample(page, site)
    page.locator('.ev-method input[value="lime"]').click()  # off
    expect(page.locator('[data-evident="map"][data-key="lime"]')).to_have_count(0)
    page.locator("#look-sign").get_by_text("For", exact=True).click()
    seeded = page.locator('[data-evident="map"][data-key="smooth_grad"]')
    old = seeded.get_attribute("data-explanation")
    page.locator("#seed").fill("7")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Run", exact=True).first.click()
    wait_for_address(page, has="seed=7")
    wait_for_address(page, has="%2Cfor%2C")
    # All panels are drawn anew at once; the old ones are not called stale while the new ones are being posted.
    expect(seeded.and_(page.locator(f':not([data-explanation="{old}"])'))).to_have_count(1, timeout=SLOW)
    count = page.locator('[data-evident="map"]').count()
    wait_for_maps(page, count)
    before = sorted(
        page.locator('[data-evident="map"]').evaluate_all(
            "nodes => nodes.map((node) => node.dataset.explanation)"
        )
    )
    link, history = page.url, page.evaluate("history.length")
    other = page.context.new_page()
    other.goto(link)
    expect(other.locator(DONE)).to_have_count(count, timeout=SLOW)
    assert (
        sorted(
            other.locator('[data-evident="map"]').evaluate_all(
                "nodes => nodes.map((node) => node.dataset.explanation)"
            )
        )
        == before
    )
    expect(other.locator("#seed")).to_have_value("7")
    expect(other.locator("#look-sign input:checked")).to_have_attribute("value", "for")
    other.wait_for_timeout(500)  # what the opened page would make of the address
    assert address(other) == address(page)
    assert history == 3, "the chosen input is one step back; settings replace its address"
    # Behind the input of a link no samples are listed; they are there when it is closed, and in the drawer.
    shown = other.locator(".ev-start .ev-sample")
    expect(shown).to_have_count(0)
    other.locator("#samples-open").click()
    expect(other.get_by_role("dialog", name="Samples").locator(".ev-sample").first).to_be_visible()
    other.keyboard.press("Escape")
    other.locator("#input-remove").click()
    expect(shown.first).to_be_visible()
    other.close()


def test_a_link_to_an_input_that_is_gone_says_so_and_stays_usable(site, page):
    page.goto(f"{site}/?input={'0' * 64}&model=cnnexplain")
    expect(page.locator("#input-view").get_by_role("alert")).to_be_visible()
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible()


def test_damaged_links_open_the_plain_page(site, page):
    page.goto(f"{site}/?target=x&seed=-3&params=%7B&look=1,2&methods=nothing&start=abc")
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible()


def test_another_input_replaces_the_maps_of_the_first(site, page):
    open_sample(page, site, "audio")
    wait_for_address(page, has="input=")
    first = address(page)["input"]
    other = sample(site, "image")
    page.get_by_role("button", name="Samples", exact=True).click()
    page.get_by_role("dialog", name="Samples").locator(".ev-sample").filter(
        has=page.get_by_text(other["title"], exact=True)
    ).first.click()
    wait_for_address(page, has=other["input"])
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    assert first not in page.url
    assert address(page)["model"] == other["model"]
    expect(page.locator('[data-evident="player"]')).to_have_count(0)


def test_run_computes_every_ticked_method_with_downloads_and_a_summary_that_leads_to_the_maps(site, page):
    open_sample(page, site)
    ticked = [key for key in ticked_in(page) if page.locator(f'.ev-method input[value="{key}"]').is_enabled()]
    page.get_by_role("button", name="Run", exact=True).first.click()
    wait_for_maps(page, len(ticked))
    assert states(page) == dict.fromkeys(ticked, "done")
    page.locator("summary", has_text="Downloads").click()
    links = page.locator(".ev-menu-link")
    expect(links).to_have_count(3 * len(ticked), timeout=SLOW)
    for path in ("overlay.png", "values.npy"):
        link = page.locator(f'.ev-menu-link[href$="{path}"]').first.get_attribute("href")
        assert httpx.get(site + str(link), timeout=30).status_code == 200
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names, readme = archive.namelist(), archive.read("README.txt").decode()
    assert len([name for name in names if name.endswith("/picture.png")]) == len(ticked)
    assert f"Open the same view: {page.url}" in readme
    assert "opacity 70 %" in readme
    words = page.locator(".ev-summary")
    expect(page.locator('[data-evident="map"][data-family="concept"][data-key]')).to_have_count(1)
    voting = len(ticked) - 1  # a concept map says where a concept is, whatever the class
    expect(words).to_contain_text(f"The {voting} maps together")
    expect(words).to_contain_text(f"of {voting} have at least twice")
    words.get_by_text("Each map's share").click()
    name = page.locator(".ev-summary-parts button").first
    title = name.inner_text().rsplit(" ", 2)[0]
    name.click()
    focused = page.locator('[data-evident="map"]').filter(has=page.locator(":focus"))
    expect(focused).to_have_attribute("data-title", title)
    page.locator(".ev-summary-line button").click()
    expect(page.locator(".ev-readout-place")).to_be_visible()


def test_an_opened_sample_is_announced_unticked_looked_into_and_closed(site, page):
    open_sample(page, site)
    expect(page.locator("#live")).to_contain_text("finished", timeout=SLOW)
    key = next(key for key, state in states(page).items() if state == "done")
    tick = page.locator(f'.ev-method input[value="{key}"]')
    panel = page.locator(f'[data-evident="map"][data-key="{key}"]')
    before = panel.get_attribute("data-explanation")
    tick.click()
    expect(panel).to_have_count(0)
    tick.click()
    expect(panel).to_have_attribute("data-explanation", str(before))
    # The numbers of a map are in a drawer.
    # Named once: while maps are still coming, another may be the first that is done.
    title = page.locator(DONE).first.locator(".ev-map-title").inner_text()
    page.get_by_role("button", name=f"More about {title}", exact=True).click()
    page.get_by_role("menuitem", name="Numbers and conditions").click()
    drawer = page.get_by_role("dialog", name=title)
    for fact in ("Weights (sha256)", "Seed", "Cost", "Range"):
        expect(drawer.get_by_text(fact, exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Close this input").click()
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible()
    wait_for_address(page, lacks="?")


def test_the_look_is_changed_without_the_server_and_review_shows_two_maps_and_is_remembered(site, page):
    open_sample(page, site)
    wait_for_maps(page, page.locator('[data-evident="map"]').count())
    page.wait_for_timeout(800)
    asked: list[str] = []
    # The checks of finished maps go on behind, whatever the look.
    page.on(
        "request",
        lambda request: (
            None if re.search("favicon|/checks|/sanity", request.url) else asked.append(request.url)
        ),
    )
    page.get_by_role("slider", name="Opacity").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#look-opacity-value")).to_have_text("65 %")
    page.locator("#look-scale").get_by_text("Same").click()
    wait_for_address(page, has="raw")
    assert asked == []
    page.locator(".ev-level-switch").get_by_text("Review").click()
    expect(page.locator("#panels > .ev-panel:visible")).to_have_count(2)
    expect(page.locator(".ev-agreement-card")).to_be_hidden()
    expect(page.get_by_role("button", name=re.compile("^Parameters of")).first).to_be_hidden()
    expect(page.locator('[data-evident="player"]')).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-evident-level", "review")
    expect(page.locator("#panels > .ev-panel:visible")).to_have_count(2, timeout=SLOW)
