"""The catalogue: all there is, and only what can run is said to fit."""

from __future__ import annotations

import json

import pytest

import models
from app.core.errors import EvidentError
from app.core.schemas import Catalogue, Fit
from backend.attribution import estimate
from backend.attribution.methods import METHODS
from backend.attribution.metrics import METRICS
from backend.attribution.types import OK, Cost
from backend.attribution.types import Params as Parameters
from backend.tasks import TASKS
from backend.tasks import catalogue as task
from backend.tasks.models import Cache
from backend.tasks.payloads import ModelSource
from models.catalogue import MODELS
from tests.tiny import build

PLAIN, FIRE, RESIDUAL = (ModelSource(model=name) for name in ("plain", "fire", "residual"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    from backend.store.blobs import Blobs

    outcome = TASKS["catalogue"].run({}, Blobs(tmp_path_factory.mktemp("blobs")), lambda *_, **__: None)
    return json.loads(json.dumps(outcome.result, allow_nan=False))


def test_it_is_the_wire_schema_and_lists_everything(found):
    catalogue = Catalogue(**found["catalogue"])
    assert {info.key for info in catalogue.models} == set(MODELS)
    assert {info.key for info in catalogue.methods} == set(METHODS)
    for info in catalogue.methods:
        assert info.schema_ == METHODS[info.key].Params.model_json_schema()
    assert [info.key for info in catalogue.metrics] == list(METRICS)
    for info in catalogue.metrics:
        metric = METRICS[info.key]
        assert info.schema_ == metric.Params.model_json_schema()
        assert (info.title, info.better, set(info.needs)) == (metric.title, metric.better, metric.needs)
    assert "resnet20_cifar" in catalogue.architectures


def test_models_are_described_as_they_are(found):
    for info in Catalogue(**found["catalogue"]).models:
        if info.available:
            model = models.load(info.key)
            assert info.digest == model.digest
            assert [layer.name for layer in info.layers] == [layer.name for layer in model.layers]
            assert info.default_layer == model.default_layer
            assert info.labels == list(model.labels)


def test_fits_are_the_methods_own_word(found):
    for key, fits in found["fits"].items():
        assert set(fits) == set(METHODS)
        model = models.load(key)
        for name, fit in fits.items():
            verdict = METHODS[name].is_compatible(model)
            assert (fit["ok"], fit["reason"]) == (verdict.ok, verdict.reason)
            Fit(**fit)
            assert verdict.ok or fit.get("seconds") is None


def test_the_estimate_counts_passes():
    """Four forwards at 1 s, two of them with 2 s more for the backward, and a tenth on top."""

    class Counted:
        key = "counted"

        class Params(Parameters):
            n: int = 1

        def is_compatible(self, model):
            return OK

        def cost(self, model, params):
            return Cost(4 * params.n, 2)

        def defaults(self, model):
            return {}

    seconds = {"forward": 1.0, "backward": 2.0}
    counted = task.fit(Counted(), None, seconds)
    assert counted.seconds == pytest.approx(1.1 * (4 * 1.0 + 2 * 2.0))
    assert (counted.forwards, counted.backwards) == (4, 2)

    class Asking(Counted):
        class Params(Parameters):
            n: int

    assert task.fit(Asking(), None, seconds) == Fit(ok=True)


def test_a_run_on_copies_is_foreseen_to_be_faster_than_the_module_as_given(monkeypatch):
    """LIME on SqueezeNet was said to take 14 s before its first run, and took 4."""
    model, single = build("plain"), {"forward": 1.0, "backward": 2.0}
    monkeypatch.setattr(estimate, "has_bfloat16", lambda device: True)

    def gain(key, **params):
        method = METHODS[key]
        wanted, known = method.Params(**params), estimate.estimate
        return known(method, model, wanted, single) / estimate.foresee(method, model, wanted, single)

    expected = estimate.IN_BFLOAT16
    assert gain("grad_cam") == 1
    assert gain("lime", n_samples=100) == pytest.approx(expected.forward)
    assert gain("lime", n_samples=1000) == pytest.approx(expected.long)
    assert gain("integrated_gradients") == pytest.approx(expected.gradient)
    assert gain("smooth_grad") == pytest.approx(expected.noisy)
    assert task.fit(METHODS["lime"], model, single).seconds < 1000 / 4


def test_a_model_without_weights_is_listed_with_the_reason(files, monkeypatch):
    spec = models.specs()["shapes"]

    def fails(_payload, _files):
        raise EvidentError("The weights are not there.")

    monkeypatch.setattr("backend.tasks.models.model_of", fails)
    described = task.describe_bundled(spec, files, list(METHODS.values()))
    assert (described.info.available, described.info.reason) == (False, "The weights are not there.")
    assert {fit.ok for fit in described.fits.values()} == {False}


def test_one_model_by_itself(files, report):
    bundled = models.specs()["shapes"].weights
    digest = files.put(bundled.read_bytes())
    labels = list(models.specs()["shapes"].labels)
    upload = {
        "key": "upload:x",
        "title": "Mine",
        "architecture": "shapes",
        "labels": labels,
        "digest": digest,
    }
    try:
        models.architecture("shapes", len(labels))
    except EvidentError:
        pytest.skip("no own architecture to upload for")
    outcome = TASKS["catalogue"].run({"model": "upload:x", "upload": upload}, files, report)
    (info,) = outcome.result["catalogue"]["models"]
    assert (info["key"], info["title"], info["bundled"], info["digest"]) == (
        "upload:x",
        "Mine",
        False,
        digest,
    )


def test_the_cache_keeps_the_last_used_within_its_limit(files, monkeypatch):
    from tests import tiny

    built = []

    def load(name):
        built.append(name)
        return tiny.build(name)

    monkeypatch.setattr("backend.tasks.models._known", load)
    monkeypatch.setattr("backend.tasks.models._state", lambda key: ())
    sizes = {
        name: sum(t.numel() * t.element_size() for t in tiny.build(name).module.state_dict().values())
        for name in ("plain", "fire", "residual")
    }
    cache = Cache(limit=sum(sizes.values()) - 1)
    first = cache.get(PLAIN, files)
    cache.get(FIRE, files)
    assert cache.get(PLAIN, files) is first
    cache.get(RESIDUAL, files)  # lets fire go, the least recently used
    assert cache.get(PLAIN, files) is first
    assert len(cache) == 2
    cache.get(FIRE, files)
    assert built == ["plain", "fire", "residual", "fire"]


def test_a_model_larger_than_the_limit_is_kept_alone(files, monkeypatch):
    from tests import tiny

    monkeypatch.setattr("backend.tasks.models._known", tiny.build)
    monkeypatch.setattr("backend.tasks.models._state", lambda key: ())
    cache = Cache(limit=1)
    assert cache.get(PLAIN, files) is cache.get(PLAIN, files)
    cache.get(FIRE, files)
    assert len(cache) == 1
