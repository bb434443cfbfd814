"""The operator's own files in the gallery: labels from folders or labels.csv, right and wrong by his own network."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from app.core.errors import InvalidInput
from backend.api import gallery
from models.labelled import class_of
from tests.backend.api.conftest import PLAIN, served

FILE = """
import models
from torch import nn

def brightness():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    nn.init.constant_(net[0].weight, 1)
    nn.init.constant_(net[0].bias, 0)
    nn.init.constant_(net[4].bias, 0)
    net[4].weight.data[0], net[4].weight.data[1] = 1.5, -1
    net[4].bias.data[1] = 3.75
    return models.wrap(net, labels=["bright", "dark"], input=models.ImageInput(size=(8, 8)))
"""


def picture(path: Path, level: int) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    noise = np.random.default_rng(level).integers(0, 10, (16, 16, 3))
    Image.fromarray((level + noise).astype(np.uint8)).save(path)
    return path


def test_right_and_wrong_are_marked(tmp_path: Path) -> None:
    """Mistakes first; a label that is no class and a file without one are neither. Bundled samples follow."""
    inputs = tmp_path / "inputs"
    picture(inputs / "bright" / "day.png", 230)
    picture(inputs / "Dark" / "night.png", 5)
    picture(inputs / "dark" / "overexposed.png", 220)
    picture(inputs / "cat" / "grey.png", 200)
    picture(inputs / "alone.png", 210)
    (inputs / "bright" / "notes.txt").write_text("no input")
    (tmp_path / "my_models.py").write_text(FILE)
    with served(tmp_path, inputs=inputs, models=tmp_path / "my_models.py") as running:
        deadline = time.monotonic() + 60
        while True:
            samples = httpx.get(f"{running.api}/samples", timeout=60, verify=PLAIN).json()
            own = [sample for sample in samples if sample["group"] == "own"]
            if any(sample["role"] == "wrong" for sample in own):
                break
            assert time.monotonic() < deadline
        assert [sample["group"] for sample in samples[: len(own)]] == ["own"] * 5
        assert {sample["title"]: sample["role"] for sample in own} == {
            "overexposed": "wrong",
            "day": "right",
            "night": "right",
            "grey": "example",
            "alone": "example",
        }
        assert own[0]["known"] == "Labelled dark; the model says bright."
        assert {sample["model"] for sample in own} == {"brightness"}
        opened = httpx.get(f"{running.api}/inputs/{own[0]['input']}", verify=PLAIN).json()
        assert opened["sample"] == own[0]["key"]
        refusal = httpx.get(f"{running.api}/samples/{own[0]['key']}/evidence", verify=PLAIN)
        assert (refusal.status_code, refusal.json()["code"]) == (404, "no_known_evidence")
        (inputs / "labels.csv").write_text(
            "file,label,box_x0,box_y0,box_x1,box_y1\n"
            "dark/overexposed.png,dark,0,0,16,4\nbright/day.png,bright,,,,\nalone.png,,,,,\n"
        )
        named = {sample["title"]: sample["input"] for sample in own}
        studied(running.api, named)
        Image.new("L", (8, 8), 255).save(inputs / "small.png")
        (inputs / "labels.csv").write_text("file,mask\nbright/day.png,small.png\nalone.png,\n")
        asked = {
            "model": "brightness",
            "methods": ["ramp"],
            "metrics": ["sparseness"],
            "inputs": [named["day"]],
        }
        refusal = httpx.post(f"{running.api}/evaluations/price", json=asked, verify=PLAIN)
        assert (refusal.status_code, refusal.json()["code"]) == (422, "mask_size")
        assert "day: The mask has 8 x 8 pixels and the picture 16 x 16" in refusal.json()["detail"]


def studied(api: str, own: dict[str, str]) -> None:
    """A study of the operator's files takes class and box from the table, and names what has no class."""
    study = {
        "model": "brightness",
        "methods": ["ramp"],
        "metrics": ["relevance_mass_accuracy"],
        "target": "label",
    }
    ids = [own[name] for name in ("overexposed", "day", "alone")]
    price = httpx.post(f"{api}/evaluations/price", json={**study, "inputs": ids}, verify=PLAIN).json()
    assert (price["cells"], "2 of 3 inputs" in price["text"], "alone" in price["text"]) == (6, True, True)
    nameless = httpx.post(f"{api}/evaluations/price", json={**study, "inputs": ids[2:]}, verify=PLAIN)
    assert (nameless.status_code, nameless.json()["field"]) == (422, "target")
    id = httpx.post(f"{api}/evaluations", json={**study, "inputs": ids}, verify=PLAIN).json()["id"]
    deadline = time.monotonic() + 60
    while (job := httpx.get(f"{api}/evaluations/{id}", verify=PLAIN).json())["state"] in (
        "queued",
        "running",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    result = job["result"]
    told = [
        (each["name"], each["label"], each["target"], each["correct"], each["mask"])
        for each in result["inputs"]
    ]
    assert told == [
        ("overexposed", "dark", "dark", False, True), ("day", "bright", "bright", True, False), ("alone", None, None, None, None),
    ]  # fmt: skip
    uniform = next(entry for entry in result["table"] if entry["method"] == "uniform")
    assert (uniform["n"], uniform["mean"]) == (1, pytest.approx(0.25))
    assert result["failed"] == 0
    assert httpx.post(f"{api}/evaluations", json={**study, "inputs": ids}, verify=PLAIN).status_code == 200


def test_labels_come_from_folders_or_from_the_table(tmp_path: Path) -> None:
    one, two = picture(tmp_path / "a" / "1.png", 0), picture(tmp_path / "b" / "2.png", 0)
    found = {file.path: file.label for file in gallery.own_files(tmp_path)}
    assert found == {one: "a", two: "b"}
    (tmp_path / "labels.csv").write_text("file,label\nb/2.png, first\na/1.png,\n")
    assert {file.path: file.label for file in gallery.own_files(tmp_path)} == {two: "first", one: None}


def test_a_large_folder_shows_as_many_of_each_label_as_can_be(tmp_path: Path) -> None:
    for number in range(60):
        picture(tmp_path / "many" / f"{number}.png", number)
    for number in range(3):
        picture(tmp_path / "few" / f"{number}.png", number)
    labels = [file.label for file in gallery.own_files(tmp_path)]
    assert len(labels) == gallery.MOST
    assert labels.count("few") == 3
    assert len({file.key for file in gallery.own_files(tmp_path)}) == gallery.MOST


@pytest.mark.parametrize(
    ("table", "words"),
    [("nowhere.png,cat", "labels.csv, line 1"), ("file,label\na/1.png", "line 2"), ("../secret.png,x", "line 1"), ("/etc/passwd,x", "line 1")],
)  # fmt: skip
def test_a_table_that_names_what_is_not_there(tmp_path: Path, table: str, words: str) -> None:
    picture(tmp_path / "in" / "a" / "1.png", 0)
    picture(tmp_path / "secret.png", 0)
    (tmp_path / "in" / "labels.csv").write_text(table)
    with pytest.raises(InvalidInput, match=words):
        gallery.check_inputs(tmp_path / "in")


def test_a_folder_without_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can be an input"):
        gallery.check_inputs(tmp_path)
    with pytest.raises(InvalidInput, match="There is no folder"):
        gallery.check_inputs(tmp_path / "none")


@pytest.mark.parametrize(
    ("label", "labels", "index"),
    [("Cat", ["dog", "cat"], 1), ("1", ["dog", "cat"], 1), ("2", ["dog", "cat"], None), ("1", ["9", "1"], 1), ("cow", ["dog"], None), ("", ["dog"], None)],
)  # fmt: skip
def test_a_label_names_a_class_by_name_or_number(label: str, labels: list[str], index: int | None) -> None:
    assert class_of(label, labels) == index
