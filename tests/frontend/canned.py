"""Answers of the API as it would give them, for tests that need no server. Records are real ones; the rest is
invented, and test_canned.py holds it against real answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from app.core.concept_results import (
    AnalysisPlan,
    ConceptAnalysisResult,
    ConceptCurve,
    ConceptDirection,
    ConceptOverall,
    ConceptRow,
    RandomLevel,
)
from app.core.schemas import (
    AxisInfo,
    Catalogue,
    Check,
    ClassScore,
    Concept,
    ConceptAnalysis,
    ConceptAnalysisRequest,
    Cough,
    Explanation,
    ExplanationRequest,
    Fit,
    Input,
    LayerInfo,
    MethodInfo,
    ModelInfo,
    Prediction,
    Record,
    Sample,
)
from tests.frontend import recorded

Y = AxisInfo(name="frequency", unit="Hz", origin="lower", values=[50 + 3950 * i / 63 for i in range(64)])
X = AxisInfo(name="time", unit="s", origin="upper", values=[2 * i / 127 for i in range(128)])
PARAMS = {
    "properties": {
        "n_samples": {"type": "integer", "title": "Samples", "description": "Random on/off patterns.", "default": 1000, "minimum": 16, "maximum": 5000, "scales_cost": True},
        "noise": {"type": "number", "title": "Noise", "description": "As a share of the range.", "default": 0.15, "minimum": 0, "maximum": 1},
        "baseline": {"anyOf": [{"enum": ["black", "mean", "blur", "silence"], "type": "string"}, {"type": "null"}], "title": "Baseline", "default": None},
        "mode": {"enum": ["signed", "abs"], "type": "string", "title": "Sign", "default": "signed"},
        "blur": {"type": "boolean", "title": "Blur", "default": False},
    },
    "type": "object",
}  # fmt: skip
METHODS = [
    ("grad_cam", "Grad-CAM", "cam", False, True, True),
    ("lime", "LIME", "perturbation", True, False, True),
    ("smooth_grad", "SmoothGrad", "gradient", True, False, True),
    ("lrp", "LRP", "propagation", True, False, True),
    ("fused", "Grad-CAM x LRP", "fusion", True, True, True),
    ("visual_tcav", "Concept map", "concept", False, True, True),
    ("grad_cam_pp", "Grad-CAM++", "cam", False, True, False),
    ("integrated_gradients", "Integrated gradients", "gradient", True, False, False),
    ("guided_grad_cam", "Guided Grad-CAM", "cam", True, True, False),
    ("occlusion", "Occlusion", "perturbation", True, False, False),
]


def method(key: str, title: str, family: str, signed: bool, uses_layer: bool, default_on: bool) -> MethodInfo:
    return MethodInfo.model_validate(
        {
            "key": key,
            "title": title,
            "family": family,
            "paper": "Some paper (arXiv 0000.00000)",
            "summary": "Bright cells raised the model score for the class.",
            "signed": signed,
            "uses_layer": uses_layer,
            "unit": "samples",
            "default_on": default_on,
            "modalities": ["image", "audio", "spectrogram"],
            "schema": PARAMS,
        }
    )


def model(key: str, title: str, modalities: list[Any], labels: list[str], **more: Any) -> ModelInfo:
    return ModelInfo(
        key=key,
        title=title,
        modalities=modalities,
        labels=labels,
        digest="ab" * 32,
        layers=[
            LayerInfo(name="features.conv3", kind="ReLU", shape=(64, 16, 32)),
            LayerInfo(name="features.conv4", kind="ReLU", shape=(128, 8, 16)),
        ],
        default_layer="features.conv4",
        input={"kind": "log-mel", "shape": [1, 64, 128]},
        source="trained here",
        licence="CC0-1.0",
        **more,
    )


CARD = {
    "caution": "Loudness, noise floor and length alone tell the classes apart better than this network does: it may hear the room.",
    "auc": [
        {"label": "This network, by person", "value": 0.73, "low": 0.67, "high": 0.79},
        {"label": "Shuffled labels", "value": 0.51, "low": 0.48, "high": 0.54},
        {"label": "Loudness, noise floor and length alone", "value": 0.80, "low": 0.77, "high": 0.83},
        {"label": "Another channel", "value": 0.50, "low": 0.45, "high": 0.55},
    ],
    "intended_use": "Teaching and research.",
    "data": {"recordings": 438, "persons": 438, "channel": "call centre, 8 kHz"},
}
CATALOGUE = Catalogue(
    models=[
        model("cnnexplain", "cnnexplain", ["audio", "spectrogram"], ["other", "Covid-like"], card=CARD),
        model("shapes", "Shapes", ["image"], ["striped", "dotted", "red", "tagged"]),
        model(
            "far",
            "Far away",
            ["image"],
            ["a", "b"],
            available=False,
            reason="Its weights are fetched on first use and this machine is offline.",
        ),
        model("mine", "My network", ["image"], ["a", "b"], bundled=False),
    ],
    methods=[method(*row) for row in METHODS],
    architectures=["cnnexplain", "shapes"],
)
LIMITS = {
    "image_bytes": 25 * 2**20, "audio_bytes": 50 * 2**20, "array_bytes": 50 * 2**20, "audio_seconds": 600.0, "model_bytes": 2**30,
    "accept": [".wav", ".flac", ".ogg", ".mp3", ".m4a", ".webm", ".png", ".jpg", ".webp", ".tiff", ".npy"], "accept_types": ["audio/wav", "image/png"],
}  # fmt: skip
SOUND = Input(
    id="5f" * 32, modality="audio", name="cough_012.wav", bytes=50_000, seconds=3.1, rate=8000, channels=1,
    coughs=[Cough(index=0, start=0.5, end=0.9, peak=0.6, level_db=-6), Cough(index=1, start=1.2, end=1.6, peak=1.3, level_db=-9)],
    waveform=[abs(((i * 37) % 100) / 100 - 0.5) * (1 if 100 < i < 180 or 240 < i < 310 else 0.1) for i in range(400)],
    checks=[Check(key="cough", label="cough found", state="ok"), Check(key="clip", label="not clipped", state="ok"), Check(key="snr", label="SNR 24 dB", state="ok"),
            Check(key="familiar", label="unlike training set", state="warning", detail="Far from the recordings the model learned from.")],
    sample="cough_right",
)  # fmt: skip
PICTURE = Input(
    id="1a" * 32, modality="image", name="striped.png", bytes=9_000, width=96, height=96, sample="striped"
)
SAMPLES = [
    Sample(key="cough_right", group="sounds", title="Low burst", description="A synthetic cough with a burst at 400 to 900 Hz.", known="The evidence is the burst from 0.31 to 0.55 s.", role="right", modality="audio", model="cnnexplain", input=SOUND.id, label="Covid-like"),
    Sample(key="cough_wrong", group="sounds", title="Quiet cough", description="A synthetic cough, very quiet.", known="The model answers the other class.", role="wrong", modality="audio", model="cnnexplain", input=SOUND.id, label="other"),
    Sample(key="cough_hum", group="sounds", title="Room hum", description="A cough over a 50 Hz hum.", known="The hum alone raises the score: a shortcut.", role="shortcut", modality="audio", model="cnnexplain", input=SOUND.id, label="other"),
    Sample(key="striped", group="drawings", title="Striped disc", description="Generated picture on textured ground.", known="The evidence is the stripes on the disc.", role="example", modality="image", model="shapes", input=PICTURE.id, label="striped"),
]  # fmt: skip
FITS = {
    row[0]: Fit(ok=row[0] != "occlusion", reason="" if row[0] != "occlusion" else "Occlusion needs a patch smaller than the input.", seconds=14.0 if row[0] == "lime" else 0.3)
    for row in METHODS
}  # fmt: skip


def prediction(model_key: str = "cnnexplain", value: Input = SOUND) -> Prediction:
    return Prediction(
        id="9c" * 32,
        input=value.id,
        model=model_key,
        classes=[
            ClassScore(index=0, label="other", logit=-0.7, probability=0.19),
            ClassScore(index=1, label="Covid-like", logit=0.7, probability=0.81),
        ],
        top=1,
        interval={0: (0.12, 0.28), 1: (0.72, 0.88)},
        interval_means="spread of the score over small shifts of the window",
        quality=[Check(key="window", label="window 0.31 to 2.31 s", state="ok")],
        grid=(64, 128),
        y_axis=Y,
        x_axis=X,
        window=(0.31, 2.31),
        display=f"/predictions/{'9c' * 32}/display.png",
    )


def explanation(request: ExplanationRequest, state: str = "done") -> Explanation:
    chosen = next(method for method in CATALOGUE.methods if method.key == request.method)
    asked = {
        "model": request.model,
        "target": request.target or 0,
        "target_label": "Covid-like",
        "layer": request.layer,
        "params": request.params,
        "seed": request.seed,
    }
    record = Record(**{**recorded.records()[chosen.key], **asked})
    return Explanation.model_validate(
        {
            "id": (request.method.encode().hex() * 8)[:64],
            "state": state,
            "title": chosen.title,
            "created": "2026-11-21T01:00:00Z",
            "request": request.model_dump(),
            "estimate": 0.3,
            "record": record.model_dump() if state == "done" else None,
            "progress": {"done": 640, "total": 1000, "unit": "samples"},
        }
    )


CONCEPT = Concept.model_validate(
    {
        "id": "u1",
        "ref": "ab" * 32,
        "name": "Stripes",
        "modality": "image",
        "kind": "yours",
        "count": 12,
        "boxes": 0,
    }
)


def record_of(kind: type[BaseModel], **values: Any) -> Any:
    """A result of that kind; fields that are not named get a value of their type."""
    plain: dict[Any, Any] = {str: "text", int: 1, float: 0.5, bool: True, list[float]: [0.0, 0.5, 1.0]}
    named = {key: field for key, field in kind.model_fields.items() if key not in values}
    return kind(**{key: plain.get(field.annotation) for key, field in named.items()}, **values)


def analysis(state: str = "done", inputs: Sequence[str] = (PICTURE.id,)) -> ConceptAnalysis:
    """Of CONCEPT at one layer of the second model, for class 0."""
    layer, place = "features.conv4", {"layer": "features.conv4", "concept": CONCEPT.ref}
    judged = {**place, "target": 0, "verdict": "counts", "because": "More than random concepts."}
    result = record_of(
        ConceptAnalysisResult,
        plan=record_of(AnalysisPlan, concepts=[CONCEPT.ref], layers=[layer], classes=None),
        names={CONCEPT.ref: CONCEPT.name},
        labels={"0": "striped"},
        inputs=list(inputs),
        rows=[record_of(ConceptRow, **judged, input=number) for number in range(len(inputs))],
        directions=[record_of(ConceptDirection, **place, nearest=None, nearest_cosine=None, unlike=None)],
        overall=[record_of(ConceptOverall, **judged)],
        verdicts={CONCEPT.ref: "counts"},
        cosines={layer: [[1.0]]},
        random_95=[record_of(RandomLevel, layer=layer, target=0)],
        curves=[record_of(ConceptCurve, **place, target=0)],
        versions={},
    )
    return ConceptAnalysis(
        id="7e" * 32,
        state=state,  # type: ignore[arg-type]
        created="2026-11-21T01:00:00Z",
        request=ConceptAnalysisRequest(
            model="shapes", inputs=list(inputs), concepts=[CONCEPT.ref], layers=[layer]
        ),
        result=result if state == "done" else None,
    )
