"""All that can change a number is part of a job's key: held against what a fresh process loads when it
runs every kind of job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend.jobs import keys
from backend.tasks import TASKS

NOT_COMPUTING = {
    "app": "an empty package",
    "app.core": "an empty package",
    "app.core.errors": "words of refusals",
    "app.core.problems": "words of refusals",
    "app.core.registry": "finds a method or a task by its key",
    "app.core.settings": "limits and folders; what decides a result comes with the payload",
    "app.core.text": "what a name may hold",
    "backend": "names of the Python interface",
    "backend.reports": "an empty package",
    "backend.reports.compare": "part of the key of the only kind that uses it",
    "backend.reports.manifest": "part of the key of the only kind that uses it",
    "backend.reports.words": "part of the key of the only kind that uses it",
    "backend.store": "bytes, checked against their sha256",
    "backend.store.blobs": "bytes, checked against their sha256",
    "backend.store.bundle": "a zip's own bytes, in and out; what lies in it is decoded like any upload",
    "backend.store.faults": "words of refusals",
}
EVERY_JOB = """
import json, sys
from pathlib import Path
import numpy as np
from backend.store.blobs import Blobs
from backend.tasks import TASKS
import models

files = Blobs(Path(sys.argv[1]))
silent = lambda *_, **__: None
ran = set()

def run(kind, **payload):
    ran.add(kind)
    return TASKS[kind].run(payload, files, silent)

photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
tone = (0.3 * np.sin(np.linspace(0, 4000, 16000)) * np.hanning(16000)).astype(np.float32)
def row(array, modality, **meta):
    return {"id": "i" * 64, "modality": modality, "meta": meta, "blobs": {"canonical": files.put_array(array)}}
picture, sound = row(photo, "image"), row(tone, "audio", rate=8000)
shapes = {"model": "shapes", "upload": None}
from backend.attribution.methods import METHODS
small = {"n_samples": 16, "n_steps": 8, "n_random": 20}
for method in METHODS:
    params = {name: n for name, n in small.items() if name in METHODS[method].Params.model_fields}
    run("explanation", input=picture, **shapes, method=method, target=0, layer=None, params=params, seed=0, start=None)
checked = {"input": picture, **shapes, "explanation": "e" * 64, "method": "saliency", "target": 0}
run("checks", **checked, values=files.put_array(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)))
run("sanity", **shapes, method="saliency")
run("prediction", input=picture, **shapes, start=None)
run("prediction", input=sound, model="cough_check", upload=None, start=None)
measured = {"metrics": ["sparseness", "relevance_mass_accuracy"], "metric_params": {}, "target": "label"}
run("cell", **shapes, set="shapes", number=1, method="grad_cam", **measured)
run("cell", **shapes, input=picture, label=1, method="uniform", **measured)
run("speed", **shapes)
run("judgement", **shapes, inputs=[picture])
run("concept_examples", ref="striped")
run("concept_examples", ref="hum")
one = [{"input": picture, "start": None}]
run("concept_analysis", inputs=one, **shapes, concepts=["red"], layers=["relu5"], classes=None, negatives="random", n_random=20, seed=0)
ten = [{"input": row(np.roll(photo, number, 0), "image") | {"id": f"{number:064}"}, "start": None} for number in range(10)]
run("internals", inputs=ten, **shapes, layer="relu1")
run("ablation", input=picture, **shapes, layer="relu5", filters=[1], replacement="zero")
run("spot", input=picture, **shapes, layer="relu5", x=0.5, y=0.5)
run("maximisation", **shapes, layer="relu1", filter=0, steps=2)
run("whatif", input=picture, **shapes, alteration={"boxes": [[9.0, 30.0, 9.0, 30.0]]})
run("stress", input=picture, **shapes)
from backend.reports import words
from app.core.schemas import PredictionResult
picture = {**picture, "id": "1" * 64}
said = words.result_of(PredictionResult(**run("prediction", input=picture, **shapes, start=None).result))
made = run("explanation", input=picture, **shapes, method="grad_cam", target=0, layer=None, params={}, seed=0, start=None).result
asked = {"input": "1" * 64, "model": "shapes"}
claims = {"name": "input-1", "input": {"id": "1" * 64}, "model": {"key": "shapes"}, "region": {"boxes": [[9.0, 30.0, 9.0, 30.0]]},
    "prediction": {"request": asked, "sha256": words.checksum(said), "result": said},
    "explanations": [{"request": {**asked, "method": "grad_cam", "target": 0, "layer": made["layer"]}, "record": made}]}
report = files.put(json.dumps({"format": "evident-report-1", "subjects": [claims]}).encode())
checked = run("verification", manifest=report, code="", sealed=True, inputs=[{"input": picture, "source": shapes}])
assert [item["state"] for item in checked.result["items"][1:3]] == ["identical", "identical"], checked.result
run("similar", input=picture, **shapes, inputs=ten)
run("lens", input=picture, **shapes, start=None, inputs=ten)
import io
from PIL import Image
from app.core.settings import Limits
from models.media.wav import write_wav
png = io.BytesIO()
Image.fromarray(photo).save(png, "PNG")
sent = Path(sys.argv[1]) / "sent"
limits = Limits().model_dump()
for data in (png.getvalue(), write_wav(tone, 8000)):
    sent.write_bytes(data)
    run("decode", file=str(sent), scale=None, limits=limits, **{"as": "auto"})
packed = run("pack", name="x", examples=[{"array": files.put_array(photo), "modality": "image", "rate": None, "box": None}])
sent.write_bytes(packed.files["concept.zip"])
run("unpack", file=str(sent), limits=limits)
spec = models.specs()["shapes"]
upload = {"key": "u", "title": "u", "architecture": "shapes", "labels": list(spec.labels), "digest": files.put(spec.weights.read_bytes())}
run("catalogue", model="u", upload=upload)
run("model", model="u", upload=upload)
run("fetch", model="shapes", online=False)
ours = sorted(name for name in sys.modules if name.partition(".")[0] in ("app", "backend", "frontend", "models"))
print(json.dumps({"ran": sorted(ran), "loaded": ours}))
"""


@pytest.fixture(scope="module")
def after_every_job(tmp_path_factory):
    command = [sys.executable, "-W", "ignore", "-c", EVERY_JOB, str(tmp_path_factory.mktemp("blobs"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_kind_of_job_was_run(after_every_job):
    ours = {key for key in TASKS if type(TASKS[key]).__module__.startswith("backend.tasks.")}
    assert set(after_every_job["ran"]) == ours


def test_all_code_that_a_job_loads_is_in_the_key(after_every_job):
    covered = tuple(part.removesuffix(".py").replace("/", ".") for part in keys.COMPUTING)
    missing = [
        name
        for name in after_every_job["loaded"]
        if name not in NOT_COMPUTING
        and not any(name == part or name.startswith(f"{part}.") for part in covered)
    ]
    assert missing == []
    assert {"models.spec", "backend.attribution.concepts.analysis", "backend.tasks.decode"} <= set(
        after_every_job["loaded"]
    )


@pytest.mark.parametrize(
    "edited",
    [
        "backend/attribution/concepts/vectors.py",
        "backend/attribution/types.py",
        "models/media/images.py",
        "app/core/concept_results.py",
        "app/core/check_results.py",
        "app/core/lens_results.py",
        "app/core/evaluation_results.py",
        "backend/tasks/prediction.py",
    ],
)
def test_an_edit_gives_another_key(edited, tmp_path, monkeypatch):
    file = tmp_path / edited
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("1")
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    before = keys.code_version.__wrapped__()
    assert keys.code_version.__wrapped__() == before
    file.write_text("2")
    assert keys.code_version.__wrapped__() != before
    assert (Path(keys.__file__).resolve().parents[2] / edited).is_file()


@pytest.mark.parametrize("library", keys.LIBRARIES)
def test_another_version_of_a_library_gives_another_key(library, monkeypatch):
    before, original = keys.code_version.__wrapped__(), keys.version
    original(library)  # it is installed under this name
    monkeypatch.setattr(keys, "version", lambda name: "0.0.1" if name == library else original(name))
    assert keys.code_version.__wrapped__() != before
