"""What a request asks about models and methods: made once per description, and of nobody else's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from app.core.errors import NotFound
from backend.api import lookup

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
