"""Models and About, both themes, and a phone, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from frontend.ui import assets

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("/", "/concepts", "/inside", "/measure", "/cases", "/models", "/about")


def settled(page: Page, address: str) -> None:
    """The page with everything that its first callbacks bring."""
    page.goto(address)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator('[aria-busy="true"]')).to_have_count(0, timeout=60_000)
    expect(page.locator("main .ev-skeleton:visible")).to_have_count(0, timeout=60_000)


def open_first_sample(page: Page, site: str) -> None:
    settled(page, f"{site}/")
    page.locator(".ev-start .ev-sample").first.click()
    expect(page.locator('.ev-map[data-state="done"]').first).to_be_visible(timeout=90_000)


def test_every_module_is_loaded_once_kept_and_leaves_no_global(site, private):
    answers = []
    private.on(
        "response",
        lambda answer: answers.append(answer) if answer.url.split("?")[0].endswith(".mjs") else None,
    )
    private.add_init_script("performance.setResourceTimingBufferSize(2000)")  # 250 is less than there are
    settled(private, f"{site}/")
    alone = "sign_in.mjs"  # of the page in front of all others
    modules = sorted(
        site + assets.url(str(path.relative_to(assets.FOLDER)))
        for path in assets.FOLDER.rglob("*.mjs")
        if path.name != alone
    )
    private.wait_for_function(
        "count => performance.getEntriesByType('resource').filter((file) => file.name.endsWith('.mjs')).length >= count",
        arg=len(modules),
    )
    private.wait_for_load_state("networkidle")
    assert sorted(answer.url for answer in answers) == modules
    for answer in answers:
        headers = answer.all_headers()
        assert headers["content-type"].startswith("text/javascript")
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert private.evaluate("Object.keys(window).filter((name) => /evident/i.test(name))") == []


@pytest.mark.parametrize("path", PATHS)
def test_a_phone_never_scrolls_sideways(site, phone, path):
    settled(phone, site + path)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_open_case_fits_a_phone(site, phone):
    open_first_sample(phone, site)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    order = phone.evaluate(
        "['.ev-input-card', '#prediction-card', '#panels', '.ev-methods-card'].map((q) => document.querySelector(q).getBoundingClientRect().top)"
    )
    assert order == sorted(order), "input, prediction, maps, then controls"


def test_the_theme_is_switched_and_remembered(site, page):
    page.emulate_media(color_scheme="light")
    settled(page, f"{site}/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert light != dark


def test_the_pages_are_reached_by_keyboard_and_say_where_one_is(site, page):
    settled(page, f"{site}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("link", name="Models", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Models", exact=True)).to_have_attribute("aria-current", "page")
    expect(page).to_have_title("Models · Evident")


def test_every_model_is_listed_with_its_state_and_can_be_used(site, page):
    models = httpx.get(f"{site}/api/v1/catalogue", timeout=60).json()["models"]
    settled(page, f"{site}/models")
    expect(page.locator(".ev-model")).to_have_count(len(models))
    usable = next(model for model in models if model["available"])
    page.locator(".ev-model").filter(
        has=page.get_by_role("heading", name=usable["title"], exact=True)
    ).get_by_role("link", name="Use").click()
    expect(page.locator("#model-select")).to_have_value(usable["title"])


def test_the_cough_model_s_card_shows_its_figures_side_by_side(site, page):
    settled(page, f"{site}/models?open=cnnexplain")
    rows = page.get_by_role("dialog").locator(".ev-measure")
    for words in ("by person", "shuffled labels", "alone", "nother channel"):
        row = rows.filter(has_text=words).first
        expect(row).to_be_visible()
        assert re.fullmatch(r"[01]\.\d\d", row.locator(".ev-score-value").inner_text())


def test_a_card_named_in_the_address_opens_even_when_its_answer_is_the_last_to_come(site, page):
    def late(route):
        if '"open-store"' in (route.request.post_data or ""):
            expect(page.locator(".ev-model").first).to_be_attached(timeout=60_000)
        route.continue_()

    page.route(lambda address: "_dash-update-component" in address, late)
    settled(page, f"{site}/models?open=cough_check")
    expect(page.get_by_role("dialog").locator(".ev-measure").first).to_be_visible()


def test_a_file_of_weights_is_refused_or_recognised_named_listed_and_deleted(site, page, tmp_path):
    settled(page, f"{site}/models")
    listed = page.locator(".ev-model").count()
    card = page.get_by_role("region", name="Weights of your own")
    bad = tmp_path / "weights.safetensors"
    bad.write_bytes(b"not a model")
    card.get_by_label("File of weights").set_input_files(bad)
    expect(card.get_by_role("alert")).to_contain_text("not a safetensors file")
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes((ROOT / "models" / "weights" / "shapes.safetensors").read_bytes())
    card.get_by_label("File of weights").set_input_files(mine)
    expect(card).to_contain_text("Recognised: shapes")
    expect(card).to_contain_text("4 outputs, numbers for names")
    names = tmp_path / "names.csv"
    names.write_text("id,label\n1,dots\n0,stripes\n2,red\n3,star\n")
    card.get_by_label("File of labels").set_input_files(names)
    expect(card).to_contain_text("names from your list: stripes, dots, red and 1 more")
    card.get_by_role("button", name="Add it").click()
    expect(card).to_contain_text("mine was added: 4 classes", timeout=60_000)
    expect(page.locator(".ev-model")).to_have_count(listed + 1, timeout=60_000)
    page.get_by_role("button", name="Delete mine").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".ev-model")).to_have_count(listed, timeout=60_000)


def test_networks_are_searched_as_one_types(site, page):
    settled(page, f"{site}/models")
    card = page.get_by_role("region", name="Add a network")
    card.get_by_label("Name of a network").fill("resnet18")
    first = card.get_by_role("button", name="timm:resnet18 ResNet 11.7 M 47 MB")
    first.click()
    expect(card.get_by_role("button", name="Fetch 47 MB for timm:resnet18")).to_be_visible()
    card.get_by_label("Name of a network").fill("resnett18")
    card.get_by_role("button", name="timm:resnet18", exact=True).click()
    expect(card.get_by_label("Name of a network")).to_have_value("timm:resnet18")
    expect(first).to_be_visible()


def test_about_lists_every_method_with_its_paper(site, page):
    methods = httpx.get(f"{site}/api/v1/catalogue", timeout=60).json()["methods"]
    settled(page, f"{site}/about")
    expect(page.locator(".ev-method-list article")).to_have_count(len(methods))
    for method in methods:
        expect(page.get_by_text(method["summary"], exact=True).first).to_be_visible()
    expect(page.get_by_role("heading", name="Keyboard")).to_be_visible()
