"""Parts of an input, drawn or uploaded; inputs altered there; and what the model then says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request
from app.core.schemas.inputs import PixelRuns
from app.core.schemas.jobs import Job, JobKind
from app.core.text import Name

Box = Annotated[list[float], Field(min_length=4, max_length=4)]
Mode = Literal["erase", "keep", "replace"]
Filler = Literal["mean", "blur", "noise", "silence", "black"]


class Region(Request):
    """What lies in any of the boxes, or in the mask: `[t0, t1, f0, f1]` in seconds and Hz or `[x0, x1, y0, y1]` in pixels
    of the photo, edges included. One of the two is given."""

    boxes: list[Box] = Field([], max_length=5000)
    mask: PixelRuns | None = None


class InputRegion(BaseModel):
    """The user's own region of an input. share: of the photo that a mask covers, null for boxes."""

    input: str
    boxes: list[Box] = []
    mask: PixelRuns | None = None
    share: float | None = None


class Alteration(Region):
    """An input altered in a region. erase, replace: what lies in it goes; keep: all else goes. filler: what stands in
    its place, null takes what the model's kind of input calls nothing (black, silence, ...)."""

    mode: Mode = "erase"
    filler: Filler | None = None
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Of the noise, and of where the random regions lie."""


class WhatIfRequest(Alteration):
    """target: the class that is asked about; null takes the predicted one. heard: the sound itself is masked, as
    `GET /inputs/{id}/audio.wav` with the region plays it (keep: `only`, erase: `rest`), instead of the network's grid."""

    input: Name
    model: Name
    target: int | None = Field(None, ge=0)
    start: float | None = Field(None, ge=0)
    heard: bool = False


class WhatIfResult(BaseModel):
    """What the model says of the altered input, and of the same input altered in random regions of the same shape and
    area. before, after, randoms: probabilities of the target;
    odds_*: the same as log odds, log p / (1 - p).

    stronger_than: how many of the random regions change the log odds less (erase, replace), or leave less of them
    (keep). Where the region is one like any other, every number from 0 to all is equally likely.
    """

    model: str
    weights_sha256: str
    target: int
    target_label: str
    mode: Mode
    filler: Filler | None
    """None where the sound itself was masked."""
    before: float
    after: float
    odds_before: float
    odds_after: float
    top_before: str
    top_after: str
    randoms: list[float]
    odds_randoms: list[float]
    stronger_than: int
    share: float
    """Of the display grid that the region covers."""
    wrapped: bool = False
    """Whether random regions may run over the border to the other side, because too few places are left inside."""
    heard: bool = False
    sound: str | None = None
    """Path (below the API prefix) of the sound that was judged."""
    words: str
    caveat: str
    seconds: float
    versions: dict[str, str] = {}


class WhatIf(Job):
    kind: JobKind = "whatif"
    request: WhatIfRequest
    result: WhatIfResult | None = None
