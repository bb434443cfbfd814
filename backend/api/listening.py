"""A region of a recording as sound, or the recording without it: made in the web process, in a fraction of a second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from starlette.concurrency import run_in_threadpool

from app.core.errors import BadParameter, NotFound
from app.core.schemas import Region
from backend.api.regions import check_region
from backend.store import InputRow
from backend.store import regions as rows

if TYPE_CHECKING:
    from backend.api.services import Services

SHORTEST, LONGEST = 0.05, 15.0
"""Seconds. A longer stretch of masked sound would not be there at once."""


async def heard(
    services: Services,
    row: InputRow,
    region: str | None,
    part: Literal["only", "rest"],
    ends: tuple[float | None, float | None],
) -> bytes:
    """WAV of the part from start to end (None: of the recording), masked by a region. Raises NotFound, BadParameter."""
    if row.modality != "audio":
        raise NotFound("Only recordings can be listened to.", code="no_sound")
    window = _window(ends, row.meta["seconds"])
    boxes = None if region is None else await _boxes(services, row, region)
    if boxes is not None and window[1] - window[0] > LONGEST:
        raise BadParameter(
            f"At most {LONGEST:g} s can be heard with a region at once: send start and end.",
            code="part_too_long",
            field="start",
        )
    waveform = await services.store.run(services.blobs.array, row.blobs["canonical"])
    rate = int(row.meta["rate"])

    def render() -> bytes:
        from backend.rendering.listen import region_sound
        from models.media.wav import write_wav

        if boxes is None:
            return write_wav(waveform[round(window[0] * rate) : round(window[1] * rate)], rate)
        return write_wav(region_sound(waveform, rate, boxes, part=part, window=window), rate)

    return await run_in_threadpool(render)


def _window(ends: tuple[float | None, float | None], seconds: float) -> tuple[float, float]:
    start = ends[0] or 0.0
    end = min(seconds if ends[1] is None else ends[1], seconds)
    if not (math.isfinite(start) and math.isfinite(end)) or end - start < SHORTEST:
        raise BadParameter(
            f"Start and end must leave at least {SHORTEST} s of the recording, which has {seconds:.2f} s.",
            field="start",
        )
    return start, end


async def _boxes(services: Services, row: InputRow, text: str) -> list[list[float]]:
    if text == "own":
        own = await services.store.run(rows.region_of, services.store, row.id)
        if own is None:
            raise NotFound("No region was drawn in this input.", code="no_region", field="region")
        return [list(box) for box in own["boxes"]]
    try:
        boxes = [[float(number) for number in box.split(",")] for box in text.split(";")]
    except ValueError:
        boxes = []
    if not boxes or any(len(box) != 4 or not all(map(math.isfinite, box)) for box in boxes):
        raise BadParameter(
            "A region is `own`, or boxes t0,t1,f0,f1 (seconds, Hz) with semicolons between.", field="region"
        )
    check_region(Region(boxes=boxes), row)
    return boxes
