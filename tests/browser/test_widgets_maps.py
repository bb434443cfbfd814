"""Map panels, crosshair, look, agreement: the widgets on a harness page, against a server whose answers
the test decides."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from scipy import stats

from tests.browser.widgets import scenes
from tests.browser.widgets.server import Site, npy, pixel_axes, record, sound_axes

pytestmark = pytest.mark.browser


@pytest.fixture
def served() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def bench(page: Page, served: Site) -> Page:
    """An empty harness page that remembers what the widgets told Dash."""
    scenes.open_harness(page, served)
    page.evaluate("() => { window.told = []; evident.on('tell', (item) => told.push(item)); }")
    return page


def progress(**given: Any) -> dict[str, Any]:
    return {
        "done": 0,
        "total": 1000,
        "unit": "samples",
        "seconds": 1.0,
        "remaining": None,
        "partial": 0,
        **given,
    }


def told(page: Page, key: str) -> list[Any]:
    return [item["props"] for item in page.evaluate("told") if item["id"] == key]


def states(page: Page) -> list[str]:
    return [item["data"]["state"] for item in told(page, "panel-store")]


def settle(page: Page) -> None:
    """Two animation frames: whatever was due has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def show(
    page: Page,
    site: Site,
    values: np.ndarray,
    axes: dict[str, Any],
    key: str = "m",
    title: str = "LRP",
    **more: Any,
) -> str:
    """A finished map on the page, with a mid-grey input under it."""
    display = site.picture("/d.png", np.full(values.shape, 128, np.uint8))
    site.put(key, values, record=record(values, axes, method_title=title, **more))
    before = page.evaluate("evident.finishedPanels().length")
    root = scenes.add(
        page, "map", explanation=key, title=title, key=more.get("method", "lrp"), display=display
    )
    page.wait_for_function("n => evident.finishedPanels().length > n", arg=before)
    page.wait_for_function(
        "id => Boolean(evident.widgetOf(document.getElementById(id)).figure.picture)", arg=root
    )
    settle(page)
    return root


def pixel(page: Page, root: str, u: float, v: float) -> list[int]:
    """Colour on the panel's canvas at a fraction of its plot, from the top left."""
    return page.evaluate(
        """([id, u, v]) => { const { figure } = evident.widgetOf(document.getElementById(id));
          const { plot } = figure.place, k = devicePixelRatio;
          const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          copy.drawImage(figure.canvas, Math.floor((plot.x + u * plot.w) * k), Math.floor((plot.y + v * plot.h) * k), 1, 1, 0, 0, 1, 1);
          return [...copy.getImageData(0, 0, 1, 1).data]; }""",
        [root, u, v],
    )


def aim(page: Page, root: str, u: float, v: float) -> None:
    """Points the mouse at a fraction of a panel's plot, from the top left."""
    box = page.locator(f"#{root} .ev-plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + u * box["width"], box["y"] + v * box["height"])
    settle(page)


# ---- drawing -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sound", [False, True])
def test_the_largest_cell_is_drawn_where_it_lies_in_the_full_colour(
    bench: Page, served: Site, sound: bool
) -> None:
    values = np.zeros((8, 10), np.float32)
    values[1, 7], values[5, 2] = 4.0, -4.0
    root = show(
        bench,
        served,
        values,
        sound_axes(8, 10) if sound else pixel_axes(8, 10),
        window=[0.0, 2.0] if sound else None,
    )
    bench.evaluate("evident.setLook({ opacity: 100, top: 100, scale: 'own' })")
    settle(bench)
    rows = [(8 - r - 0.5) / 8 if sound else (r + 0.5) / 8 for r in (1, 5)]
    blue, red = (matplotlib.colormaps["coolwarm"](step, bytes=True)[:3] for step in (0, 255))
    assert np.abs(np.array(pixel(bench, root, 7.5 / 10, rows[0])[:3]) - red).max() <= 1
    assert np.abs(np.array(pixel(bench, root, 2.5 / 10, rows[1])[:3]) - blue).max() <= 1
    assert pixel(bench, root, 0.5 / 10, 0.5 / 8)[:3] == [128, 128, 128], (
        "no evidence, no hue: the grey input shows"
    )


def test_the_input_under_a_map_is_grey(bench: Page, served: Site) -> None:
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[...] = (200, 40, 90)
    served.picture("/c.png", colours)
    scenes.add(bench, "input-map", display="/c.png", axes=pixel_axes(4, 4), id="input")
    bench.wait_for_function(
        "() => Boolean(evident.widgetOf(document.getElementById('input')).figure.picture)"
    )
    settle(bench)
    shade = round(0.299 * 200 + 0.587 * 40 + 0.114 * 90)
    assert np.abs(np.array(pixel(bench, "input", 0.5, 0.5)[:3]) - shade).max() <= 1


def test_the_look_changes_the_picture_without_asking_the_server(bench: Page, served: Site) -> None:
    values = np.ones((4, 4), np.float32)
    values[:, 2:] = -2
    root = show(bench, served, values, pixel_axes(4, 4))
    calls = len(served.calls)
    seen = {}
    for name, look in {
        "full": {},
        "faint": {"opacity": 30},
        "for": {"sign": "for"},
        "top": {"top": 50},
        "own": {"scale": "own"},
    }.items():
        bench.evaluate(
            "look => evident.setLook({ opacity: 100, top: 100, sign: 'both', scale: 'shared', ...look })",
            look,
        )
        settle(bench)
        seen[name] = (pixel(bench, root, 0.2, 0.2), pixel(bench, root, 0.8, 0.2))
    assert seen["for"][1][:3] == [128, 128, 128]
    assert seen["for"][0] == seen["full"][0]
    assert seen["top"][0][:3] == [128, 128, 128]
    distance = {name: abs(values[1][0] - values[1][2]) for name, values in seen.items()}
    assert 0 < distance["faint"] < distance["full"]
    assert len(served.calls) == calls


def test_the_colour_bar_says_in_numbers_and_words_what_the_ends_mean(bench: Page, served: Site) -> None:
    root = show(bench, served, np.linspace(-0.5, 0.5, 64, dtype=np.float32).reshape(8, 8), pixel_axes(8, 8))
    bench.evaluate("evident.setLook({ scale: 'own' })")
    bar = bench.locator(f"#{root} .ev-bar")
    expect(bar).to_contain_text("−0.50")
    expect(bar).to_contain_text("+0.50")
    expect(bar).to_contain_text("speaks against")
    expect(bar).to_contain_text("supports Covid-like")
    expect(bar.locator(".ev-bar-zero--middle")).to_be_visible()
    assert "99th percentile" not in (bar.get_attribute("title") or "")
    bench.evaluate("evident.setLook({ scale: 'shared' })")
    settle(bench)
    assert "99th percentile" in (bar.get_attribute("title") or "")


def test_a_change_of_theme_redraws_the_axes(bench: Page, served: Site) -> None:
    root = show(bench, served, np.eye(8, dtype=np.float32), pixel_axes(8, 8))
    grab = "id => evident.widgetOf(document.getElementById(id)).figure.canvas.toDataURL()"
    light = bench.evaluate(grab, root)
    bench.evaluate("() => { document.documentElement.dataset.mantineColorScheme = 'dark'; }")
    settle(bench)
    dark = bench.evaluate(grab, root)
    bench.evaluate("() => { document.documentElement.dataset.mantineColorScheme = 'light'; }")
    settle(bench)
    assert dark != light
    assert bench.evaluate(grab, root) == light


# ---- crosshair -----------------------------------------------------------------------------------------------------------------


def test_the_readout_gives_every_maps_value_at_the_crosshair(bench: Page, served: Site) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(16, 20)).astype(np.float32) for _ in range(2))
    axes = sound_axes(16, 20, 1.0, 3.0)
    roots = [
        show(bench, served, x, axes, key, key, window=[1.0, 3.0]) for x, key in ((a, "First"), (b, "Second"))
    ]
    scenes.add(bench, "readout", id="readout")
    aim(bench, roots[0], 13.5 / 20, (16 - 4 - 0.5) / 16)
    rows = bench.locator("#readout tr")
    for row, values in zip(rows.all(), (a, b), strict=True):
        value = float(values[4, 13])
        text = row.inner_text().replace("−", "-")
        number = float(re.findall(r"[+-]\d[\d.]*", text)[0])
        assert number == pytest.approx(value, abs=0.006)
        share = stats.percentileofscore(np.abs(values.ravel()), abs(values[4, 13]), kind="strict")
        assert f"p{round(share)}" in text
        assert ("speaks against" if value < 0 else "supports") in text
    place = bench.locator("#readout .ev-readout-place")
    u, v = bench.evaluate("[evident.viewState.cursor.u, evident.viewState.cursor.v]")
    expect(place).to_contain_text(f"{1 + 2 * u:.2f} s")
    hertz = np.interp(v * 16 - 0.5, np.arange(16), axes["y_axis"]["values"])
    expect(place).to_contain_text(f"{round(hertz):,} Hz")


def test_the_crosshair_stands_on_the_same_spot_of_every_panel(bench: Page, served: Site) -> None:
    axes = sound_axes(8, 8)
    roots = [
        show(bench, served, np.eye(8, dtype=np.float32), axes, key, key, window=[0.0, 2.0])
        for key in ("A", "B")
    ]
    scenes.add(bench, "input-map", display="/d.png", axes=axes, id="input")
    settle(bench)
    aim(bench, roots[1], 0.25, 0.75)
    for root in [*roots, "input"]:
        plot = bench.locator(f"#{root} .ev-plot").bounding_box()
        across = bench.locator(f"#{root} .ev-hair--across").bounding_box()
        down = bench.locator(f"#{root} .ev-hair--down").bounding_box()
        assert plot
        assert across
        assert down
        assert (down["x"] - plot["x"]) / plot["width"] == pytest.approx(0.25, abs=0.02)
        assert (across["y"] - plot["y"]) / plot["height"] == pytest.approx(0.75, abs=0.02)


def test_arrow_keys_move_the_crosshair_by_cells_up_is_up(bench: Page, served: Site) -> None:
    root = show(bench, served, np.eye(10, dtype=np.float32), sound_axes(10, 10), window=[0.0, 2.0])
    aim(bench, root, 0.45, 0.55)
    bench.locator(f"#{root} canvas[role=img]").focus()
    bench.keyboard.press("ArrowUp")
    bench.keyboard.press("ArrowRight")
    bench.keyboard.press("ArrowRight")
    assert bench.evaluate(
        "evident.widgetOf(document.querySelector('[data-evident=map]')).view.cell(evident.viewState.cursor)"
    ) == {
        "row": 5,
        "col": 6,
        "index": 56,
    }
    bench.keyboard.press("Shift+ArrowLeft")
    assert bench.evaluate("evident.viewState.cursor.u") == pytest.approx(0.05)


# ---- long work -----------------------------------------------------------------------------------------------------------------


def test_a_running_map_grows_and_then_is_whole(bench: Page, served: Site) -> None:
    first, second, last = (np.full((4, 4), x, np.float32) for x in (1, 2, 3))
    for values in (first, second, last):
        values[0, 0] = 9
    served.put("grow", state="queued", estimate=14.0)
    root = scenes.add(bench, "map", explanation="grow", title="LIME", key="lime", axes=pixel_axes(4, 4))
    panel = bench.locator(f"#{root}")
    expect(panel).to_contain_text("about 14 s")
    served.change("grow", first, state="running", progress=progress(done=100, partial=1, remaining=9.0))
    held = "([id, x]) => { const { field } = evident.widgetOf(document.getElementById(id)); return Boolean(field) && field.values[5] === x; }"
    bench.wait_for_function(held, arg=[root, 1])
    expect(panel).to_contain_text("100 / 1,000 · 9 s left")
    served.change("grow", second, progress=progress(done=640, partial=2, remaining=4.2))
    bench.wait_for_function(held, arg=[root, 2])
    expect(panel.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "64")
    assert "not finished" in (panel.locator("canvas[role=img]").get_attribute("aria-label") or "")
    served.change(
        "grow",
        last,
        state="done",
        record=record(last, pixel_axes(4, 4), seconds=13.2),
        progress=progress(done=1000, partial=3),
    )
    bench.wait_for_function(held, arg=[root, 3])
    expect(panel).to_contain_text("13 s")
    expect(panel.locator("[role=progressbar]")).to_be_hidden()
    assert states(bench) == ["running", "done"]
    assert told(bench, "panel-store")[-1]["data"] == {
        "id": "grow",
        "state": "done",
        "method": "lime",
        "title": "LIME",
        "seconds": 13.2,
    }
    assert len(served.asked("GET", "/events")) == 1


def test_stop_deletes_the_job_and_keeps_the_map_so_far(bench: Page, served: Site) -> None:
    served.put("slow", np.eye(4, dtype=np.float32), state="running", progress=progress(done=640, partial=1))
    root = scenes.add(bench, "map", explanation="slow", title="LIME", key="lime", axes=pixel_axes(4, 4))
    bench.wait_for_function("id => Boolean(evident.widgetOf(document.getElementById(id)).field)", arg=root)
    bench.get_by_role("button", name="Stop LIME").click()
    expect(bench.locator(f"#{root}")).to_contain_text("Stopped at 640 / 1,000 samples: not the whole map.")
    assert served.asked("DELETE", "") == ["/api/v1/explanations/slow"]
    served.on_post = lambda request: served.jobs[served.put("slow", state="queued")]
    bench.get_by_role("button", name="Run again").click()
    expect(bench.locator(f"#{root}")).to_contain_text("waiting")
    assert json.loads(served.bodies[-1])["method"] == "grad_cam"


def test_without_event_streams_the_page_asks(bench: Page, served: Site) -> None:
    served.streams = False
    served.put("poll", state="running", progress=progress(done=10))
    root = scenes.add(bench, "map", explanation="poll", title="LIME", axes=pixel_axes(4, 4))
    expect(bench.locator(f"#{root}")).to_contain_text("10 / 1,000")
    values = np.eye(4, dtype=np.float32)
    served.change("poll", values, state="done", record=record(values, pixel_axes(4, 4)))
    bench.wait_for_function("() => evident.finishedPanels().length === 1")
    scenes.forgive(bench)


def test_many_running_maps_leave_connections_for_the_rest_of_the_page(bench: Page, served: Site) -> None:
    for i in range(7):
        served.put(f"r{i}", state="running", progress=progress(done=i))
        scenes.add(bench, "map", explanation=f"r{i}", title=f"M{i}", axes=pixel_axes(4, 4))
    expect(bench.locator("#w7")).to_contain_text("6 / 1,000")
    assert bench.evaluate("evident.callApi('/limits').then((x) => x.audio_seconds)") == 600
    assert len(served.asked("GET", "/events")) == 2


def test_a_failed_map_says_why_and_can_be_tried_again(bench: Page, served: Site) -> None:
    error = {
        "title": "Not enough memory",
        "status": 500,
        "code": "out_of_memory",
        "detail": "It needed too much memory; choose fewer samples.",
        "request_id": "feedbeef99",
    }
    served.put("bad", state="failed", error=error)
    root = scenes.add(bench, "map", explanation="bad", title="LIME", axes=pixel_axes(4, 4))
    panel = bench.locator(f"#{root}")
    for text in ("failed", "Not enough memory", "choose fewer samples", "feedbeef"):
        expect(panel).to_contain_text(text)
    values = np.eye(4, dtype=np.float32)
    served.on_post = lambda request: served.jobs[
        served.put("again", values, record=record(values, pixel_axes(4, 4)))
    ]
    panel.get_by_role("button", name="Try again").click()
    bench.wait_for_function("() => evident.finishedPanels().length === 1")
    expect(panel.locator(".ev-map-message")).to_be_hidden()
    assert json.loads(served.bodies[-1]) == served.jobs["bad"]["request"]


def test_a_forgotten_map_is_said_to_be_gone(bench: Page, served: Site) -> None:
    root = scenes.add(bench, "map", explanation="nobody", title="LIME", axes=pixel_axes(4, 4))
    expect(bench.locator(f"#{root}")).to_contain_text("There is no such map. Run it again.")
    scenes.forgive(bench)


@pytest.mark.parametrize(("data", "text"), [({"error": "It needs a convolutional layer."}, "It needs a convolutional layer."), ({"stale": "1"}, "Changed, press Run.")])  # fmt: skip
def test_refused_and_stale_maps_say_so(bench: Page, served: Site, data: dict[str, str], text: str) -> None:
    values = np.eye(4, dtype=np.float32)
    served.put("m", values, record=record(values, pixel_axes(4, 4)))
    root = scenes.add(bench, "map", explanation="m", title="LRP", **data)
    expect(bench.locator(f"#{root}")).to_contain_text(text)


def test_a_flat_map_says_no_evidence_found(bench: Page, served: Site) -> None:
    root = show(bench, served, np.zeros((4, 4), np.float32), pixel_axes(4, 4))
    expect(bench.locator(f"#{root}")).to_contain_text("No evidence found")
    assert (
        bench.locator(f"#{root} canvas[role=img]").get_attribute("aria-label")
        == "LRP map for Covid-like. No evidence found: all cells are equal."
    )


def test_a_panel_that_gets_another_explanation_shows_that_one(bench: Page, served: Site) -> None:
    axes = pixel_axes(4, 4)
    root = show(bench, served, np.full((4, 4), 1, np.float32) + np.eye(4, dtype=np.float32), axes, "one")
    other = np.full((4, 4), 5, np.float32) + np.eye(4, dtype=np.float32)
    served.put("two", other, record=record(other, axes))
    bench.evaluate("id => document.getElementById(id).setAttribute('data-explanation', 'two')", root)
    bench.wait_for_function(
        "() => evident.finishedPanels().length === 1 && evident.finishedPanels()[0].field.values[1] === 5"
    )
    bench.evaluate("id => document.getElementById(id).parentNode.remove()", root)
    bench.wait_for_function("() => evident.allPanels().length === 0")


def test_a_removed_panel_closes_its_stream(bench: Page, served: Site) -> None:
    served.put("r", state="running", progress=progress(done=1))
    root = scenes.add(bench, "map", explanation="r", title="M", axes=pixel_axes(4, 4))
    bench.wait_for_function(
        "id => Boolean(evident.widgetOf(document.getElementById(id)).follower.source)", arg=root
    )
    source = bench.evaluate_handle(
        "id => evident.widgetOf(document.getElementById(id)).follower.source", root
    )
    bench.evaluate("id => document.getElementById(id).parentNode.remove()", root)
    bench.wait_for_function("source => source.readyState === EventSource.CLOSED", arg=source)


# ---- menu ----------------------------------------------------------------------------------------------------------------------


def open_menu(page: Page, root: str) -> None:
    page.locator(f"#{root} button[aria-haspopup=menu]").click()


def test_a_stage_replaces_the_map_and_its_values(bench: Page, served: Site) -> None:
    stages = [{"name": "conv4", "title": "Relevance at conv4", "signed": True, "shape": [2, 2]}]
    served.arrays["/explanations/m/stages/conv4.npy"] = npy(np.array([[1, 2], [3, -4]], np.float32))
    root = show(bench, served, np.eye(8, dtype=np.float32), pixel_axes(8, 8), stages=stages)
    scenes.add(bench, "readout", id="readout")
    open_menu(bench, root)
    bench.get_by_role("menuitemradio", name="Relevance at conv4").click()
    expect(bench.locator(f"#{root} h3")).to_have_text("LRP · Relevance at conv4")
    aim(bench, root, 0.75, 0.75)
    expect(bench.locator("#readout tr")).to_contain_text("−4.00")
    open_menu(bench, root)
    bench.get_by_role("menuitemradio", name="Final map").click()
    expect(bench.locator(f"#{root} h3")).to_have_text("LRP")


def test_the_table_of_a_map_adds_up_and_lists_the_strongest_cells(bench: Page, served: Site) -> None:
    values = np.abs(np.random.default_rng(0).normal(size=(20, 24))).astype(np.float32)
    root = show(bench, served, values, pixel_axes(20, 24))
    open_menu(bench, root)
    bench.get_by_role("menuitem", name="Show as table").click()
    blocks, cells = bench.locator("dialog table").all()
    got = [
        [float(x) for x in row.locator("td").all_inner_texts()] for row in blocks.locator("tbody tr").all()
    ]
    assert np.allclose(got, 100 * values.reshape(5, 4, 6, 4).sum((1, 3)) / values.sum(), atol=0.051)
    best = np.unravel_index(values.argmax(), values.shape)
    first = cells.locator("tbody tr").first.inner_text()
    assert f"x {round(best[1] + 0.5 + 1e-9)} px" in first
    assert f"{values.max():.2f}" in first
    bench.keyboard.press("Escape")
    expect(bench.locator("dialog")).to_have_count(0)


def test_the_page_is_asked_for_the_numbers_and_conditions_of_a_map(bench: Page, served: Site) -> None:
    root = show(bench, served, np.eye(4, dtype=np.float32), pixel_axes(4, 4))
    open_menu(bench, root)
    bench.get_by_role("menuitem", name="Numbers and conditions").click()
    [asked] = told(bench, "numbers-store")
    assert {key: asked["data"][key] for key in ("id", "method", "title")} == {
        "id": "m",
        "method": "lrp",
        "title": "LRP",
    }


def test_downloads_carry_the_picture_the_numbers_and_the_record(
    bench: Page, served: Site, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    root = show(bench, served, values, pixel_axes(8, 8))
    files = {}
    for name in ("PNG", "NPY", "JSON"):
        open_menu(bench, root)
        with bench.expect_download() as download:
            bench.get_by_role("menuitem", name=f"Download {name}").click()
        assert download.value.suggested_filename == f"lrp-covid-like-m.{name.lower()}"
        download.value.save_as(tmp_path / name)
        files[name] = (tmp_path / name).read_bytes()
    assert np.array_equal(np.load(io.BytesIO(files["NPY"])), values)
    assert json.loads(files["JSON"])["record"]["weights_sha256"] == "ab" * 32
    picture = np.asarray(Image.open(io.BytesIO(files["PNG"])).convert("RGB")).astype(int)
    assert picture.shape[1] == 1120
    assert (np.ptp(picture, axis=2) > 60).sum() > 2000, "the evidence and its bar are in colour"
    assert (picture[:90].sum(2) < 150).sum() > 200, "a title in ink"


# ---- agreement -----------------------------------------------------------------------------------------------------------------


def test_the_matrix_holds_scipys_correlations_and_a_click_shows_the_dissent(
    bench: Page, served: Site
) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(16, 16))
    fields = {
        key: (base + k * rng.normal(size=(16, 16))).astype(np.float32)
        for k, key in enumerate(("A", "B", "C"))
    }
    for key, values in fields.items():
        show(bench, served, values, pixel_axes(16, 16), key, key)
    scenes.add(bench, "agreement", id="agreement")
    expect(bench.locator("#agreement .ev-matrix-cell")).to_have_count(3)
    for a, b in (("A", "B"), ("A", "C"), ("B", "C")):
        rho = stats.spearmanr(fields[a].ravel(), fields[b].ravel()).statistic
        expect(bench.get_by_role("button", name=f"{a} and {b}: {rho:.2f}.")).to_be_visible()
    bench.get_by_role("button", name="A and C").click()
    expect(bench.locator("#agreement")).to_contain_text("A minus C")
    expect(bench.locator("#agreement")).to_contain_text("more in C")
    bench.get_by_role("button", name="Overlap").click()
    bench.evaluate("evident.setLook({ top: 25 })")
    masks = {key: np.abs(x) >= np.sort(np.abs(x).ravel())[-64] for key, x in fields.items()}
    iou = (masks["A"] & masks["B"]).sum() / (masks["A"] | masks["B"]).sum()
    expect(bench.get_by_role("button", name=f"A and B: {iou:.2f}.")).to_be_visible()


def test_at_least_k_counts_the_maps_that_mark_a_cell(bench: Page, served: Site) -> None:
    fields = []
    for k in range(3):
        values = np.random.default_rng(k).random((10, 10)).astype(np.float32)
        values[2:5, 2:5] += 1
        fields.append(values)
        show(bench, served, values, pixel_axes(10, 10), f"k{k}", f"K{k}")
    bench.evaluate("evident.setLook({ top: 20 })")
    scenes.add(bench, "agreement", id="agreement")
    votes = sum((x >= np.sort(x.ravel())[-20]).astype(int) for x in fields)
    for k in (1, 2, 3):
        bench.locator("#agreement input").fill(str(k))
        expect(bench.locator("#agreement")).to_contain_text(
            f"At least {k} of 3 mark {round(float((votes >= k).mean() * 100))} % of the picture"
        )
    settle(bench)
    for row, col in np.ndindex(10, 10):
        if votes[row, col] in {2, 3}:
            red, green, blue = pixel(bench, "agreement", (col + 0.5) / 10, (row + 0.5) / 10)[:3]
            assert (max(red, green, blue) - min(red, green, blue) > 20) == (votes[row, col] == 3), (
                "hue only where all three agree"
            )


# ---- listening and phones ------------------------------------------------------------------------------------------------------


def test_only_and_rest_play_the_maps_sound_and_say_what_it_is(bench: Page, served: Site) -> None:
    values = np.eye(8, dtype=np.float32)
    root = show(bench, served, values, sound_axes(8, 8, 1.0, 3.0), window=[1.0, 3.0])
    served.files["/explanations/m/audio.wav"] = served.files["/inputs/snd/audio.wav"]
    bench.evaluate("evident.setLook({ top: 30 })")
    only = bench.locator(f"#{root} .ev-listen button").first
    only.click()
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(bench.locator(f"#{root}")).to_contain_text("out of distribution")
    expect(bench.locator(f"#{root} .ev-plot--playing")).to_have_count(1)
    only.click()
    expect(bench.locator(f"#{root} .ev-plot--playing")).to_have_count(0)
    assert served.asked("GET", "audio.wav")[0] == "/api/v1/explanations/m/audio.wav?part=only&top=30"


def test_a_sound_that_cannot_be_played_says_so(bench: Page, served: Site) -> None:
    root = show(bench, served, np.eye(8, dtype=np.float32), sound_axes(8, 8, 1.0, 3.0), window=[1.0, 3.0])
    bench.locator(f"#{root} .ev-listen button").last.click()
    expect(bench.locator(f"#{root}")).to_contain_text("could not be played")
    scenes.forgive(bench)


def test_on_a_phone_panels_fill_the_width_and_a_tap_sets_the_crosshair(phone: Page, served: Site) -> None:
    scenes.open_harness(phone, served)
    root = show(phone, served, np.eye(10, dtype=np.float32), pixel_axes(10, 10))
    plot = phone.locator(f"#{root} .ev-plot").bounding_box()
    assert plot
    assert plot["width"] > 280
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.touchscreen.tap(plot["x"] + plot["width"] * 0.55, plot["y"] + plot["height"] * 0.35)
    settle(phone)
    assert phone.evaluate("evident.finishedPanels()[0].view.cell(evident.viewState.cursor).index") == 35


def test_permitted_colours_reach_the_canvas(bench: Page, served: Site) -> None:
    values = np.abs(np.random.default_rng(0).normal(size=(6, 6))).astype(np.float32)
    values[3, 3] = 9
    root = show(bench, served, values, pixel_axes(6, 6), signed=False)
    for name in ("cividis", "viridis", "jet"):
        bench.evaluate("colours => evident.setLook({ colours, opacity: 100, scale: 'own', top: 100 })", name)
        settle(bench)
        expected = matplotlib.colormaps[name](255, bytes=True)[:3]
        assert np.abs(np.array(pixel(bench, root, 3.5 / 6, 3.5 / 6)[:3]) - expected).max() <= 1
    data = base64.b64decode(
        bench.evaluate("evident.composePicture(evident.finishedPanels()[0]).toDataURL()").split(",")[1]
    )
    assert Image.open(io.BytesIO(data)).width == 1120
