"""Files through the browser: made here, refused here, and real recordings and photographs with two public
networks."""

from __future__ import annotations

import csv
import io
import json
import wave

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

DONE = '.ev-map[data-state="done"]'
SLOW = 240_000
"""Milliseconds for all default methods on a busy machine."""


def cough(seconds: float = 3.0, rate: int = 16_000) -> bytes:
    """Two bursts of noise over a quiet ground, as a WAV file."""
    noise = np.random.default_rng(0).normal(size=int(seconds * rate))
    time = np.arange(noise.size) / rate
    envelope = 0.003 + sum(np.where(time >= start, np.exp(-(time - start) / 0.08), 0) for start in (0.6, 1.7))
    samples = np.clip(noise * envelope * 0.2, -1, 1)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def picture() -> bytes:
    y, x = np.mgrid[:96, :96]
    stripes = np.where((x // 8) % 2 == 0, 220, 40) * ((x - 48) ** 2 + (y - 48) ** 2 < 900)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([stripes + 20, stripes, 90 + 0 * x]).clip(0, 255).astype("uint8")).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def drop(page: Page, name: str, content: bytes, kind: str) -> None:
    """Through the large drop zone of the empty page, or the button of the input card."""
    chooser = page.locator('[data-evident="upload"] input[type="file"]')
    chooser.last.set_input_files({"name": name, "mimeType": kind, "buffer": content})


def run_all(page: Page) -> set[str]:
    """Every ticked method that fits, to the end; returns their keys."""
    expect(page.locator("#panels > .ev-panel").first).to_be_attached(timeout=SLOW)
    page.get_by_role("button", name="Run", exact=True).first.click()
    ticked = page.locator(".ev-method input:checked:not(:disabled)").evaluate_all(
        "nodes => nodes.map((node) => node.value)"
    )
    expect(page.locator(DONE)).to_have_count(len(ticked), timeout=SLOW)
    return set(ticked)


def another_cough_of_it_is_predicted_on_its_own(page: Page) -> None:
    before = page.locator('[data-evident="player"]').get_attribute("data-window")
    page.evaluate("""() => { const { input } = document.querySelector('[data-evident="player"]').dataset;
        window.dash_clientside.set_props('window-store', { data: { input, start: 3.5 } }); }""")
    page.wait_for_url(lambda url: "start=3.5" in url, wait_until="commit")
    expect(page.locator('[data-evident="player"]')).not_to_have_attribute(
        "data-window", str(before), timeout=SLOW
    )
    window = json.loads(str(page.locator('[data-evident="player"]').get_attribute("data-window")))
    assert window[0] == pytest.approx(3.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "kind", "content", "unit"),
    [("two_coughs.wav", "audio/wav", cough(6.0), "s"), ("stripes.png", "image/png", picture(), "px")],
)
def test_a_file_of_one_s_own_gives_maps_on_the_right_axes(site, page, name, kind, content, unit):
    page.goto(site)
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=SLOW)
    drop(page, name, content, kind)
    expect(page.locator(".ev-input-name")).to_have_text(name, timeout=SLOW)
    expect(page.locator("#prediction-card").locator(".ev-score, .ev-withheld").first).to_be_visible(
        timeout=SLOW
    )
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    axes = json.loads(str(page.locator('[data-evident="input-map"]').get_attribute("data-axes")))
    assert axes["x_axis"]["unit"] == unit
    expect(page.locator('[data-evident="player"]')).to_have_count(1 if unit == "s" else 0)
    if unit == "s":
        another_cough_of_it_is_predicted_on_its_own(page)
    page.get_by_role("button", name="Delete this file from the server").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible()
    # Whatever was still being fetched when the file went is rightly answered 404, and the browser says so.
    page.watch.allow("status of 404")


def test_the_score_of_white_noise_is_withheld_until_asked_for_and_nothing_sums_its_maps_up(site, page):
    noise = 0.1 * np.random.default_rng(0).normal(size=48_000).clip(-5, 5)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    page.goto(f"{site}/?model=cnnexplain")
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=SLOW)
    drop(page, "noise.wav", buffer.getvalue(), "audio/wav")
    card, summary = page.locator("#prediction-card"), page.locator(".ev-summary-card")
    expect(card).to_contain_text("Score withheld", timeout=SLOW)
    expect(card).to_contain_text("No cough was found")
    expect(page.locator("#prediction-card .ev-score")).to_have_count(0)
    expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
    expect(summary).to_be_hidden()
    page.get_by_role("button", name="Show the score anyway").click()
    expect(page.locator("#prediction-card .ev-score")).to_have_count(2)
    expect(page.locator("#prediction-card .ev-score--top")).to_have_count(0)
    expect(summary).to_be_visible()
    page.reload()
    expect(page.locator("#prediction-card .ev-score")).to_have_count(2, timeout=SLOW)


def test_a_file_that_cannot_be_used_says_why_and_leaves_the_page_usable(site, page):
    page.goto(site)
    for name, kind, content, words in (
        ("notes.txt", "text/plain", b"hello", "accepted"),
        ("broken.png", "image/png", b"\x89PNG\r\n\x1a\n broken", "could not be read"),
    ):
        expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=SLOW)
        drop(page, name, content, kind)
        expect(page.locator(".ev-problem:visible").first).to_contain_text(words, timeout=SLOW)
        page.watch.allow("Failed to load resource")
        page.locator(".ev-start .ev-sample").first.click()
        expect(page.locator(DONE).first).to_be_visible(timeout=SLOW)
        page.get_by_role("button", name="Close this input").click()


@pytest.mark.data
def test_a_real_recording_gives_every_default_map(site, page, real_data):
    with (real_data / "cough" / "labels.csv").open() as file:
        row = next(
            row for row in csv.DictReader(file) if row["set"] == "core" and row["file"].endswith(".mp3")
        )
    path = next(
        path for path in (real_data / row["file"], real_data / "cough" / row["file"]) if path.is_file()
    )
    page.goto(site)
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=SLOW)
    drop(page, "call.mp3", path.read_bytes(), "audio/mpeg")
    assert {"grad_cam", "lime", "smooth_grad", "lrp", "fused"} <= run_all(page)
    expect(page.locator(".ev-prediction-words")).to_contain_text("room")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "weights"),
    [("torchvision:squeezenet1_1", "squeezenet1_1"), ("resnet20_cifar", "resnet20_cifar10")],
)
def test_a_real_photo_through_a_public_network_brought_by_hand(site, page, real_data, architecture, weights):
    page.goto(f"{site}/models")
    title = weights
    card = page.get_by_role("region", name="Weights of your own")
    expect(card).to_be_visible(timeout=SLOW)
    card.get_by_label("File of weights").set_input_files(real_data / "weights" / f"{weights}.safetensors")
    expect(card).to_contain_text(f"Recognised: {architecture}")
    if weights != "squeezenet1_1":
        named = [{"name": "labels.txt", "mimeType": "text/plain", "buffer": "\n".join(CIFAR).encode()}]
        card.get_by_label("File of labels").set_input_files(named)
        expect(card).to_contain_text("names from your list")
    card.get_by_role("button", name="Add it").click()
    mine = page.locator(".ev-model").filter(has=page.get_by_role("heading", name=title, exact=True))
    expect(mine).to_be_visible(timeout=SLOW)
    card.get_by_role("link", name="Explain with it").click()
    expect(page.locator(".ev-start .ev-sample").first).to_be_visible(timeout=SLOW)
    with (real_data / "images" / "labels.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["top1_hit"] == "1")
    path = next(
        path for path in (real_data / row["file"], real_data / "images" / row["file"]) if path.is_file()
    )
    drop(page, "photo.jpg", path.read_bytes(), "image/jpeg")
    assert {"grad_cam", "lime", "smooth_grad", "lrp", "fused"} <= run_all(page)
    expect(page.locator("#model-select")).to_have_value(title)


CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
