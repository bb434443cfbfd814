"""Upload, microphone, player and keys: the widgets on a harness page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.widgets import scenes
from tests.browser.widgets.scenes import told
from tests.browser.widgets.server import LIMITS, Site, record, sound_axes

pytestmark = pytest.mark.browser
COUGHS = [
    {"index": i, "start": s, "end": s + 0.3, "peak": 0.5, "level_db": -10.0}
    for i, s in enumerate((0.8, 2.1, 3.3))
]


def file(name: str = "a.png", kind: str = "image/png", size: int = 10) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": b"x" * size}


def uploads(served: Site) -> list[str]:
    return served.asked("POST", "")


# ---- upload --------------------------------------------------------------------------------------------------------------------


def test_a_file_goes_straight_to_the_api_and_the_answer_to_dash(bench: Page, served: Site) -> None:
    scenes.add(bench, "upload", store="input-store", limits=LIMITS)
    bench.locator("input[type=file]").set_input_files(file())
    bench.wait_for_function("() => told.some((item) => item.id === 'input-store')")
    assert told(bench, "input-store") == [{"data": served.upload[1]}]
    assert uploads(served) == ["/api/v1/inputs"]
    assert b'name="file"; filename="a.png"' in served.bodies[0]
    assert b'name="as"' not in served.bodies[0]


def test_a_picture_can_be_sent_as_a_spectrogram_and_a_model_with_its_fields(
    bench: Page, served: Site
) -> None:
    scenes.add(bench, "upload", limits=LIMITS, **{"as": "spectrogram"}, id="one")
    bench.locator("#one input").set_input_files(file())
    bench.wait_for_function("() => told.length === 1")
    assert b'name="as"\r\n\r\nspectrogram' in served.bodies[0]
    bench.evaluate(
        "() => document.querySelector('main').insertAdjacentHTML('beforeend', '<input id=\"arch\" value=\"resnet20_cifar\">')"
    )
    scenes.add(
        bench,
        "upload",
        endpoint="/models",
        file_field="weights",
        fields={"architecture": "arch"},
        accept=[".safetensors"],
        max_bytes="1000",
        id="two",
    )
    bench.locator("#two input").set_input_files(file("w.safetensors", "application/octet-stream", 2000))
    expect(bench.locator("#two [role=alert]")).to_contain_text("at most 1 kB")
    bench.locator("#two input").set_input_files(file("w.safetensors", "application/octet-stream"))
    bench.wait_for_function("() => told.length === 2")
    assert uploads(served)[-1] == "/api/v1/models"
    assert b'name="weights"; filename="w.safetensors"' in served.bodies[-1]
    assert b'name="architecture"\r\n\r\nresnet20_cifar' in served.bodies[-1]


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (file(size=11_000), "A picture may have at most 10 kB; this one has 11 kB."),
        (file("a.wav", "audio/wav", 21_000), "A recording may have at most 20 kB; this one has 21 kB."),
        (
            file("a.exe", "application/x-msdownload"),
            "Files of this type are not accepted. Accepted: PNG, JPG",
        ),
        (file("a.png", "image/png", 0), "This file is empty."),
    ],
)
def test_what_is_over_the_limits_is_refused_before_anything_is_sent(
    bench: Page, served: Site, chosen: FilePayload, sentence: str
) -> None:
    scenes.add(bench, "upload", limits={**LIMITS, "image_bytes": 10_240, "audio_bytes": 20_480})
    bench.locator("input[type=file]").set_input_files(chosen)
    expect(bench.get_by_role("alert")).to_contain_text(sentence)
    assert uploads(served) == []


def test_limits_are_asked_for_and_stated_when_the_page_gives_none(bench: Page) -> None:
    scenes.add(bench, "upload")
    expect(bench.locator(".ev-drop")).to_contain_text("Pictures (PNG, JPEG, WebP, TIFF, GIF) up to 25 MB")
    expect(bench.locator(".ev-drop")).to_contain_text("10 minutes")


def test_a_refusal_is_shown_in_the_servers_words(bench: Page, served: Site) -> None:
    served.upload = (
        415,
        {
            "title": "File type not accepted",
            "status": 415,
            "code": "unsupported_type",
            "detail": "This is not a picture: send PNG, JPEG, WebP or TIFF.",
            "request_id": "cafe0123dead",
        },
    )
    scenes.add(bench, "upload", limits=LIMITS)
    bench.locator("input[type=file]").set_input_files(file())
    expect(bench.get_by_role("alert")).to_contain_text("This is not a picture: send PNG, JPEG, WebP or TIFF.")
    expect(bench.get_by_role("alert")).to_contain_text("cafe0123")
    expect(bench.locator(".ev-sending")).to_be_hidden()
    assert told(bench, "input-store") == []
    scenes.forgive(bench)


def test_without_a_server_a_plain_sentence_says_so(bench: Page, served: Site) -> None:
    scenes.add(bench, "upload", limits=LIMITS)
    bench.route("**/inputs", lambda route: route.abort())
    bench.locator("input[type=file]").set_input_files(file())
    expect(bench.get_by_role("alert")).to_contain_text("the server does not answer")
    scenes.forgive(bench)


def test_files_can_be_dropped_and_pasted_but_not_into_text_fields(bench: Page, served: Site) -> None:
    scenes.add(bench, "upload", limits=LIMITS, compact="1")
    bench.evaluate("""() => { document.querySelector('main').insertAdjacentHTML('beforeend', '<textarea></textarea>');
      window.send = (node, name, key) => { const data = new DataTransfer(); data.items.add(new File(['x'], 'p.png', { type: 'image/png' }));
        const kind = name === 'drop' ? DragEvent : ClipboardEvent;
        node.dispatchEvent(new kind(name, { bubbles: true, cancelable: true, [key]: data })); }; }""")
    bench.evaluate("send(document.querySelector('textarea'), 'paste', 'clipboardData')")
    bench.evaluate("send(document.querySelector('.ev-card'), 'drop', 'dataTransfer')")
    bench.wait_for_function("() => told.length === 1")
    bench.evaluate("send(document.body, 'paste', 'clipboardData')")
    bench.wait_for_function("() => told.length === 2")
    assert len(uploads(served)) == 2


# ---- microphone ----------------------------------------------------------------------------------------------------------------


def test_a_recording_is_sent_like_a_file(bench: Page, served: Site) -> None:
    bench.context.grant_permissions(["microphone"])
    scenes.add(bench, "record", store="input-store", limits=LIMITS)
    bench.get_by_role("button", name="Record").click()
    expect(bench.locator(".ev-recording")).to_contain_text(" s of at most 60 s")
    bench.wait_for_function("() => parseFloat(document.querySelector('.ev-recording').textContent) > 0.6")
    bench.get_by_role("button", name="Stop").click()
    bench.wait_for_function("() => told.some((item) => item.id === 'input-store')")
    assert b'filename="recording.webm"' in served.bodies[0]
    assert b"\x1a\x45\xdf\xa3" in served.bodies[0], "a WebM file"
    expect(bench.get_by_role("button", name="Record")).to_be_visible()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [("NotAllowedError", "may not use the microphone"), ("NotFoundError", "No microphone was found")],
)
def test_a_missing_microphone_is_said_plainly(bench: Page, served: Site, error: str, sentence: str) -> None:
    bench.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)); }",
        error,
    )
    scenes.add(bench, "record", limits=LIMITS)
    bench.get_by_role("button", name="Record").click()
    expect(bench.get_by_role("alert")).to_contain_text(sentence)
    assert uploads(served) == []


# ---- player --------------------------------------------------------------------------------------------------------------------


def player(page: Page, **more: Any) -> str:
    data = {
        "input": "snd",
        "coughs": COUGHS,
        "waveform": [0.1, 0.9, 0.2, 0.5] * 50,
        "seconds": 4.0,
        "window": [0.0, 2.0],
        "store": "window-store",
    }
    return scenes.add(page, "player", **{**data, **more})


def test_arrows_choose_a_cough_and_tell_where_the_window_starts(bench: Page) -> None:
    player(bench)
    wave = bench.get_by_role("slider")
    expect(wave).to_have_attribute("aria-valuetext", "Cough 1 of 3, 0.00 to 2.00 seconds")
    wave.press("ArrowRight")
    wave.press("ArrowRight")
    wave.press("ArrowRight")
    assert [item["data"] for item in told(bench, "window-store")] == [
        {"input": "snd", "start": 1.25},
        {"input": "snd", "start": 2.0},
    ]
    expect(wave).to_have_attribute("aria-valuetext", "Cough 3 of 3, 2.00 to 4.00 seconds")


def test_a_click_outside_the_window_moves_it_and_inside_only_seeks(bench: Page) -> None:
    root = player(bench)
    box = bench.locator(".ev-wave").bounding_box()
    assert box
    bench.mouse.click(box["x"] + box["width"] * 1.6 / 4, box["y"] + 10)
    assert told(bench, "window-store") == []
    bench.wait_for_function(
        "id => Math.abs(evident.widgetOf(document.getElementById(id)).audio.currentTime - 1.6) < 0.02",
        arg=root,
    )
    bench.mouse.click(box["x"] + box["width"] * 2.2 / 4, box["y"] + 10)
    assert told(bench, "window-store") == [{"data": {"input": "snd", "start": 1.25}}], (
        "the window stands around the cough that was clicked"
    )


def test_without_coughs_the_window_moves_by_a_tenth(bench: Page) -> None:
    player(bench, coughs=[], window=[1.0, 2.0])
    bench.get_by_role("slider").press("ArrowLeft")
    assert told(bench, "window-store") == [{"data": {"input": "snd", "start": 0.9}}]


def test_a_window_over_the_whole_recording_leaves_nothing_to_choose(bench: Page) -> None:
    player(bench, window=[0.0, 4.0])
    wave = bench.get_by_role("slider")
    expect(wave).to_have_attribute("aria-valuetext", "3 coughs, 0.00 to 4.00 seconds")
    wave.press("ArrowRight")
    assert told(bench, "window-store") == []


def test_the_playhead_runs_over_every_map_and_loops_over_the_window(bench: Page, served: Site) -> None:
    values = np.eye(8, dtype=np.float32)
    served.put("m", values, record=record(values, sound_axes(8, 8, 1.0, 1.5), window=[1.0, 1.5]))
    scenes.add(bench, "map", explanation="m", title="LRP", key="lrp")
    root = player(bench, window=[1.0, 1.5])
    bench.wait_for_function("() => evident.finishedPanels().length === 1")
    bench.evaluate("() => { window.heard = []; evident.on('playhead', (s) => s !== null && heard.push(s)); }")
    bench.get_by_role("button", name="Repeat").click()
    bench.get_by_role("button", name="Half speed").click()
    bench.get_by_role("button", name="Play", exact=True).click()
    expect(bench.locator("[data-evident=map] .ev-plot--playing")).to_have_count(1)
    assert (
        bench.evaluate("id => evident.widgetOf(document.getElementById(id)).audio.playbackRate", root) == 0.5
    )
    bench.get_by_role("button", name="Half speed").click()
    bench.wait_for_function("() => heard.some((s, i) => i > 0 && s < heard[i - 1] - 0.2)")
    bench.get_by_role("button", name="Pause").click()
    expect(bench.locator("[data-evident=map] .ev-plot--playing")).to_have_count(0)
    heard = bench.evaluate("heard")
    assert min(heard) >= 0.99
    assert max(heard) < 1.9


def test_a_cough_is_heard_alone_and_marked_and_nothing_else_moves(bench: Page) -> None:
    root = player(bench)
    bench.evaluate(
        """() => { window.heard = []; window.marked = [];
          evident.on('playhead', (s) => s !== null && heard.push(s)); evident.on('heard', (part) => marked.push(part));
          document.body.insertAdjacentHTML('beforeend', '<button class="ev-cough-score" data-start="2.6" data-end="2.9">0.70</button>'); }"""
    )
    score = bench.get_by_role("button", name="0.70")
    score.click()
    expect(score).to_have_attribute("aria-pressed", "true")
    expect(score).to_have_attribute("aria-pressed", "false")
    assert bench.evaluate("marked") == [[2.6, 2.9], None]
    heard = bench.evaluate("heard")
    assert min(heard) >= 2.59
    assert max(heard) < 3.4, "it ends with the cough, not with the recording"
    assert bench.evaluate("id => evident.widgetOf(document.getElementById(id)).audio.paused", root)
    assert told(bench, "window-store") == []


def test_a_recording_that_cannot_be_played_says_so(bench: Page) -> None:
    player(bench, input="missing")
    expect(bench.get_by_role("alert")).to_contain_text("could not be played")
    scenes.forgive(bench)


# ---- keys ----------------------------------------------------------------------------------------------------------------------


def a_map(page: Page, served: Site) -> None:
    values = np.eye(8, dtype=np.float32)
    served.put("m", values, record=record(values, sound_axes(8, 8), window=[0.0, 2.0]))
    scenes.add(page, "map", explanation="m", title="LRP", key="lrp")
    page.wait_for_function("() => evident.finishedPanels().length === 1")


LOOK = "({ ...evident.viewState.look })"


@pytest.mark.parametrize(
    ("key", "control", "value"),
    [
        ("]", "opacity", 80),
        ("[", "opacity", 60),
        ("-", "top", 35),
        ("=", "top", 45),
        ("s", "sign", "for"),
        ("N", "scale", "raw"),
    ],
)
def test_look_keys_change_the_maps_and_the_controls(bench: Page, key: str, control: str, value: Any) -> None:
    bench.evaluate("evident.setLook({ opacity: 70, top: 40, sign: 'both', scale: 'shared' })")
    bench.keyboard.press(key)
    assert bench.evaluate(LOOK)[control] == value
    assert told(bench, f"look-{control}") == [{"value": value}]


def test_keys_are_off_in_text_fields(bench: Page, served: Site) -> None:
    a_map(bench, served)
    bench.evaluate(
        "() => document.querySelector('main').insertAdjacentHTML('beforeend', '<input type=\"text\" id=\"words\"><select id=\"pick\"><option>a</option></select>')"
    )
    before = bench.evaluate(LOOK)
    bench.locator("#words").focus()
    bench.keyboard.type("sn[]-=1ka0?")
    assert bench.locator("#words").input_value() == "sn[]-=1ka0?"
    bench.locator("#pick").focus()
    bench.keyboard.press("s")
    assert bench.evaluate(LOOK) == before
    assert bench.locator("dialog").count() == 0


def test_keys_can_be_switched_off_and_stay_off(bench: Page, served: Site) -> None:
    bench.keyboard.press("?")
    bench.get_by_role("checkbox").uncheck()
    bench.keyboard.press("Escape")
    for _ in range(2):
        before = bench.evaluate(LOOK)
        bench.keyboard.press("s")
        assert bench.evaluate(LOOK) == before
        scenes.open_harness(bench, served)
    bench.keyboard.press("?")
    bench.get_by_role("checkbox").check()
    bench.keyboard.press("Escape")
    bench.keyboard.press("s")
    assert bench.evaluate(LOOK)["sign"] == "for"


def test_holding_o_shows_the_input_alone(bench: Page, served: Site) -> None:
    a_map(bench, served)
    bench.keyboard.down("o")
    assert bench.evaluate("evident.viewState.original")
    bench.wait_for_function("() => evident.finishedPanels()[0].figure.bare")
    bench.keyboard.up("o")
    bench.wait_for_function("() => !evident.finishedPanels()[0].figure.bare")


def test_a_number_focuses_a_map_and_escape_puts_the_crosshair_away(bench: Page, served: Site) -> None:
    a_map(bench, served)
    bench.keyboard.press("1")
    expect(bench.locator("[data-evident=map] canvas[role=img]")).to_be_focused()
    bench.keyboard.press("ArrowRight")
    expect(bench.locator(".ev-plot--aimed")).to_have_count(1)
    bench.keyboard.press("1")
    expect(bench.locator("[data-evident=map] canvas[role=img]")).not_to_be_focused()
    bench.keyboard.press("Escape")
    expect(bench.locator(".ev-plot--aimed")).to_have_count(0)


def test_the_help_button_of_the_page_opens_the_keys(bench: Page) -> None:
    bench.evaluate(
        "() => document.querySelector('main').insertAdjacentHTML('beforeend', '<button id=\"help-button\">?</button>')"
    )
    bench.locator("#help-button").click()
    expect(bench.get_by_role("dialog", name="Keyboard")).to_contain_text("move the crosshair")


def test_dash_sets_the_look_and_is_left_alone(bench: Page) -> None:
    bench.evaluate("() => { dash_clientside.no_update = 'no'; }")
    assert bench.evaluate("dash_clientside.evident.look(40, 15, 'against', 'raw', 'viridis')") == "no"
    assert bench.evaluate(LOOK) == {
        "opacity": 40,
        "top": 15,
        "sign": "against",
        "scale": "raw",
        "colours": "viridis",
        "cell": "auto",
    }
    assert bench.evaluate("told") == []
