"""The operator's own models on a running backend: listed first, explained, and never stale after an edit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.errors import EvidentError
from app.core.settings import Settings, get_settings
from backend.api import lookup
from backend.api.model_list import ModelList
from backend.api.services import Services
from backend.jobs.client import Client
from backend.jobs.keys import job_key
from backend.jobs.workers import own_models, process, worker_config
from backend.store import InputRow

FILE = """
import models
from torch import nn
from helper import SHIFT

def mine():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    nn.init.constant_(net[4].bias, 0)
    net[4].bias.data[1] += SHIFT
    return models.wrap(net, labels=["no", "yes"], input=models.ImageInput(size=(16, 16)), title="Mine")
"""
MORE = """
import time
from pathlib import Path

def broken():
    return models.wrap(nn.Conv2d(3, 2, 3), labels=["only one"], input=models.ImageInput(size=(16, 16)))

def slow():
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.01)
    return mine()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_models.py").write_text(FILE)
    (tmp_path / "helper.py").write_text("SHIFT = 9\n")
    return tmp_path


def test_a_file_of_models_from_start_to_edit(folder: Path) -> None:
    """Readers have the bundled models while the own ones are being looked at, one by one. Predicted, edited in a module that the file imports, predicted again: the second answer is the edited
    network's, under another key."""
    (folder / "my_models.py").write_text(FILE + MORE)
    settings = Settings(data=folder / "data", workers=1, models=folder / "my_models.py")
    services = Services(settings, plugins=("tests.backend.api.workshop",))

    async def predicted() -> tuple[str, int]:
        known = await lookup.model(services, "mine", start=True)
        payload = (await services.source("a" * 64, "mine")).as_json()
        key = job_key("prediction", payload, known.identity)
        await services.jobs.submit("prediction", payload, key=key, client=Client("me"))
        await services.jobs.wait(key, 60)
        return key, (await services.jobs.result(key))["top"]

    async def read_until(waiting: set[str]) -> tuple[list[str], dict[str, str]]:
        """Keys and reasons as a reader has them, once only these are being looked at still."""
        while True:
            with suppress(EvidentError):  # the bundled ones are not described yet
                catalogue = await services.catalogue(start=False)
                reasons = {absent["name"]: absent["reason"] for absent in catalogue["absent"]}
                if {name for name, reason in reasons.items() if reason is None} == waiting:
                    return [info["key"] for info in catalogue["models"]], reasons
            await asyncio.sleep(0.05)

    async def all_of_it() -> None:
        await services.start()
        try:
            # A page stayed empty until every model had been described; `slow` is when this test says so.
            listed, reasons = await asyncio.wait_for(read_until({"slow"}), 300)
            assert listed[:2] == ["mine", "tiny"]
            assert set(reasons) == {"slow", "broken"}
            assert reasons["broken"].startswith("my_models.py, line 16: The network must return")
            (folder / "go").touch()
            listed, reasons = await asyncio.wait_for(read_until(set()), 300)
            assert listed[:3] == ["mine", "slow", "tiny"]
            (folder / "my_models.py").write_text(FILE)

            pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
            blobs = {"canonical": services.blobs.put_array(pixels)}
            services.store.put_input(InputRow("a" * 64, "image", {"name": "x"}, blobs))
            listed = (await services.catalogue())["models"]
            assert (listed[0]["key"], listed[0]["title"], listed[0]["bundled"]) == ("mine", "Mine", True)
            assert listed[0]["default_for"] == ["image"]
            before = await predicted()
            (folder / "helper.py").write_text("SHIFT = -9\n")
            after = await predicted()
            assert (before[1], after[1]) == (1, 0)
            assert before[0] != after[0]
            (folder / "my_models.py").write_text("import models\ndef f(:\n")
            listed = (await services.catalogue())["models"]
            assert "mine" not in [info["key"] for info in listed]
            assert listed  # the others are there still
        finally:
            (folder / "go").touch()
            await services.stop()

    asyncio.run(all_of_it())


def test_an_edited_file_of_models_leaves_the_bundled_ones_listed(folder: Path) -> None:
    """They were described anew at every start with `--models`, and after every edit of a file beside it."""
    settings = Settings(data=folder / "data", models=folder / "my_models.py")
    models = ModelList(settings, Anything(), Anything())
    asked: list[str] = []

    async def compute(key: str, payload: dict[str, Any], start: bool, **_: Any) -> dict[str, Any]:
        asked.append("names" if payload["names"] else payload["model"] or "bundled")
        info = {"key": payload["model"] or "tiny"}
        named = {"more": ["mine"], "own": ["mine"], "absent": []}
        return {"catalogue": {"models": [info]}, "fits": {info["key"]: {}}, **named}

    models._compute = compute  # type: ignore[assignment]

    async def listed() -> list[str]:
        return [info["key"] for info in (await models.catalogue())["models"]]

    assert asyncio.run(listed()) == ["mine", "tiny"]
    assert sorted(asked) == ["bundled", "mine", "names"]
    (folder / "helper.py").write_text("SHIFT = 10\n")
    assert asyncio.run(listed()) == ["mine", "tiny"]
    assert sorted(asked[3:]) == ["mine", "names"]


class Anything:
    """A store without uploads and fetched networks."""

    def __getattr__(self, name: str) -> Any:
        return self

    async def run(self, *_: Any) -> list[Any]:
        return []


def test_the_check_before_a_start(folder: Path) -> None:
    """In a process of its own: what the file holds; and a file that ends its process."""
    settings = Settings(data=folder / "data", workers=1, models=folder / "my_models.py")
    assert own_models.check_own_models(settings) == ["mine"]
    (folder / "helper.py").write_text("import os\nos._exit(7)\n")
    with pytest.raises(EvidentError, match=r"my_models.py ended the process that read it \(exit code 7\)"):
        own_models.check_own_models(settings)
    with pytest.raises(EvidentError, match="There is no file"):
        own_models.check_own_models(Settings(data=folder / "data", models=folder / "none.py"))


def test_a_worker_of_a_cluster_goes_by_the_server_that_asks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It outlives the server, which may be started again with another file or with none."""
    seen = []
    monkeypatch.setattr(process, "_set_up_for", {})
    monkeypatch.setattr(process, "execute", lambda *_: seen.append(get_settings().models))
    monkeypatch.setattr(process, "set_up_process", lambda config, _: process.adopt(config.environment))
    monkeypatch.setattr(process.os, "environ", dict(process.os.environ))
    for models in (None, folder / "my_models.py", folder / "helper.py", None):
        settings = Settings(data=folder / "data", models=models)
        process.execute_remote(worker_config(settings), "task", {}, "job", "short")
    get_settings.cache_clear()
    assert seen == [None, folder / "my_models.py", folder / "helper.py", None]
