"""Map panels, crosshair, look, agreement: the widgets on a harness page, against a server whose answers
the test decides."""

from __future__ import annotations

import base64
import io
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from scipy import stats

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import aim, pixel, show, wait_frames
from tests.browser.widgets.server import Site, pixel_axes, sound_axes

pytestmark = pytest.mark.browser


# ---- drawing ----


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
    wait_frames(bench)
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
    wait_frames(bench)
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
        wait_frames(bench)
        seen[name] = (pixel(bench, root, 0.2, 0.2), pixel(bench, root, 0.8, 0.2))
    assert seen["for"][1][:3] == [128, 128, 128]
    assert seen["for"][0] == seen["full"][0]
    assert seen["top"][0][:3] == [128, 128, 128]
    distance = {name: abs(values[1][0] - values[1][2]) for name, values in seen.items()}
    assert 0 < distance["faint"] < distance["full"]
    assert len(served.calls) == calls


def test_the_colour_bar_names_what_a_map_explains_if_not_the_class(bench: Page, served: Site) -> None:
    values, axes = np.linspace(-0.5, 0.5, 64, dtype=np.float32).reshape(8, 8), pixel_axes(8, 8)
    root = show(bench, served, values, axes, extras={"explains": "feature map 3 of conv4"})
    expect(bench.locator(f"#{root} .ev-bar")).to_contain_text("supports feature map 3 of conv4")


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
    wait_frames(bench)
    assert "99th percentile" in (bar.get_attribute("title") or "")


def test_a_change_of_theme_redraws_the_axes(bench: Page, served: Site) -> None:
    root = show(bench, served, np.eye(8, dtype=np.float32), pixel_axes(8, 8))
    grab = "id => evident.widgetOf(document.getElementById(id)).figure.canvas.toDataURL()"
    light = bench.evaluate(grab, root)
    bench.evaluate("() => { document.documentElement.dataset.mantineColorScheme = 'dark'; }")
    wait_frames(bench)
    dark = bench.evaluate(grab, root)
    bench.evaluate("() => { document.documentElement.dataset.mantineColorScheme = 'light'; }")
    wait_frames(bench)
    assert dark != light
    assert bench.evaluate(grab, root) == light


# ---- crosshair ----


def test_the_readout_gives_every_maps_value_at_the_crosshair(bench: Page, served: Site) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(16, 20)).astype(np.float32) for _ in range(2))
    axes = sound_axes(16, 20, 1.0, 3.0)
    roots = [
        show(bench, served, x, axes, key, key, window=[1.0, 3.0]) for x, key in ((a, "First"), (b, "Second"))
    ]
    scenes.add(bench, "readout", id="readout")
    aim(bench, roots[0], 13.5 / 20, (16 - 4 - 0.5) / 16)
    rows = bench.locator("#readout tbody tr")
    for row, values in zip(rows.all(), (a, b), strict=True):
        value = float(values[4, 13])
        text = row.inner_text().replace("−", "-")
        number = float(re.findall(r"[+-]\d[\d.]*", text)[0])
        assert number == pytest.approx(value, abs=0.006)
        share = stats.percentileofscore(np.abs(values.ravel()), abs(values[4, 13]), kind="strict")
        assert f"{round(share)} %" in text
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
    wait_frames(bench)
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


# ---- agreement ----


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
    bench.get_by_role("button", name="Same places").click()
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
    wait_frames(bench)
    for row, col in np.ndindex(10, 10):
        if votes[row, col] in {2, 3}:
            red, green, blue = pixel(bench, "agreement", (col + 0.5) / 10, (row + 0.5) / 10)[:3]
            assert (max(red, green, blue) - min(red, green, blue) > 20) == (votes[row, col] == 3), (
                "hue only where all three agree"
            )


# ---- listening and phones ----


def test_only_and_rest_play_the_maps_sound_and_say_what_it_is(bench: Page, served: Site) -> None:
    values = np.eye(8, dtype=np.float32)
    root = show(bench, served, values, sound_axes(8, 8, 1.0, 3.0), window=[1.0, 3.0])
    served.files["/explanations/m/audio.wav"] = served.files["/inputs/snd/audio.wav"]
    bench.evaluate("evident.setLook({ top: 30 })")
    only = bench.locator(f"#{root} .ev-listen button").first
    only.click()
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(bench.locator(f"#{root}")).to_contain_text("unlike what the model knows")
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
    wait_frames(phone)
    assert phone.evaluate("evident.finishedPanels()[0].view.cell(evident.viewState.cursor).index") == 35


def test_permitted_colours_reach_the_canvas(bench: Page, served: Site) -> None:
    values = np.abs(np.random.default_rng(0).normal(size=(6, 6))).astype(np.float32)
    values[3, 3] = 9
    root = show(bench, served, values, pixel_axes(6, 6), signed=False)
    for name in ("cividis", "viridis", "jet"):
        bench.evaluate("colours => evident.setLook({ colours, opacity: 100, scale: 'own', top: 100 })", name)
        wait_frames(bench)
        expected = matplotlib.colormaps[name](255, bytes=True)[:3]
        assert np.abs(np.array(pixel(bench, root, 3.5 / 6, 3.5 / 6)[:3]) - expected).max() <= 1
    data = base64.b64decode(
        bench.evaluate("evident.composePicture(evident.finishedPanels()[0]).toDataURL()").split(",")[1]
    )
    assert Image.open(io.BytesIO(data)).width == 1120
