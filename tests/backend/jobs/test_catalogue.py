"""What there is, is what there is now: weights added and replaced while the server runs and while it does
not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from contextlib import suppress

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sqlalchemy import select, update

import models
from app.core.errors import Conflict, EvidentError
from app.core.settings import Settings
from backend.api import lookup
from backend.api.services import Services
from backend.jobs.client import Client
from backend.jobs.keys import job_key
from backend.store import InputRow
from backend.store.tables import jobs
from backend.tasks.models import Cache
from backend.tasks.payloads import ModelSource
from models import catalogue

KEY = "resnet20_cifar"


def put_weights(folder, seed):
    """Other numbers under the same name; returns their digest."""
    torch.manual_seed(seed)
    module, _ = models.architecture(KEY, 10)
    state = {
        name: torch.randn_like(t) * 0.1 if t.is_floating_point() else t
        for name, t in module.state_dict().items()
    }
    path = folder / f"{KEY}.safetensors"
    save_file({name: t.abs() if name.endswith("running_var") else t for name, t in state.items()}, path)
    return models.from_file(path, KEY, [str(i) for i in range(10)]).digest


class Server:
    """One start of the server on a data folder and a weights folder."""

    def __init__(self, folder, weights):
        self.loop = asyncio.new_event_loop()
        self.services = Services(Settings(data=folder, workers=1, weights=weights))

    def __enter__(self):
        self.run(self.services.start())
        return self

    def __exit__(self, *_):
        self.run(self.services.stop())
        self.loop.close()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def digests(self):
        return {info["key"]: info["digest"] for info in self.run(self.services.catalogue())["models"]}

    async def seen_by_readers(self, digest):
        """Who only reads starts nothing: the server looks by itself, and until it has, the model is not listed
        rather than as it was."""
        while True:
            with suppress(EvidentError):
                found = {
                    info["key"]: info["digest"]
                    for info in (await self.services.catalogue(start=False))["models"]
                }
                assert found.get(KEY, digest) == digest
                if KEY in found:
                    return
            await asyncio.sleep(0.1)

    async def measured_again(self):
        while (await self.services.model(KEY))[1]["grad_cam"]["seconds"] > 900:
            await asyncio.sleep(0.1)

    def explained(self):
        """Record and map, asked for as the route asks."""

        async def ask():
            model = await lookup.model(self.services, KEY, start=True)
            request = {
                "method": "grad_cam",
                "target": 0,
                "layer": None,
                "params": {},
                "seed": 0,
                "start": None,
            }
            key = job_key("explanation", request, model.identity)
            source = await self.services.source("a" * 64, KEY)
            await self.services.jobs.submit(
                "explanation", {**request, **source.as_json()}, key=key, client=Client("me")
            )
            await self.services.jobs.wait(key, 120)
            return await self.services.jobs.result(key), np.load(
                await self.services.jobs.array_path(key, "values")
            )

        return self.run(ask())


def test_start_add_replace_start_again(tmp_path):
    weights, data = tmp_path / "weights", tmp_path / "data"
    weights.mkdir()
    with Server(data, weights) as server:
        photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        server.services.store.put_input(
            InputRow("a" * 64, "image", {"name": "x"}, {"canonical": server.services.blobs.put_array(photo)})
        )
        assert KEY not in server.digests()
        first = put_weights(weights, seed=1)
        server.run(asyncio.wait_for(server.seen_by_readers(first), 120))
        assert server.digests()[KEY] == first
        record, before = server.explained()
        assert record["weights_sha256"] == first
        second = put_weights(weights, seed=2)
        assert server.digests()[KEY] == second != first
        record, after = server.explained()
        assert record["weights_sha256"] == second
        assert not np.array_equal(before, after)
    third = put_weights(weights, seed=3)
    with Server(data, weights) as server:
        assert server.digests()[KEY] == third
        assert server.explained()[0]["weights_sha256"] == third
        measured_on_a_busy_start(server.services)
    with Server(data, weights) as server:
        assert server.digests()[KEY] == third
        server.run(asyncio.wait_for(server.measured_again(), 120))
    (weights / f"{KEY}.safetensors").unlink()
    with Server(data, weights) as server:
        assert KEY not in server.digests()


def measured_on_a_busy_start(services):
    """A thousand seconds for everything, in every description that is kept."""
    with services.store.write() as connection:
        for key, result in connection.execute(
            select(jobs.c.key, jobs.c.result).where(jobs.c.kind == "catalogue", jobs.c.state == "done")
        ).all():
            for fits in result["fits"].values():
                for fit in fits.values():
                    fit["seconds"] = 1000.0
            connection.execute(update(jobs).where(jobs.c.key == key).values(result=result))


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A copy of the bundled weights that a test may train over."""
    folder = tmp_path / "bundled"
    shutil.copytree(catalogue.WEIGHTS, folder)
    monkeypatch.setattr(catalogue, "WEIGHTS", folder)
    return folder


def test_a_worker_notices_that_bundled_weights_were_trained_anew(bundled, tmp_path):
    from backend.store.blobs import Blobs

    files, cache = Blobs(tmp_path / "blobs"), Cache()
    first = cache.get(ModelSource(model="shapes"), files)
    assert cache.get(ModelSource(model="shapes", digest=first.digest), files) is first
    module = models.load("shapes").module
    next(module.parameters()).data.neg_()
    save_file(dict(module.state_dict()), bundled / "shapes.safetensors")
    with pytest.raises(EvidentError):  # between weights and card
        cache.get(ModelSource(model="shapes"), files)
    digest = hashlib.sha256((bundled / "shapes.safetensors").read_bytes()).hexdigest()
    card = json.loads((bundled / "shapes.json").read_text())
    (bundled / "shapes.json").write_text(json.dumps({**card, "sha256": digest, "temperature": 3.0}))
    again = cache.get(ModelSource(model="shapes", digest=digest), files)
    assert again is not first
    assert (again.digest, again.spec.temperature) == (digest, 3.0)
    with pytest.raises(Conflict, match="replaced"):
        cache.get(ModelSource(model="shapes", digest=first.digest), files)
