"""How fast a model is as its runs will be: and the worker is ready for them afterwards."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backend.attribution import estimate
from backend.attribution.methods import METHODS
from backend.attribution.network.passes import SMALL, Passes
from backend.tasks import TASKS
from backend.tasks.models import model_of
from backend.tasks.payloads import ModelSource


def test_each_method_by_the_copies_that_it_runs_on(files, report, monkeypatch):
    """A clock that knows only this: as given an image costs a second, on the copies a hundredth."""

    def profile(model, passes, noise=0.0):
        return {"forward": 1.0, "backward": 1.0} if passes < SMALL else {"forward": 0.01, "backward": 0.01}

    monkeypatch.setattr(estimate, "profile", profile)
    seconds = TASKS["speed"].run({"model": "shapes"}, files, report).result["seconds"]
    model = model_of(ModelSource(model="shapes"), files)
    lime, cam = METHODS["lime"], METHODS["grad_cam"]
    passes = lime.cost(model, lime.Params()).forwards
    assert seconds["lime"] == pytest.approx(estimate.OVERHEAD * passes * 0.01)
    assert seconds["grad_cam"] == pytest.approx(estimate.OVERHEAD * 2.0)
    assert cam.cost(model, cam.Params()).backwards == 1


def test_the_worker_has_the_copies_ready(files, report):
    result = TASKS["speed"].run({"model": "shapes"}, files, report).result
    model = model_of(ModelSource(model="shapes"), files)
    fitting = {method.key for method in METHODS.values() if method.is_compatible(model).ok}
    assert set(result["seconds"]) <= fitting
    assert min(result["seconds"].values()) > 0
    assert set(Passes.of(model)._plans) >= {"forward", "gradient"}


def test_a_single_pass_is_measured_one_image_at_a_time(monkeypatch):
    """Eight at a time made the check of an upload eight times as long, and told of runs that nobody makes."""
    from tests import tiny

    model, batches = tiny.build("plain"), []
    monkeypatch.setattr(estimate, "_seconds", lambda model, work, batch: batches.append(batch) or 0.5)
    estimate.profile(model, passes=1)
    assert batches == [1, 1]
    estimate.profile(model, passes=100)
    assert batches[2:] == [Passes.of(model).plan(kind).batch for kind in ("forward", "gradient")]


def test_a_batch_beside_other_programs_counts_the_processors_seconds(monkeypatch):
    """A clock that knows three batches: one waited nine tenths of its time for the processor, two used both cores."""
    from tests import tiny

    wall, processor = iter([0.0, 10.0, 10.0, 14.0, 14.0, 18.0]), iter([0.0, 1.0, 1.0, 9.0, 9.0, 17.0])
    clock = SimpleNamespace(perf_counter=lambda: next(wall), process_time=lambda: next(processor))
    monkeypatch.setattr(estimate, "time", clock)
    monkeypatch.setattr(estimate, "ENOUGH_SECONDS", 100.0)
    assert estimate._seconds(tiny.build("plain"), lambda x: None, batch=2) == 0.5
