"""Concepts over inputs, layers and classes, as a job: progress, the table so far, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.concept_results import AnalysisPlan, ConceptAnalysisResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import InputWindow, ModelSource

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


class ConceptAnalysisPayload(ModelSource):
    """The fields of `app.core.schemas.ConceptAnalysisRequest`, its inputs as they are stored. request: as it
    was made, for the routes."""

    inputs: list[InputWindow]
    concepts: list[str]
    layers: list[str]
    classes: list[int] | None = None
    negatives: str = "random"
    n_random: int = 200
    seed: int = 0
    request: dict[str, Any] = Field({})


@register
class ConceptAnalysis(Task[ConceptAnalysisPayload, ConceptAnalysisResult]):
    """Blobs: `maps/I/LAYER` float32 [K, h, w]; `values` float32 [layers, concepts], the mean attribution. The partial
    array is that table so far."""

    key = "concept_analysis"
    lane = "batch"
    Payload = ConceptAnalysisPayload

    def compute(
        self, payload: ConceptAnalysisPayload, files: Blobs, report: Report
    ) -> Outcome[ConceptAnalysisResult]:
        from dataclasses import asdict

        from backend.attribution.concepts.analysis import Plan, analyse
        from backend.attribution.concepts.library import Library
        from backend.attribution.network.cache import steady
        from backend.tasks.models import model_of, prepare, versions

        report(0, 0, unit="inputs")
        library = Library(files)
        model = model_of(payload, files)
        inputs = [prepare(model, window, files).x.to(model.device) for window in payload.inputs]
        plan = Plan(
            concepts=tuple(payload.concepts),
            layers=tuple(payload.layers),
            classes=None if payload.classes is None else tuple(payload.classes),
            negatives=payload.negatives,
            n_random=payload.n_random,
            seed=payload.seed,
        )
        with steady(model):
            analysis = analyse(model, inputs, plan, library, report)
        result = ConceptAnalysisResult(
            model=model.key,
            weights_sha256=model.digest,
            plan=AnalysisPlan.model_validate(
                {**asdict(plan), "n_random": analysis.n_random, "tests": analysis.tests}
            ),
            names={ref: library.name(ref) for ref in plan.concepts},
            labels={str(row.target): model.labels[row.target] for row in analysis.rows},
            inputs=[window.input.id for window in payload.inputs],
            rows=analysis.rows,
            directions=analysis.directions,
            overall=analysis.overall,
            verdicts=analysis.verdicts,
            cosines=analysis.cosines,
            random_95=analysis.random_95,
            curves=analysis.curves,
            versions=versions(),
        )
        return Outcome(
            result,
            {
                "values": analysis.table,
                **{f"maps/{number}/{layer}": maps for (number, layer), maps in analysis.maps.items()},
            },
        )
