"""Bundled inputs, each with what is known about it."""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from app.errors import EvidentError
from app.schemas import Sample
from backend.api.context import Backend
from backend.api.intake import Arrival, Intake
from backend.api.routes.inputs import Taking
from backend.api.strict import StrictRoute

router = APIRouter(tags=["samples"], route_class=StrictRoute)
# Read as files: importing the package would bring torch into this process.
FOLDER = Path(__file__).resolve().parents[3] / "models" / "samples"


@router.get("/samples")
async def samples(services: Backend, intake: Taking) -> list[Sample]:
    """Each `input` is an input id that can be used at once; the first call decodes them."""
    found = await asyncio.gather(*(_sample(entry, intake) for entry in _entries()))
    return [sample for sample in found if sample is not None]


async def _sample(entry: dict[str, Any], intake: Intake) -> Sample | None:
    data = await run_in_threadpool((FOLDER / entry["file"]).read_bytes)
    sha = await intake.services.store.run(intake.services.blobs.put, data)
    arrival = Arrival(sha, Path(entry["file"]).name, "spectrogram" if entry["modality"] == "spectrogram" else "auto", entry["key"])
    try:
        row, _ = await intake.take(arrival, "")
    except EvidentError:
        return None  # a sample that cannot be read is left out; a test reads them all
    return Sample(**{name: entry[name] for name in Sample.model_fields if name in entry}, input=row.id)


@lru_cache
def _entries() -> list[dict[str, Any]]:
    return [entry for path in sorted(FOLDER.glob("*.json")) for entry in json.loads(path.read_text("utf-8"))]
