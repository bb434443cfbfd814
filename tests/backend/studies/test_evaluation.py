"""Studies without a server: files with tables as people have them, cells kept on disk, bad input in one sentence."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import models
from app import cli
from app.core.errors import InvalidInput
from app.core.evaluation_results import StudyEntry, StudyMetric, StudyResult, StudyRow
from backend.attribution.measuring.cell import measure_cell
from backend.studies import evaluation, evaluation_report
from backend.studies.evaluation import Study, evaluate_study
from backend.studies.inputs import bundled_sources, folder_sources
from models.synthetic import shapes


@pytest.fixture(scope="module")
def model():
    return models.load("shapes")


@pytest.fixture(scope="module")
def drawn():
    return shapes.generate(3, seed=5)


@pytest.fixture
def folder(tmp_path, drawn):
    """Like the table of photographs: paths from the folder above on, an index of ImageNet, boxes, a mask for some."""
    (tmp_path / "set" / "photos").mkdir(parents=True)
    lines = [["file", "label", "imagenet_index", "box_x0", "box_y0", "box_x1", "box_y1", "mask", "note"]]
    for i in range(3):
        Image.fromarray(drawn.images[i]).save(tmp_path / f"set/photos/{i}.png")
        Image.fromarray(drawn.masks[i].astype(np.uint8) * 255).save(tmp_path / f"set/photos/{i}_mask.png")
        label = shapes.LABELS[drawn.labels[i]].upper()
        place = ["", "", "", "", "set/photos/0_mask.png"] if i == 0 else ["10", "20", "30", "50", ""]
        lines.append([f"set/photos/{i}.png", label, "404", *place, "a, b"])
    with (tmp_path / "set" / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return tmp_path / "set", drawn


def study(sources, **more):
    return Study("shapes", None, sources, ["grad_cam"], ["sparseness", "relevance_mass_accuracy"], **more)


def test_a_table_of_labels_boxes_and_masks_is_taken_as_it_is(folder, model):
    sources = folder_sources(folder[0], None, model)
    assert [source.label for source in sources] == folder[1].labels.tolist()
    assert (sources[0].file.box, sources[1].file.box) == (None, (10, 30, 20, 50))
    named = folder_sources(folder[0] / "photos", folder[0] / "labels.csv", model, count=2)
    assert [source.file.path.name for source in named] == ["0.png", "1.png"]


def test_scores_are_those_of_the_cell_itself_with_the_mask_on_the_grid(folder, model, tmp_path):
    sources = folder_sources(folder[0], None, model)
    result, scores = evaluate_study(study(sources), tmp_path / "out")
    lines = [line for line in csv.DictReader(scores.splitlines()) if line["method"] == "grad_cam"]
    masks = [folder[1].masks[0], np.zeros((64, 64), bool), np.zeros((64, 64), bool)]
    for mask in masks[1:]:
        mask[20:50, 10:30] = True
    for i, mask in enumerate(masks):
        cell = measure_cell(
            model, model.prepare(folder[1].images[i]), "grad_cam", ["relevance_mass_accuracy"], mask
        )
        mine = next(
            line for line in lines if line["input"].endswith(f"{i}.png") and line["metric"] != "sparseness"
        )
        assert float(mine["value"]) == pytest.approx(cell.scores["relevance_mass_accuracy"].value, rel=1e-4)
    assert [each.mask for each in result.inputs] == [True, True, True]


def test_a_study_goes_on_where_it_was(folder, model, tmp_path, monkeypatch):
    sources = folder_sources(folder[0], None, model)
    first, _ = evaluate_study(study(sources), tmp_path)
    files = sorted((tmp_path / "cells").glob("*.json"))
    assert len(files) == 9
    files[4].unlink()
    (tmp_path / "cells" / f"{files[5].stem}.part").write_text('{"cut')
    asked = []
    measure = evaluation.measure
    monkeypatch.setattr(evaluation, "measure", lambda *args: asked.append(args) or measure(*args))
    steps = []
    again, _ = evaluate_study(
        study(sources), tmp_path, report=lambda done, total: steps.append((done, total))
    )
    assert (len(asked), steps) == (1, [(8, 9), (9, 9)])
    assert [entry.mean for entry in again.table] == [entry.mean for entry in first.table]
    evaluate_study(study(sources, seed=1), tmp_path)
    assert len(asked) == 10  # another seed is another study


def test_an_input_that_cannot_be_read_costs_its_own_cells_only(folder, model, tmp_path):
    (folder[0] / "photos" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    sources = folder_sources(folder[0], None, model)
    result, _ = evaluate_study(study(sources), tmp_path)
    entry = result.table[0]
    assert (entry.n, entry.note.startswith("1 of 3 inputs have no score")) == (2, True)
    assert len(list((tmp_path / "cells").glob("*.json"))) == 6  # what failed is tried again


def test_a_mask_of_another_size_says_so_in_its_cells_and_is_never_laid_over_a_part(folder, model, tmp_path):
    file = folder[0] / "photos" / "0_mask.png"
    Image.open(file).resize((32, 32)).save(file)
    result, table = evaluate_study(study(folder_sources(folder[0], None, model)), tmp_path)
    mass = next(entry for entry in result.table if entry.metric == "relevance_mass_accuracy")
    assert (mass.n, "The mask has 32 x 32 pixels and the picture 64 x 64" in mass.note) == (2, True)
    told = [
        line
        for line in table.splitlines()
        if line.startswith("photos/0.png") or "/0.png" in line.split(",")[0]
    ]
    assert told
    assert all("make a mask of the same size" in line for line in told)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("file,label\nnothing.png,cat\n", "line 2: there is no such file"),
        ("label\ncat\n", "column `file`"),
        ("file,mask\nphotos/0.png,nowhere.png\n", "line 2: there is no such mask"),
        ("file,box_x0,box_x1,box_y0,box_y1\nphotos/0.png,1,2,3,x\n", "four numbers"),
        ("file,box_x0,box_x1,box_y0,box_y1\nphotos/0.png,1,2,4,3\n", "no area"),
        ("file\nphotos/0.png\nphotos/0.png\n", "line 3: line 2 names the same file"),
        ("file\n", "No file there"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_with_the_line(folder, model, table, says):
    (folder[0] / "labels.csv").write_text(table)
    with pytest.raises(InvalidInput, match=says):
        folder_sources(folder[0], None, model)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_as_a_spreadsheet_saves_it(folder, model, mark):
    text = mark.join(["file", "label"]) + "\r\n" + mark.join(["photos/0.png", shapes.LABELS[1]]) + "\r\n\r\n"
    (folder[0] / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [(source.name, source.label) for source in folder_sources(folder[0], None, model)] == [("photos/0.png", 1)]  # fmt: skip


def test_labels_by_folder_where_there_is_no_table(tmp_path, model):
    for name in ("red", "star"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (64, 64), (name == "red" and "red") or "blue").save(tmp_path / name / "a.png")
    (tmp_path / "notes.txt").write_text("no input")
    assert [(source.name, source.label) for source in folder_sources(tmp_path, None, model)] == [("red/a.png", 2), ("star/a.png", 3)]  # fmt: skip


@pytest.mark.parametrize(("uniform", "scale"), [(2e8, "log"), (90.0, "linear")])
def test_a_control_does_not_push_the_methods_to_the_edge_of_their_plot(uniform, scale):
    metric = StudyMetric(
        key="infidelity", title="Infidelity", short="i", family="faithfulness", better="lower"
    )
    means = {"lrp": 3.0, "grad_cam": 70.0, "uniform": uniform}
    rows = [StudyRow(method=key, title=key.upper(), control=key == "uniform") for key in means]
    table = [
        StudyEntry(method=key, metric=metric.key, mean=mean, low=0.9 * mean, high=1.1 * mean, n=5, expected=5)
        for key, mean in means.items()
    ]
    axes = Figure().add_subplot()
    evaluation_report._plot(
        axes, StudyResult.model_construct(rows=rows, table=table, metrics=[metric]), metric
    )
    assert axes.get_xscale() == scale
    assert axes.get_title(loc="left") == "Infidelity ↓"


def test_the_command_writes_everything(tmp_path, capsys):
    asked = ["evaluate", "shapes", "--set", "shapes", "--count", "2", "--methods", "grad_cam,saliency", "--metrics", "sparseness", "--out", str(tmp_path / "out")]  # fmt: skip
    assert cli.main(asked) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cells", "ranks.png", "scores.csv", "scores.png", "study.json", "table.md"}  # fmt: skip
    assert "### Complexity" in (tmp_path / "out" / "table.md").read_text()
    assert json.loads((tmp_path / "out" / "study.json").read_text())["rows"][0]["method"] == "grad_cam"
    assert "On 2 drawn objects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--methods", "grad_cm"], "Did you mean grad_cam?"),
        (["--metrics", "sparsness"], "Did you mean sparseness?"),
        (["--set", "photos"], "does not fit"),
        (["--count", "0"], "at least 1"),
        (["--target", "7"], "from 0 to 3"),
        (["--param", "lime.n_samples=5"], "not in the study"),
        (["--methods", "lrp,lrp"], "once"),
    ],
)
def test_bad_input_is_one_plain_sentence(change, says, capsys, tmp_path):
    asked = ["evaluate", "shapes", "--set", "shapes", "--methods", "grad_cam", "--metrics", "sparseness", "--out", str(tmp_path)]  # fmt: skip
    assert cli.main([*asked, *change]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_bundled_sets(model):
    sources, what = bundled_sources("shapes", 40, model)
    assert (len(sources), what) == (40, "drawn objects")
    sample = sources[39].sample()
    assert sample.label is not None
    assert sample.region.mask is not None
