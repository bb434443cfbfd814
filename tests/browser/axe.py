"""axe-core in a page: the rules of WCAG 2.2 A and AA and axe's own good practice (landmarks, regions, headings)."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN = "axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"


def violations(page: Page) -> list[str]:
    """Rule, and the first element that breaks it."""
    assert SCRIPT.is_file(), "axe-core is not here: run make node_modules/installed"
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    answer = page.evaluate(RUN)
    assert len(answer["passes"]) > 10, "axe looked at nothing"
    return [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in answer["violations"]]
