"""axe-core in a page: the rules of WCAG 2.2 A and AA and axe's own good practice (landmarks, regions, headings)."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
RUN = "axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"


def violations(page: Page) -> list[str]:
    """Rule, and the first element that breaks it."""
    assert SCRIPT.is_file(), "axe-core is not here: run make node_modules/installed"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    answer = page.evaluate(RUN)
    assert len(answer["passes"]) > 10, "axe looked at nothing"
    return [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in answer["violations"]]


def clean_in_both_themes(page: Page) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
        # where motion is reduced every change is a transition of one frame
        page.evaluate(DRAWN)
        assert violations(page) == [], f"{page.url} {scheme}"
