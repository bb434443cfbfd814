"""Routes: recordings of trainings, epoch by epoch."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from app.core.text import spreadsheet_cell
from app.core.training_results import Recording, RecordingInfo
from backend.api import recordings
from backend.api.http.context import Backend, npy
from backend.api.http.strict import StrictRoute

router = APIRouter(tags=["recordings"], route_class=StrictRoute)
EPOCH = ("epoch", "accuracy", "loss", "one_answer", "depth_mean", "depth_95")
LAYER = (
    "layer",
    "agreement",
    "settled",
    "r2",
    "redundancy",
    "effective_dimension",
    "cka_to_last",
    "kendall_tau",
    "dead",
)
Epoch = Annotated[int, Path(ge=0, le=10**9)]


@router.get("/recordings")
async def index(services: Backend) -> list[RecordingInfo]:
    """The operator's own first, the latest before the others; then the bundled ones."""
    return await run_in_threadpool(recordings.listed, services.settings.recordings)


@router.get("/recordings/{key}")
async def history(key: str, services: Backend) -> Recording:
    """Every epoch so far. A live one grows: ask again."""
    return await run_in_threadpool(recordings.recording, services.settings.recordings, key)


@router.get("/recordings/{key}/kernels/{epoch}.npy", response_class=Response)
async def kernels(key: str, epoch: Epoch, services: Backend) -> Response:
    """Kernels of the first layer: float32 `[n, c, kh, kw]`."""
    values = await run_in_threadpool(recordings.kernels, services.settings.recordings, key, epoch)
    buffer = io.BytesIO()
    np.save(buffer, values)
    return npy(buffer.getvalue(), f"kernels_{epoch}")


@router.get(
    "/recordings/{key}/weights/{epoch}.safetensors",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def weights(key: str, epoch: Epoch, services: Backend) -> FileResponse:
    """The network at an epoch, float16: to be opened as a model of one's own (`POST /models`)."""
    path = await run_in_threadpool(recordings.checkpoint, services.settings.recordings, key, epoch)
    return FileResponse(path, media_type="application/octet-stream", filename=f"epoch_{epoch}.safetensors")


@router.get(
    "/recordings/{key}/history.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}}
)
async def table(key: str, services: Backend) -> Response:
    """One line per epoch and layer; dead filters by number, with blanks between."""
    made = await run_in_threadpool(recordings.recording, services.settings.recordings, key)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*EPOCH, *LAYER])
    for row in made.epochs:
        depth = row.decision_depth
        told = [row.epoch, row.accuracy, row.loss, int(row.one_answer)]
        told += [None, None] if depth is None else [depth.mean, depth.p95]
        for layer in row.layers:
            values = layer.model_dump()
            figures = [values[name] for name in LAYER[1:-1]]
            writer.writerow([*told, spreadsheet_cell(layer.name), *figures, " ".join(map(str, layer.dead))])
    return Response(
        buffer.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="history.csv"'},
    )
