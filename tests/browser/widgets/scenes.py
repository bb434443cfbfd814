"""What the tests and the look-over put on the harness page: widgets by name, and a whole compare page with
invented maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from playwright.sync_api import Page

from tests.browser.widgets.server import Site, pixel_axes, record, sound_axes
from tests.frontend.evident.modules import expose

ADD = """([name, into, data]) => {
  const root = document.createElement("div");
  root.dataset.evident = name;
  for (const [key, value] of Object.entries(data)) root.setAttribute("data-" + key, value);
  const card = document.createElement("section");
  card.className = "ev-card ev-panel";
  card.append(root);
  (document.querySelector(into) || document.querySelector("main")).append(card);
  root.id = data.id || "w" + document.querySelectorAll("[data-evident]").length;
  return root.id;
}"""


def open_harness(page: Page, site: Site) -> None:
    """An empty page with the widgets of the real modules, and the modules in the hands of the test."""
    page.goto(site.url)
    expose(page)


def add(page: Page, name: str, into: str = "main", **data: Any) -> str:
    """Puts a widget on the page as Dash would, answers its element id. Anything but text goes as JSON."""
    data = {
        key.replace("_", "-"): value if isinstance(value, str) else json.dumps(value)
        for key, value in data.items()
    }
    return str(page.evaluate(ADD, [name, into, data]))


def forgive(page: Page) -> None:
    """Waits for the browser's own line about a refused request, which no script can prevent, and forgets
    it."""
    for _ in range(200):
        if page.watch.complaints:  # type: ignore[attr-defined]
            break
        page.wait_for_timeout(25)
    page.watch.allow("Failed to load resource")  # type: ignore[attr-defined]


def bump(rows: int, cols: int, r: float, c: float, size: float) -> np.ndarray:
    """A smooth hill of height 1, float32 [rows, cols]."""
    y, x = np.mgrid[0:rows, 0:cols]
    return np.exp(
        -((y - r * rows) ** 2 / (size * rows) ** 2 + (x - c * cols) ** 2 / (size * cols) ** 2)
    ).astype(np.float32)


def maps(rows: int, cols: int) -> dict[str, tuple[str, np.ndarray, dict[str, Any]]]:
    """Invented maps that look like the methods': title, values, what the record says."""
    rng = np.random.default_rng(0)
    cam = bump(rows, cols, 0.35, 0.3, 0.12) * 0.71
    tiles = np.kron(rng.normal(0, 0.25, (rows // 16, cols // 16)), np.ones((16, 16))).astype(np.float32)
    tiles[rows // 4 : rows // 2, cols // 4 : cols // 2] += 0.5
    noise = (np.abs(rng.laplace(0, 0.1, (rows, cols))) * (0.15 + bump(rows, cols, 0.4, 0.3, 0.25))).astype(
        np.float32
    )
    lrp = (
        rng.laplace(0, 0.03, (rows, cols)) * (0.05 + bump(rows, cols, 0.35, 0.3, 0.15))
        + 0.05 * bump(rows, cols, 0.35, 0.3, 0.05)
    ).astype(np.float32)
    native = {"native": [rows // 16, cols // 16]}
    return {
        "grad_cam": ("Grad-CAM", cam, {"signed": False, **native, "seconds": 0.06}),
        "lime": ("LIME", tiles, {"signed": True, "seconds": 4.2, "forwards": 1000}),
        "smooth_grad": ("SmoothGrad", noise, {"signed": False, "seconds": 0.5}),
        "lrp": ("LRP", lrp, {"signed": True, "gap": 0.002, "seconds": 0.1}),
        "fused": ("Fused Grad-CAM × LRP", (lrp * cam).astype(np.float32), {"signed": True, "seconds": 0.2}),
    }


def spectrogram(rows: int, cols: int) -> np.ndarray:
    """A grey cough-like picture in picture order (high frequencies on top), uint8 [rows, cols]."""
    rng = np.random.default_rng(1)
    time = np.zeros(cols)
    for at in (0.2, 0.29, 0.52, 0.6, 0.9):
        time += np.exp(-(((np.arange(cols) / cols - at) / 0.02) ** 2)) + 0.5 * np.exp(
            -np.clip(np.arange(cols) / cols - at, 0, 1) / 0.05
        ) * (np.arange(cols) / cols > at)
    bands = np.exp(-(((np.arange(rows)[:, None] / rows - 0.3) / 0.35) ** 2)) + 0.3
    power = (bands * time + 0.15) * rng.gamma(2, 0.5, (rows, cols))
    level = np.log10(power + 1e-3)
    level = (level - level.min()) / (level.max() - level.min())
    return (40 + 190 * level**1.5).astype(np.uint8)[::-1]


def photo(rows: int, cols: int) -> np.ndarray:
    """A colour picture, uint8 [rows, cols, 3]."""
    y, x = np.mgrid[0:rows, 0:cols] / rows
    rng = np.random.default_rng(2)
    base = 0.35 + 0.3 * np.sin(6 * x + 2 * y) * np.cos(5 * y) + 0.05 * rng.normal(size=(rows, cols))
    disc = ((x - 0.35) ** 2 + (y - 0.4) ** 2) < 0.04
    rgb = np.stack([base + 0.4 * disc, base, base + 0.15], -1)
    return (255 * np.clip(rgb, 0, 1)).astype(np.uint8)


def compare(page: Page, site: Site, sound: bool = True, size: int = 128) -> list[str]:
    """A whole compare page; answers the ids of the map widgets."""
    axes = sound_axes(size, size, 0.4, 2.4) if sound else pixel_axes(size, size)
    window = [0.4, 2.4] if sound else None
    display = site.picture(
        "/predictions/p/display.png", spectrogram(size, size) if sound else photo(size, size)
    )
    page.evaluate("""() => { document.querySelector("main").innerHTML =
      '<div class="ev-column" id="left"></div><div class="grid" id="mid"></div><div class="ev-column" id="right"></div>'; }""")
    if sound:
        peaks = (spectrogram(64, 600).mean(0) / 255).tolist()
        coughs = [
            {"index": i, "start": s, "end": s + 0.3, "peak": 0.5, "level_db": -10}
            for i, s in enumerate((0.8, 2.1, 3.6))
        ]
        add(
            page,
            "player",
            "#left",
            input="snd",
            coughs=coughs,
            waveform=peaks,
            seconds=4.0,
            window=window,
            store="window-store",
        )
    add(page, "upload", "#left", store="input-store", compact="1")
    add(page, "record", "#left", store="input-store", compact="1")
    add(page, "upload", "#left", store="input-store")
    add(page, "input-map", "#mid", display=display, axes=axes)
    out = []
    for key, (title, values, more) in maps(size, size).items():
        site.put(
            f"x-{key}",
            values,
            record=record(values, axes, method=key, method_title=title, window=window, **more),
        )
        out.append(
            add(
                page,
                "map",
                "#mid",
                explanation=f"x-{key}",
                title=title,
                key=key,
                signed="1" if more["signed"] else "0",
                display=display,
            )
        )
    add(page, "readout", "#right")
    add(page, "agreement", "#right")
    page.wait_for_function("n => window.evident.finishedPanels().length === n", arg=len(out))
    return out


def told(page: Page, key: str) -> list[Any]:
    return [item["props"] for item in page.evaluate("told") if item["id"] == key]


def states(page: Page) -> list[str]:
    return [item["data"]["state"] for item in told(page, "panel-store")]


def wait_frames(page: Page) -> None:
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
    root = add(page, "map", explanation=key, title=title, key=more.get("method", "lrp"), display=display)
    page.wait_for_function("n => evident.finishedPanels().length > n", arg=before)
    page.wait_for_function(
        "id => Boolean(evident.widgetOf(document.getElementById(id)).figure.picture)", arg=root
    )
    wait_frames(page)
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
    wait_frames(page)
