"""Measure: a small study on drawn objects is run, its table read, its address opened again."""

from __future__ import annotations

import re

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models.synthetic import shapes
from tests.browser.test_accessibility import clean_in_both_themes
from tests.models.media.encoders import image

pytestmark = pytest.mark.browser
DROPPED = """files => {
  const data = new DataTransfer();
  for (const [name, bytes] of files) data.items.add(new File([Uint8Array.from(bytes)], name));
  document.querySelector("#measure-widget").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
}"""

CHOICE = "model=shapes&set=shapes&count=4&methods=grad_cam,lrp&metrics=sparseness,relevance_mass_accuracy"


def test_a_small_study_is_run_read_and_opened_again(site: str, page: Page, phone: Page) -> None:
    page.goto(f"{site}/measure?{CHOICE}")
    cost = page.locator(".ev-measure-cost")
    expect(cost).to_contain_text("2 methods \u00d7 2 metrics \u00d7 4 inputs")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".ev-measure-state")).to_contain_text("Finished", timeout=120_000)
    expect(cost).to_contain_text("all measured before")
    page.wait_for_url(re.compile("study="))
    [study] = re.findall(r"study=(\w+)", page.url)
    result = httpx.get(f"{site}/api/v1/evaluations/{study}").json()["result"]
    entries = {(entry["method"], entry["metric"]): entry for entry in result["table"]}
    rows = page.locator(".ev-measure-table tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(2)).to_have_class("ev-measure-control")
    shown = page.locator('[data-key="lrp:sparseness"]')
    assert float(shown.locator(".ev-measure-value").inner_text()) == pytest.approx(
        entries["lrp", "sparseness"]["mean"], abs=0.006
    )
    expect(shown).to_have_attribute("aria-label", re.compile("^LRP, Sparseness: .* 4 inputs"))

    shown.click()
    drill = page.locator(".ev-measure-drill")
    expect(drill.get_by_role("heading")).to_have_text("LRP \u00b7 sparseness")
    expect(drill.locator(".ev-measure-dot:not(.ev-measure-dot--blob)")).to_have_count(4 + 1)
    expect(drill.locator("canvas")).to_have_count(4)
    page.locator('[data-key="sort:sparseness"]').click()
    best = max(("grad_cam", "lrp"), key=lambda key: entries[key, "sparseness"]["mean"])
    expect(rows.nth(0).locator("button").first).to_have_attribute("data-key", re.compile(f"^{best}:"))
    shown.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('[data-key="lrp:relevance_mass_accuracy"]')).to_be_focused()
    page.get_by_role("button", name="Methods paragraph").click()
    expect(page.get_by_role("dialog")).to_contain_text("4 drawn objects")
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "scores.csv"
    page.get_by_role("button", name="Fusion bench", exact=True).click()
    expect(page.locator(".ev-fusion-maps canvas")).to_have_count(5)
    clean_in_both_themes(page)

    phone.goto(page.url)
    expect(phone.locator('[data-key="lrp:sparseness"]')).to_have_attribute("aria-pressed", "true")
    expect(phone.locator(".ev-measure-table th[aria-sort]")).to_contain_text("Sparseness")
    expect(phone.locator(".ev-measure-state")).to_contain_text("Finished")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="SmoothGrad").click()
    expect(page.locator(".ev-measure-state")).to_contain_text("The choice has changed")
    page.get_by_role("button", name="The paper's study").click()
    expect(cost).to_contain_text("3 methods \u00d7 5 metrics \u00d7 4 inputs")
    expect(page.get_by_role("combobox", name="Class to explain")).to_have_value("label")


def test_own_files_are_dropped_with_a_table_that_says_what_they_show(site: str, page: Page) -> None:
    drawn = shapes.generate(2, seed=1123)
    files = {f"{i}.png": image(drawn.images[i]) for i in range(2)}
    files["0_mask.png"] = image(np.repeat(drawn.masks[0][..., None].astype(np.uint8) * 255, 3, axis=2))
    first, second = (shapes.LABELS[label] for label in drawn.labels)
    table = f"file;label;mask\r\nset/0.png;{first};set/0_mask.png\r\nset/1.png;{drawn.labels[1]};\r\nset/2.png;{first};"
    page.goto(f"{site}/measure?{CHOICE}")
    cost, said = page.locator(".ev-measure-cost"), page.locator(".ev-measure-sending")
    expect(cost).to_contain_text("4 inputs")
    page.evaluate(DROPPED, [["labels.csv", list(b"\xef\xbb\xbf" + table.encode())]])
    expect(said).to_contain_text("3 lines. Now add the files")
    page.evaluate(DROPPED, [[name, list(data)] for name, data in files.items()])
    expect(said).to_contain_text("the classes of 2 of 2 inputs and where the evidence lies in 1")
    expect(said).to_contain_text("1 line names a file that is not here, the first is line 4.")
    expect(cost).to_contain_text("2 inputs")
    page.get_by_label("Names and classes of your inputs").click()
    fields = page.locator(".ev-measure-own input")
    expect(fields.nth(0)).to_have_value(first)
    expect(fields.nth(1)).to_have_value(second)
    page.get_by_label("Names and classes of your inputs").click()
    page.get_by_role("combobox", name="Model").select_option("shapes_shortcut")
    expect(page.get_by_role("combobox", name="Inputs")).to_have_value("own files")
    expect(cost).to_contain_text("2 inputs")
    page.get_by_label("Names and classes of your inputs").click()
    expect(fields.nth(1)).to_have_value(second)
    page.get_by_role("button", name="Leave 0.png out").click()
    expect(fields).to_have_count(1)
    expect(cost).to_contain_text("1 input")
