"""Concepts, their examples and analyses."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.core.concept_results import ConceptAnalysisResult
from app.core.schemas.base import Request
from app.core.schemas.inputs import Modality
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name


class ExampleRef(Request):
    """An example of a concept: an input, or a part of it: `[x0, y0, x1, y1]` in pixels, `[t0, t1, f0, f1]`
    in seconds and Hz."""

    input: Name
    box: list[float] | None = Field(None, min_length=4, max_length=4)


class ConceptRequest(Request):
    name: Name = Field(min_length=1, max_length=80)
    examples: list[ExampleRef] = Field(min_length=1, max_length=500)


class ConceptChange(Request):
    """Another name, or examples taken out by number."""

    name: Name | None = Field(None, min_length=1, max_length=80)
    remove: list[int] = Field([], max_length=500)


class ExamplesRequest(Request):
    examples: list[ExampleRef] = Field(min_length=1, max_length=500)


class Concept(BaseModel):
    """`ref` is what parameters take: the key of a built-in concept, or the digest of the examples, so that
    it never changes its meaning."""

    id: str
    ref: str
    name: str
    modality: Modality
    kind: Literal["builtin", "yours"]
    description: str = ""
    count: int
    boxes: int = 0
    """Examples that are parts of inputs."""
    usable: bool = True
    notes: list[str] = []


class AnalysisInput(Request):
    input: Name
    start: float | None = Field(None, ge=0)


class ConceptAnalysisRequest(Request):
    model: Name
    inputs: list[Name | AnalysisInput] = Field(min_length=1, max_length=200)
    concepts: list[Name] = Field(min_length=1, max_length=20)
    layers: list[Name] = Field(min_length=1, max_length=8)
    classes: list[int] | None = Field(None, min_length=1, max_length=20)
    negatives: Name = Field("random", max_length=64)
    n_random: int = Field(200, ge=20, le=20_000)
    """Random concepts per layer, at least; 20 per test are drawn where that is more."""
    seed: int = Field(0, ge=0, le=2**31 - 1)


class ConceptAnalysis(Job):
    kind: JobKind = "concept_analysis"
    request: ConceptAnalysisRequest
    result: ConceptAnalysisResult | None = None
