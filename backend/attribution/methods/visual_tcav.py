"""Visual-TCAV: where the network recognises a concept, and how much it adds to the class."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from app.core.errors import Incompatible
from backend.attribution.concepts.attribution import POINTS, concept_attribution
from backend.attribution.concepts.domains import unlike_words
from backend.attribution.concepts.library import COUNTERS, EXAMPLES, RANDOM, Library
from backend.attribution.concepts.significance import empirical_p
from backend.attribution.concepts.vectors import ConceptVector
from backend.attribution.concepts.verdict import Evidence, Judgement, interval, judge_together
from backend.attribution.concepts.work import passes_behind
from backend.attribution.methods import register
from backend.attribution.types import (
    Attribution,
    Compatibility,
    Context,
    Cost,
    Family,
    Method,
    Params,
    Progress,
    Stage,
)
from models.model import Model
from models.synthetic.concepts import CONCEPTS

REDRAWS = 100
WHOLE = 3
"""Passes of the input itself, beside the points of the path and the examples."""


class VisualTcavParams(Params):
    concept: str = Field(
        "striped",
        title="Concept",
        description="What to look for: a built-in concept or one of yours.",
        max_length=64,
        json_schema_extra={"choices_from": "concepts"},
    )
    negatives: str = Field(
        RANDOM,
        title="Counter-examples",
        description="What the concept is told apart from.",
        max_length=64,
        json_schema_extra={"choices_from": "concepts"},
    )
    n_random: int = Field(
        200,
        ge=20,
        le=2000,
        title="Random concepts",
        description="How many random concepts of the same size it is compared with.",
        json_schema_extra={"same_map": "It sharpens the p-value beside the map."},
    )


@register
class VisualTcav(Method[VisualTcavParams]):
    """Concept map M enlarged with half-pixel centres; formulas in
    backend/attribution/concepts/attribution.py.

    M is the same for every class and never scaled per input, so maps of different inputs can be compared; how
    much the concept adds to the chosen class is the number beside it. Significance (ours): the attribution
    against random pseudo-concepts of equal size on the same attribution field, and the verdict of
    backend/attribution/concepts/verdict.py.
    """

    key: ClassVar[str] = "visual_tcav"
    title: ClassVar[str] = "Concept map"
    family: ClassVar[Family] = "concept"
    paper: ClassVar[str] = "De Santis et al., Visual-TCAV, arXiv 2411.05698"
    summary: ClassVar[str] = (
        "Bright where the network recognises the concept at this layer, whatever the class; the number says how much it adds to the class."
    )
    signed: ClassVar[bool] = False
    uses_layer: ClassVar[bool] = True
    unit: ClassVar[str] = "steps"
    default_on: ClassVar[bool] = True
    order: ClassVar[int] = 55
    Params = VisualTcavParams

    def is_compatible(self, model: Model) -> Compatibility:
        layered = super().is_compatible(model)
        if not layered.ok or {"image", "audio"} & set(model.input.modalities):
            return layered
        return Compatibility(
            False,
            "No built-in concept is made of what this network takes: they are pictures and sounds. Make one of your own on the Concepts page.",
        )

    def defaults(self, model: Model) -> dict[str, Any]:
        """A pattern that is one of the network's own classes, else dots; for sound a room's hum."""
        if "image" not in model.input.modalities:
            return {"concept": "hum"}
        labels = {label.lower() for label in model.labels}
        return {"concept": next((key for key in ("striped", "dotted") if key in labels), "dotted")}

    def cost(self, model: Model, params: VisualTcavParams) -> Cost:
        layer = model.default_layer
        known = (
            layer is not None
            and params.concept in CONCEPTS
            and Library().known(model, (layer,), (params.concept,), params.negatives)
        )
        path = passes_behind(model, layer, POINTS) if layer else POINTS
        return Cost(forwards=path + WHOLE + (0 if known else EXAMPLES + COUNTERS), backwards=path)

    def run(
        self, model: Model, x: Tensor, context: Context, params: VisualTcavParams, report: Progress
    ) -> Attribution:
        if context.layer is None:
            raise Incompatible("A concept map needs a layer with a spatial output.", field="layer")
        library, layer = context.library or Library(), context.layer
        ran = library.ran
        report(0, 3)
        vector = library.vector(model, layer, params.concept, params.negatives)
        report(1, 3)
        attribution = concept_attribution(model, x, layer, [vector], [context.target])
        report(2, 3)
        counter = library.counter_for(model, params.concept, params.negatives)
        pseudo = library.pseudo(
            model, layer, vector.positives, params.n_random, negatives=counter, seed=context.seed
        )
        redrawn = library.redrawn(
            model, layer, params.concept, REDRAWS, negatives=counter, seed=context.seed + 1
        )
        score, chance = float(attribution.scores[0, 0]), pseudo.scores(attribution.field)[:, 0].cpu().numpy()
        p = empirical_p(score, chance)
        low, high, _ = interval(
            np.array([score]),
            redrawn.scores(attribution.field)[:, 0].cpu().numpy(),
            np.array([chance.mean()]),
        )
        mismatch = unlike_words(library.kind(model, params.concept), library.kind(model, counter), None)
        level = float(np.quantile(chance, 0.95))
        judgement = judge_together(
            [Evidence(p, low, high, float(chance.mean()), level, unlike=mismatch)], params.n_random
        )[0]
        report(3, 3)
        path = passes_behind(model, layer, POINTS)
        native = tuple(attribution.maps.shape[-2:])
        return Attribution(
            values=enlarged(attribution.maps[0], x.shape[-2:]),
            signed=False,
            native=(native[0], native[1]),
            stages={
                "raw": Stage("Projection before clipping", attribution.raw[0].cpu().numpy(), False),
                "map": Stage(
                    "Concept map at the layer's resolution", attribution.maps[0].cpu().numpy(), False
                ),
                "field": Stage(
                    "Attribution field of the class, all concepts",
                    attribution.field.values[0].sum(0).cpu().numpy(),
                    False,
                ),
            },
            extras={
                "concept": vector.name,
                "score": score,
                "share": float(attribution.shares[0]),
                "p_value": p,
                "verdict": judgement.verdict,
                "because": judgement.because,
                "range_low": low,
                "range_high": high,
                "counter": library.name(counter),
                "random_95": level,
                "emblem_plus": vector.emblems[0],
                "emblem_minus": vector.emblems[1],
                "length": vector.length,
                "length_over_random": vector.length / max(float(pseudo.lengths.median()), 1e-12),
                "examples": vector.positives,
                "counter_examples": vector.negatives,
            },
            notes=_notes(vector, score, judgement),
            forwards=path + WHOLE + library.ran - ran,
            backwards=path,
        )


def _notes(vector: ConceptVector, score: float, judgement: Judgement) -> tuple[str, ...]:
    if not vector.recognised:
        return (
            f"{vector.name} is not recognised at this layer: its examples light up no more than the counter-examples. Try another layer.",
        )
    if judgement.verdict == "counts":
        return ()
    words = (
        "does not count for more than chance"
        if judgement.verdict == "not_more_than_chance"
        else "may or may not count: undecided"
    )
    return (
        f"{vector.name} {words} at this layer (score {score:.3f}, p = {judgement.p_adjusted:.2f}). {judgement.because}",
    )


def enlarged(maps: Tensor, size: torch.Size | tuple[int, ...]) -> np.ndarray:
    """Bilinear with half-pixel centres, no blur: `[h, w]` to the display grid, float32."""
    grown = F.interpolate(maps[None, None], size=tuple(size), mode="bilinear", align_corners=False)[0, 0]
    return grown.clamp_min(0).cpu().numpy().astype(np.float32)
