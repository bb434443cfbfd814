"""The command line: help everywhere, a real explanation, bad input in one sentence and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import _commands, main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "models" / "samples" / "image_striped.png"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    names = [command.NAME for command in _commands()]
    assert {"serve", "worker", "explain", "train", "bench", "doctor"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        assert f"evident {name}" in capsys.readouterr().out


def test_the_packages_resolve_inside_this_installation() -> None:
    code = "import app, backend, frontend, models; print(*[m.__file__ for m in (app, backend, frontend, models)])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert [Path(path).resolve().parents[1] for path in out] == [ROOT] * 4


def test_explain_writes_maps_pictures_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        [
            "explain",
            str(SAMPLE),
            "--model",
            "shapes",
            "--methods",
            "grad_cam,lime",
            "--set",
            "lime.n_samples=60",
            "--seed",
            "3",
            "--out",
            str(tmp_path),
        ]
    )
    assert code == 0
    for key in ("grad_cam", "lime"):
        values = np.load(tmp_path / f"{key}.npy")
        assert values.dtype == np.float32
        assert values.shape == (64, 64)
        assert Image.open(tmp_path / f"{key}.png").size == (256, 256)
        record = json.loads((tmp_path / f"{key}.json").read_text())
        assert record["target_label"] in capsys.readouterr().out or record["method"] == key
    assert json.loads((tmp_path / "lime.json").read_text())["forwards"] <= 61


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", "nowhere.png"], "no such file"),
        (["explain", str(SAMPLE), "--model", "shapez"], "shapes"),
        (["explain", str(SAMPLE), "--model", "shapes", "--methods", "grad_cm"], "Did you mean grad_cam"),
        (
            ["explain", str(SAMPLE), "--model", "shapes", "--methods", "lime", "--set", "lime.n_samples=-4"],
            "n_samples",
        ),
        (["explain", str(SAMPLE), "--model", "shapes", "--set", "lime"], "METHOD.NAME=VALUE"),
        (["explain", str(ROOT / "pyproject.toml"), "--model", "shapes"], "."),
        (["serve", "--port", "99999"], "port"),
        (["train", "cnnexplain"], "--data"),
        (["train", "shapes", "--epochs", "0"], "epochs must be at least 1"),
        (["explain", str(SAMPLE), "--model", "shapes", "--methods", ","], "at least one method"),
        (["worker"], "scheduler"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] == "explain":
        arguments = [*arguments, "--out", str(tmp_path)]
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("evident: ")
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", str(SAMPLE), "--model", "shapes", "--methods", "grad_cam"],
        [
            "evaluate",
            "shapes",
            "--set",
            "shapes",
            "--count",
            "1",
            "--methods",
            "grad_cam",
            "--metrics",
            "sparseness",
        ],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_where_the_folder_should_be_is_said_in_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("x")
    assert main([*arguments, "--out", str(taken)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1].split("\r")[-1]
    assert "evident: " in said
    assert "choose another place" in said
    assert taken.read_text() == "x"


def test_doctor_finds_a_sound_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVIDENT_DATA", str(tmp_path))
    from app.core.settings import get_settings

    get_settings.cache_clear()
    assert main(["doctor", "--fast"]) == 0
    out = capsys.readouterr().out
    assert "weights verified" in out
    assert "FAIL" not in out
    get_settings.cache_clear()
