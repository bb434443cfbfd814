"""`evident concepts analyse`: the same numbers as the library, written to files; mistakes answered in one
sentence."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import models
from app.cli import main
from backend.attribution.concepts.attribution import concept_attribution
from backend.attribution.concepts.library import Library
from models.synthetic.concepts import CONCEPTS

SAMPLES = Path(models.__file__).parent / "samples"
STRIPED = SAMPLES / "image_striped.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A concept of the user's: twelve striped pictures in a folder."""
    place = tmp_path_factory.mktemp("my stripes")
    for number, picture in enumerate(CONCEPTS["striped"].make(12)):
        Image.fromarray(picture).save(place / f"{number:02d}.png")
    return place


def test_numbers_maps_and_table(tmp_path, capsys, folder):
    command = [
        "concepts",
        "analyse",
        str(STRIPED),
        "--model",
        "shapes",
        "--concepts",
        f"red,{folder}",
        "--layers",
        "relu4,relu5",
    ]
    assert main([*command, "--classes", "0,2", "--random", "20", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "image_striped.png" in shown
    assert folder.name[:14] in shown
    record = json.loads((tmp_path / "analysis.json").read_text())
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(record["rows"]) == 2 * 2 * 2
    assert [float(row["score"]) for row in rows] == [row["score"] for row in record["rows"]]
    model = models.load("shapes")
    expected = concept_attribution(
        model, model.prepare(STRIPED), "relu5", [Library().vector(model, "relu5", "red")], [0, 2]
    )
    found = [row["score"] for row in record["rows"] if row["concept"] == "Red" and row["layer"] == "relu5"]
    assert found == pytest.approx(expected.scores[0].tolist(), abs=1e-6)
    kept = np.load(tmp_path / "0_image_striped_relu5_0_Red.npy")
    assert kept == pytest.approx(expected.maps[0].numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--concepts", "nothing"], "no such concept"),
        (["--concepts", "hum"], "audio"),
        (["--concepts", ","], "at least one name"),
        (["--concepts", "red", "--layers", "linear"], "no such layer"),
        (["--concepts", "red", "--classes", "x"], "whole numbers"),
        (["--concepts", "red", "--classes", "9"], "from 0 to 3"),
        (["--concepts", "red", "--negatives", "red"], "same"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(tmp_path, capsys, change, words):
    command = [
        "concepts",
        "analyse",
        str(STRIPED),
        "--model",
        "shapes",
        "--random",
        "20",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, *change]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in error
    assert not (tmp_path / "out").exists()


def test_a_folder_with_too_few_files_is_refused(tmp_path, capsys, folder):
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(folder.iterdir())[:9]:
        (few / file.name).write_bytes(file.read_bytes())
    command = [
        "concepts",
        "analyse",
        str(STRIPED),
        "--model",
        "shapes",
        "--out",
        str(tmp_path / "out"),
        "--concepts",
    ]
    assert main([*command, str(few)]) == 2
    assert "at least 10 examples, this one has 9" in capsys.readouterr().err
    assert main(["concepts", "analyse", str(tmp_path / "none.png"), "--concepts", "red"]) == 2
    assert "not there" in capsys.readouterr().err
