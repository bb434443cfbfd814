"""Architectures of timm and torchvision by name, where their weights come from, and public weights giving
their public answers."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

import models
from app.core.errors import ModelRejected, NotFound, WeightsUnavailable
from app.core.settings import get_settings
from models import hub
from models.architectures import ARCHITECTURES
from models.published.names import imagenet_labels
from models.published.search import POPULAR, by_key
from tests.conftest import ROOT

SMALL = "timm:test_resnet"
"""timm's own network for tests: a third of a million weights."""


@pytest.fixture
def weights_folder(tmp_path, monkeypatch) -> Iterator[Path]:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("EVIDENT_WEIGHTS", str(folder))
    get_settings.cache_clear()
    yield folder
    monkeypatch.undo()
    get_settings.cache_clear()


def random_weights(
    path: Path, key: str, classes: int = 1000, metadata: dict[str, str] | None = None
) -> dict[str, torch.Tensor]:
    state = {
        name: value.contiguous() for name, value in models.architecture(key, classes)[0].state_dict().items()
    }
    save_file(state, path, metadata=metadata)
    return state


@pytest.mark.parametrize(
    ("key", "layer", "shape"),
    [
        ("timm:resnet18", "layer4", (512, 7, 7)),
        ("timm:densenet121", "features.norm5", (1024, 7, 7)),
        ("timm:mobilenetv2_100", "bn2", (1280, 7, 7)),
        ("timm:efficientnet_b0", "bn2", (1280, 7, 7)),
        ("timm:convnext_atto", "stages.3", (320, 7, 7)),
        ("timm:vgg11", "features.19", (512, 14, 14)),
        ("torchvision:squeezenet1_1", "features.12", (512, 13, 13)),
        ("torchvision:mobilenet_v2", "features.18", (1280, 7, 7)),
        ("torchvision:densenet121", "relu", (1024, 7, 7)),
        ("torchvision:alexnet", "features.11", (256, 13, 13)),
    ],
)
def test_families_of_networks(key: str, layer: str, shape: tuple[int, int, int]) -> None:
    net, spec = models.architecture(key, 5)
    model = models.wrap(net, labels=list("abcde"), input=spec)
    assert model.default_layer == layer
    assert next(found.shape for found in model.layers if found.name == layer) == shape
    assert model.structure.convolutional
    assert 3 <= len(model.offered_layers) <= 24
    assert not {"Conv2d", "BatchNorm2d", "Dropout"} & {
        found.kind for found in model.offered_layers if found.name != layer
    }
    assert model.logits(model.prepare(np.full((50, 40, 3), 128, np.uint8))).shape == (1, 5)


@pytest.mark.parametrize("key", ["timm:vit_tiny_patch16_224", "timm:mixer_s32_224"])
def test_networks_that_are_not_convolutional_are_refused(tmp_path, key: str) -> None:
    path = tmp_path / "w.safetensors"
    random_weights(path, key)
    with pytest.raises(ModelRejected, match="convolutional") as caught:
        models.load(key, weights=path)
    assert caught.value.instance_code == "not_convolutional"


def test_preprocessing_is_that_of_the_library() -> None:
    """timm's own evaluation transform on a photo, for a bicubic and a bilinear configuration."""
    hub.ensure_operations()
    import timm
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (301, 417, 3), dtype=np.uint8))
    for name in ("resnet18.a1_in1k", "resnet18.tv_in1k", "inception_v3.tv_in1k"):
        config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        wanted = create_transform(**config)(photo)
        torch.testing.assert_close(
            hub.entry_of(f"timm:{name}").input.prepare(photo).x[0], wanted, atol=1e-6, rtol=0
        )


def test_a_local_file_is_used_and_its_classes_are_counted(tmp_path) -> None:
    path = tmp_path / "mine.safetensors"
    state = random_weights(path, SMALL, 7)
    model = models.load(SMALL, weights=path)
    assert len(model.labels) == 7
    assert torch.equal(model.module.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    random_weights(path, SMALL, 3, {"labels": json.dumps(["cat", "dog", "hen"])})
    assert models.load(SMALL, weights=path).labels == ("cat", "dog", "hen")
    random_weights(path, SMALL)
    assert models.load(SMALL, weights=path).labels == imagenet_labels()
    with pytest.raises(WeightsUnavailable):
        models.load(SMALL, weights=tmp_path / "none.safetensors")
    with pytest.raises(ModelRejected, match="is missing"):
        models.load("torchvision:squeezenet1_1", weights=path)


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm_test_resnet", "test_resnet"])
def test_the_weights_folder_makes_models_available(weights_folder: Path, name: str) -> None:
    assert SMALL not in models.specs()
    random_weights(weights_folder / f"{name}.safetensors", SMALL, 4)
    assert models.specs()[SMALL].labels == ("class 0", "class 1", "class 2", "class 3")
    assert hub.available(SMALL)
    assert models.load(SMALL).key == SMALL


def test_the_weights_folder_holds_own_architectures_too(weights_folder: Path) -> None:
    random_weights(weights_folder / "resnet20_cifar10.safetensors", "resnet20_cifar", 10)
    assert models.specs()["resnet20_cifar"].labels == ARCHITECTURES["resnet20_cifar"].labels
    assert models.load("resnet20_cifar").input.shape == (3, 32, 32)


def test_strange_files_in_the_weights_folder_are_passed_over(weights_folder: Path) -> None:
    before = set(models.specs())
    (weights_folder / "no_such_network.safetensors").write_bytes(b"x")
    (weights_folder / "timm:resnet18.safetensors").write_bytes(b"x")
    (weights_folder / "timm:.safetensors").write_bytes(b"x")
    assert set(models.specs()) == before


def test_torchvision_weights_that_the_hub_has_under_another_name() -> None:
    """Only where every name and shape agrees."""
    assert hub.repositories(hub.entry_of("torchvision:resnet18")) == ("timm/resnet18.tv_in1k",)
    assert hub.repositories(hub.entry_of("torchvision:vgg11")) == ()
    assert hub.repositories(hub.entry_of("torchvision:squeezenet1_1")) == ()


def test_popular_models_exist_and_are_convolutional_by_their_weights() -> None:
    for key in POPULAR:
        assert hub.entry_of(key).input.channels == 3
        assert not by_key()[key].reason
    with pytest.raises(NotFound):
        hub.entry_of("timm:resnet18.no_such_tag")


LOAD = "import sys, models; print(models.load(sys.argv[1]).digest)"
REFUSED = """
import sys, models
from app.core.errors import WeightsUnavailable
for key in sys.argv[1].split():
    try:
        models.load(key)
    except WeightsUnavailable as error:
        print(error.detail)
"""


def elsewhere(code: str, key: str, tmp_path: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    """The hub's client reads its settings when it is imported: a process of its own, with an empty cache."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env = {
        **kept,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    env.pop("EVIDENT_WEIGHTS", None)
    env.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-c", code, key],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_offline_is_one_clear_sentence(tmp_path) -> None:
    keys = [SMALL, "torchvision:squeezenet1_1", "torchvision:resnet18"]
    done = elsewhere(REFUSED, " ".join(keys), tmp_path, "http://127.0.0.1:9")
    lines = done.stdout.splitlines()
    assert len(lines) == len(keys), done.stderr
    for key, line in zip(keys, lines, strict=True):
        assert key.partition(":")[2] in line
        assert "drop" in line
        assert ("connect to the internet once" in line.lower()) == (key != "torchvision:squeezenet1_1")
    assert "huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.safetensors" in lines[0]
    assert "not published as safetensors" in lines[1]
    assert "Traceback" not in done.stderr


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as one file takes."""

    data: bytes = b""
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        type(self).asked.append(f"{self.command} {self.path}")
        known = "resolve/main/model.safetensors" in self.path
        self.send_response(200 if known else 404)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(self.data) if known else 0))
        self.end_headers()
        if known and self.command == "GET":
            self.wfile.write(self.data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_weights_are_fetched_once_and_then_kept(tmp_path) -> None:
    state = models.architecture(SMALL, 1000)[0].state_dict()
    handler = type(
        "Handler",
        (Hub,),
        {"data": save({name: value.contiguous() for name, value in state.items()}), "asked": []},
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        first = elsewhere(LOAD, SMALL, tmp_path, address)
        assert first.returncode == 0, first.stderr
        assert any(line.startswith("GET") for line in handler.asked)
    finally:
        server.shutdown()
        server.server_close()
    second = elsewhere(LOAD, SMALL, tmp_path, "http://127.0.0.1:9")
    assert second.stdout == first.stdout, second.stderr


@pytest.fixture(scope="module")
def photos(real_data: Path) -> list[dict[str, str]]:
    with (real_data / "images/labels.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.data
def test_squeezenet_gives_its_public_answers(real_data, photos) -> None:
    """Top class of every photo and its probability to 1e-3, computed elsewhere with torchvision's own
    preprocessing."""
    model = models.load("torchvision:squeezenet1_1", weights=real_data / "weights/squeezenet1_1.safetensors")
    assert model.default_layer == "features.12"
    classes = json.loads((real_data / "weights/imagenet_classes.json").read_text())
    assert len(classes) == len(model.labels) == 1000
    same, apart = 0, []
    for row in photos:
        probabilities = model.predict(model.prepare(real_data / row["file"]))[0]
        top = int(row["squeezenet_top1"])
        assert model.labels[top] == row["squeezenet_top1_name"]
        same += int(probabilities.argmax()) == top
        apart.append(abs(float(probabilities[top]) - float(row["squeezenet_top1_prob"])))
    assert same == len(photos) == 82
    assert max(apart) < 1e-3


@pytest.mark.data
def test_squeezenet_in_the_weights_folder(real_data, weights_folder) -> None:
    (weights_folder / "squeezenet1_1.safetensors").symlink_to(real_data / "weights/squeezenet1_1.safetensors")
    assert "torchvision:squeezenet1_1" in models.specs()
    assert models.load("torchvision:squeezenet1_1").labels[207] == "golden retriever"


@pytest.mark.data
def test_resnet20_names_photos_plausibly(real_data, photos) -> None:
    labels = ARCHITECTURES["resnet20_cifar"].labels
    model = models.from_file(real_data / "weights/resnet20_cifar10.safetensors", "resnet20_cifar", labels)
    wanted = {
        "airliner": "airplane",
        "schooner": "ship",
        "dalmatian": "dog",
        "rooster": "bird",
        "flamingo": "bird",
    }
    rows = [row for row in photos if row["label"] in wanted]
    hits = sum(
        model.labels[int(model.predict(model.prepare(real_data / row["file"])).argmax())]
        == wanted[row["label"]]
        for row in rows
    )
    assert len(rows) == 15
    assert hits >= 13
