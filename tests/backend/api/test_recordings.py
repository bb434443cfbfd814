"""Recordings over HTTP: the bundled ones, the operator's own while they grow, and files that are none."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.core.errors import InvalidInput
from backend.api import recordings
from tests.backend.api.conftest import PLAIN, Running
from tests.backend.api.walk import FREE_TEXT

TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/recordings"): {200: "test_the_bundled_recordings_are_listed", 404: "lists what there is", 422: "takes no arguments"},
    ("GET", "/v1/recordings/{key}"): {200: "test_a_history", 404: "/recordings/nope", 422: FREE_TEXT},
    ("GET", "/v1/recordings/{key}/kernels/{epoch}.npy"): {200: "test_kernels", 404: "/recordings/nope/kernels/0.npy", 422: "test_epochs_that_are_none"},
    ("GET", "/v1/recordings/{key}/weights/{epoch}.safetensors"): {200: "test_an_epoch_is_a_network", 404: "/recordings/nope/weights/0.safetensors", 422: "test_epochs_that_are_none"},
    ("GET", "/v1/recordings/{key}/history.csv"): {200: "test_the_table", 404: "/recordings/nope/history.csv", 422: FREE_TEXT},
}  # fmt: skip


def test_the_bundled_recordings_are_listed(client: httpx.Client) -> None:
    listed = {entry["key"]: entry for entry in client.get("/recordings").json()}
    assert set(listed) == {"cnnexplain", "cnnexplain_synthetic", "shapes"}
    assert next(iter(listed)) == "cnnexplain_synthetic", "the page opens with what learns something"
    assert listed["cnnexplain_synthetic"]["epochs"] == 11
    assert not any(entry["live"] for entry in listed.values())
    assert "counter-example" in listed["cnnexplain"]["note"]


def test_a_history(client: httpx.Client) -> None:
    history = client.get("/recordings/shapes").json()
    assert history["kernels_shape"] == [16, 3, 3, 3]
    assert [layer["name"] for layer in history["layers"]] == [f"relu{i}" for i in range(1, 6)]
    row = history["epochs"][-1]
    assert set(row["decision_depth"]) == {"mean", "p95"}
    assert row["layers"][-1]["agreement"] == pytest.approx(1, abs=0.02)
    assert (history["own"], history["live"], history["finished"]) == (False, False, True)


def test_an_epoch_is_a_network(client: httpx.Client) -> None:
    """The last epoch, sent as a model of one's own, is the bundled network."""
    weights = client.get("/recordings/shapes/weights/14.safetensors")
    history = client.get("/recordings/shapes").json()
    sent = {"labels": json.dumps(history["labels"]), "title": "shapes, epoch 14"}
    answer = client.post("/models", files={"weights": ("epoch.safetensors", weights.content)}, data=sent)
    assert answer.status_code in (200, 201), answer.text
    model = answer.json()
    assert {layer["name"] for layer in history["layers"]} <= {layer["name"] for layer in model["layers"]}
    assert model["labels"] == history["labels"]
    from safetensors.numpy import load, load_file

    shipped = load_file(recordings.BUNDLED / "shapes.safetensors")
    for name, values in load(weights.content).items():
        np.testing.assert_allclose(values, shipped[name], atol=1e-3)
    client.delete(f"/models/{model['key']}")


def test_kernels(client: httpx.Client) -> None:
    first, last = (
        np.load(io.BytesIO(client.get(f"/recordings/cnnexplain_synthetic/kernels/{n}.npy").content))
        for n in (0, 10)
    )
    assert (first.shape, first.dtype) == ((16, 1, 5, 5), np.float32)
    from safetensors.numpy import load_file

    shipped = load_file(recordings.BUNDLED / "cnnexplain_synthetic.safetensors")["conv1.weight"]
    np.testing.assert_allclose(last, shipped, atol=1e-3)
    assert not np.allclose(first, last, atol=1e-2)


def test_the_table(client: httpx.Client) -> None:
    answer = client.get("/recordings/cnnexplain/history.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    history = client.get("/recordings/cnnexplain").json()
    assert len(rows) == len(history["epochs"]) * len(history["layers"])
    assert float(rows[-1]["agreement"]) == history["epochs"][-1]["layers"][-1]["agreement"]
    assert {row["accuracy"] for row in rows} == {""}


def test_epochs_that_are_none(client: httpx.Client, after: Any) -> None:
    assert after(client.get("/recordings/shapes/kernels/99.npy"))["code"] == "unknown_epoch"
    for epoch in ("-1", "x", "1e9", "9" * 30):
        assert after(client.get(f"/recordings/shapes/kernels/{epoch}.npy"))["status"] == 422
        assert after(client.get(f"/recordings/shapes/weights/{epoch}.safetensors"))["status"] == 422


# The operator's own


@pytest.fixture
def watched(server: Running, tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    """The server as one that was started with --recordings."""
    server.services.settings.recordings = tmp_path
    yield server, tmp_path
    server.services.settings.recordings = None


def history(epochs: int, finished: bool = False, **more: Any) -> dict[str, Any]:
    layer = {"name": "=relu", "agreement": 0.5, "dead": [0]}
    return {
        "title": "Mine",
        "layers": [{"name": "=relu", "filters": 2}],
        "kernels": {"tensor": "conv.weight", "shape": [2, 1, 1, 2]},
        "calibration": {"title": "12 inputs", "count": 12, "held_out": 3},
        "finished": finished,
        "epochs": [{"epoch": n, "loss": 1.0 / (n + 1), "layers": [layer]} for n in range(epochs)],
        **more,
    }


def checkpoint(values: list[float], dtype: str = "F32", **entry: Any) -> bytes:
    data = struct.pack(f"<{len(values)}f", *values)
    header = {"conv.weight": {"dtype": dtype, "shape": [2, 1, 1, 2], "data_offsets": [0, len(data)], **entry}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def own(folder: Path, name: str, content: dict[str, Any]) -> Path:
    made = folder / name
    made.mkdir(exist_ok=True)
    (made / "history.json").write_text(json.dumps(content))
    return made


def test_a_recording_grows_while_it_is_watched(watched: tuple[Running, Path]) -> None:
    running, folder = watched
    made = own(folder, "run 7 <b>", history(1))
    (made / "epoch_000.safetensors").write_bytes(checkpoint([1, 2, 3, 4]))
    with httpx.Client(base_url=running.api, verify=PLAIN) as client:
        (entry, *_) = client.get("/recordings").json()
        assert (entry["title"], entry["epochs"], entry["live"]) == ("Mine", 1, True)
        key = entry["key"]
        assert key.startswith("own-")
        assert key.removeprefix("own-").isalnum()
        own(folder, "run 7 <b>", history(2))
        grown = client.get(f"/recordings/{key}").json()
        assert (len(grown["epochs"]), grown["live"], grown["own"]) == (2, True, True)
        kernels = np.load(io.BytesIO(client.get(f"/recordings/{key}/kernels/0.npy").content))
        assert kernels.ravel().tolist() == [1, 2, 3, 4]
        assert "'=relu" in client.get(f"/recordings/{key}/history.csv").text
        own(folder, "run 7 <b>", history(2, finished=True))
        assert not client.get(f"/recordings/{key}").json()["live"]
        own(folder, "run 7 <b>", history(2))
        os.utime(made / "history.json", (time.time() - 3600,) * 2)
        assert not client.get(f"/recordings/{key}").json()["live"], "it has long been silent"


BROKEN = {
    "empty": b"",
    "half": json.dumps(history(3)).encode()[:200],
    "binary": bytes(range(256)) * 4,
    "list": b"[]",
    "deep": b"[" * 100_000,
    "nan": json.dumps(history(1)).replace("1.0", "NaN").encode(),
    "version": json.dumps(history(1, format=2)).encode(),
    "kernels": json.dumps(history(1, kernels={"tensor": "a", "shape": [1, 2]})).encode(),
    "number": json.dumps(history(1)).replace('"epoch": 0', '"epoch": 1' + "0" * 400).encode(),
    "surrogate": json.dumps(history(1, title="\ud800")).encode(),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_is_no_recording_says_so(name: str, watched: tuple[Running, Path]) -> None:
    running, folder = watched
    made = own(folder, f"broken-{name}", {})
    (made / "history.json").write_bytes(BROKEN[name])
    with httpx.Client(base_url=running.api, verify=PLAIN) as client:
        entry = next(e for e in client.get("/recordings").json() if e["key"] == f"own-broken-{name}")
        assert (entry["readable"], entry["live"]) == (False, False)
        for path in ("", "/kernels/0.npy", "/history.csv"):
            answer = client.get(f"/recordings/own-broken-{name}{path}")
            assert (answer.status_code, answer.json()["code"]) == (422, "recording_unreadable")
            assert str(folder) not in answer.text


CHECKPOINTS = {
    "missing": None,
    "empty": b"",
    "pickle": b"\x80\x04cos\nsystem\n",
    "cut": checkpoint([1, 2, 3, 4])[:-3],
    "long-header": struct.pack("<Q", 2**62) + b"{}",
    "other-shape": checkpoint([1, 2, 3, 4], shape=[4]),
    "other-type": checkpoint([1, 2, 3, 4], dtype="I64"),
    "offsets": checkpoint([1, 2, 3, 4], data_offsets=[-8, 8]),
    "offsets-far": checkpoint([1, 2, 3, 4], data_offsets=[2**60, 2**60 + 16]),
    "offsets-words": checkpoint([1, 2, 3, 4], data_offsets=["a", "b"]),
    "offsets-one": checkpoint([1, 2, 3, 4], data_offsets=[0]),
    "no-dict": struct.pack("<Q", 19) + b'{"conv.weight": 13}' + bytes(16),
}


@pytest.mark.parametrize("name", sorted(CHECKPOINTS))
def test_checkpoints_that_are_none(name: str, watched: tuple[Running, Path]) -> None:
    running, folder = watched
    made = own(folder, f"checkpoint-{name}", history(1))
    if (content := CHECKPOINTS[name]) is not None:
        (made / "epoch_000.safetensors").write_bytes(content)
    answer = httpx.get(f"{running.api}/recordings/own-checkpoint-{name}/kernels/0.npy", verify=PLAIN)
    assert (answer.status_code, answer.json()["code"]) == (422, "recording_unreadable"), answer.text


def test_kernels_that_are_not_finite_are_drawn_as_nothing(watched: tuple[Running, Path]) -> None:
    running, folder = watched
    made = own(folder, "not-finite", history(1))
    (made / "epoch_000.safetensors").write_bytes(checkpoint([float("nan"), float("inf"), 3, 4]))
    values = np.load(
        io.BytesIO(httpx.get(f"{running.api}/recordings/own-not-finite/kernels/0.npy", verify=PLAIN).content)
    )
    assert values.ravel().tolist() == [0, 0, 3, 4]


def test_the_folder_itself_may_be_a_recording(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(json.dumps(history(1)))
    (entry, *_) = recordings.listed(tmp_path)
    assert entry.title == "Mine"
    assert recordings.recording(tmp_path, entry.key).own
    assert recordings.listed(tmp_path / "gone")[0].key == "cnnexplain_synthetic"
    with pytest.raises(InvalidInput, match="no folder"):
        recordings.check_recordings(tmp_path / "gone")
