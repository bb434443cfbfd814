"""A panel's life: growing, stopped, failed, refused, replaced, and its menu; on a harness page, against a
server whose answers the test decides."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import aim, show, states, told
from tests.browser.widgets.server import Site, npy, pixel_axes, record

pytestmark = pytest.mark.browser


def progress(**changed: Any) -> dict[str, Any]:
    return {
        "done": 0,
        "total": 1000,
        "unit": "samples",
        "seconds": 1.0,
        "remaining": None,
        "partial": 0,
        **changed,
    }


# ---- long work ----


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
    expect(panel.locator("canvas[role=img]")).to_have_attribute("aria-label", re.compile("not finished"))
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


def test_a_finished_map_shows_its_quality_in_its_head_the_gravest_first(bench: Page, served: Site) -> None:
    values = np.eye(4, dtype=np.float32)
    said = [
        {"key": "fit", "value": 0.31, "figure": "R² 0.31", "state": "poor", "word": "poor", "meaning": "One."},
        {"key": "standard_error", "value": 0.1, "figure": "error 10 %", "state": "good", "word": "good", "meaning": "Two."},
    ]  # fmt: skip
    axes = pixel_axes(4, 4)
    served.put("judged", values, record=record(values, axes, quality=said))
    served.put("unjudged", values, record=record(values, axes, quality=[]))
    judged, unjudged = (
        scenes.add(bench, "map", explanation=key, title="LIME", key=key) for key in ("judged", "unjudged")
    )
    mark = bench.locator(f"#{judged} .ev-quality")
    expect(mark).to_have_text("R² 0.31 poor")
    expect(mark).to_have_attribute("title", "R² 0.31 poor: One.\nerror 10 % good: Two.")
    expect(bench.locator(f"#{unjudged} .ev-map")).to_have_attribute("data-state", "done")
    expect(bench.locator(f"#{unjudged} .ev-quality")).to_be_hidden()
    mark.click()
    assert told(bench, "numbers-store")[-1]["data"]["id"] == "judged"


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
    alt = "LRP map for Covid-like. No evidence found: all cells are equal."
    expect(bench.locator(f"#{root} canvas[role=img]")).to_have_attribute("aria-label", alt)


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


# ---- menu ----


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
    expect(bench.locator("#readout tbody tr")).to_contain_text("−4.00")
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
