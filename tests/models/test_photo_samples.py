"""The bundled photographs are what they claim to be: judged as said, credited, free to use, small."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

import models
from models.samples import photos

ENTRIES = json.loads((photos.FOLDER / "photos.json").read_text(encoding="utf-8"))
FREE = {"CC0-1.0", "public domain", "public domain (work of the US Government)"}
"""Licences that ask for nothing."""


def credits() -> dict[str, dict[str, str]]:
    with photos.CREDITS.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_there_are_right_ones_and_wrong_ones():
    assert 6 <= len(ENTRIES) <= 8
    roles = [entry["role"] for entry in ENTRIES]
    assert roles.count("right") >= 2
    assert roles.count("wrong") >= 2
    assert {entry["group"] for entry in ENTRIES} == {"photographs"}


def test_every_picture_has_author_licence_and_source():
    """Those on disk, those listed and those credited are the same; nothing that asks for more than it gives."""
    rows = credits()
    listed = {entry["file"] for entry in ENTRIES}
    assert listed == set(rows) == {path.name for path in photos.FOLDER.glob("photo_*.jpg")}
    for entry in ENTRIES:
        row = rows[entry["file"]]
        assert all(row.values())
        assert row["licence"] in FREE
        assert row["page"].startswith("https://")
        assert entry["credit"] == {name: row[name] for name in ("author", "licence", "page")}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["key"])
def test_right_and_wrong_are_true(entry):
    model = models.load(entry["model"])
    assert "image" in model.spec.default_for
    scores = model.predict(model.prepare(photos.FOLDER / entry["file"]))[0]
    top = int(scores.argmax())
    if entry["accepted"]:
        assert (top in entry["accepted"]) is (entry["role"] == "right")
        assert model.labels.index(entry["label"]) in entry["accepted"]
        assert (entry["label"] == model.labels[top]) is (entry["role"] == "right")
    else:
        assert (entry["role"], entry["label"]) == ("example", None)
        assert float(scores[top]) < 0.5  # it says that no score is high


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["key"])
def test_files_are_small_plain_and_say_how_they_were_changed(entry):
    path = photos.FOLDER / entry["file"]
    assert path.stat().st_size <= photos.BYTES
    with Image.open(path) as picture:
        size, info = picture.size, dict(picture.getexif())
    assert max(size) <= photos.SIDE
    assert info == {}
    assert f"{size[0]} x {size[1]} pixels" in credits()[entry["file"]]["changes"]
    for x0, x1, y0, y1 in entry["evidence"].get("boxes", []):
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]


def test_hidden_parts_are_coarse_and_the_rest_is_untouched():
    original = Image.effect_noise((64, 48), 60).convert("RGB")
    hidden = photos.smaller(original, ((8, 8, 40, 24),))
    assert len(hidden.crop((8, 8, 40, 24)).getcolors(10_000)) <= (32 // photos.MOSAIC) * (16 // photos.MOSAIC)
    assert hidden.crop((40, 0, 64, 48)).tobytes() == original.crop((40, 0, 64, 48)).tobytes()
