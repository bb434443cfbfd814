"""Explanations: the same map as `backend.explain`, with the conditions it holds under."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from PIL import Image

import backend
import models
from app.core.errors import BadParameter, NotFound
from app.core.schemas import Record
from backend.attribution.methods import METHODS
from backend.tasks import TASKS, finite
from tests.backend.tasks.conftest import payload_of, photo

MODEL = "shapes"


def run(files, report, method="grad_cam", **more):
    payload = {
        "input": payload_of(files, photo(), "image"),
        "model": MODEL,
        "upload": None,
        "method": method,
        "seed": 0,
        "params": {},
    }
    return TASKS["explanation"].run({**payload, **more}, files, report)


def test_the_map_is_the_one_of_the_python_call(files, report):
    outcome = run(files, report, target=1)
    model = models.load(MODEL)
    expected = backend.explain(model, model.prepare(Image.fromarray(photo())), "grad_cam", target=1)
    np.testing.assert_array_equal(outcome.arrays["values"], expected.values)


def test_the_record_is_whole(files, report):
    outcome = run(files, report)
    record = Record(**json.loads(json.dumps(outcome.result, allow_nan=False)))
    model, values = models.load(MODEL), outcome.arrays["values"]
    assert record.weights_sha256 == model.digest
    assert record.target == int(model.logits(model.prepare(Image.fromarray(photo()))).argmax())
    assert record.target_label == model.labels[record.target]
    assert record.layer == model.default_layer
    assert record.values_sha256 == hashlib.sha256(values.tobytes()).hexdigest()
    assert (record.vmin, record.vmax) == (float(values.min()), float(values.max()))
    assert record.shape == values.shape == (len(record.y_axis.values), len(record.x_axis.values))
    assert record.versions["torch"]
    assert record.versions["python"]
    assert record.forwards + record.backwards > 0
    assert record.seconds > 0


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_that_fits_runs_as_a_task(files, report, method):
    model = models.load(MODEL)
    if not METHODS[method].is_compatible(model).ok or set(
        METHODS[method].Params.model_json_schema().get("required", [])
    ):
        pytest.skip("does not fit this model, or needs a parameter")
    properties = METHODS[method].Params.model_json_schema().get("properties", {})
    cheap = {name: info["minimum"] for name, info in properties.items() if info.get("scales_cost")}
    outcome = run(files, report, method, params=cheap)
    record = Record(**outcome.result)
    assert {f"stages/{stage.name}" for stage in record.stages} == {
        name for name in outcome.arrays if name.startswith("stages/")
    }
    for stage in record.stages:
        assert outcome.arrays[f"stages/{stage.name}"].shape == stage.shape
    assert {f"arrays/{array.name}" for array in record.arrays} == {
        name for name in outcome.arrays if name.startswith("arrays/")
    }
    for array in record.arrays:
        assert list(outcome.arrays[f"arrays/{array.name}"].shape) == array.shape
    assert np.isfinite(outcome.arrays["values"]).all()


def test_parameters_are_checked_again_in_the_worker(files, report):
    with pytest.raises(BadParameter):
        run(files, report, params={"nonsense": 1})
    with pytest.raises(BadParameter):
        run(files, report, target=10**6)
    with pytest.raises(NotFound):
        run(files, report, method="no_such_method")


def test_json_without_nan_and_numpy():
    given = {
        "a": np.float32(1.5),
        "b": [float("nan"), np.int64(2)],
        "c": (np.array([math.inf, 1.0]),),
        3: None,
        "d": True,
        "e": "x",
    }
    assert finite(given) == {"a": 1.5, "b": [None, 2], "c": [[None, 1.0]], "3": None, "d": True, "e": "x"}
    json.dumps(finite(given), allow_nan=False)
