"""The examples of README and CONTRIBUTING, taken out of the Markdown and run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torch import nn

import models
from app import remote
from app.cli import _commands, _parser, main
from app.core.settings import Settings, get_settings
from backend.api import recordings
from models import own

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "models" / "samples"
README, CONTRIBUTING = ((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))

ADDED = """
import sys
import backend.attribution.methods as methods
methods.__path__.append(sys.argv[1])  # as if the file had been put beside the others
import pytest
from app.cli import main
chosen = "my_method and (plain or form or unknown or bounds)"
code = pytest.main(["-q", "-p", "no:cacheprovider", "-k", chosen, "tests/backend/attribution/methods/test_contract.py"])
code = code or main(["explain", sys.argv[2], "--model", "shapes", "--methods", "my_method", "--out", sys.argv[1] + "/maps"])
sys.exit(code)
"""


def blocks(text: str, language: str = "") -> list[str]:
    return [
        block for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M) if kind == language
    ]


def test_contributings_method_keeps_every_promise(tmp_path):
    """Its one file is found, passes the contract tests, and the command line knows it."""
    (code,) = blocks(CONTRIBUTING, "python")
    (tmp_path / "my_method.py").write_text(code)
    picture = SAMPLES / "image_striped.png"
    ran = subprocess.run(
        [sys.executable, "-c", ADDED, str(tmp_path), str(picture)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 8
    assert list((tmp_path / "maps").glob("*my_method*"))


def test_readmes_python(tmp_path, monkeypatch):
    code = blocks(README, "python")[0]
    monkeypatch.chdir(tmp_path)
    waveform, rate = soundfile.read(SAMPLES / "sound_wheeze.flac")
    soundfile.write("cough.wav", waveform, rate)
    shutil.copy(SAMPLES / "image_striped.png", "cat.png")
    torch.manual_seed(0)
    my_module = nn.Sequential(
        OrderedDict(
            layer3=nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU()),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            out=nn.Linear(8, 2),
        )
    )
    positives, negatives = (shift + torch.rand(12, 3, 64, 64) / 2 for shift in (0.5, 0.0))
    calibration = torch.rand(12, 3, 64, 64)
    names = {
        "my_module": my_module,
        "positives": positives,
        "negatives": negatives,
        "calibration": calibration,
    }
    exec(compile(code, "README.md", "exec"), names)
    assert names["result"].values.shape == (64, 128)
    assert names["result"].extras["conservation"] == pytest.approx(1, abs=1e-3)
    assert names["out"].maps.shape[0] == 1
    assert names["out"].maps.ndim == 3
    assert names["out"].scores.shape == (1, 2)
    own = names["net"].logits(names["photo"])[0]
    assert torch.allclose(names["read"].logits[-1], own, atol=1e-4)
    assert names["read"].layers == ("layer3", "out")


def test_readmes_file_of_models(tmp_path, monkeypatch):
    """With weights beside it, as it says."""
    (code,) = [block for block in blocks(README, "python") if block.startswith("# my_models.py")]
    path = tmp_path / "my_models.py"
    path.write_text(code)
    head = nn.Linear(16, 2)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Identity(), nn.Identity(), head)
    save_file(net.state_dict(), tmp_path / "cats_and_dogs.safetensors")
    monkeypatch.setenv("EVIDENT_MODELS", str(path))
    get_settings.cache_clear()
    try:
        assert own.check() == ["cats_and_dogs"]
        loaded = models.load("cats_and_dogs")
        assert torch.equal(loaded.module[4].weight, head.weight)
    finally:
        own._read_files.clear()
        monkeypatch.undo()
        get_settings.cache_clear()


def test_readmes_training_is_recorded(tmp_path, monkeypatch):
    """And listed as `evident serve --recordings runs` lists it."""
    (code,) = [block for block in blocks(README, "python") if "Recorder" in block]
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    calibration, losses = torch.rand(12, 3, 64, 64), [3.0, 2.0, 1.0]
    names = {"net": net, "calibration": calibration, "train_one_epoch": lambda net: losses.pop(0)}
    exec(compile(code, "README.md", "exec"), names)
    mine = recordings.listed(tmp_path / "runs")[0]
    assert (mine.key, mine.epochs, mine.live) == ("own-first", 4, False)
    rows = recordings.recording(tmp_path / "runs", mine.key).epochs
    assert [row.loss for row in rows] == [None, 3.0, 2.0, 1.0]


def documented_commands() -> list[list[str]]:
    """Every `evident ...` of the README that stands alone, environment and comment taken off."""
    lines = [line for block in blocks(README) for line in block.splitlines()]
    lines += re.findall(
        r"`([^`\n]*\bevident [^`\n]*(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", README, flags=re.S | re.M)
    )
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[line.index("evident") + 1 :] for line in words if "evident" in line and "|" not in line]


def test_readmes_commands_are_understood(capsys):
    commands = documented_commands()
    assert {"explain", "concepts", "serve", "worker", "train"} <= {words[0] for words in commands}
    for words in commands:
        given = [{"MODEL": "shapes", "DIR": "."}.get(word, word) for word in words]
        assert _parser().parse_args(given).run
    assert capsys.readouterr().err == ""


def test_readme_lists_every_command():
    (listed,) = re.findall(r"^evident ([a-z]+(?: \| [a-z]+)+)", README, re.M)
    named = {words[0] for words in documented_commands()} | set(listed.split(" | "))
    assert set(listed.split(" | ")) <= {command.NAME for command in _commands()} == named


def test_readmes_targets_and_settings_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)", README + CONTRIBUTING)) <= targets
    settings = {f"EVIDENT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"EVIDENT_[A-Z_]+", README)) <= settings | {remote.USER, remote.PASSWORD}


@pytest.mark.parametrize("command", ["explain", "concepts"])
def test_readmes_commands_run(command, tmp_path, monkeypatch, capsys):
    """As written, on a sample; concepts with the fewest random ones."""
    (words,) = [words for words in documented_commands() if words[0] == command]
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLES / "image_striped.png", "photo.jpg")
    fewer = ["--random", "20", "--layers", "relu5"] if command == "concepts" else []
    assert main([*words, *fewer]) == 0, capsys.readouterr().err
    if command == "explain":
        assert {path.suffix for path in Path("maps").rglob("*") if path.is_file()} >= {".npy", ".png"}
        assert all(np.isfinite(np.load(path)).all() for path in Path("maps").rglob("*.npy"))
    else:
        assert "striped" in capsys.readouterr().out


def test_models_that_readme_names_are_bundled():
    table = README.split("## Bundled models")[1].split("## ")[0]
    named = {key for row in re.findall(r"^\| (`.*?) \|", table, re.M) for key in re.findall(r"`(\w+)`", row)}
    assert named == {key for key in models.specs() if ":" not in key}
