"""Known evidence over the maps: the same cells and the same shares as in Python, drawn only where it
belongs."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from models.spec import Axis
from models.synthetic import coughs, shapes
from tests.browser.axe import clean_in_both_themes
from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import wait_frames
from tests.browser.widgets.server import Site, pixel_axes, record, sound_axes
from tests.frontend.evident.modules import expose

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
SLOW = 90_000
MARK = np.array([255, 82, 240])
"""The colour of the outline."""


def runs(mask: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run lengths, pixel by pixel down the columns."""
    counts, now = [0], False
    for pixel in mask.T.ravel():
        if pixel != now:
            counts.append(0)
            now = bool(pixel)
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


# ---- drawn where it belongs -----------------------------------------------------------------------------------------------------

AXES = sound_axes(16, 32)
BOX = [
    AXES["x_axis"]["values"][8],
    AXES["x_axis"]["values"][14],
    AXES["y_axis"]["values"][4],
    AXES["y_axis"]["values"][7],
]
"""Columns 8 to 14, rows 4 to 7."""
INSIDE = np.zeros((16, 32), bool)
INSIDE[4:8, 8:15] = True
KNOWN = {"sample": "wheeze", "input": "in1", "model": "cnnexplain"}
VALUES = np.random.default_rng(1).normal(size=(16, 32)).astype(np.float32)


@pytest.fixture
def bench(page: Page, served: Site) -> Page:
    """A page with the input, two maps of it (one of another model) and one map of another window, and the
    legend."""
    regions = [{"key": "evidence", "title": "Known evidence", "boxes": [BOX], "mask": None}]
    body = {"sample": "wheeze", "model": "cnnexplain", "label": "wheeze", "regions": regions}
    served.files["/samples/wheeze/evidence"] = ("application/json", json.dumps(body).encode())
    display = served.picture("/d.png", np.full(VALUES.shape, 128, np.uint8))
    request = {
        "input": "in1",
        "method": "lrp",
        "target": 1,
        "layer": None,
        "params": {},
        "seed": 0,
        "start": None,
    }
    scenes.open_harness(page, served)
    page.evaluate("evident.setLook({ opacity: 100, top: 100, scale: 'own' })")
    scenes.add(page, "input-map", id="input", display=display, axes=AXES, input="in1")
    later = sound_axes(16, 32, 3.0, 5.0)
    for key, axes, model, target in (
        ("own", AXES, "cnnexplain", "wheeze"),
        ("against", AXES, "cnnexplain", "no wheeze"),
        ("other", AXES, "shapes", "wheeze"),
        ("later", later, "cnnexplain", "wheeze"),
    ):
        told = record(VALUES, axes, method_title="LRP", model=model, target_label=target, signed=True)
        served.put(key, VALUES, record=told, request={**request, "model": model})
        scenes.add(page, "map", id=key, explanation=key, title="LRP", key="lrp", display=display)
    scenes.add(page, "evidence", id="legend", known=KNOWN)
    page.wait_for_function("() => evident.finishedPanels().length === 4 && evident.viewState.evidence")
    wait_frames(page)
    return page


def marked(page: Page, root: str) -> np.ndarray:
    """Whether the outline's colour shows at the middle of each cell's lower edge: bool [17, 32], drawn
    rows turned back to rows of the array."""
    rgb = page.evaluate(
        """id => { const { figure } = evident.widgetOf(document.getElementById(id)); const { plot } = figure.place, k = devicePixelRatio;
          const copy = new OffscreenCanvas(figure.canvas.width, figure.canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(figure.canvas, 0, 0);
          return Array.from({ length: 17 }, (_, r) => Array.from({ length: 32 }, (_, c) => {
            const x = (plot.x + ((c + 0.5) / 32) * plot.w) * k, y = (plot.y + (1 - r / 16) * plot.h) * k;
            return [...copy.getImageData(Math.floor(x), Math.floor(y), 1, 1).data.slice(0, 3)];
          })); }""",
        root,
    )
    return np.abs(np.array(rgb) - MARK).max(axis=2) <= 12


def edges() -> np.ndarray:
    padded = np.pad(INSIDE, ((1, 1), (0, 0)))
    return padded[1:] != padded[:-1]


def test_the_outline_runs_round_the_evidence_on_the_input_and_its_maps_and_nowhere_else(bench: Page) -> None:
    for root in ("input", "own", "against", "other", "later"):
        assert not marked(bench, root).any(), "off until asked for"
    bench.evaluate("evident.outlineEvidence(true)")
    wait_frames(bench)
    for root in ("input", "own", "against"):
        assert (marked(bench, root) == edges()).all(), root
    assert not marked(bench, "other").any(), "another model may look for something else"
    assert not marked(bench, "later").any(), "the box lies outside this window"
    bench.evaluate("evident.outlineEvidence(false)")
    wait_frames(bench)
    assert not marked(bench, "own").any()


def test_each_map_says_how_much_of_it_lies_inside(bench: Page) -> None:
    expected = shapes.evidence_mass(VALUES, INSIDE)
    uniform = INSIDE.mean()
    weighed = bench.evaluate(
        "evident.allPanels().map((panel) => evident.weigh(panel).map(({ any, share, uniform }) => ({ any, share, uniform })))"
    )
    assert weighed[0][0]["share"] == pytest.approx(expected, abs=1e-9)
    assert weighed[0][0]["uniform"] == uniform
    assert weighed[2] == []
    assert weighed[3][0]["any"] is False
    line = bench.locator("#own .ev-known p")
    expect(line).to_have_count(1)
    expect(line).to_have_text(f"Evidence {100 * expected:.1f} % · by chance {100 * uniform:.1f} %")
    sentence = f"{100 * expected:.1f} % of the positive relevance lies inside the known evidence; a uniform map would have {100 * uniform:.1f} %."
    expect(line).to_have_attribute("title", sentence)
    expect(bench.locator("#own canvas[role=img]")).to_have_attribute(
        "aria-label", re.compile(re.escape(sentence))
    )
    expect(bench.locator("#against .ev-known")).to_contain_text("Evidence for wheeze, map for no wheeze.")
    expect(bench.locator("#other .ev-known")).to_be_hidden()
    expect(bench.locator("#later .ev-known")).to_have_text("Evidence: outside this window")


def test_the_legend_and_the_alt_texts_follow(bench: Page) -> None:
    expect(bench.locator("#legend")).to_contain_text("what makes it “wheeze”")
    expect(bench.locator("#legend")).to_contain_text("Known because a program made this input.")
    alt = bench.locator("#input canvas[role=img]")
    assert "outlined" not in str(alt.get_attribute("aria-label"))
    bench.keyboard.press("e")
    assert bench.evaluate("evident.viewState.outlined")
    plain_alt = "The input as the model sees it, grey spectrogram, seconds across and hertz up."
    expect(alt).to_have_attribute("aria-label", f"{plain_alt} The known evidence is outlined.")
    bench.evaluate(
        "axes => document.getElementById('input').setAttribute('data-axes', JSON.stringify(axes))",
        sound_axes(16, 32, 3.0, 5.0),
    )
    expect(bench.locator("#legend")).to_contain_text("outside the part shown")
    expect(alt).to_have_attribute("aria-label", plain_alt)


def test_nothing_stays_when_another_input_comes(bench: Page) -> None:
    bench.evaluate("evident.outlineEvidence(true)")
    wait_frames(bench)
    assert marked(bench, "own").any()
    bench.evaluate("document.getElementById('legend').setAttribute('data-known', '')")
    bench.wait_for_function("() => !evident.viewState.evidence")
    wait_frames(bench)
    assert not marked(bench, "own").any()
    expect(bench.locator("#own .ev-known")).to_be_hidden()
    expect(bench.locator("#legend p")).to_have_count(0)


def test_evidence_that_cannot_be_had_says_why(bench: Page) -> None:
    bench.evaluate(
        "known => document.getElementById('legend').setAttribute('data-known', JSON.stringify(known))",
        {**KNOWN, "sample": "gone"},
    )
    expect(bench.locator("#legend p")).to_have_text("There is no such map. Run it again.")
    expect(bench.locator("#own .ev-known")).to_be_hidden()
    scenes.forgive(bench)


def test_a_sticker_is_drawn_dotted_and_counted_on_its_own(page: Page, served: Site) -> None:
    tagged = shapes.with_tag(shapes.generate(1, seed=4), True)
    regions = [
        {"key": key, "title": title, "boxes": [], "mask": runs(mask)}
        for key, title, mask in (
            ("evidence", "Known evidence", tagged.masks[0]),
            ("sticker", "Sticker", tagged.tags[0]),
        )
    ]
    body = {"sample": "star", "model": "cnnexplain", "label": "star", "regions": regions}
    served.files["/samples/star/evidence"] = ("application/json", json.dumps(body).encode())
    values = np.random.default_rng(2).normal(size=(64, 64)).astype(np.float32)
    scenes.open_harness(page, served)
    served.put("s", values, record=record(values, pixel_axes(64, 64), target_label="star"))
    scenes.add(page, "map", id="s", explanation="s", title="LRP", key="lrp")
    scenes.add(page, "evidence", known={**KNOWN, "sample": "star"})
    page.evaluate("evident.outlineEvidence(true)")
    expect(page.locator("#s .ev-known p")).to_have_count(2)
    weighed = page.evaluate("evident.weigh(evident.allPanels()[0])")
    for item, mask in zip(weighed, (tagged.masks[0], tagged.tags[0]), strict=True):
        assert item["share"] == pytest.approx(shapes.evidence_mass(values, mask), abs=1e-9)
        assert item["uniform"] == pytest.approx(shapes.uniform_share(mask), abs=1e-12)
    wait_frames(page)
    assert page.evaluate("evident.allPanels()[0].figure.marks.map(({ dotted }) => dotted)") == [False, True]


def test_numbers_in_the_agreement_matrix_can_be_read_on_every_colour(bench: Page) -> None:
    """WCAG 1.4.3 over the whole range of agreement: 4.5 to 1."""
    root = scenes.add(bench, "agreement", id="agreement")
    pixels = bench.evaluate(
        """id => { const widget = evident.widgetOf(document.getElementById(id)), [panel] = evident.finishedPanels();
          return Array.from({ length: 256 }, (_, k) => { const alike = { ...panel, field: { rows: 1, cols: 1, signed: false, once: () => k / 255 } };
                alike.compared = alike.field;
            const { style } = widget.cell(alike, alike).querySelector("button");
            return [style.backgroundColor, style.color].map((text) => text.match(/\\d+/g).map(Number)); }); }""",
        root,
    )
    unit = np.array(pixels) / 255
    assert len(np.unique(unit[:, 1], axis=0)) == 2
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]
    assert ((light.max(axis=1) + 0.05) / (light.min(axis=1) + 0.05)).min() >= 4.5


# ---- on the real page -----------------------------------------------------------------------------------------------------------


def opened(page: Page, site: str, key: str, **more: str) -> dict[str, Any]:
    """A bundled sample with three maps."""
    sample = next(
        item for item in httpx.get(f"{site}/api/v1/samples", timeout=60).json() if item["key"] == key
    )
    query = {"input": sample["input"], "model": sample["model"], "methods": "grad_cam,lrp,fused", **more}
    page.goto(str(httpx.URL(site, params=query)))
    expose(page)
    expect(page.locator('.ev-map[data-state="done"]')).to_have_count(3, timeout=SLOW)
    return sample


def shares(page: Page) -> list[dict[str, Any]]:
    return page.evaluate(
        "evident.finishedPanels().map((panel) => ({ id: panel.id, axes: panel.axes, weighed: evident.weigh(panel) }))"
    )


def values_of(site: str, id: str) -> np.ndarray:
    return np.load(io.BytesIO(httpx.get(f"{site}/api/v1/explanations/{id}/values.npy", timeout=30).content))


def test_shares_on_the_page_are_those_of_python(site: str, page: Page) -> None:
    sample = opened(page, site, "wheeze")
    expect(page.locator(".ev-known:visible")).to_have_count(3, timeout=SLOW)
    for item in shares(page):
        axes = tuple(
            Axis(side["name"], side["unit"], np.array(side["values"]))
            for side in (item["axes"]["y_axis"], item["axes"]["x_axis"])
        )
        values = values_of(site, item["id"])
        assert item["weighed"][0]["share"] == pytest.approx(
            coughs.evidence_mass(values, sample["evidence"]["boxes"], axes), abs=1e-6
        )
        assert item["weighed"][0]["uniform"] == pytest.approx(
            coughs.uniform_mass(sample["evidence"]["boxes"], axes), abs=1e-6
        )


def test_shares_of_a_picture_are_those_of_python_and_follow_the_model(site: str, page: Page) -> None:
    """The two models of this picture are two samples; what speaks for the class is the same object."""
    opened(page, site, "shortcut")
    for model in ("shapes_shortcut", "shapes"):
        page.evaluate("value => window.dash_clientside.set_props('model-select', { value })", model)
        page.wait_for_function(
            "model => evident.viewState.evidence?.model === model", arg=model, timeout=SLOW
        )
        page.wait_for_function(
            "() => evident.finishedPanels().filter((panel) => evident.weigh(panel).length === 2).length === 3",
            timeout=SLOW,
        )
        for item in shares(page):
            values = values_of(site, item["id"])
            for weighed, name in zip(item["weighed"], ("mask", "sticker"), strict=True):
                photo = Image.open(ROOT / "models" / "samples" / f"image_shortcut_{name}.png").convert("L")
                # 128 pixels on 64 cells: a cell is inside when two of its four pixels are.
                inside = (np.asarray(photo) > 0).reshape(64, 2, 64, 2).mean(axis=(1, 3)) >= 0.5
                assert weighed["share"] == pytest.approx(shapes.evidence_mass(values, inside), abs=1e-6)
                assert weighed["uniform"] == pytest.approx(shapes.uniform_share(inside), abs=1e-6)


def test_the_box_switches_the_outlines_and_travels_in_the_link(site: str, page: Page) -> None:
    opened(page, site, "shortcut")
    box = page.get_by_role("checkbox", name="Known evidence")
    expect(box).to_be_checked(timeout=SLOW)
    drawn = "() => evident.finishedPanels().map((panel) => panel.figure.marks.length).join()"
    page.wait_for_function(f"() => ({drawn})() === '2,2,2'", timeout=SLOW)
    assert "evidence" not in page.url
    clean_in_both_themes(page)
    box.uncheck()
    page.wait_for_function(f"() => ({drawn})() === '0,0,0'")
    expect(page.locator(".ev-known:visible")).to_have_count(3)
    page.wait_for_url(lambda url: "evidence=0" in url, wait_until="commit")
    page.goto(page.url)
    expose(page)
    expect(box).not_to_be_checked(timeout=SLOW)
    expect(page.locator(".ev-known:visible")).to_have_count(3, timeout=SLOW)
    page.wait_for_function(f"() => ({drawn})() === '0,0,0'")
    page.keyboard.press("e")
    expect(box).to_be_checked()
    page.wait_for_function(f"() => ({drawn})() === '2,2,2'")
    page.wait_for_url(lambda url: "evidence" not in url, wait_until="commit")


def test_a_window_without_the_evidence_has_no_outline(site: str, page: Page) -> None:
    sample = opened(page, site, "several", start="0")
    assert sample["evidence"]["boxes"][0][0] > 2.1
    expect(page.locator("#evidence")).to_contain_text("outside the part shown", timeout=SLOW)
    expect(page.locator(".ev-known:visible").first).to_have_text("Evidence: outside this window")
    page.wait_for_function(
        "() => evident.finishedPanels().map((panel) => panel.figure.marks.length).join() === '0,0,0'"
    )


def test_where_nothing_is_known_there_is_no_box(site: str, phone: Page) -> None:
    opened(phone, site, "no_wheeze")
    expect(phone.locator("#evidence-row")).to_be_hidden()
    expect(phone.locator(".ev-known:visible")).to_have_count(0)
    opened(phone, site, "shortcut")
    expect(phone.get_by_role("checkbox", name="Known evidence")).to_be_visible(timeout=SLOW)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
