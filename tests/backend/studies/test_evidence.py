"""Maps lie where the evidence is, on models and inputs whose evidence is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from app.core.errors import BadParameter, NotFound
from backend.attribution.explain import explain
from backend.attribution.methods import METHODS
from backend.attribution.types import Attribution
from backend.studies.evidence import CASES, PHOTOGRAPHS, as_markdown, evidence_table, known_cases
from models.samples.photos import FOLDER

INPUTS = {"cnnexplain_synthetic": 5, "shapes": 8}
"""Inputs per model: enough for the intervals below to lie clear of the baselines."""
BASELINES = ("uniform", "centre")
WIDE = {
    "cnnexplain_synthetic": {
        "guided_grad_cam": 20, "integrated_gradients": 20, "smooth_grad": 15, "lrp": 15, "fused": 15, "occlusion": 8, "lime": 5,
        "grad_cam": 4, "grad_cam_pp": 4,
    },
    "shapes": {
        "guided_grad_cam": 2.5, "integrated_gradients": 2.5, "lrp": 2.5, "fused": 3, "occlusion": 2.5, "lime": 2, "grad_cam": 2.5,
        "grad_cam_pp": 2.5, "smooth_grad": 1.5,
    },
}  # fmt: skip
"""How many times a uniform map's relevance inside the evidence each method must reach: about half of what
it has."""


@pytest.mark.slow
@pytest.mark.parametrize("key", list(CASES))
def test_relevance_lies_inside_the_evidence(key, capsys):
    steps = []
    rows = evidence_table(
        key, n=INPUTS[key], methods=list(WIDE[key]), report=lambda done, total: steps.append((done, total))
    )
    with capsys.disabled():
        print("\n" + as_markdown(key, rows))
    by_method = {row["method"]: row for row in rows}
    assert set(by_method) == {*WIDE[key], *BASELINES}
    for method, ratio in WIDE[key].items():
        row = by_method[method]
        assert row["ratio"] >= ratio, method
        assert row["low"] > row["uniform"], method
        assert row["n"] == INPUTS[key]
        assert row["mass"] > max(by_method[name]["high"] for name in BASELINES), method
    assert steps[-1] == (INPUTS[key] * len(WIDE[key]),) * 2
    assert [row["mass"] for row in rows] == sorted((row["mass"] for row in rows), reverse=True)


@pytest.mark.parametrize("key", list(CASES))
def test_cases_are_what_they_say(key):
    model = models.load(key)
    cases = known_cases(model, 5)
    assert len(cases) == 5
    for x, label, mask in cases:
        assert tuple(x.shape) == (1, *model.input.shape)
        assert mask.shape == tuple(x.shape[-2:])
        assert 0.001 < mask.mean() < 0.5
        assert int(model.predict(x).argmax()) == label


def test_an_arbitrary_map_gets_what_a_uniform_one_gets(monkeypatch):
    """The yardstick itself: a method that knows nothing scores 1 times uniform."""
    from dataclasses import replace

    import backend.studies.evidence as study

    original = study.explain

    def blind(model, x, key, target):
        return replace(
            original(model, x, "gradient", target=target), values=np.ones(tuple(x.shape[-2:]), np.float32)
        )

    monkeypatch.setattr(study, "explain", blind)
    rows = {row["method"]: row for row in evidence_table("shapes", n=4, methods=["gradient"])}
    row = rows["gradient"]
    assert row["ratio"] == pytest.approx(1)
    assert math.isclose(row["mass"], row["uniform"])
    assert row["hit"] == pytest.approx(row["uniform"])
    assert {**row, "method": 0, "title": 0, "seconds": 0} == {
        **rows["uniform"],
        "method": 0,
        "title": 0,
        "seconds": 0,
    }


def test_the_middle_is_a_baseline_of_its_own():
    """Written out for one mask; evidence in the middle makes it look good, which is what it is there to
    show."""
    from backend.attribution.measuring.controls import centre_blob
    from backend.studies.evidence import baseline_rows

    blob = centre_blob((31, 41))
    assert np.unravel_index(blob.argmax(), blob.shape) == (15, 20)
    assert blob[15, 20] == pytest.approx(1)
    assert blob[:, 20].sum() / 31 == pytest.approx(
        0.25 * np.sqrt(2 * np.pi) * 0.9545, rel=0.01
    )  # the part within two deviations
    mask = np.zeros((31, 41), bool)
    mask[10:21, 14:27] = True
    uniform, centre = baseline_rows([(torch.zeros(1, 1, 31, 41), 0, mask)])
    assert (uniform.ratio, uniform.hit) == (pytest.approx(1), pytest.approx(mask.mean()))
    assert (centre.mass, centre.hit) == (pytest.approx(blob[mask].sum() / blob.sum()), 1)
    assert centre.ratio > 2


def test_models_without_known_evidence_are_refused():
    with pytest.raises(BadParameter, match="evidence is known"):
        evidence_table("timm:resnet18")
    with pytest.raises(NotFound):
        evidence_table("shapes", methods=["nothing"])


def test_concept_maps_are_not_in_the_table():
    rows = evidence_table(
        "shapes", n=1, methods=["visual_tcav", "grad_cam"] if "visual_tcav" in METHODS else ["grad_cam"]
    )
    assert {row["method"] for row in rows} == {"grad_cam", *BASELINES}


def test_photographs_count_where_they_are_named_rightly_and_their_box_is_not_all(tmp_path: Path) -> None:
    """The bundled cat: by its own box, by one of everything, under a wrong name."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat.jpg").write_bytes((FOLDER / "photo_cat.jpg").read_bytes())
    model = models.load(PHOTOGRAPHS)
    cat = int(model.predict(model.prepare(FOLDER / "photo_cat.jpg")).argmax())
    lines = ["file,label,imagenet_index,box_x0,box_y0,box_x1,box_y1"]
    lines += [f"images/cat.jpg,cat,{cat},0,0,9999,9999", f"images/cat.jpg,cat,{cat},150,50,300,250"]
    lines += ["images/cat.jpg,dog,3,150,50,300,250", "images/cat.jpg,nobody,,150,50,300,250"]
    (tmp_path / "images" / "labels.csv").write_text("\n".join(lines))
    rows = evidence_table(PHOTOGRAPHS, methods=["grad_cam", "saliency"], photos=tmp_path)
    assert {row["n"] for row in rows} == {1}
    assert {row["method"] for row in rows} == {"grad_cam", "saliency", *BASELINES}
    with pytest.raises(BadParameter, match="photographs"):
        evidence_table(PHOTOGRAPHS, methods=["grad_cam"])


def test_the_montage_shows_real_maps_of_every_method_that_fits(monkeypatch, tmp_path: Path) -> None:
    from PIL import Image

    from backend.studies import montage

    shown = [subject for subject in montage.subjects() if subject.model.key == "shapes"]
    assert shown[0].evidence is not None
    every = montage.keys(shown)
    assert {"grad_cam", "lime", "lrp", "fused"} <= set(every)
    assert not any(METHODS[key].family == "concept" for key in every)
    monkeypatch.setattr(montage, "subjects", lambda: iter(shown))
    monkeypatch.setattr(montage, "keys", lambda of: ["grad_cam", "lrp", "saliency"])
    pictures = []
    for name in ("one.png", "two.png"):
        assert montage.montage(tmp_path / name) == ["grad_cam", "lrp", "saliency"]
        pictures.append(np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int))
        monkeypatch.setattr(montage, "explain", lambda *args, **options: _flat(explain(*args, **options)))
    assert (np.abs(pictures[0] - pictures[1]) > 40).any(-1).sum() > 200


def _flat(result: Attribution) -> Attribution:
    return replace(result, values=np.zeros_like(result.values))
