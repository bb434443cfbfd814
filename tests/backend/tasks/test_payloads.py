"""The seam between rows of the job table and tasks: what older versions wrote there is still read."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from app.core.errors import Conflict
from backend.tasks import TASKS, Outcome
from backend.tasks.payloads import Payload
from tests.backend.tasks.conftest import payload_of, photo

STORED = {"id": "i" * 64, "modality": "image", "meta": {}, "blobs": {"canonical": "c"}}
UPLOAD = {"key": "upload-1", "title": "Mine", "architecture": "shapes", "labels": ["a", "b"], "digest": "d"}
ON = {"model": "shapes", "upload": None, "digest": "d", "input": STORED, "start": None}
ROWS = [
    ("catalogue", {}),
    ("catalogue", {"model": "upload-1", "upload": UPLOAD}),
    ("model", {"model": "upload-1", "upload": UPLOAD}),
    ("fetch", {"model": "timm:resnet18", "online": True}),
    ("concept_examples", {"ref": "striped"}),
    ("prediction", {**ON, "start": 0.25}),
    (
        "explanation",
        {**ON, "method": "rise", "target": 1, "layer": None, "params": {"n": 5}, "seed": 3, "request": {"target": 1}, "estimate": 1.5},
    ),
    (
        "concept_analysis",
        {"model": "shapes", "upload": None, "digest": "d", "inputs": [{"input": STORED, "start": 0.5}], "concepts": ["red"],
         "layers": ["relu5"], "classes": None, "negatives": "random", "n_random": 20, "seed": 0, "request": {"model": "shapes"}},
    ),
    ("internals", {"model": "shapes", "upload": None, "digest": "d", "layer": "relu5", "inputs": [{"input": STORED, "start": None}], "seed": 0}),
    ("ablation", {**ON, "layer": "relu5", "filters": [1, 2], "target": None, "replacement": "mean"}),
    ("spot", {**ON, "layer": "relu5", "x": 0.5, "y": 0.25, "target": 1}),
    ("maximisation", {"model": "shapes", "upload": None, "digest": "d", "layer": "relu5", "filter": 3, "seed": 0}),
]  # fmt: skip
"""Kinds and payloads as they lay in rows before payloads were declared."""


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_rows_of_earlier_versions_are_read_and_written_with_the_same_names(kind, row):
    payload = TASKS[kind].Payload.model_validate(row)
    written = json.loads(json.dumps(payload.as_json(), allow_nan=False))
    assert {name: written[name] for name in row} == row
    assert TASKS[kind].Payload.model_validate(written) == payload


def test_every_kind_declares_what_it_takes_and_gives():
    for task in TASKS.values():
        if type(task).__module__.startswith("backend.tasks."):
            assert issubclass(task.Payload, Payload)
            assert task.Payload.model_config["frozen"]


def test_a_key_of_another_version_is_passed_over(files, report):
    row = {"input": payload_of(files, photo(), "image"), "model": "shapes", "upload": None, "later": 1}
    assert TASKS["prediction"].run(row, files, report).result["model"] == "shapes"


def test_a_payload_that_cannot_be_read_is_said_without_quoting_it(files, report, caplog):
    with pytest.raises(Conflict, match="ask for it again") as error:
        TASKS["prediction"].run({"model": ["CANARY"], "input": "CANARY"}, files, report)
    assert error.value.instance_code == "other_version"
    assert "CANARY" not in caplog.text
    assert "('model',)" in caplog.text


def test_a_result_becomes_json(files, report, monkeypatch):
    class Numbers(BaseModel):
        shape: tuple[int, int]
        by_class: dict[int, float]

    task = TASKS["concept_examples"]
    outcome = Outcome(Numbers(shape=(1, 2), by_class={3: float("nan")}))
    monkeypatch.setattr(task, "compute", lambda *_: outcome)
    assert task.run({"ref": "x"}, files, report).result == {"shape": [1, 2], "by_class": {"3": None}}
