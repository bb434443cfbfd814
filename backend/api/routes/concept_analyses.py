"""Routes: concept analyses (inputs x concepts x layers x classes), their events, maps and CSV."""

from __future__ import annotations

import csv
import io

from fastapi import APIRouter, Response

from app.core.concept_results import ConceptAnalysisResult
from app.core.errors import BadParameter, NotFound
from app.core.schemas import AnalysisInput, ConceptAnalysis, ConceptAnalysisRequest
from app.core.text import spreadsheet_cell
from backend.api import lookup
from backend.api.http.context import Backend, Client, bytes_of, newest, npy
from backend.api.http.strict import StrictRoute
from backend.api.routes.studies import BYTES, Study
from backend.jobs.keys import job_key
from backend.tasks.concept_analysis import ConceptAnalysisPayload
from backend.tasks.payloads import InputWindow

router = APIRouter(tags=["concepts"], route_class=StrictRoute)
STUDY = Study("concept_analysis", ConceptAnalysis, ConceptAnalysisRequest, ConceptAnalysisResult)
STUDY.add_to(router, "/concept-analyses")
COLUMNS = (
    "input", "layer", "concept", "class", "label", "score", "against", "share", "p", "probability", "without", "without_random", "recognised", "coverage",
    "p_adjusted", "range_low", "range_high", "random_mean", "random_95", "verdict", "because",
)  # fmt: skip


@router.post(
    "/concept-analyses",
    response_model=None,
    responses={200: {"model": ConceptAnalysis}, 202: {"model": ConceptAnalysis}},
)
async def analyse(body: ConceptAnalysisRequest, services: Backend, client: Client) -> Response:
    """202 when this starts the work, 200 when it is known. Concepts are named by their `ref`."""
    model = await lookup.model(services, body.model)
    model.require_available()
    layers = {layer.name for layer in model.info.layers}
    if any(name not in layers for name in body.layers):
        raise BadParameter(
            "This model has no such layer to look at; choose layers that the model lists.", field="layers"
        )
    if body.classes is not None and any(not 0 <= k < len(model.info.labels) for k in body.classes):
        raise BadParameter(
            f"Classes are whole numbers from 0 to {len(model.info.labels) - 1}.", field="classes"
        )
    for name in ("layers", "concepts", "classes"):
        values = getattr(body, name) or []
        if len(set(values)) != len(values):
            raise BadParameter(f"The list of {name} names something twice.", field=name)
    asked = [AnalysisInput(input=item) if isinstance(item, str) else item for item in body.inputs]
    sources = [await services.source(item.input, body.model, item.start) for item in asked]
    for source in sources:
        model.require_modality(source.input.modality)
    request = body.model_dump(mode="json")
    key = job_key(STUDY.kind, request, model.identity)
    payload = ConceptAnalysisPayload(
        inputs=[InputWindow(input=source.input, start=source.start) for source in sources],
        model=body.model,
        upload=sources[0].upload,
        digest=sources[0].digest,
        concepts=body.concepts,
        layers=body.layers,
        classes=body.classes,
        negatives=body.negatives,
        n_random=body.n_random,
        seed=body.seed,
        request=request,
    )
    row = await services.jobs.submit(
        STUDY.kind, payload.as_json(), key=key, title="Concept analysis", client=client
    )
    return STUDY.answer(row, 202 if row.fresh else 200)


@router.get(
    "/concept-analyses/{id}/table.npy",
    response_class=Response,
    responses=BYTES,
)
async def table(id: str, services: Backend) -> Response:
    """Mean attribution over inputs and classes, float32 `[layers, concepts]`; while it runs, NaN where nothing is known
    yet."""
    row = await STUDY.row(id, services)
    return npy(await newest(services, row.key, "table"), "table")


@router.get("/concept-analyses/{id}/maps/{number}/{layer}.npy", response_class=Response)
async def maps(id: str, number: int, layer: str, services: Backend) -> Response:
    """Concept maps of input `number` at a layer: float32 `[K, h, w]` in 0..1, in the order of the
    request's concepts."""
    row = await STUDY.row(id, services)
    if not 0 <= number < len(row.payload["inputs"]) or layer not in row.payload["layers"]:
        raise NotFound("This analysis has no such map.", code="unknown_map")
    return npy(
        await bytes_of(await services.jobs.file_path(row.key, f"maps/{number}/{layer}"), "map"), "maps"
    )


@router.get(
    "/concept-analyses/{id}/rows.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}}
)
async def rows_csv(id: str, services: Backend) -> Response:
    """One line per input, layer, concept and class."""
    result = await STUDY.finished(id, services)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in result.rows:
        named = {
            "input": result.inputs[row.input],
            "concept": result.names[row.concept],
            "label": result.labels[str(row.target)],
        }
        writer.writerow(
            {name: spreadsheet_cell(value) for name, value in {**row.model_dump(), **named}.items()}
        )
    return Response(
        buffer.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="concepts.csv"'},
    )
