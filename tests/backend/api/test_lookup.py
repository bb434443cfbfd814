"""What a request asks about models and methods: made once per description, and of nobody else's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from app.core.errors import Busy, NotFound
from backend.api import lookup
from backend.api import services as module
from backend.api.services import Services
from backend.tasks.payloads import ModelSource

INFO = {
    "key": "m",
    "title": "M",
    "modalities": ["image"],
    "labels": [f"class {n}" for n in range(1000)],
    "digest": "d",
    "layers": [],
    "default_layer": None,
    "input": {},
    "source": "",
    "licence": "",
}
METHOD = {
    "key": "grad_cam",
    "title": "Grad-CAM",
    "family": "cam",
    "paper": "",
    "summary": "",
    "signed": False,
    "pieces": False,
    "default_on": True,
    "uses_layer": True,
    "unit": "passes",
    "modalities": ["image"],
    "schema": {},
}


class Described:
    """Services that know one model and one method, and nothing of the rest of the catalogue."""

    def __init__(self) -> None:
        self.known_models = {}
        self.info = INFO

    async def model(self, key, start=True):
        return {**self.info}, {"grad_cam": {"ok": True, "seconds": 1.0}}

    async def methods(self):
        return [METHOD]


def test_a_description_is_validated_and_hashed_once_until_it_changes():
    services = Described()
    first = asyncio.run(lookup.model(services, "m"))
    assert asyncio.run(lookup.model(services, "m")) is first
    assert first.identity is first.identity
    services.info = {**INFO, "digest": "other weights"}
    other = asyncio.run(lookup.model(services, "m"))
    assert other.info.digest == "other weights"
    assert other.identity != first.identity


def test_a_method_is_looked_up_without_the_models():
    services = SimpleNamespace(methods=Described().methods)
    assert asyncio.run(lookup.method(services, "grad_cam")).title == "Grad-CAM"
    with pytest.raises(NotFound, match="Did you mean grad_cam"):
        asyncio.run(lookup.method(services, "grad-cam"))


def test_a_chosen_model_is_measured_when_nobody_waits_for_anything(monkeypatch):
    """With one worker the first maps on a machine stood behind it: 10 s for a SqueezeNet, 28 s for a ResNet-50."""
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    busy, happened = [["a map"], ["a map"], []], []

    class Jobs:
        async def list(self, states, limit):
            happened.append(len(busy))
            return busy.pop(0)

        async def submit(self, kind, payload, *, key, title):
            happened.append((kind, key, title))
            raise Busy("Enough for a test.")

    services = SimpleNamespace(jobs=Jobs(), _chosen={"key": (0.0, {}, "Measure M")}, _measured=set())

    async def measured():
        task = asyncio.create_task(Services._measure(services))
        while services._chosen and not task.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(measured())
    assert happened == [3, 2, 1, ("speed", "key", "Measure M")]
    assert services._measured == {"key"}


def test_a_prediction_starts_no_measurement_by_itself():
    services = SimpleNamespace(
        _speed_key=lambda model, digest: model + digest, _preload=True, _measured=set(), _chosen={}
    )
    Services.get_ready(services, ModelSource(model="m", digest="d"), "M")
    assert [title for _, _, title in services._chosen.values()] == ["Measure M"]


def test_a_card_changed_alone_changes_the_key():
    before, after = (
        lookup.KnownModel(lookup.ModelInfo(**INFO, card={"temperature": t}), {}) for t in (1.0, 2.0)
    )
    assert before.identity != after.identity
