"""Uploaded and generated inputs: what they are, and what is known of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

Modality = Literal["image", "audio", "spectrogram"]


class Cough(BaseModel):
    """One event of a recording, seconds from its start."""

    index: int
    start: float
    end: float
    peak: float
    level_db: float


class Check(BaseModel):
    """One line of the fit-for-use gate: a state with a word, never colour alone."""

    key: str
    label: str
    state: Literal["ok", "warning", "bad", "unknown"]
    detail: str = ""


class InputFacts(BaseModel):
    """What decoding says about an input."""

    modality: Modality
    bytes: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    rate: int | None = None
    channels: int | None = None
    coughs: list[Cough] = []
    waveform: list[float] = []
    """Peak envelope for drawing, at most 600 values in 0..1."""
    checks: list[Check] = []
    scale: Literal["db", "power", "amplitude", "unit"] | None = None
    """What the numbers of a spectrogram are."""
    notes: list[str] = []


class Input(InputFacts):
    """A decoded input. The same bytes give the same id."""

    id: str
    name: str = ""
    sample: str | None = None
    """Key of the bundled sample, when it is one."""


class AxisInfo(BaseModel):
    name: Literal["x", "y", "time", "frequency"]
    unit: Literal["px", "s", "Hz"]
    origin: Literal["upper", "lower"]
    values: list[float]


class Credit(BaseModel):
    """Whose work a bundled file is. page: where it was published."""

    author: str
    licence: str
    page: str


class SamplePair(BaseModel):
    """What belongs beside a sample: another input under its network (kind `input`), or another network."""

    kind: Literal["input", "model"]
    key: str
    title: str
    description: str


class Sample(BaseModel):
    key: str
    group: Literal["own", "photographs", "sounds", "drawings"]
    """`own`: of the folder that the operator named."""
    title: str
    description: str
    known: str
    """What is known about it: the evidence region, the true label, which shortcut it carries."""
    role: Literal["right", "wrong", "shortcut", "example"]
    modality: Modality
    model: str
    input: str
    label: str | None = None
    evidence: dict[str, Any] = {}
    credit: Credit | None = None
    """None for what a program of ours made."""
    beside: SamplePair | None = None


class PixelRuns(BaseModel):
    """Pixels of a photo `[H, W]`: lengths of runs down its columns, the first run outside (COCO's
    uncompressed run lengths)."""

    size: tuple[int, int]
    counts: list[int]


class KnownRegion(BaseModel):
    """What lies in any of the boxes, or in the mask: `[t0, t1, f0, f1]` in seconds and Hz or `[x0, x1, y0, y1]` in
    pixels of the photo, edges included."""

    key: Literal["evidence", "sticker", "hum"]
    title: str
    boxes: list[tuple[float, float, float, float]] = []
    mask: PixelRuns | None = None


class KnownEvidence(BaseModel):
    """Where a sample holds what tells its class, or the thing itself. In units of the axes, so that it fits the grid
    of every model and window."""

    sample: str
    model: str
    """The model that this evidence is the evidence for; another may look for something else in the same
    input."""
    label: str | None = None
    """The class that the region `evidence` speaks for, when there is one."""
    how: Literal["program", "eye"] = "program"
    """How it is known: a program made the input, or somebody drew a box around the thing."""
    regions: list[KnownRegion]
