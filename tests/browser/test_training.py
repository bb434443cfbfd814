"""Inside, through training: epochs are walked by slider and keys, the address says which, a running one is followed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_accessibility import clean_in_both_themes

pytestmark = pytest.mark.browser


def opened(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".ev-training-heat .ev-training-chosen")).to_be_visible()


def test_a_training_is_walked_through(site: str, page: Page) -> None:
    """It opens with a training that learns something, at its end; every epoch has an address."""
    opened(page, f"{site}/inside?view=training")
    history = httpx.get(f"{site}/api/v1/recordings/cnnexplain_synthetic").json()
    last = len(history["epochs"]) - 1
    epoch = page.locator(".ev-training-epoch")
    expect(epoch).to_have_text(f"Epoch {last} of {last}")
    expect(page.locator(".ev-training-kernels canvas")).to_have_count(16)
    slider = page.get_by_role("slider", name="Epoch")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".ev-training-said")).to_contain_text("nothing is decided yet")
    expect(page.locator(".ev-training-table")).to_contain_text("not yet")
    heat = page.locator(".ev-training-heat")
    heat.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(epoch).to_have_text(f"Epoch 4 of {last}")
    expect(page.locator(".ev-training-holder--heat .ev-training-tip")).to_contain_text("relu1, epoch 4")
    page.wait_for_url("**run=cnnexplain_synthetic&epoch=4")
    page.reload()
    expect(epoch).to_have_text(f"Epoch 4 of {last}")
    page.get_by_label("What the colours show").select_option("redundancy")
    redundancy = history["epochs"][4]["layers"][0]["redundancy"]
    expect(heat).to_have_attribute("aria-label", f"Redundancy of 4 layers over {last + 1} epochs; at epoch 4: " + ", ".join(
        f"{layer['name']} {layer['redundancy']:.2f}" for layer in history["epochs"][4]["layers"]
    ))  # fmt: skip
    assert redundancy > 0
    clean_in_both_themes(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Numbers as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    page.get_by_label("Recording", exact=True).select_option("cnnexplain")
    expect(page.locator(".ev-training-about")).to_contain_text("counter-example")


def test_a_running_training_is_followed_to_its_end(site: str, page: Page) -> None:
    """Whoever looks at the last epoch stays at the last; whoever looks back is left there."""
    whole = httpx.get(f"{site}/api/v1/recordings/shapes").json()
    state = {"epochs": 2, "finished": False}

    def now() -> dict[str, Any]:
        live = not state["finished"]
        return {**whole, "key": "own-mine", "title": "Mine", "own": True, "live": live, "finished": not live, "epochs": whole["epochs"][: state["epochs"]]}  # fmt: skip

    def answer(route: Route) -> None:
        if "/kernels/" in route.request.url:
            number = route.request.url.rpartition("/")[2]
            body = httpx.get(f"{site}/api/v1/recordings/shapes/kernels/{number}").content
            return route.fulfill(status=200, body=body)
        if route.request.url.endswith("/recordings"):
            entry = {"key": "own-mine", "title": "Mine", "model": "", "epochs": state["epochs"], "live": True, "note": "", "readable": True}  # fmt: skip
            return route.fulfill(status=200, body=json.dumps([entry]))
        return route.fulfill(status=200, body=json.dumps(now()))

    page.route("**/api/v1/recordings**", answer)
    page.route("**/api/v1/recordings/**", answer)
    opened(page, f"{site}/inside?view=training")
    epoch, chip = page.locator(".ev-training-epoch"), page.locator(".ev-training-bar .ev-chip")
    expect(epoch).to_have_text("Epoch 1 of 1 so far")
    expect(chip).to_have_text("training goes on")
    state["epochs"] = 5
    expect(epoch).to_have_text("Epoch 4 of 4 so far")
    page.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("ArrowLeft")
    state.update(epochs=7, finished=True)
    expect(epoch).to_have_text("Epoch 3 of 6")
    expect(chip).to_be_hidden()
