"""Wire schemas: what the API answers and the dashboard reads. Additions are free; a change needs an entry in
docs/decisions.md.

No torch, no numpy: both sides import this. Requests are strict and refuse unknown keys; answers are plain.
"""

from app.core.schemas.base import Holder, InUse, Problem, Request
from app.core.schemas.catalogue import Catalogue, Fit, LayerInfo, MethodInfo, ModelInfo, ModelRequest
from app.core.schemas.concepts import (
    AnalysisInput,
    Concept,
    ConceptAnalysis,
    ConceptAnalysisRequest,
    ConceptChange,
    ConceptRequest,
    ExampleRef,
    ExamplesRequest,
)
from app.core.schemas.explanations import (
    ArrayInfo,
    Explanation,
    ExplanationRequest,
    Quality,
    Record,
    StageInfo,
)
from app.core.schemas.hub import Candidate, LabelList, PublishedName, PublishedNames, Recognition
from app.core.schemas.inputs import (
    AxisInfo,
    Check,
    Cough,
    Credit,
    Input,
    InputFacts,
    KnownEvidence,
    KnownRegion,
    Modality,
    PixelRuns,
    Sample,
)
from app.core.schemas.jobs import Job, JobKind, JobState, Progress
from app.core.schemas.predictions import (
    ClassScore,
    CoughScore,
    Gate,
    Prediction,
    PredictionRequest,
    PredictionResult,
)

__all__ = [
    "AnalysisInput",
    "ArrayInfo",
    "AxisInfo",
    "Candidate",
    "Catalogue",
    "Check",
    "ClassScore",
    "Concept",
    "ConceptAnalysis",
    "ConceptAnalysisRequest",
    "ConceptChange",
    "ConceptRequest",
    "Cough",
    "CoughScore",
    "Credit",
    "ExampleRef",
    "ExamplesRequest",
    "Explanation",
    "ExplanationRequest",
    "Fit",
    "Gate",
    "Holder",
    "InUse",
    "Input",
    "InputFacts",
    "Job",
    "JobKind",
    "JobState",
    "KnownEvidence",
    "KnownRegion",
    "LabelList",
    "LayerInfo",
    "MethodInfo",
    "Modality",
    "ModelInfo",
    "ModelRequest",
    "PixelRuns",
    "Prediction",
    "PredictionRequest",
    "PredictionResult",
    "Problem",
    "Progress",
    "PublishedName",
    "PublishedNames",
    "Quality",
    "Recognition",
    "Record",
    "Request",
    "Sample",
    "StageInfo",
]
