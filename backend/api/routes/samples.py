"""Routes: bundled samples and their known evidence."""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from app.core.errors import EvidentError, NotFound
from app.core.schemas import KnownEvidence, Sample, SamplePair
from backend.api.evidence import FOLDER, known_evidence, sample_entries
from backend.api.gallery import PREFIX, own_samples
from backend.api.http.context import Backend
from backend.api.http.strict import StrictRoute
from backend.api.intake import Arrival, As, Intake, input_id
from backend.api.routes.inputs import InputIntake

router = APIRouter(tags=["samples"], route_class=StrictRoute)


@router.get("/samples")
async def samples(services: Backend, intake: InputIntake) -> list[Sample]:
    """Each `input` is an input id that can be used at once; the first call decodes them. The operator's own files
    come first."""
    own = await own_samples(services, intake)
    decoded = await asyncio.gather(*(_sample(entry, intake) for entry in sample_entries()))
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
    if not key.startswith(PREFIX) and not any(entry["key"] == key for entry in sample_entries()):
        raise NotFound("There is no sample of that name; ask for the list of samples.", code="unknown_sample")
    return await run_in_threadpool(known_evidence, key)


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
