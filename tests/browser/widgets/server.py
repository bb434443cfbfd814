"""A tiny server for the widget tests: the real scripts and styles, and an API whose answers the test decides.

`Site.put` publishes an explanation, `Site.change` moves it on (event streams see it at once), `Site.calls`
lists what the page asked for.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
import wave
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
ASSETS = Path(__file__).resolve().parents[3] / "frontend" / "assets"
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
CSP = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'"
FINAL = {"done", "failed", "cancelled"}
LIMITS = {
    "image_bytes": 25 * 2**20, "audio_bytes": 50 * 2**20, "audio_seconds": 600.0, "array_bytes": 50 * 2**20,
    "accept": [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".wav", ".flac", ".ogg", ".mp3", ".m4a", ".webm", ".npy"],
}  # fmt: skip


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def wav(seconds: float, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype("<i2")
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone.tobytes())
    return buffer.getvalue()


def pixel_axes(rows: int, cols: int) -> dict[str, Any]:
    return {
        "y_axis": {"name": "y", "unit": "px", "origin": "upper", "values": (np.arange(rows) + 0.5).tolist()},
        "x_axis": {"name": "x", "unit": "px", "origin": "upper", "values": (np.arange(cols) + 0.5).tolist()},
    }


def sound_axes(
    rows: int, cols: int, start: float = 0.0, end: float = 2.0, top: float = 4000.0
) -> dict[str, Any]:
    """Mel bands (HTK formula) up to `top` Hz, and seconds of the recording."""
    mel = np.linspace(0, 2595 * np.log10(1 + top / 700), rows + 2)[1:-1]
    seconds = start + (np.arange(cols) + 0.5) * (end - start) / cols
    return {
        "y_axis": {
            "name": "frequency",
            "unit": "Hz",
            "origin": "lower",
            "values": (700 * (10 ** (mel / 2595) - 1)).tolist(),
        },
        "x_axis": {"name": "time", "unit": "s", "origin": "upper", "values": seconds.tolist()},
    }


def record(values: np.ndarray, axes: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A Record as the API answers it."""
    made = {
        "method": "grad_cam",
        "method_title": "Grad-CAM",
        "model": "cnnexplain",
        "weights_sha256": "ab" * 32,
        "target": 1,
        "target_label": "Covid-like",
        "layer": "conv4",
        "params": {"n_samples": 1000},
        "seed": 0,
        "signed": bool((values < 0).any()),
        "shape": list(values.shape),
        "native": list(values.shape),
        "vmin": float(values.min()),
        "vmax": float(values.max()),
        "gap": None,
        "stages": [],
        "arrays": [],
        "plan": "",
        "engine": "",
        "extras": {},
        "notes": [],
        "quality": [],
        "seconds": 0.31,
        "forwards": 1,
        "backwards": 1,
        "device": "cpu",
        "precision": "float32",
        "versions": {"torch": "2.13"},
        "created": "2026-01-01T00:00:00Z",
        "values_sha256": "cd" * 32,
        "window": None,
        **axes,
    }
    return {**made, **changed}


class Site:
    """Everything the server knows, for one test: the newest is the one that answers."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, bytes] = {}
        self.files: dict[str, tuple[str, bytes]] = {"/inputs/snd/audio.wav": ("audio/wav", wav(4.0))}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.upload: tuple[int, dict[str, Any]] = (
            201,
            {"id": "in1", "modality": "image", "name": "a.png", "bytes": 3},
        )
        self.studies: dict[str, dict[str, Any]] = {}
        """Finished jobs by the path that asks for them; their ids are `made`."""
        self.on_post: Any = None
        self.streams = True
        self.changed = threading.Condition()
        self.url = _server()
        Handler.site = self

    def put(self, key: str, values: np.ndarray | None = None, state: str = "done", **more: Any) -> str:
        """An explanation and, when given, its values (also of a running one: the partial map)."""
        job = {
            "id": key,
            "kind": "explanation",
            "state": state,
            "title": key,
            "progress": {
                "done": 0,
                "total": 0,
                "unit": "samples",
                "seconds": 0,
                "remaining": None,
                "partial": 0,
            },
            "error": None,
            "attempts": 0,
            "ahead": 0,
            "started": None,
            "created": "2026-01-01T00:00:00Z",
            "finished": None,
            "estimate": None,
            "record": None,
            "request": {
                "input": "in1",
                "model": "cnnexplain",
                "method": "grad_cam",
                "target": 1,
                "layer": None,
                "params": {},
                "seed": 0,
                "start": None,
            },
        }
        self.jobs[key] = {**job, **more}
        if values is not None:
            self.arrays[f"/explanations/{key}/values.npy"] = npy(values)
        return key

    def change(self, key: str, values: np.ndarray | None = None, **more: Any) -> None:
        if values is not None:
            self.arrays[f"/explanations/{key}/values.npy"] = npy(values)
        with self.changed:
            self.jobs[key] = {**self.jobs[key], **more}
            self.changed.notify_all()

    def picture(self, path: str, values: np.ndarray) -> str:
        self.files[path] = ("image/png", png(values))
        return path

    def asked(self, method: str, part: str) -> list[str]:
        return [path for verb, path in list(self.calls) if verb == method and part in path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def answer(self, status: int, kind: str, body: bytes, keep: bool = False) -> None:
        """One answer; of sound also the part a player asks for (seeking needs it). keep: browsers need not ask again."""
        part = (
            re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if kind == "audio/wav" else None
        )
        size = len(body)
        if part:
            first, last = int(part[1]), min(size - 1, int(part[2] or size - 1))
            status, body = 206, body[first : last + 1]
        self.send_response(status)
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if kind == "audio/wav":
            self.send_header("Accept-Ranges", "bytes")
        if keep:
            self.send_header("Cache-Control", "max-age=31536000, immutable")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("X-Request-ID", "0123456789abcdef")
        self.end_headers()
        self.wfile.write(body)

    def json(self, status: int, value: Any) -> None:
        self.answer(
            status,
            "application/json" if status < 400 else "application/problem+json",
            json.dumps(value).encode(),
        )

    def missing(self) -> None:
        self.json(
            404,
            {
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "There is no such map. Run it again.",
            },
        )

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.site.calls.append(("GET", self.path))
        if path.startswith("/api/v1"):
            self.api(unquote(path.removeprefix("/api/v1")))
        elif path == "/":
            self.answer(200, TYPES[".html"], page())
        else:
            folder = ASSETS if path.startswith("/assets/") else HERE
            file = folder / path.removeprefix("/assets/").lstrip("/")
            if file.is_file() and file.resolve().is_relative_to(folder):
                self.answer(200, TYPES[file.suffix], file.read_bytes(), keep=True)
            else:
                self.missing()

    def api(self, path: str) -> None:
        site = self.site
        if path == "/limits":
            self.json(200, LIMITS)
        elif match := re.fullmatch(r"/explanations/([^/]+)/events", path):
            self.events(match[1])
        elif (match := re.fullmatch(r"/explanations/([^/]+)", path)) and match[1] in site.jobs:
            self.json(200, site.jobs[match[1]])
        elif path.endswith("/made") and path.removesuffix("/made") in site.studies:
            self.json(
                200, {"id": "made", "state": "done", "result": site.studies[path.removesuffix("/made")]}
            )
        elif path in site.arrays:
            self.answer(200, "application/octet-stream", site.arrays[path])
        elif path in site.files:
            self.answer(200, *site.files[path])
        else:
            self.missing()

    def events(self, key: str) -> None:
        site = self.site
        if not site.streams or key not in site.jobs:
            self.missing()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        last, deadline = None, time.monotonic() + 30
        while time.monotonic() < deadline:
            job = site.jobs.get(key)
            if job is None:
                return
            if job is not last:
                last = job
                try:
                    self.wfile.write(f"data: {json.dumps(job)}\n\n".encode())
                    self.wfile.flush()
                except OSError:
                    return
                if job["state"] in FINAL:
                    return
            with site.changed:
                site.changed.wait(0.2)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.site.calls.append(("POST", self.path))
        self.site.bodies.append(body)
        path = urlsplit(self.path).path.removeprefix("/api/v1")
        if path == "/explanations":
            self.json(202, self.site.on_post(json.loads(body)))
        elif path in self.site.studies:
            self.json(202, {"id": "made", "state": "queued"})
        else:
            self.json(*self.site.upload)

    def do_DELETE(self) -> None:
        self.site.calls.append(("DELETE", self.path))
        key = self.path.rsplit("/", 1)[1]
        self.site.change(key, state="cancelled")
        self.json(200, self.site.jobs[key])


@cache
def _server() -> str:
    """Its address, the same for all tests of a process: scripts that a browser has compiled it need not fetch again."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def page() -> bytes:
    """The harness with the styles in the order in which Dash would load them."""
    styles = "\n".join(
        f'<link rel="stylesheet" href="/assets/{name}">'
        for name in ["layers.css", *sorted(f"styles/{path.name}" for path in ASSETS.glob("styles/*.css"))]
    )
    return (HERE / "harness.html").read_text().replace("<!-- styles -->", styles).encode()
