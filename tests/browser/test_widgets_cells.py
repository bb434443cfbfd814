"""Maps and agreement at a chosen cell size, on a harness page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy import stats

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import aim, pixel, show, wait_frames
from tests.browser.widgets.server import Site, pixel_axes

pytestmark = pytest.mark.browser


def means(values: np.ndarray, size: int) -> np.ndarray:
    rows, cols = (n // size for n in values.shape)
    return values.reshape(rows, size, cols, size).mean((1, 3)).repeat(size, 0).repeat(size, 1)


def test_map_readout_and_agreement_follow_the_cell_size(bench: Page, served: Site) -> None:
    """Two maps of the same cells under noise of their own: pixel by pixel they have little in common."""
    rng = np.random.default_rng(1)
    place = np.kron(np.arange(16).reshape(4, 4) / 5 - 1, np.ones((8, 8)))
    fields = {key: (place + rng.normal(size=place.shape)).astype(np.float32) for key in ("A", "B")}
    roots = {key: show(bench, served, x, pixel_axes(32, 32), key, key) for key, x in fields.items()}
    scenes.add(bench, "readout", id="readout")
    scenes.add(bench, "agreement", id="agreement")
    panel = bench.locator(f"#{roots['A']}")
    expect(panel).not_to_contain_text("px cells")
    fine = stats.spearmanr(fields["A"].ravel(), fields["B"].ravel()).statistic
    expect(bench.get_by_role("button", name=f"A and B: {fine:.2f}.")).to_be_visible()

    bench.evaluate("evident.setLook({ cell: '8', scale: 'own', opacity: 100 })")
    coarse = {key: means(x, 8) for key, x in fields.items()}
    rho = stats.spearmanr(coarse["A"].ravel(), coarse["B"].ravel()).statistic
    assert abs(rho - fine) > 0.2
    expect(bench.get_by_role("button", name=f"A and B: {rho:.2f}.")).to_be_visible()
    expect(bench.locator("#agreement")).to_contain_text("in cells of 8 px")
    expect(panel).to_contain_text("8 px cells")
    whole = """([root, width]) => { root.style.width = `${width}px`; root.querySelector('.ev-bar-word:last-child').textContent = 'supports a class of a long name';
        const word = root.querySelector('.ev-bar-cells'); return word.scrollWidth <= word.clientWidth; }"""
    assert panel.evaluate(f"root => ({whole})([root, 250])"), "how it is averaged is never cut"
    panel.evaluate("root => root.style.removeProperty('width')")
    wait_frames(bench)
    inside = [pixel(bench, roots["A"], x / 32, y / 32) for x, y in ((16.5, 8.5), (20.5, 12.5), (23.4, 15.4))]
    assert inside[0] == inside[1] == inside[2] != pixel(bench, roots["A"], 4.5 / 32, 20.5 / 32)
    aim(bench, roots["A"], 20.5 / 32, 12.5 / 32)
    expect(bench.locator("#readout tbody tr").first).to_contain_text(f"+{coarse['A'][12, 20]:.2f}")
    expect(bench.locator("#readout")).to_contain_text("the mean of the 8 px cell")
