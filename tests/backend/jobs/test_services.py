"""The backend put together: the catalogue behind, uploads beside it, end to end on a bundled model; and no
torch in the web process."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest

import models
from app.core.errors import NotFound
from app.core.schemas import Catalogue, Fit, ModelInfo, Prediction, Record
from app.core.settings import Settings
from backend.api.services import Services
from backend.jobs.client import Client
from backend.jobs.keys import canonical, job_key
from backend.store import InputRow, ModelRow


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Real workers with real tasks, on one loop."""
    loop = asyncio.new_event_loop()
    services = Services(Settings(data=tmp_path_factory.mktemp("data"), workers=1))
    loop.run_until_complete(services.start())
    yield services, loop.run_until_complete
    loop.run_until_complete(services.stop())
    loop.close()


def put_photo(services):
    rng = np.random.default_rng(0)
    sha = services.blobs.put_array(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    return services.store.put_input(InputRow("a" * 64, "image", {"name": "x"}, {"canonical": sha}))


def test_the_catalogue_lists_the_bundled_models(running):
    services, run = running
    catalogue = Catalogue(**run(services.catalogue()))
    assert {info.key for info in catalogue.models} >= set(models.specs()) - {
        key for key in models.specs() if ":" in key
    }
    info, fits = run(services.model("shapes"))
    assert ModelInfo(**info).digest == models.load("shapes").digest
    assert Fit(**fits["grad_cam"]).ok


def test_predict_and_explain(running):
    services, run = running
    put_photo(services)

    async def compute(kind, **more):
        payload = {**(await services.source("a" * 64, "shapes")).as_json(), **more}
        key = job_key(kind, payload, None)
        await services.jobs.submit(kind, payload, key=key, client=Client("me"))
        await services.jobs.wait(key, 60)
        return key, await services.jobs.result(key)

    key, result = run(compute("prediction", start=None))
    Prediction(id=key, display="/", **result)
    assert run(services.jobs.file_path(key, "display.png")).read_bytes().startswith(b"\x89PNG")
    key, result = run(
        compute("explanation", method="grad_cam", target=None, layer=None, params={}, seed=0, start=None)
    )
    assert np.load(run(services.jobs.array_path(key, "values"))).shape == Record(**result).shape
    assert run(services.jobs.get(key)).as_job().kind == "explanation"


def test_an_uploaded_model_joins_the_catalogue(running):
    services, run = running
    spec = models.specs()["shapes"]
    digest = services.blobs.put(spec.weights.read_bytes())
    run(
        services.store.run(
            services.store.put_model, ModelRow("upload:1", "Mine", "shapes", list(spec.labels), digest)
        )
    )
    listed = {info["key"]: info for info in run(services.catalogue())["models"]}
    assert listed["upload:1"]["title"] == "Mine"
    assert not listed["upload:1"]["bundled"]
    assert run(services.model("upload:1"))[1]["grad_cam"]["ok"]
    put_photo(services)
    assert run(services.source("a" * 64, "upload:1")).upload.digest == digest
    run(services.store.run(services.store.delete_model, "upload:1"))
    assert "upload:1" not in {info["key"] for info in run(services.catalogue())["models"]}


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.model("nothing"),
        lambda s: s.source("a" * 64, "nothing"),
        lambda s: s.source("b" * 64, "shapes"),
    ],
)
def test_unknown_inputs_and_models(running, call):
    services, run = running
    put_photo(services)
    with pytest.raises(NotFound):
        run(call(services))


def test_keys_tell_requests_apart_and_nothing_else():
    base = job_key("explanation", {"a": 1, "b": {"c": 2, "d": [1, 2]}}, "w")
    assert len(base) == 64
    assert job_key("explanation", {"b": {"d": [1, 2], "c": 2}, "a": 1}, "w") == base
    others = [
        job_key("prediction", {"a": 1, "b": {"c": 2, "d": [1, 2]}}, "w"),
        job_key("explanation", {"a": 1, "b": {"c": 2, "d": [2, 1]}}, "w"),
        job_key("explanation", {"a": 1, "b": {"c": 2, "d": [1, 2]}}, "v"),
        job_key("explanation", {"a": True, "b": {"c": 2, "d": [1, 2]}}, "w"),
        job_key("explanation", {"a": 1.0, "b": {"c": 2, "d": [1, 2]}}, "w"),
        job_key("explanation", {"a": "1", "b": {"c": 2, "d": [1, 2]}}, "w"),
    ]
    assert len({base, *others}) == 1 + len(others)
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


def test_the_web_process_imports_no_torch():
    """Neither when everything it serves is imported, nor when it looks up how tasks are to be run."""
    code = (
        "import importlib, importlib.util, sys\n"
        "for name in ('backend.api.services', 'backend.api', 'frontend', 'app.web.main'):\n"
        "    if importlib.util.find_spec(name): importlib.import_module(name)\n"
        "from backend.tasks import TASKS\n"
        "assert {task.lane for task in TASKS.values()} <= {'interactive', 'batch', 'short', 'decode'}\n"
        "print(sorted({'torch', 'captum', 'librosa', 'timm', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
