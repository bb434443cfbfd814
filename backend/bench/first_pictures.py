"""Seconds from the prediction to the first pictures, asked of a served program as the page asks: Grad-CAM, and
LIME's first rough map. The weights are random: the time is that of trained ones."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from backend.bench.harness import Row, Setting, figure
from backend.bench.server import Server, serving, write_weights
from backend.bench.subject import PICTURE

TITLE = "First pictures after the prediction: `evident serve` in processes of its own"
ORDER = 52
NETWORKS = {"SqueezeNet 1.1": "torchvision:squeezenet1_1", "ResNet-50": "torchvision:resnet50"}
GRAD_CAM, LIME = 1.0, 3.0
"""Most seconds."""


def rows(setting: Setting) -> Iterator[Row]:
    """Two figures per network, and two of the first time, which loads and prepares the network."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        write_weights(weights, NETWORKS.values())
        with serving(Path(folder) / "data", 1, {"EVIDENT_WEIGHTS": str(weights)}) as server:
            server.catalogue()
            for name, key in list(NETWORKS.items())[: 1 if setting.quick else None]:
                setting.tell(f"{name}, first time")
                first = _asked(server, key, 0)
                rounds = []
                for number in range(setting.rounds):
                    setting.tell(f"{name}, round {number + 1} of {setting.rounds}")
                    rounds.append(_asked(server, key, number + 1))
                for work, most, at_first, later in zip(
                    ("Grad-CAM", "LIME's first picture"),
                    (GRAD_CAM, LIME),
                    first,
                    zip(*rounds, strict=True),
                    strict=True,
                ):
                    yield figure(f"{work}, {name}", later, most=most, unit="s", note="Of 1,000 samples." if most == LIME else "")  # fmt: skip
                    note = "It loads the network and prepares its passes."
                    yield figure(
                        f"{work}, {name}, the first time", [at_first], most=most, unit="s", note=note
                    )


def _asked(server: Server, model: str, number: int) -> tuple[float, float]:
    """Seconds from the answer to the prediction of a picture nobody has sent before until Grad-CAM and until
    LIME's first picture, asked for at once as the page does."""
    picture = server.client.post("/api/v1/inputs", files={"file": ("a.png", variant(number))})
    input_id = picture.raise_for_status().json()["id"]
    server.predict(input_id, model)
    started = time.perf_counter()
    requests = [
        {"input": input_id, "model": model, "method": method, "params": params}
        for method, params in (("grad_cam", {}), ("lime", {"n_samples": 1000}))
    ]
    ids = [str(server.ask(request)["id"]) for request in requests]
    seconds: dict[str, float] = {}
    with server.client.stream("GET", "/api/v1/explanations/events", params={"ids": ",".join(ids)}) as stream:
        for line in stream.iter_lines():
            seen = first_picture(line)
            if seen and seen not in seconds:
                seconds[seen] = time.perf_counter() - started
            if len(seconds) == len(ids):
                break
    for id in ids:
        server.client.delete(f"/api/v1/explanations/{id}")
    if len(seconds) < len(ids):
        raise RuntimeError("the events ended before the pictures came")
    return seconds[ids[0]], seconds[ids[1]]


def first_picture(line: str) -> str | None:
    """The id of the explanation that has a picture by this line of an event stream. Raises RuntimeError when it
    failed."""
    if not line.startswith("data:"):
        return None
    view = json.loads(line.removeprefix("data:"))
    if view.get("state") in ("failed", "cancelled"):
        raise RuntimeError(f"the explanation ended as {view['state']}")
    shown = view.get("state") == "done" or (view.get("progress") or {}).get("partial", 0) > 0
    return str(view["id"]) if shown else None


def variant(number: int) -> bytes:
    """The picture with other pixels in its corner: as PNG, a content of its own."""
    pixels = np.array(Image.open(PICTURE).convert("RGB"))
    pixels[0, 0] = [number // 256 % 256, number % 256, 17]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
