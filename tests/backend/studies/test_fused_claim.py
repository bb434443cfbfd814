"""The study of the fused map: which inputs, which scores, and what the report says of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import backend
import models
from app.core.errors import BadParameter
from backend.attribution.metrics.random_logit import likeness
from backend.studies import fused_claim, fused_report
from backend.studies.fused_claim import FUSED, PARENTS, SETTINGS, Part
from backend.studies.inputs import Case, boxed


@pytest.fixture(scope="module")
def result() -> dict:
    shapes = fused_claim.generated(6)[1]
    nameless = Part(
        "bare", "Without regions, a small CNN", shapes.model, lambda model: _without(shapes, model)
    )
    return fused_claim.study([shapes, nameless])


def _without(part: Part, model: models.Model) -> list[Case]:
    return [Case(case.name, case.x, case.target) for case in list(part.cases(model))[:3]]


def test_scores_are_those_of_evaluate_with_the_settings_of_the_study(result: dict) -> None:
    part = fused_claim.generated(6)[1]
    model = part.model()
    case = list(part.cases(model))[2]
    for key in (FUSED, *PARENTS):
        alone = backend.explain(model, case.x, key, target=case.target)
        for metric, settings in SETTINGS.items():
            score = backend.evaluate(model, case.x, alone, metric, mask=case.region, **settings)
            assert result["parts"][0]["scores"][key][metric][2] == pytest.approx(score.value, abs=1e-9)


def test_every_map_is_of_the_true_class_and_has_its_known_region() -> None:
    for part in fused_claim.generated(4):
        model = part.model()
        cases = list(part.cases(model))
        assert len(cases) == 4
        assert all(case.region is not None and case.region.any() and not case.region.all() for case in cases)


def test_maps_of_different_inputs_stand_beside_those_of_classes(result: dict) -> None:
    part = fused_claim.generated(6)[1]
    model = part.model()
    maps = [backend.explain(model, case.x, "lrp", target=case.target).values for case in part.cases(model)]
    pairs = [likeness(first, second) for first, second in pairwise(maps)]
    assert result["parts"][0]["alike"]["lrp"] == pytest.approx(np.mean(pairs), abs=1e-9)


def test_without_a_region_localisation_is_not_judged_and_few_inputs_are_not_either(result: dict) -> None:
    bare = result["parts"][1]
    assert bare["means"][FUSED]["relevance_rank_accuracy"] is None
    assert {finding["verdict"] for finding in bare["findings"]} == {"cannot be told"}
    assert bare["means"][FUSED]["sparseness"]["n"] == 3


def test_only_complexity_is_claimed_against_both(result: dict) -> None:
    kinds = {finding["family"]: finding["kind"] for finding in result["parts"][0]["findings"]}
    assert kinds.pop("complexity") == "both"
    assert set(kinds.values()) == {"at least one"}
    assert len(kinds) == 4


def test_the_report_is_written_with_a_verdict_of_every_metric(result: dict, tmp_path: Path) -> None:
    paths = fused_report.write(result, tmp_path / "out")
    assert json.loads(paths[0].read_text())["parts"][0]["inputs"] == [f"shapes {i}" for i in range(1, 7)]
    text = paths[1].read_text()
    first = result["parts"][0]
    for finding in first["findings"]:
        assert f"{finding['verdict']} ({finding['n']})" in text or finding["verdict"] == "cannot be told"
    mean = first["means"][FUSED]["sparseness"]
    assert f"{mean['mean']:.3f} ± {mean['error']:.3f}" in text
    assert "no region is known" in text
    assert paths[2].stat().st_size > 10_000


def test_boxes_are_where_the_network_sees_them(tmp_path: Path) -> None:
    from PIL import Image

    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:60, 80:120] = 255
    (tmp_path / "images").mkdir()
    Image.fromarray(picture).save(tmp_path / "images" / "a.png")
    rows = ["file,label,imagenet_index,box_x0,box_y0,box_x1,box_y1"]
    rows += [
        "images/a.png,thing,5,80,20,120,60",
        "images/a.png,boxless,5,,,,",
        "images/a.png,unknown,,80,20,120,60",
    ]
    (tmp_path / "images" / "labels.csv").write_text("\n".join(rows))
    model = models.load("squeezenet1_1")
    cases = list(boxed(tmp_path, model))
    assert [case.target for case in cases] == [5]
    white = cases[0].x[0, 0].numpy() > 0
    assert (white == cases[0].region).mean() > 0.98


def test_a_folder_without_its_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"images/labels\.csv"):
        fused_claim.real(tmp_path, None)


@pytest.mark.data
def test_the_real_photographs_and_coughs_are_found(real_data: Path) -> None:
    parts = fused_claim.real(real_data, 4)
    assert [part.key for part in parts] == ["photographs", "photographs_resnet", "coughs"]
    for part in parts:
        model = part.model()
        cases = list(part.cases(model))
        assert len(cases) == 4
        assert (cases[0].region is None) == (part.key == "coughs")
