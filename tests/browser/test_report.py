"""The report of Compare: taken along as one file that asks nobody for anything, and checked on the spot."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations

pytestmark = pytest.mark.browser
SLOW = 60_000


def test_a_report_is_taken_along_and_reproduced(site: str, page: Page) -> None:
    samples = httpx.get(f"{site}/api/v1/samples", timeout=60).json()
    sample = next(one for one in samples if one["modality"] == "audio" and one["group"] == "sounds")
    page.goto(f"{site}/?model={sample['model']}&input={sample['input']}&methods=grad_cam,lrp")
    expect(page.locator("#downloads a")).to_have_count(1 + 2 * 3, timeout=SLOW)
    page.keyboard.press("g")
    dialog = page.get_by_role("dialog", name="Report")
    expect(dialog).to_contain_text("The 2 finished maps")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="HTML").click()
    taken = download.value.path().rename(download.value.path().with_suffix(".html"))
    dialog.locator("input[type=file]").set_input_files(str(taken))
    verdict = dialog.locator(".ev-report-verdict")
    expect(verdict).to_have_text(
        "The same: all 3 results were recomputed and agree, to the last bit.", timeout=SLOW
    )
    forged = taken.with_name("forged.html")
    forged.write_bytes(taken.read_bytes().replace(b"Not a medical device", b"No medical device", 1))
    dialog.locator("input[type=file]").set_input_files(str(forged))
    expect(verdict).to_contain_text("Not the same", timeout=SLOW)
    expect(dialog.locator(".ev-report-items")).to_contain_text("changed after it was made")
    assert violations(page) == []
    page.goto(taken.as_uri())
    expect(page.locator("audio")).to_have_count(1 + 2 * 2)
    assert page.locator("audio").nth(1).evaluate(
        "player => new Promise(done => { player.onloadedmetadata = () => done(player.duration); player.load(); })"
    ) > 0.5  # fmt: skip
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page) == []
