"""`evident verify` on a report made without a server: exit code 0 for the truth, 1 for a changed weight or pixel, 2 for no report."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.cli import main
from app.core.schemas import Input, Prediction, Record
from backend.jobs.keys import code_version
from backend.reports import claims, manifest
from backend.reports.assemble import MapSource, Source, subject
from backend.reports.content import Report
from backend.reports.pdf import pdf
from backend.store.blobs import Blobs
from backend.tasks import TASKS
from backend.tasks.models import CACHE

SAMPLE = Path(__file__).resolve().parents[2] / "models" / "samples" / "image_striped.png"


def silent(*_: object, **__: object) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one sample under `shapes`, with two maps."""
    folder = tmp_path_factory.mktemp("report")
    files = Blobs(folder / "blobs")
    sent = folder / "sent"
    sent.write_bytes(SAMPLE.read_bytes())
    id = hashlib.sha256(sent.read_bytes()).hexdigest()
    from app.core.settings import Limits

    made = TASKS["decode"].run(
        {"file": str(sent), "as": "auto", "limits": Limits().model_dump()}, files, silent
    )
    pixels = made.arrays["canonical"]
    stored = {
        "id": id,
        "modality": "image",
        "meta": made.result,
        "blobs": {"canonical": files.put_array(pixels)},
    }
    asked = {"input": stored, "model": "shapes", "start": None}
    said = TASKS["prediction"].run(asked, files, silent).result
    maps = []
    for method in ("grad_cam", "lrp"):
        request = {"input": id, "model": "shapes", "method": method, "target": said["top"], "params": {}}
        done = TASKS["explanation"].run(
            {**asked, **request, "input": stored, "request": request}, files, silent
        )
        record = Record(**done.result)
        maps.append(MapSource("m" * 64, {**request, "layer": record.layer}, record, done.arrays["values"]))
    source = Source(
        input=id,
        maps=maps,
        facts=Input(**made.result, id=id),
        samples=pixels,
        prediction=Prediction(**said, id="p", display=""),
        model_key="shapes",
    )
    manifest = {"code": code_version(), "kind": "comparison", "subjects": [claims.of_source(source)]}
    path = folder / "report.pdf"
    path.write_bytes(pdf(Report("One picture", "", "", "", [subject(source)], manifest)))
    return path


def outcome(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, str]]:
    code = main(["verify", *more, "--json", "--data", "/nowhere"])
    said = json.loads(capsys.readouterr().out)
    return code, {item["title"]: item["state"] for item in said["items"]} | {"all": said["state"]}


def test_the_truth_is_the_same(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, states = outcome(capsys, str(report), "--input", str(SAMPLE))
    assert (code, states.pop("all")) == (0, "same")
    assert set(states.values()) == {"identical"}
    assert len([title for title in states if "Grad-CAM" in title or "LRP" in title]) == 2


def test_a_changed_weight_is_told(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from backend.tasks.payloads import ModelSource

    assert outcome(capsys, str(report), "--input", str(SAMPLE))[0] == 0
    module = CACHE.get(ModelSource(model="shapes"), Blobs(report.parent / "blobs")).module
    weight = next(module.parameters())
    with torch.no_grad():
        kept = weight.clone()
        weight.view(-1)[0] += 0.5
    try:
        code, states = outcome(capsys, str(report), "--input", str(SAMPLE))
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    assert (code, states["all"]) == (1, "different")
    assert states["Model score of shapes"] == "different"


def test_a_changed_pixel_is_told(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.asarray(Image.open(SAMPLE)).copy()
    pixels[0, 0] ^= 1
    other = io.BytesIO()
    Image.fromarray(pixels).save(other, "PNG")
    (tmp_path / "other.png").write_bytes(other.getvalue())
    code, states = outcome(capsys, str(report), "--input", str(tmp_path / "other.png"))
    assert (code, states["all"]) == (1, "different")


def test_without_the_input_nothing_is_claimed(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, states = outcome(capsys, str(report))
    assert (code, states["all"]) == (1, "incomplete")


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in (
        ("a.pdf", b"%PDF-1.4 nothing"),
        ("a.zip", b"PK\x03\x04 no report"),
        ("cut.pdf", manifest.MARK + b',"subjects":[{"na'),
        ("later.json", b'{"format":"evident-report-9","subjects":[]}'),
        ("empty.html", b""),
    ):
        (tmp_path / name).write_bytes(data)
    for file in (*tmp_path.iterdir(), tmp_path / "none.pdf"):
        assert main(["verify", str(file)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("evident: ")
        assert said.count("\n") == 1
