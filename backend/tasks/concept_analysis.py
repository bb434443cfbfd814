"""Concepts over inputs, layers and classes, as a job: progress, the table so far, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.store.blobs import Blobs


@register
class ConceptAnalysis(Task):
    """payload: {inputs: [{input: InputRow.as_payload(), start}], model, upload, concepts, layers, classes,
    negatives, n_random, seed}.

    result: `app.core.concept_results.ConceptAnalysisResult`. Blobs: `maps/I/LAYER` float32 [K, h, w]. The
    partial array is the table so far, mean attribution [layers, concepts].
    """

    key = "concept_analysis"
    lane = "batch"

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from dataclasses import asdict

        from app.core.concept_results import AnalysisPlan, ConceptAnalysisResult
        from backend.attribution.concepts.analysis import Plan, analyse
        from backend.attribution.concepts.library import Library
        from backend.attribution.network.cache import steady
        from backend.tasks.explanation import finite
        from backend.tasks.models import model_of, prepare, versions

        report(0, 0, unit="inputs")
        library = Library(files)
        model = model_of(payload, files)
        inputs = [prepare(model, {**payload, **one}, files).x.to(model.device) for one in payload["inputs"]]
        plan = Plan(
            concepts=tuple(payload["concepts"]),
            layers=tuple(payload["layers"]),
            classes=None if payload.get("classes") is None else tuple(payload["classes"]),
            negatives=payload.get("negatives", "random"),
            n_random=payload.get("n_random", 200),
            seed=payload.get("seed", 0),
        )
        with steady(model):
            found = analyse(model, inputs, plan, library, report)
        result = ConceptAnalysisResult(
            model=model.key,
            weights_sha256=model.digest,
            plan=AnalysisPlan.model_validate(
                {**asdict(plan), "n_random": found.n_random, "tests": found.tests}
            ),
            names={ref: library.name(ref) for ref in plan.concepts},
            labels={str(row.target): model.labels[row.target] for row in found.rows},
            inputs=[one["input"]["id"] for one in payload["inputs"]],
            rows=found.rows,
            directions=found.directions,
            overall=found.overall,
            verdicts=found.verdicts,
            cosines=found.cosines,
            random_95=found.random_95,
            curves=found.curves,
            versions=versions(),
        )
        return Outcome(
            finite(result.model_dump()),
            {f"maps/{number}/{layer}": maps for (number, layer), maps in found.maps.items()},
        )
