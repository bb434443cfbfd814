"""Routes: bundled samples and their known evidence."""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from PIL import Image
from starlette.concurrency import run_in_threadpool

from app.core.errors import EvidentError, NotFound
from app.core.schemas import KnownEvidence, KnownRegion, PixelRuns, Sample, SamplePair
from backend.api.gallery import PREFIX, own_samples
from backend.api.http.context import Backend
from backend.api.http.strict import StrictRoute
from backend.api.intake import Arrival, As, Intake, input_id
from backend.api.routes.inputs import InputIntake

router = APIRouter(tags=["samples"], route_class=StrictRoute)
# Read as files: importing the package would bring torch into this process.
GROUPS = ("photographs", "sounds", "drawings")
"""In the order of the gallery."""
FOLDER = Path(__file__).resolve().parents[3] / "models" / "samples"


@router.get("/samples")
async def samples(services: Backend, intake: InputIntake) -> list[Sample]:
    """Each `input` is an input id that can be used at once; the first call decodes them. The operator's own files
    come first."""
    own = await own_samples(services, intake)
    decoded = await asyncio.gather(*(_sample(entry, intake) for entry in _entries()))
    return [*own, *paired([sample for sample in decoded if sample is not None])]


def paired(samples: list[Sample]) -> list[Sample]:
    """With what belongs beside some of them (`pairs/pairs.json`); a pair whose other recording could not be read is none."""
    inputs = {sample.key: sample.input for sample in samples}
    pairs: dict[str, SamplePair] = {}
    for pair in _pairs():
        kind: Literal["model", "input"] = "model" if "model" in pair else "input"
        key = pair["model"] if "model" in pair else inputs.get(pair["input"])
        if key is not None:
            pairs[pair["sample"]] = SamplePair(
                kind=kind, key=key, title=pair["title"], description=pair["description"]
            )
    return [sample.model_copy(update={"beside": pairs.get(sample.key)}) for sample in samples]


@router.get("/samples/{key}/evidence")
async def evidence(key: str) -> KnownEvidence:
    """Where a program put the evidence of this sample: boxes in seconds and Hz, or a mask in pixels of the
    photo; in a photograph a box that was drawn by eye around the thing."""
    if not key.startswith(PREFIX) and not any(entry["key"] == key for entry in _entries()):
        raise NotFound("There is no sample of that name; ask for the list of samples.", code="unknown_sample")
    return await run_in_threadpool(_evidence, key)


@lru_cache
def _evidence(key: str) -> KnownEvidence:
    """Raises NotFound for a sample whose evidence is not known, or that holds none."""
    unknown: dict[str, Any] = {"evidence": {}}
    entry = next((entry for entry in _entries() if entry["key"] == key), unknown)
    evidence = entry["evidence"]
    regions = [
        KnownRegion(
            key="evidence",
            title="Known evidence",
            boxes=evidence.get("boxes", []),
            mask=_runs(evidence.get("mask")),
        ),
        KnownRegion(key="sticker", title="Sticker", mask=_runs(evidence.get("sticker"))),
        KnownRegion(key="hum", title="Mains hum", boxes=evidence.get("hum", [])),
    ]
    located = [region for region in regions if region.boxes or region.mask]
    if not located:
        raise NotFound(
            "No place is known that holds this sample's evidence; nothing can be outlined.",
            code="no_known_evidence",
        )
    label = entry.get("label") if located[0].key == "evidence" else None
    how: Literal["program", "eye"] = "eye" if entry.get("credit") else "program"
    return KnownEvidence(sample=key, model=entry["model"], label=label, how=how, regions=located)


def _runs(file: str | None) -> PixelRuns | None:
    """Run lengths of a bundled black and white picture."""
    if file is None:
        return None
    with Image.open(FOLDER / file) as picture:
        mask = np.asarray(picture.convert("L")) > 0
    down = np.concatenate([[False], mask.T.ravel()])
    turns = np.flatnonzero(np.diff(down, append=~down[-1]))
    return PixelRuns(size=(mask.shape[0], mask.shape[1]), counts=np.diff(turns, prepend=0).tolist())


async def _sample(entry: dict[str, Any], intake: Intake) -> Sample | None:
    file = FOLDER / entry["file"]
    read_as: As = "spectrogram" if entry["modality"] == "spectrogram" else "auto"
    row = await intake.known(input_id(await run_in_threadpool(_sha, file), read_as))
    if row is None:
        try:
            with intake.services.jobs.errands.open() as errand:
                sha = await run_in_threadpool(lambda: errand.sent.put(file.read_bytes()))
                row, _ = await intake.take(
                    Arrival(errand, sha, read_as, sample=entry["key"], name=file.name), ""
                )
        except EvidentError:
            return None  # a sample that cannot be read is left out; a test reads them all
    return Sample(**{name: entry[name] for name in Sample.model_fields if name in entry}, input=row.id)


@lru_cache(256)
def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@lru_cache
def _pairs() -> list[dict[str, str]]:
    pairs: list[dict[str, str]] = json.loads((FOLDER / "pairs" / "pairs.json").read_text("utf-8"))
    return pairs


@lru_cache
def _entries() -> list[dict[str, Any]]:
    """Of all files beside the samples, group by group."""
    entries = [
        entry for path in sorted(FOLDER.glob("*.json")) for entry in json.loads(path.read_text("utf-8"))
    ]
    return sorted(entries, key=lambda entry: GROUPS.index(entry["group"]))
