"""The Concepts page in a real browser: analyse a sample, read chance beside the maps, make a concept from
boxes and from files."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from models.synthetic.concepts import CONCEPTS
from tests.browser.axe import clean_in_both_themes

pytestmark = pytest.mark.browser
SAMPLES = Path(__file__).resolve().parents[2] / "models" / "samples"


def open_page(page: Page, site: str, model: str = "shapes") -> None:
    page.goto(f"{site}/concepts?model={model}")
    expect(page.locator("#concept-run")).to_be_visible()
    expect(page.locator(".ev-concept-entry").first).to_be_visible()


def add_input(page: Page, name: str = "image_striped.png") -> None:
    before = page.locator(".ev-concept-pick").count()
    page.set_input_files("#concepts-body [data-store='concept-input-store'] input[type=file]", SAMPLES / name)
    expect(page.locator(".ev-concept-pick")).to_have_count(before + 1)


def test_maps_numbers_and_chance_appear_for_an_input_and_the_address_follows(page: Page, site: str) -> None:
    open_page(page, site)
    page.click("#concept-run")
    expect(page.locator("#concept-problem")).to_contain_text("Choose an input first.")
    add_input(page)
    page.click("#concept-run")
    table = page.locator(".ev-concept-table")
    expect(table).to_be_visible(timeout=60_000)
    expect(page).to_have_url(
        re.compile(
            r"model=shapes&input=[0-9a-f]{64}&concepts=\S+&layers=relu3%2Crelu4%2Crelu5&analysis=[0-9a-f]{64}$"
        )
    )
    expect(table.locator("tbody tr")).to_have_count(4)
    expect(table.locator("[data-evident=concept-map] canvas")).to_have_count(12)
    widths = page.evaluate(
        "() => [...document.querySelectorAll('.ev-concept-cell')].map((cell) => [cell.clientWidth, cell.scrollWidth,"
        " cell.querySelector('canvas').clientWidth])"
    )
    assert len({width for cell in widths for width in cell}) == 1, (
        "maps are of one size and inside their cells"
    )
    # The canvas shows the input (grey) and, where the concept is recognised, hue: it is not blank.
    expect(table.locator("canvas").first).to_have_attribute("data-drawn", "true")
    lit = page.evaluate(
        "() => { const c = document.querySelector('.ev-concept-canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return d.some((v, i) => i % 4 !== 3 && v > 20); }"
    )
    assert lit
    strongest = table.locator("tbody th strong").first.inner_text()
    expect(table.locator("canvas").first).to_have_attribute(
        "aria-label", re.compile(f"^{re.escape(strongest)} at ")
    )
    expect(page.locator(".ev-concept-finding")).to_contain_text(
        re.compile("striped|undecided|None of the 4", re.I)
    )
    expect(page.locator(".ev-concept-detail .ev-card-title")).to_have_text(strongest)
    expect(page.locator("#concept-price")).to_contain_text("4 concepts × 3 layers × 1 input: about")
    page.get_by_text("Numbers per layer").click()
    expect(page.locator(".ev-concept-detail")).to_contain_text("told apart")
    expect(page.locator(".ev-concept-detail .ev-graph .main-svg").first).to_be_visible()
    expect(page.locator("#concept-overall")).to_contain_text("random concepts stay below")
    with page.expect_download() as download:
        page.get_by_role("link", name="Numbers (CSV)").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 1 + 4 * 3


def test_a_concept_made_from_files_joins_the_list_and_can_be_deleted(
    page: Page, site: str, tmp_path: Path
) -> None:
    files = []
    for number, picture in enumerate(CONCEPTS["zigzagged"].make(11, seed=3)):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(files[-1])
    open_page(page, site)
    page.click("#concept-new")
    page.fill("#concept-name", "My zigzag")
    page.set_input_files("#concept-maker input[type=file][multiple]", files)
    expect(page.locator("#concept-maker")).to_contain_text("11 examples.")
    expect(page.locator(".ev-maker-example img")).to_have_count(11)
    page.get_by_role("button", name="Make concept").click()
    entry = page.locator(".ev-concept-entry", has_text="My zigzag")
    expect(entry).to_be_visible()
    expect(entry.locator("input[type=checkbox]")).to_be_checked()
    entry.locator("button").click()
    page.wait_for_load_state(
        "networkidle"
    )  # pictures under way when their concept goes would be asked for in vain
    page.get_by_role("button", name="Take out example 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".ev-concept-entry", has_text="My zigzag")).to_contain_text("10")
    page.wait_for_load_state("networkidle")
    page.click("#concept-delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(entry).to_have_count(0)


def test_a_box_drawn_on_the_input_becomes_an_example(page: Page, site: str) -> None:
    open_page(page, site)
    add_input(page)
    page.click("#concept-new")
    canvas = page.locator(".ev-box-canvas")
    expect(canvas).to_be_visible()
    page.wait_for_timeout(500)  # the drawer slides in
    place = canvas.bounding_box()
    assert place
    page.mouse.move(place["x"] + 20, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(place["x"] + 150, place["y"] + 120, steps=4)
    page.mouse.up()
    expect(page.locator("#concept-maker")).to_contain_text("1 example: 9 more to go")
    expect(page.locator(".ev-maker-example canvas")).to_have_count(1)
    page.get_by_role("button", name="Make concept").click()
    expect(page.locator("#concept-maker")).to_contain_text("at least 10 examples, these are 1")
    page.get_by_role("button", name="Take out example 1").click()
    expect(page.locator("#concept-maker")).to_contain_text("No examples yet.")
    for step in range(10):
        page.mouse.move(place["x"] + 20 + 5 * step, place["y"] + 20)
        page.mouse.down()
        page.mouse.move(place["x"] + 150, place["y"] + 120, steps=2)
        page.mouse.up()
    page.get_by_role("button", name="Make concept").click()
    expect(page.locator("#concept-maker")).to_contain_text("Give the concept a name.")
    page.fill("#concept-name", "Corner")
    page.get_by_role("button", name="Make concept").click()
    entry = page.locator(".ev-concept-entry", has_text="Corner")
    expect(entry).to_contain_text("from boxes")
    expect(entry.locator("input[type=checkbox]")).to_be_checked()


def test_fits_a_phone(phone: Page, site: str) -> None:
    open_page(phone, site)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def finished(site: str, picture: Path = SAMPLES / "image_dotted.png") -> tuple[str, str]:
    """A finished analysis, made without the page: its id and its input's. The same for every test of the
    session."""
    with httpx.Client(base_url=f"{site}/api/v1", timeout=60) as api:
        input = api.post("/inputs", files={"file": picture.open("rb")}).json()["id"]
        request = {
            "model": "shapes",
            "inputs": [input],
            "concepts": ["dotted", "red"],
            "layers": ["relu4"],
            "classes": [1],
            "n_random": 20,
        }
        id = api.post("/concept-analyses", json=request).json()["id"]
        deadline = time.monotonic() + 90
        while api.get(f"/concept-analyses/{id}").json()["state"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.2)
    return id, input


def opened(page: Page, address: str) -> None:
    """With the maps drawn and the charts in place."""
    page.goto(address)
    expect(page.locator(".ev-concept-table canvas[data-drawn]").first).to_be_visible()
    expect(page.locator(".ev-concept-finding")).to_be_visible()
    expect(page.locator("#concept-overall .ev-graph .main-svg").first).to_be_visible()


def restored(page: Page, input: str) -> None:
    expect(page.locator(".ev-concept-pick")).to_have_count(1)
    expect(page.locator(".ev-concept-entry:has(input:checked)")).to_have_text(
        ["Dotted" + "built in · 40", "Red" + "built in · 40"]
    )
    expect(page.locator("#concept-class")).to_have_value("dotted")
    expect(page).to_have_url(
        re.compile(rf"model=shapes&input={input}&concepts=dotted%2Cred&layers=relu4&class=1")
    )


def test_a_link_to_an_analysis_restores_choices_and_maps(page: Page, site: str) -> None:
    id, input = finished(site)
    opened(page, f"{site}/concepts?analysis={id}")
    restored(page, input)
    expect(page.locator(".ev-concept-table tbody tr")).to_have_count(2)
    expect(page.locator("#concept-lost")).to_be_empty()
    page.locator(".ev-concept-entry", has_text="Striped").locator("input").click()
    expect(page).to_have_url(re.compile(rf"concepts=striped%2Cdotted%2Cred.*analysis={id}"))
    # The address is the page: opened again, the tick is there and so is the analysis.
    opened(page, page.url)
    expect(page.locator(".ev-concept-entry:has(input:checked)")).to_have_count(3)
    expect(page.locator(".ev-concept-table tbody tr")).to_have_count(2)


def test_a_dead_link_says_what_is_gone_and_keeps_the_rest(page: Page, site: str) -> None:
    id, input = finished(site)
    gone = "0" * 64
    page.watch.allow("404", "Not Found")  # type: ignore[attr-defined]
    page.goto(
        f"{site}/concepts?model=shapes&input={input}&concepts=dotted,{gone},red&layers=relu4&class=1&analysis={gone}"
    )
    expect(page.locator("#concept-lost")).to_contain_text(
        "the analysis (deleted) and a concept (deleted or changed since)"
    )
    expect(page.locator("#concept-lost")).to_contain_text("Press Run")
    restored(page, input)
    expect(page).not_to_have_url(re.compile("analysis="))
    page.click("#concept-run")
    expect(page.locator(".ev-concept-table")).to_be_visible(timeout=60_000)
    expect(page.locator("#concept-lost")).to_be_empty()
    page.goto(f"{site}/concepts?model=nothing&analysis={id}")
    expect(page.locator("#concept-lost")).to_contain_text("no longer here: the model")


def test_an_analysis_goes_with_its_input(page: Page, site: str, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.fromarray(CONCEPTS["dotted"].make(1, seed=77)[0]).save(picture)
    id, input = finished(site, picture)
    assert httpx.delete(f"{site}/api/v1/inputs/{input}", timeout=60).status_code == 204
    page.goto(f"{site}/concepts?analysis={id}")
    expect(page.locator("#concept-lost")).to_contain_text("the analysis (deleted)")


def test_a_finished_analysis_passes_the_accessibility_rules(page: Page, site: str) -> None:
    page.emulate_media(color_scheme="light")
    opened(page, f"{site}/concepts?analysis={finished(site)[0]}")
    clean_in_both_themes(page)


def test_a_finished_analysis_fits_a_phone(phone: Page, site: str) -> None:
    opened(phone, f"{site}/concepts?analysis={finished(site)[0]}")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
