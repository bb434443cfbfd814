"""Checks on a panel: asked for in the background once nothing waits, shown in head and foot, hatched on demand, all in a dialog."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.widgets import scenes
from tests.browser.widgets.server import Site, npy, pixel_axes, record

pytestmark = pytest.mark.browser

SANITY = {
    "state": "weak", "words": "changes little with random weights: 0.61 alike", "meaning": "How it is measured.", "randomised": 0.61,
    "other_class": -0.2, "noise": 0.1, "inputs": 4, "note": "", "seconds": 1.0,
}  # fmt: skip


def region(key: str, share: float, flagged: bool) -> dict[str, Any]:
    words = f"{100 * share:.0f} % of the support lies on the border of the picture"
    return {"key": key, "title": "Image border", "share": share, "area": 0.25, "times": 4 * share, "rare": 0.01, "flagged": flagged, "words": words}  # fmt: skip


def checks(**more: Any) -> dict[str, Any]:
    first = region("border", 0.75, True)
    curve = {"x": [0, 0.1, 1], "deletion": [0.9, 0.2, 0.1], "insertion": [0.1, 0.8, 0.9], "random_low": [0.9, 0.5, 0.1], "random_high": [0.9, 0.8, 0.1], "baseline": "black", "words": "The score falls."}  # fmt: skip
    usual = {
        "stability": {"share": 0.91, "words": "91 % of the map is stable: so.", "jitters": 8},
        "shortcut": {**first, "regions": [first]},
        "curves": curve,
        "figures": [{"key": "sparseness", "title": "Sparseness", "value": 0.5, "words": "Half."}],
        "localisation": [],
        "notes": {},
    }
    return {**usual, **more}


def put(served: Site, key: str = "done") -> None:
    served.put(
        key, np.eye(4, dtype=np.float32) + 0.1, record=record(np.eye(4, dtype=np.float32), pixel_axes(4, 4))
    )


def test_checks_are_asked_for_and_shown(bench: Page, served: Site) -> None:
    put(served)
    served.studies = {"/checks": checks(), "/sanity": SANITY}
    served.arrays["/checks/made/stable.npy"] = npy(np.eye(4).astype(np.uint8))
    root = bench.locator(
        f"#{scenes.add(bench, 'map', explanation='done', title='LIME', key='lime', checked='1')}"
    )
    expect(root.locator(".ev-trust-badge")).to_have_text("weak")
    expect(root.locator(".ev-trust-badge")).to_have_attribute("title", "Read with care: changes little with random weights: 0.61 alike. Measured on 4 inputs of the network's own. How it is measured.")  # fmt: skip
    expect(root.locator(".ev-trust-stable")).to_have_text("stable 91 %")
    line = root.locator(".ev-trust-shortcut")
    expect(line).to_contain_text("75 %")
    expect(line).to_contain_text("flag")
    assert bench.locator(".ev-trust-tick").first.evaluate("node => node.style.left") == "25%"
    asked = [json.loads(body) for body in served.bodies]
    assert asked == [
        {"explanation": "done"},
        {"model": "cnnexplain", "method": "grad_cam", "layer": None, "params": {}},
    ]

    canvas = root.locator("canvas.ev-figure-canvas")
    before = canvas.evaluate("node => node.toDataURL()")
    root.locator(".ev-trust-stable").click()
    expect(root.locator(".ev-trust-stable")).to_have_attribute("aria-pressed", "true")
    bench.wait_for_function("([id, before]) => document.querySelector(id).toDataURL() !== before", arg=[f"#{root.get_attribute('id')} canvas.ev-figure-canvas", before])  # fmt: skip

    line.click()
    dialog = bench.get_by_role("dialog")
    for words in ("Checks of LIME", "How it is measured.", "75 % (even map 25 %)", "91 % of the map is stable", "The score falls.", "Sparseness"):  # fmt: skip
        expect(dialog).to_contain_text(words)
    dialog.get_by_label("Hide what is not stable").uncheck()
    bench.keyboard.press("Escape")
    expect(root.locator(".ev-trust-stable")).to_have_attribute("aria-pressed", "false")


def test_nothing_is_checked_while_a_map_waits(bench: Page, served: Site) -> None:
    put(served)
    served.put("busy", state="queued")
    served.studies = {"/checks": checks(), "/sanity": SANITY}
    shown = {}
    for key, state in (("busy", "queued"), ("done", "done")):
        shown[key] = bench.locator(
            f"#{scenes.add(bench, 'map', explanation=key, title=key, key=key, checked='1')}"
        )
        expect(shown[key].locator(".ev-map")).to_have_attribute("data-state", state)
    bench.evaluate(
        "() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
    )
    assert served.asked("POST", "/checks") == []
    served.change("busy", np.eye(4, dtype=np.float32), state="done", record=record(np.eye(4, dtype=np.float32), pixel_axes(4, 4)))  # fmt: skip
    expect(shown["done"].locator(".ev-trust-badge")).to_have_text("weak")


def test_what_cannot_be_checked_is_said(bench: Page, served: Site) -> None:
    put(served)
    nothing = checks(
        stability=None, shortcut=None, curves=None, figures=[], notes={"map": "Nothing to check: flat."}
    )
    served.studies = {
        "/checks": nothing,
        "/sanity": {**SANITY, "state": None, "words": "Not checked: too dear."},
    }
    root = bench.locator(
        f"#{scenes.add(bench, 'map', explanation='done', title='LIME', key='lime', checked='1')}"
    )
    expect(root.locator(".ev-map")).to_have_attribute("data-state", "done")
    root.get_by_role("button", name="More about LIME").click()
    root.get_by_role("menuitem", name="Checks of this map").click()
    dialog = bench.get_by_role("dialog")
    for words in ("Not checked: too dear.", "Nothing to check: flat."):
        expect(dialog).to_contain_text(words)
    for part in (".ev-trust-badge", ".ev-trust-stable", ".ev-trust-shortcut"):
        expect(root.locator(part)).to_be_hidden()
