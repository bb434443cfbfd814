"""Where things stand on the Compare page: six maps in one view, nothing that moves, lists that are searched, a readout in
reach of the thumb."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_compare import DONE, SLOW, sample

pytestmark = pytest.mark.browser

CHEAP = "saliency,grad_cam,input_x_gradient,grad_cam_pp,deconvolution"
BOXES = """() => Object.fromEntries(['.ev-panel', '.ev-panel .ev-plot', '.ev-panel .ev-map-foot', '.ev-prediction'].map((query) => [query,
    [...document.querySelectorAll(query)].map((node) => node.getBoundingClientRect()).filter(({ width }) => width)
        .map(({ left, top, width, height }) => ({ left, top, width, height }))]))"""


def open_maps(
    page: Page, site: str, modality: str, methods: str = CHEAP
) -> dict[str, list[dict[str, float]]]:
    """Boxes of the panels and of what they hold, when every map is there."""
    chosen = sample(site, modality)
    page.goto(f"{site}/?model={chosen['model']}&input={chosen['input']}&methods={methods}")
    expect(page.locator(DONE)).to_have_count(len(methods.split(",")), timeout=SLOW)
    return boxes(page)


def boxes(page: Page) -> Any:
    page.evaluate("() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))")
    return page.evaluate(BOXES)


def distinct(rows: list[dict[str, float]], side: str) -> list[int]:
    return sorted({round(box[side]) for box in rows})


def test_a_seventh_panel_makes_the_input_step_aside_and_the_maps_stay_three_by_two(
    site: str, page: Page
) -> None:
    drawn = open_maps(page, site, "image", f"{CHEAP},guided_backprop")
    assert len(drawn[".ev-panel"]) == 6
    assert len(distinct(drawn[".ev-panel"], "top")) == 2
    expect(page.locator("#panel-input")).to_be_hidden()


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_nothing_moves_while_maps_arrive_and_all_six_panels_are_in_view(
    site: str, page: Page, modality: str
) -> None:
    """The panels stand where they will be as soon as the prediction is there; the inputs have known evidence, which is
    said under each map. They are in one view at a laptop, and large at a monitor."""
    chosen = sample(site, modality)
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/values.npy", hold)
    page.goto(f"{site}/?model={chosen['model']}&input={chosen['input']}&methods={CHEAP}")
    expect(page.locator("#prediction-card .ev-score").first).to_be_visible(timeout=SLOW)
    expect(page.locator("[data-evident=map]")).to_have_count(5, timeout=SLOW)
    expect(page.locator("[data-regions='1']")).to_have_count(1)
    before = boxes(page)
    for route in held:
        route.continue_()
    page.unroute("**/values.npy")
    expect(page.locator(DONE)).to_have_count(5, timeout=SLOW)
    expect(page.locator(".ev-summary-line")).to_contain_text("The 5 maps")
    after = boxes(page)
    for query in (".ev-prediction", ".ev-panel", ".ev-panel .ev-plot"):
        assert after[query] == before[query]
    panels, plots = after[".ev-panel"], after[".ev-panel .ev-plot"]
    assert len(panels) == len(plots) == 6
    assert len(distinct(panels, "left")) == 3
    assert len(distinct(panels, "top")) == 2
    assert max(box["top"] + box["height"] for box in panels) <= 900
    # One height in a row: what is compared is not drawn in different sizes. The input has no strip over time.
    assert len(distinct(plots[1:], "height")) == len(distinct(plots[1:], "width")) == 1
    assert min(box["height"] for box in plots) >= 150
    page.set_viewport_size({"width": 1920, "height": 1080})
    drawn = boxes(page)
    panels, plots = drawn[".ev-panel"], drawn[".ev-panel .ev-plot"]
    assert len(distinct(panels, "left")) == 3
    assert max(box["top"] + box["height"] for box in panels) <= 1080
    assert min(box["width"] for box in plots) >= 300
    assert page.evaluate("document.documentElement.scrollWidth") == 1920


def test_a_class_of_a_thousand_is_found_by_typing(site: str, page: Page) -> None:
    open_maps(page, site, "image", "saliency")
    choice = page.locator("#target-select")
    choice.click()
    expect(choice).to_have_value("")
    page.keyboard.type("dog")
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("dog")
    labels = options.all_inner_texts()
    assert all("dog" in label.lower() for label in labels)
    starts = [label.lower().startswith("dog") for label in labels]
    assert starts == sorted(starts, reverse=True)
    page.keyboard.press("Control+a")
    page.keyboard.type("toilet tissue")  # among the least likely for any photograph here
    expect(options).to_have_count(1)
    page.keyboard.press("Enter")
    expect(choice).to_have_value("toilet tissue")
    expect(page.get_by_text("press Run").first).to_be_visible()
    layer = page.locator("#layer-select")
    shown = layer.input_value()
    layer.click()
    page.keyboard.type("no such")
    expect(page.get_by_text("Nothing of that name")).to_be_visible()
    page.keyboard.press("Tab")
    expect(layer).to_have_value(shown)


@pytest.mark.parametrize("size", [(390, 844), (1024, 768)])
def test_on_a_small_screen_the_readout_comes_to_its_foot(
    site: str, browser: Browser, size: tuple[int, int]
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.set_default_timeout(30_000)
    open_maps(page, site, "image", "grad_cam,saliency")
    card = page.locator(".ev-readout-card")
    expect(card).to_be_hidden()
    page.locator("[data-key=saliency] .ev-figure-canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(card).to_be_in_viewport()
    box = card.bounding_box()
    assert box
    assert box["y"] + box["height"] == pytest.approx(size[1], abs=1)
    assert box["height"] <= 120
    expect(card.locator("tbody tr")).to_have_count(2)
    card.get_by_role("button", name="Put the crosshair away").click()
    expect(card).to_be_hidden()
    context.close()
