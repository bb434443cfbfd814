"""Cases: a generated cough goes through the four steps at a desk and on a phone; what cannot be read is said; a photograph too."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_accessibility import clean_in_both_themes

pytestmark = pytest.mark.browser


def drawn(page: Page, left: float, right: float) -> None:
    box = page.locator(".ev-cases-recording .ev-plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + left * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], box["y"] + 0.9 * box["height"], steps=4)
    page.mouse.up()


def case_of(site: str, page: Page) -> dict[str, object]:
    [id] = re.findall(r"case=(\w+)", page.url)
    return httpx.get(f"{site}/api/v1/cases/{id}").json()


def test_a_generated_cough_in_four_steps(site: str, page: Page) -> None:
    page.goto(f"{site}/cases")
    page.get_by_role("button", name="Try it with generated coughs").click()
    lines = page.locator(".ev-cases-open")
    expect(lines.first).to_have_attribute("aria-current", "true")
    expect(lines.first).to_contain_text("model hidden")
    expect(page.locator(".ev-cases-fit")).to_contain_text("Ready.")
    expect(page.get_by_role("button", name="3 See the model")).to_be_disabled()
    expect(page.locator(".ev-cases-maps")).to_be_hidden()

    # 1 listen: the cough alone, at half speed, and how it was heard is written down
    page.keyboard.press("h")
    page.locator(".ev-cases-cough").first.click()
    expect(page.locator(".ev-cases-recording .ev-plot--playing")).to_have_count(1)
    # 2 mark and judge
    page.keyboard.press("2")
    drawn(page, 0.3, 0.5)
    pad = page.get_by_role("application")
    expect(pad).to_contain_text("Hz")
    marked = pad.inner_text()
    pad.press("ArrowRight")
    expect(pad).not_to_have_text(marked)
    page.get_by_role("radio", name="Cannot say").click()
    page.reload()
    expect(page.get_by_role("radio", name="Cannot say")).to_have_attribute("aria-checked", "true")
    expect(page.get_by_role("application")).to_contain_text("Hz")
    clean_in_both_themes(page)
    page.locator(".ev-cases-judge").get_by_role("button", name="Save, then show the model").click()

    # 3 see the model
    expect(page.locator('.ev-cases-map .ev-map[data-state="done"]')).to_have_count(2, timeout=90_000)
    expect(page.locator(".ev-cases-score")).to_contain_text("not a probability")
    expect(page.locator(".ev-cases-share").first).to_contain_text("Your region")
    # what the model says of the marked part and of the rest alone, beside the buttons that play them
    scores = page.locator(".ev-cases-map").first.locator(".ev-listen-score")
    expect(scores).to_have_text([re.compile(r"^[01]\.\d\d$")] * 2, timeout=90_000)
    case = case_of(site, page)
    [before] = case["verdicts"]
    assert (before["stage"], before["reading"], before["shown"]["model"]) == ("before", "cannot_say", None)
    assert len(before["region"]["boxes"]) == 1
    assert "half speed" in " ".join(entry["words"] for entry in case["history"])
    clean_in_both_themes(page)

    # what stands there is recomputed and compared, without a detour over a file
    page.get_by_role("button", name="Reproduce & verify").click()
    report = page.get_by_role("dialog", name="Report")
    report.get_by_role("button", name="Reproduce & verify this case").click()
    expect(report.locator(".ev-report-verdict")).to_contain_text(
        re.compile(r"all \d results were recomputed and agree"), timeout=90_000
    )
    page.keyboard.press("Escape")

    # 4 agree or not: both maps that stood there are stored with the verdict, and Enter goes on
    page.get_by_role("button", name="Plausible", exact=True).click()
    page.get_by_role("button", name="Misleading").click()
    note = page.get_by_role("textbox", name="Note")
    note.fill("hears the start of the cut")
    first = page.url
    note.press("Enter")
    expect(lines.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("button", name=re.compile("^judged 1"))).to_be_visible()
    page.go_back()
    expect(lines.first).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(first)
    after = case_of(site, page)["verdicts"][-1]
    assert (after["prediction"], after["explanation"], after["note"]) == (
        "plausible",
        "misleading",
        "hears the start of the cut",
    )
    assert len(after["shown"]["explanations"]) == 2
    # play, pressed before the sound has come, is not lost
    held: list[Route] = []
    page.route("**/audio.wav", lambda route: held.append(route))  # noqa: PLW0108 (playwright takes no builtin)
    page.keyboard.press("j")
    expect(lines.nth(1)).to_have_attribute("aria-current", "true")
    while not held:
        page.wait_for_timeout(10)
    page.keyboard.press(" ")
    held[0].continue_()
    expect(page.locator(".ev-cases-recording .ev-plot--playing")).to_have_count(1)
    page.unroute_all()
    page.get_by_role("spinbutton", name="Score from").fill("0")
    expect(lines).to_have_count(1)  # the only one whose model was shown
    expect(lines).to_contain_text(re.compile(r"0\.\d\d"))
    expect(page.locator(".ev-cases-unscored")).to_contain_text("their scores are not shown")
    expect(page).to_have_url(re.compile("score_from=0"))
    page.get_by_role("spinbutton", name="Score from").fill("")
    page.get_by_role("button", name=re.compile("^to do")).click()
    expect(page).to_have_url(re.compile("state=todo"))
    expect(page.locator(".ev-cases-list")).not_to_contain_text("judged \u00b7")


def test_many_files_at_once_and_what_cannot_be_read(
    site: str, page: Page, phone: Page, tmp_path: Path
) -> None:
    """One file of each kind: the picture and the text are said not to fit, the recordings become cases; on a phone one step follows another."""
    samples = [each for each in httpx.get(f"{site}/api/v1/samples").json() if each["group"] == "sounds"][:2]
    for number, sample in enumerate(samples):
        sound = httpx.get(f"{site}/api/v1/inputs/{sample['input']}/audio.wav").content
        (tmp_path / f"cough {number}.wav").write_bytes(sound)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    (tmp_path / "notes.txt").write_text("no recording")
    page.watch.allow("415", "422")  # type: ignore[attr-defined]
    page.goto(f"{site}/cases")
    expect(page.get_by_role("button", name="Choose files")).to_be_enabled()
    page.get_by_role("textbox", name="Title").fill("Four files")
    page.get_by_label("Files", exact=True).set_input_files(sorted(tmp_path.iterdir()))
    expect(page.locator(".ev-cases-progress [role=status]")).to_contain_text(
        "2 cases added, 2 of 4 could not be read"
    )
    expect(page.locator(".ev-cases-failures li")).to_have_count(2)
    expect(page.locator(".ev-cases-failures")).to_contain_text("notes.txt")
    clean_in_both_themes(page)
    page.get_by_role("button", name="Open the list").click()
    expect(page.locator(".ev-cases-open")).to_have_count(2)
    expect(page.locator(".ev-cases-list")).to_contain_text("cough 0.wav")
    expect(page).to_have_url(re.compile("list=.*case="))

    phone.goto(page.url)
    expect(phone.locator(".ev-cases-recording")).to_be_visible()
    expect(phone.locator(".ev-cases-judge")).to_be_hidden()
    phone.get_by_role("button", name="Next: mark and judge").click()
    expect(phone.locator(".ev-cases-judge")).to_be_visible()
    expect(phone.locator(".ev-cases-fit")).to_be_hidden()
    phone.get_by_role("radio").first.click()
    phone.locator(".ev-cases-bottom").get_by_role("button", name="Save, then show the model").click()
    expect(phone.locator(".ev-cases-score")).to_be_visible()
    expect(phone.locator(".ev-cases-verdict")).to_be_hidden()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.get_by_role("button", name="Next: agree or not").click()
    expect(phone.locator(".ev-cases-verdict")).to_be_visible()
    clean_in_both_themes(phone)
