"""Known evidence over the maps: the same cells and the same shares as in Python, drawn only where it belongs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect
from scipy import ndimage

from models.inputs.sound import SoundInput
from models.spec import Axis
from models.synthetic import coughs, shapes
from tests.browser.widgets import scenes
from tests.browser.widgets.server import Site, pixel_axes, record, sound_axes

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
SLOW = 90_000
MARK = np.array([255, 82, 240])
"""The colour of the outline."""


def plain(axes: tuple[Axis, Axis]) -> dict[str, Any]:
    """As it goes over the wire."""
    return {f"{side}_axis": {"name": axis.name, "values": axis.values.tolist()} for side, axis in zip("yx", axes, strict=True)}


def cells(js: Page, region: dict[str, Any], axes: dict[str, Any]) -> np.ndarray:
    shape = (len(axes["y_axis"]["values"]), len(axes["x_axis"]["values"]))
    whole = {"boxes": [], "mask": None, **region}
    found = js.evaluate("([region, axes]) => [...evident.known.cells(region, axes)]", [whole, axes])
    return np.array(found, bool).reshape(shape)


def share(js: Page, values: np.ndarray, inside: np.ndarray) -> dict[str, float | None]:
    code = "([values, inside]) => evident.known.share(Float32Array.from(values), Uint8Array.from(inside))"
    return js.evaluate(code, [values.ravel().tolist(), inside.ravel().astype(int).tolist()])


def runs(mask: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run lengths, pixel by pixel down the columns."""
    counts, now = [0], False
    for pixel in mask.T.ravel():
        if pixel != now:
            counts.append(0)
            now = bool(pixel)
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


def unpacked(js: Page, mask: np.ndarray) -> dict[str, Any]:
    """A mask as the page keeps it, by way of its run lengths."""
    return js.evaluate("runs => { const m = evident.known.unpack(runs); return { ...m, inside: [...m.inside] }; }", runs(mask))


# ---- the same numbers as Python -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3, 5, 7])
def test_boxes_mark_the_cells_that_python_marks_in_any_window(js: Page, number: int) -> None:
    item = coughs.generate(8, seed=5)[number]
    spec = SoundInput()
    for start in (0.0, 0.5, item.boxes[0][0] - 0.3, item.boxes[0][1] + 0.1):
        prepared = spec.prepare((item.waveform, item.rate), start=max(0.0, start))
        axes = (prepared.y_axis, prepared.x_axis)
        inside = cells(js, {"boxes": item.boxes}, plain(axes))
        assert (inside == coughs.box_mask(item.boxes, axes)).all()
    assert not inside.any(), "the last window begins after the box"
    values = np.random.default_rng(number).normal(size=inside.shape).astype(np.float32)
    prepared = spec.prepare((item.waveform, item.rate), start=max(0.0, item.boxes[0][0] - 0.3))
    axes = (prepared.y_axis, prepared.x_axis)
    found = share(js, values, cells(js, {"boxes": item.boxes}, plain(axes)))
    assert found["share"] == pytest.approx(coughs.evidence_mass(values, item.boxes, axes), abs=1e-9)
    assert found["uniform"] == pytest.approx(coughs.uniform_mass(item.boxes, axes), abs=1e-12)
    assert found["times"] == pytest.approx(found["share"] / found["uniform"], abs=1e-9)


def test_an_edge_through_cell_centres_is_inside(js: Page) -> None:
    axes = (Axis("frequency", "Hz", np.array([100.0, 200.0, 300.0])), Axis("time", "s", np.array([0.5, 1.0, 1.5, 2.0])))
    boxes = [(1.0, 1.5, 200.0, 250.0), (0.0, 0.5, 300.0, 900.0)]
    inside = cells(js, {"boxes": boxes}, plain(axes))
    assert inside.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert (inside == coughs.box_mask(boxes, axes)).all()


@pytest.mark.parametrize("method", ["signed", "magnitude", "sparse"])
def test_shares_of_a_mask_are_those_of_python(js: Page, method: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(64, 64)).astype(np.float32)
    values = {"signed": values, "magnitude": np.abs(values), "sparse": values * (rng.random(values.shape) > 0.99)}[method].astype(
        np.float32
    )
    mask = shapes.generate(3, seed=8).masks[2]
    inside = cells(js, {"mask": unpacked(js, mask)}, pixel_axes(64, 64))
    assert (inside == mask).all(), "the photo's own pixels are taken as they are"
    found = share(js, values, inside)
    assert found["share"] == pytest.approx(shapes.evidence_mass(values, mask), abs=1e-9)
    assert found["uniform"] == pytest.approx(shapes.uniform_share(mask), abs=1e-12)
    assert share(js, np.ones_like(values), inside)["times"] == pytest.approx(1, abs=1e-9)


def test_a_map_without_positive_relevance_has_no_share(js: Page) -> None:
    inside = np.eye(4, dtype=bool)
    assert np.isnan(shapes.evidence_mass(-np.ones((4, 4)), inside))
    assert share(js, -np.ones((4, 4)), inside) == {"share": None, "uniform": 0.25, "times": None}
    assert share(js, np.ones((4, 4)), np.zeros((4, 4), bool)) == {"share": 0, "uniform": 0, "times": None}


@pytest.mark.parametrize(
    ("photo", "grid", "first"), [((128, 128), (64, 64), 0.0), ((90, 120), (32, 40), 7.5), ((5, 7), (30, 30), 0.0), ((1, 1), (3, 3), 0.0)]
)
def test_a_mask_on_another_grid_is_interpolated_at_the_cell_centres(
    js: Page, photo: tuple[int, int], grid: tuple[int, int], first: float
) -> None:
    rng = np.random.default_rng(photo[0])
    mask = ndimage.gaussian_filter(rng.normal(size=photo), 1.5) > 0 if min(photo) > 1 else np.ones(photo, bool)
    axes = pixel_axes(*grid)
    for name, length, count in (("y_axis", photo[0], grid[0]), ("x_axis", photo[1], grid[1])):
        axes[name]["values"] = (first + (np.arange(count) + 0.5) * (length - 2 * first) / count).tolist()
    y, x = (np.array(axes[name]["values"]) - 0.5 for name in ("y_axis", "x_axis"))
    expected = ndimage.map_coordinates(mask.astype(float), np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest") >= 0.5 - 1e-12
    assert (cells(js, {"mask": unpacked(js, mask)}, axes) == expected).all()


def test_run_lengths_come_back_as_the_mask(js: Page) -> None:
    for mask in (
        np.ones((2, 3), bool),
        np.zeros((3, 2), bool),
        np.eye(4, dtype=bool),
        ~np.eye(3, dtype=bool),
        np.random.default_rng(0).random((9, 5)) > 0.6,
    ):
        found = unpacked(js, mask)
        assert (np.array(found["inside"], bool).reshape(found["rows"], found["cols"]) == mask).all()


# ---- drawn where it belongs -----------------------------------------------------------------------------------------------------

AXES = sound_axes(16, 32)
BOX = [AXES["x_axis"]["values"][8], AXES["x_axis"]["values"][14], AXES["y_axis"]["values"][4], AXES["y_axis"]["values"][7]]
"""Columns 8 to 14, rows 4 to 7."""
INSIDE = np.zeros((16, 32), bool)
INSIDE[4:8, 8:15] = True
KNOWN = {"sample": "wheeze", "input": "in1", "model": "cnnexplain"}
VALUES = np.random.default_rng(1).normal(size=(16, 32)).astype(np.float32)


@pytest.fixture
def bench(page: Page, served: Site) -> Page:
    """A page with the input, two maps of it (one of another model) and one map of another window, and the legend."""
    regions = [{"key": "evidence", "title": "Known evidence", "boxes": [BOX], "mask": None}]
    body = {"sample": "wheeze", "model": "cnnexplain", "label": "wheeze", "regions": regions}
    served.files["/samples/wheeze/evidence"] = ("application/json", json.dumps(body).encode())
    display = served.picture("/d.png", np.full(VALUES.shape, 128, np.uint8))
    request = {"input": "in1", "method": "lrp", "target": 1, "layer": None, "params": {}, "seed": 0, "start": None}
    page.goto(served.url)
    page.evaluate("evident.look({ opacity: 100, top: 100, scale: 'own' })")
    scenes.add(page, "input-map", id="input", display=display, axes=AXES, input="in1")
    later = sound_axes(16, 32, 3.0, 5.0)
    for key, axes, model, target in (
        ("own", AXES, "cnnexplain", "wheeze"), ("against", AXES, "cnnexplain", "no wheeze"), ("other", AXES, "shapes", "wheeze"), ("later", later, "cnnexplain", "wheeze"),
    ):  # fmt: skip
        told = record(VALUES, axes, method_title="LRP", model=model, target_label=target, signed=True)
        served.put(key, VALUES, record=told, request={**request, "model": model})
        scenes.add(page, "map", id=key, explanation=key, title="LRP", key="lrp", display=display)
    scenes.add(page, "evidence", id="legend", known=KNOWN)
    page.wait_for_function("() => evident.maps().length === 4 && evident.state.evidence")
    settle(page)
    return page


def settle(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def marked(page: Page, root: str) -> np.ndarray:
    """Whether the outline's colour shows at the middle of each cell's lower edge: bool [17, 32], drawn rows turned back to rows of the array."""
    found = page.evaluate(
        """id => { const { figure } = evident.widgetOf(document.getElementById(id)); const { plot } = figure.place, k = devicePixelRatio;
          const copy = new OffscreenCanvas(figure.canvas.width, figure.canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(figure.canvas, 0, 0);
          return Array.from({ length: 17 }, (_, r) => Array.from({ length: 32 }, (_, c) => {
            const x = (plot.x + ((c + 0.5) / 32) * plot.w) * k, y = (plot.y + (1 - r / 16) * plot.h) * k;
            return [...copy.getImageData(Math.floor(x), Math.floor(y), 1, 1).data.slice(0, 3)];
          })); }""",
        root,
    )
    return np.abs(np.array(found) - MARK).max(axis=2) <= 12


def edges() -> np.ndarray:
    padded = np.pad(INSIDE, ((1, 1), (0, 0)))
    return padded[1:] != padded[:-1]


def test_the_outline_runs_round_the_evidence_on_the_input_and_its_maps_and_nowhere_else(bench: Page) -> None:
    for root in ("input", "own", "against", "other", "later"):
        assert not marked(bench, root).any(), "off until asked for"
    bench.evaluate("evident.outlineEvidence(true)")
    settle(bench)
    for root in ("input", "own", "against"):
        assert (marked(bench, root) == edges()).all(), root
    assert not marked(bench, "other").any(), "another model may look for something else"
    assert not marked(bench, "later").any(), "the box lies outside this window"
    bench.evaluate("evident.outlineEvidence(false)")
    settle(bench)
    assert not marked(bench, "own").any()


@pytest.mark.parametrize("colours", ["cividis", "viridis", "jet", "coolwarm"])
def test_the_outline_is_far_from_every_colour_beside_it(js: Page, colours: str) -> None:
    """No colour of the table comes near it, and it stands out from its own black border by more than 3 to 1 (WCAG 1.4.11)."""
    table = np.array(js.evaluate("name => [...evident.colour.table(name)]", colours)).reshape(-1, 3)
    assert np.linalg.norm(table - MARK, axis=1).min() > 100
    linear = np.where(MARK / 255 <= 0.04045, MARK / 255 / 12.92, ((MARK / 255 + 0.055) / 1.055) ** 2.4)
    assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05 > 3


def test_each_map_says_how_much_of_it_lies_inside(bench: Page) -> None:
    expected = shapes.evidence_mass(VALUES, INSIDE)
    uniform = INSIDE.mean()
    found = bench.evaluate(
        "evident.panels().map((panel) => evident.evidence.weigh(panel).map(({ any, share, uniform }) => ({ any, share, uniform })))"
    )
    assert found[0][0]["share"] == pytest.approx(expected, abs=1e-9)
    assert found[0][0]["uniform"] == uniform
    assert found[2] == []
    assert found[3][0]["any"] is False
    line = bench.locator("#own .ev-known p")
    expect(line).to_have_count(1)
    expect(line).to_have_text(f"Evidence {100 * expected:.1f} % · {expected / uniform:.1f} × uniform")
    sentence = (
        f"{100 * expected:.1f} % of the positive relevance lies inside the known evidence; a uniform map would have {100 * uniform:.1f} %."
    )
    assert line.get_attribute("title") == sentence
    assert sentence in str(bench.locator("#own canvas[role=img]").get_attribute("aria-label"))
    expect(bench.locator("#against .ev-known")).to_contain_text("Evidence for wheeze, map for no wheeze.")
    expect(bench.locator("#other .ev-known")).to_be_hidden()
    expect(bench.locator("#later .ev-known")).to_have_text("Evidence: outside this window")


def test_the_legend_and_the_alt_texts_follow(bench: Page) -> None:
    expect(bench.locator("#legend")).to_contain_text("what makes it “wheeze”")
    expect(bench.locator("#legend")).to_contain_text("Known because a program made this input.")
    alt = bench.locator("#input canvas[role=img]")
    assert "outlined" not in str(alt.get_attribute("aria-label"))
    bench.keyboard.press("e")
    assert bench.evaluate("evident.state.outlined")
    plain_alt = "The input as the model sees it, grey spectrogram, seconds across and hertz up."
    expect(alt).to_have_attribute("aria-label", f"{plain_alt} The known evidence is outlined.")
    bench.evaluate("axes => document.getElementById('input').setAttribute('data-axes', JSON.stringify(axes))", sound_axes(16, 32, 3.0, 5.0))
    expect(bench.locator("#legend")).to_contain_text("outside the part shown")
    expect(alt).to_have_attribute("aria-label", plain_alt)


def test_nothing_stays_when_another_input_comes(bench: Page) -> None:
    bench.evaluate("evident.outlineEvidence(true)")
    settle(bench)
    assert marked(bench, "own").any()
    bench.evaluate("document.getElementById('legend').setAttribute('data-known', '')")
    bench.wait_for_function("() => !evident.state.evidence")
    settle(bench)
    assert not marked(bench, "own").any()
    expect(bench.locator("#own .ev-known")).to_be_hidden()
    assert bench.locator("#legend p").count() == 0


def test_evidence_that_cannot_be_had_says_why(bench: Page) -> None:
    bench.evaluate(
        "known => document.getElementById('legend').setAttribute('data-known', JSON.stringify(known))", {**KNOWN, "sample": "gone"}
    )
    expect(bench.locator("#legend p")).to_have_text("There is no such map. Run it again.")
    expect(bench.locator("#own .ev-known")).to_be_hidden()
    scenes.forgive(bench)


def test_a_sticker_is_drawn_dotted_and_counted_on_its_own(page: Page, served: Site) -> None:
    shown = shapes.with_tag(shapes.generate(1, seed=4), True)
    regions = [
        {"key": key, "title": title, "boxes": [], "mask": runs(mask)}
        for key, title, mask in (("evidence", "Known evidence", shown.masks[0]), ("sticker", "Sticker", shown.tags[0]))
    ]
    body = {"sample": "star", "model": "cnnexplain", "label": "star", "regions": regions}
    served.files["/samples/star/evidence"] = ("application/json", json.dumps(body).encode())
    values = np.random.default_rng(2).normal(size=(64, 64)).astype(np.float32)
    page.goto(served.url)
    served.put("s", values, record=record(values, pixel_axes(64, 64), target_label="star"))
    scenes.add(page, "map", id="s", explanation="s", title="LRP", key="lrp")
    scenes.add(page, "evidence", known={**KNOWN, "sample": "star"})
    page.evaluate("evident.outlineEvidence(true)")
    expect(page.locator("#s .ev-known p")).to_have_count(2)
    found = page.evaluate("evident.evidence.weigh(evident.panels()[0])")
    for item, mask in zip(found, (shown.masks[0], shown.tags[0]), strict=True):
        assert item["share"] == pytest.approx(shapes.evidence_mass(values, mask), abs=1e-9)
        assert item["uniform"] == pytest.approx(shapes.uniform_share(mask), abs=1e-12)
    settle(page)
    assert page.evaluate("evident.panels()[0].figure.marks.map(({ dotted }) => dotted)") == [False, True]


def test_numbers_in_the_agreement_matrix_can_be_read_on_every_colour(bench: Page) -> None:
    """WCAG 1.4.3 over the whole range of agreement: 4.5 to 1."""
    root = scenes.add(bench, "agreement", id="agreement")
    found = bench.evaluate(
        """id => { const widget = evident.widgetOf(document.getElementById(id)), [panel] = evident.maps();
          return Array.from({ length: 256 }, (_, k) => { evident.fields.correlation = () => k / 255;
            const { style } = widget.cell(panel, panel).querySelector("button");
            return [style.backgroundColor, style.color].map((text) => text.match(/\\d+/g).map(Number)); }); }""",
        root,
    )
    unit = np.array(found) / 255
    assert len(np.unique(unit[:, 1], axis=0)) == 2
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    assert ((light.max(axis=1) + 0.05) / (light.min(axis=1) + 0.05)).min() >= 4.5


# ---- on the real page -----------------------------------------------------------------------------------------------------------


def opened(page: Page, site: str, key: str, **more: str) -> dict[str, Any]:
    """A bundled sample with three maps."""
    sample = next(item for item in httpx.get(f"{site}/api/v1/samples", timeout=60).json() if item["key"] == key)
    query = {"input": sample["input"], "model": sample["model"], "methods": "grad_cam,lrp,fused", **more}
    page.goto(str(httpx.URL(site, params=query)))
    expect(page.locator('.ev-map[data-state="done"]')).to_have_count(3, timeout=SLOW)
    return sample


def shares(page: Page) -> list[dict[str, Any]]:
    return page.evaluate("evident.maps().map((panel) => ({ id: panel.id, axes: panel.axes, found: evident.evidence.weigh(panel) }))")


def values_of(site: str, id: str) -> np.ndarray:
    return np.load(io.BytesIO(httpx.get(f"{site}/api/v1/explanations/{id}/values.npy", timeout=30).content))


def test_shares_on_the_page_are_those_of_python(site: str, page: Page) -> None:
    sample = opened(page, site, "wheeze")
    expect(page.locator(".ev-known:visible")).to_have_count(3, timeout=SLOW)
    for item in shares(page):
        axes = tuple(
            Axis(side["name"], side["unit"], np.array(side["values"])) for side in (item["axes"]["y_axis"], item["axes"]["x_axis"])
        )
        values = values_of(site, item["id"])
        assert item["found"][0]["share"] == pytest.approx(coughs.evidence_mass(values, sample["evidence"]["boxes"], axes), abs=1e-6)
        assert item["found"][0]["uniform"] == pytest.approx(coughs.uniform_mass(sample["evidence"]["boxes"], axes), abs=1e-6)


def test_shares_of_a_picture_are_those_of_python_and_follow_the_model(site: str, page: Page) -> None:
    """The two models of this picture are two samples; what speaks for the class is the same object."""
    opened(page, site, "shortcut")
    for model in ("shapes_shortcut", "shapes"):
        page.evaluate("value => window.dash_clientside.set_props('model-select', { value })", model)
        page.wait_for_function("model => evident.state.evidence?.model === model", arg=model, timeout=SLOW)
        page.wait_for_function(
            "() => evident.maps().filter((panel) => evident.evidence.weigh(panel).length === 2).length === 3", timeout=SLOW
        )
        for item in shares(page):
            values = values_of(site, item["id"])
            for found, name in zip(item["found"], ("mask", "sticker"), strict=True):
                photo = Image.open(ROOT / "models" / "samples" / f"image_shortcut_{name}.png").convert("L")
                # 128 pixels on 64 cells: a cell is inside when two of its four pixels are.
                inside = (np.asarray(photo) > 0).reshape(64, 2, 64, 2).mean(axis=(1, 3)) >= 0.5
                assert found["share"] == pytest.approx(shapes.evidence_mass(values, inside), abs=1e-6)
                assert found["uniform"] == pytest.approx(shapes.uniform_share(inside), abs=1e-6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_box_switches_the_outlines_and_travels_in_the_link(site: str, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, site, "shortcut")
    box = page.get_by_role("checkbox", name="Known evidence")
    expect(box).to_be_checked(timeout=SLOW)
    drawn = "() => evident.maps().map((panel) => panel.figure.marks.length).join()"
    page.wait_for_function(f"() => ({drawn})() === '2,2,2'", timeout=SLOW)
    assert "evidence" not in page.url
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}).response["violations"]
    assert [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in found] == []
    box.uncheck()
    page.wait_for_function(f"() => ({drawn})() === '0,0,0'")
    expect(page.locator(".ev-known:visible")).to_have_count(3)
    page.wait_for_url(lambda url: "evidence=0" in url, wait_until="commit")
    page.goto(page.url)
    expect(box).not_to_be_checked(timeout=SLOW)
    expect(page.locator(".ev-known:visible")).to_have_count(3, timeout=SLOW)
    assert page.evaluate(drawn) == "0,0,0"
    page.keyboard.press("e")
    expect(box).to_be_checked()
    page.wait_for_function(f"() => ({drawn})() === '2,2,2'")
    page.wait_for_url(lambda url: "evidence" not in url, wait_until="commit")


def test_a_window_without_the_evidence_has_no_outline(site: str, page: Page) -> None:
    sample = opened(page, site, "several", start="0")
    assert sample["evidence"]["boxes"][0][0] > 2.1
    expect(page.locator("#evidence")).to_contain_text("outside the part shown", timeout=SLOW)
    expect(page.locator(".ev-known:visible").first).to_have_text("Evidence: outside this window")
    assert page.evaluate("evident.maps().map((panel) => panel.figure.marks.length)") == [0, 0, 0]


def test_where_nothing_is_known_there_is_no_box(site: str, phone: Page) -> None:
    opened(phone, site, "no_wheeze")
    expect(phone.locator("#evidence-row")).to_be_hidden()
    expect(phone.locator(".ev-known:visible")).to_have_count(0)
    opened(phone, site, "shortcut")
    expect(phone.get_by_role("checkbox", name="Known evidence")).to_be_visible(timeout=SLOW)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
