"""Counter-examples are of the concept's own kind, and a comparison of two kinds is said to be one."""

from __future__ import annotations

import csv

import pytest
import torch
from PIL import Image

import models
from backend.attribution.concepts.analysis import Plan, analyse
from backend.attribution.concepts.domains import picture_classifier, texture
from backend.attribution.concepts.folders import FolderLibrary
from backend.attribution.concepts.library import PHOTOGRAPHS, PICTURES, ROOMS, Library
from models.photographs import FOLDER, credit_rows, photographs
from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES


@pytest.fixture(scope="module")
def model():
    return models.load("shapes")


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory):
    """Twenty of the bundled photographs, as a concept of the user's."""
    place = tmp_path_factory.mktemp("any photographs")
    for number, photo in enumerate(photographs()[::3][:20]):
        Image.fromarray(photo[8:-8, 8:-8]).save(place / f"{number:02d}.png")
    return str(place)


def test_every_bundled_photograph_names_its_author_source_and_licence():
    rows = credit_rows()
    assert {row["file"] for row in rows} == {path.name for path in FOLDER.glob("*.jpg")}
    assert all(row["source"] and row["credit"] and row["licence"] == "CC-BY-4.0" for row in rows)
    assert len(rows) >= 48
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_100_000
    with (FOLDER / "credits.csv").open() as file:
        assert next(csv.reader(file)) == ["file", "source", "licence", "credit"]


def test_drawings_and_photographs_are_told_by_texture_whatever_they_show(model):
    classify = picture_classifier(model)
    for key in ("striped", "red"):
        assert (
            classify(torch.cat([model.prepare(one) for one in CONCEPTS[key].make(15, seed=77)]))
            == "drawn pictures"
        )
    assert (
        classify(torch.cat([model.prepare(one) for one in COUNTER_EXAMPLES["image"].make(15, seed=77)]))
        == "drawn pictures"
    )
    mirrored = torch.cat([model.prepare(one[:, ::-1].copy()) for one in photographs()[1::2]])
    assert classify(mirrored) == "photographs"


def test_texture_does_not_change_with_brightness_and_contrast(model):
    x = torch.cat([model.prepare(one) for one in photographs()[:3]])
    x = x.double()
    assert texture(0.5 * x + 0.25) == pytest.approx(
        texture(x), abs=0.02
    )  # cells of equal residue fall on either side of the quieter half


def test_random_takes_counter_examples_of_the_concepts_own_kind(model, photo_folder):
    library = FolderLibrary()
    assert library.counter_for(model, "striped") == PICTURES
    assert library.counter_for(model, photo_folder) == PHOTOGRAPHS
    assert library.counter_for(model, photo_folder, "red") == "red"
    sound = models.load("cnnexplain_synthetic")
    assert Library().counter_for(sound, "hum") == ROOMS
    assert Library().kind(sound, "hum") == "generated sounds"


def test_photographs_against_drawings_are_undecided_and_said_to_show_the_kind(model, photo_folder):
    x = model.prepare(photographs()[40])
    plan = Plan((photo_folder,), ("relu4",), negatives=PICTURES, n_random=60)
    found = analyse(model, [x], plan, FolderLibrary())
    (row,), (direction,) = found.rows, found.directions
    assert (direction.kind, direction.counter_kind) == ("photographs", "drawn pictures")
    assert direction.unlike is not None
    assert direction.random_share is not None
    assert f"{100 * direction.random_share:.0f} %" in direction.unlike
    assert (row.verdict, row.because) == ("undecided", direction.unlike)
    same = analyse(model, [x], Plan((photo_folder,), ("relu4",), n_random=60), FolderLibrary())
    assert same.directions[0].counter == PHOTOGRAPHS
    assert same.directions[0].unlike is None
    assert not same.directions[0].told_apart
    assert same.rows[0].verdict != "counts"
