"""The lens as a job: a first part with maps and filters, then what the lens reads; one file per layer."""

from __future__ import annotations

import numpy as np
import pytest

import models
from app.core.errors import BadParameter, Incompatible
from app.core.lens_results import LensResult
from backend.tasks import TASKS
from backend.tasks.lens import packed, unpacked
from tests.backend.tasks.conftest import payload_of, photo

SHAPES = {"model": "shapes", "upload": None, "digest": None}


def _rows(files, count, size=(80, 96)):
    return [
        {"input": payload_of(files, photo(seed, size), "image") | {"id": f"{seed:064x}"}, "start": None}
        for seed in range(count)
    ]


class Partials(list):
    def __call__(self, done, total, partial=None, *, unit=None):
        if partial is not None:
            self.append(partial)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    from backend.store.blobs import Blobs

    files, partials = Blobs(tmp_path_factory.mktemp("lens") / "blobs"), Partials()
    payload = {
        **SHAPES,
        "input": payload_of(files, photo(3), "image"),
        "inputs": _rows(files, 14),
        "target": 2,
    }
    return TASKS["lens"].run(payload, files, partials), partials, photo(3)


def test_the_result_is_complete_and_agrees_with_the_model(outcome):
    done, _, picture = outcome
    result = LensResult.model_validate(done.result)
    model = models.load("shapes")
    logits = model.logits(model.prepare(picture))[0]
    assert [layer.name for layer in result.layers] == ["relu1", "relu2", "relu3", "relu4", "relu5", "linear"]
    head = result.layers[-1]
    assert head.kind == "head"
    assert {part.index: part.logit for part in head.classes} == pytest.approx(
        {k: float(value) for k, value in enumerate(logits)}, abs=1e-4
    )
    assert result.target == 2
    assert result.top == head.top == int(logits.argmax())
    assert result.calibration is not None
    assert result.calibration.count == 14
    assert sum(part.probability for part in result.probabilities) == pytest.approx(1)
    for layer in result.layers[:-1]:
        array = done.arrays[f"layers/{layer.name}"]
        assert array.shape == (2 + len(layer.features), *np.minimum(layer.shape[1:], 112))
        assert array.dtype == np.float32
        logit = next(part.logit for part in layer.classes if part.index == 2)
        assert array[1].mean(dtype=np.float64) + layer.constant == pytest.approx(logit, abs=1e-4)
        small = done.arrays[f"features/{layer.name}"]
        assert small.shape[0] == layer.shape[0] == len(layer.shares) == len(layer.means)
        assert max(small.shape[1:]) <= 32
        assert small.dtype == np.uint8
        for part, feature in zip(layer.features, array[2:], strict=True):
            assert layer.shares[part.filter] == pytest.approx(part.share, rel=1e-3)
            assert layer.means[part.filter] == pytest.approx(
                float(feature.mean(dtype=np.float64)), rel=1e-3, abs=1e-6
            )
            down, across = (feature.shape[side] // small.shape[1 + side] for side in (0, 1))
            less = feature.reshape(small.shape[1], down, small.shape[2], across).mean((1, 3))
            assert np.abs(small[part.filter] - 255 * less / less.max()).max() <= 1, "on its own scale"
        shares = [abs(part.share) for part in layer.features]
        assert shares == sorted(shares, reverse=True)
        assert (array[0] >= 0).all()


def test_maps_and_filters_are_there_before_the_lens(outcome):
    done, partials, _ = outcome
    first, arrays = unpacked(partials[0])
    assert [layer["features"] for layer in first["layers"]] == [
        layer["features"] for layer in done.result["layers"][:-1]
    ]
    assert first["calibration"] is None
    assert set(arrays) == {name for name in done.arrays if name.startswith("layers/")}
    for name, array in arrays.items():
        assert np.isnan(array[1]).all()
        assert np.array_equal(np.delete(array, 1, 0), np.delete(done.arrays[name], 1, 0))


def test_a_partial_result_survives_the_way_through_the_spool(outcome, tmp_path):
    from backend.jobs.spool import Spool

    done, partials, _ = outcome
    spool = Spool(tmp_path / "spool")
    spool.open("job")
    spool.publish_partial("job", partials[0])
    result, arrays = unpacked(np.load(spool.partial("job")))
    assert result["target"] == 2
    assert np.array_equal(arrays["layers/relu1"][0], done.arrays["layers/relu1"][0])
    assert unpacked(packed(LensResult.model_validate(result), arrays))[0] == result


def test_where_no_lens_can_be_fitted_maps_and_filters_are_shown_and_it_is_said_why(
    files, report, monkeypatch
):
    """A network whose answer is no linear layer's, and one for whose inputs there are none of ours."""
    from backend.attribution.internals import linear_head

    def refuse(model):
        raise Incompatible("This network's answer is not a linear layer's.")

    monkeypatch.setattr(linear_head, "head_of", refuse)
    row = payload_of(files, photo(), "image")
    done = TASKS["lens"].run({**SHAPES, "input": row, "inputs": _rows(files, 10)}, files, report)
    result = LensResult.model_validate(done.result)
    assert result.note is not None
    assert "not a linear layer's" in result.note
    assert result.calibration is None
    assert [layer.name for layer in result.layers] == ["relu1", "relu2", "relu3", "relu4", "relu5"]
    assert all(layer.readable and layer.reason and layer.features for layer in result.layers)
    assert np.isnan(done.arrays["layers/relu1"][1]).all()
    assert np.isfinite(done.arrays["layers/relu1"][0]).all()


def test_bad_input_is_refused_in_words(files, report):
    row = payload_of(files, photo(), "image")
    with pytest.raises(BadParameter, match="At least 10"):
        TASKS["lens"].run({**SHAPES, "input": row, "inputs": _rows(files, 4)}, files, report)
    with pytest.raises(BadParameter, match="whole number from 0 to 3"):
        TASKS["lens"].run({**SHAPES, "input": row, "target": 4}, files, report)
    sound = payload_of(files, np.zeros(16000, np.float32), "audio", rate=8000)
    with pytest.raises(Incompatible):
        TASKS["lens"].run({**SHAPES, "input": sound}, files, report)
