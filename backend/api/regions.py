"""The user's own region of an input, and the region that evaluations and checks count: the user's own, else what the operator's table
says of it, else where the sample is known to hold its evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool

from app.core.errors import BadParameter, NotFound
from app.core.schemas import InputRegion, PixelRuns, Region
from backend.api.evidence import known_evidence
from backend.api.gallery import own_file
from backend.store import InputRow
from backend.store import regions as rows
from models.regions import packed, painted, require_same_size

if TYPE_CHECKING:
    from backend.api.services import Services


async def region_mask_of(services: Services, input_id: str, model: str) -> Region | None:
    """The region that counts for an input under a model, in units of its axes: `models.regions.cells_inside` makes the
    mask on the display grid of it, once the input is prepared. None where nothing is known. Raises NotFound.

    The known evidence of a sample is that of its own model; another may look for something else in the same input.
    """
    row = await services.store.run(services.store.input, input_id)
    own = await services.store.run(rows.region_of, services.store, row.id)
    if own is not None:
        return Region.model_validate(own)
    file = await run_in_threadpool(own_file, services.settings.inputs, row.meta.get("sample"))
    if file is not None:
        return await run_in_threadpool(file.region)
    with suppress(NotFound):
        known = await run_in_threadpool(known_evidence, str(row.meta.get("sample")))
        region = known.regions[0]
        if known.model == model and region.key == "evidence":
            return Region(boxes=[list(box) for box in region.boxes], mask=region.mask)
    return None


def view(id: str, region: Mapping[str, Any]) -> InputRegion:
    """The wire schema of a stored region."""
    told = InputRegion(input=id, **region)
    if told.mask is None:
        return told
    return told.model_copy(update={"share": sum(told.mask.counts[1::2]) / math.prod(told.mask.size)})


def check_region(region: Region, row: InputRow) -> None:
    """What can be said before a model prepares the input. Raises BadParameter."""
    if bool(region.boxes) == (region.mask is not None):
        raise BadParameter("A region is boxes or a mask: send one of the two.", field="boxes")
    if region.mask is not None:
        _check_mask(region.mask, row)
    for left, right, low, high in region.boxes:
        _check_box((left, right), (low, high), row)


def from_picture(pixels: np.ndarray, row: InputRow) -> Region:
    """pixels: uint8 `[H, W, 3]` of an uploaded mask. Raises BadParameter."""
    region = Region(mask=packed(painted(pixels)))
    check_region(region, row)
    return region


def _check_mask(mask: PixelRuns, row: InputRow) -> None:
    if row.modality != "image":
        raise BadParameter("Masks are for pictures; send boxes in seconds and Hz for sound.", field="mask")
    height, width = mask.size
    require_same_size(mask.size, (row.meta["height"], row.meta["width"]))
    if min(mask.counts, default=0) < 0 or sum(mask.counts) != height * width:
        raise BadParameter(
            f"The runs of the mask must be whole numbers from 0 on with the sum {height * width}, height times width.",
            field="mask",
        )
    inside = sum(mask.counts[1::2])
    if inside == 0:
        raise BadParameter(
            "The mask is empty: paint what belongs to the region white on black.",
            code="mask_empty",
            field="mask",
        )
    if inside == height * width:
        raise BadParameter(
            "The mask covers the whole picture: leave what is outside the region black.",
            code="mask_whole",
            field="mask",
        )


def _check_box(x: tuple[float, float], y: tuple[float, float], row: InputRow) -> None:
    """Over part of the input; what reaches over its edge is cut there."""
    if not (x[0] < x[1] and y[0] < y[1]):
        raise BadParameter(
            "A box is [left, right, low, high] with left below right and low below high.", field="boxes"
        )
    (width, height), words = _extent(row)
    if x[0] >= width or x[1] <= 0 or y[0] >= height or y[1] <= 0:
        raise BadParameter(
            f"A box lies outside the input, which has {words}.", code="box_outside", field="boxes"
        )
    if x[0] <= 0 and x[1] >= width and y[0] <= 0 and y[1] >= height:
        raise BadParameter(
            f"A box covers the whole input, which has {words}; choose a part of it.",
            code="box_whole",
            field="boxes",
        )


def _extent(row: InputRow) -> tuple[tuple[float, float], str]:
    """(right end of x, upper end of y), and the same in words. A spectrogram's depends on the model that reads it."""
    meta = row.meta
    if row.modality == "image":
        return (meta["width"], meta["height"]), f"{meta['width']} x {meta['height']} pixels"
    if row.modality == "audio":
        return (
            meta["seconds"],
            meta["rate"] / 2,
        ), f"{meta['seconds']:.2f} s and 0 to {meta['rate'] / 2:.0f} Hz"
    return (math.inf, math.inf), "no end known"
