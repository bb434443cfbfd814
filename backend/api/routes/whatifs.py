"""Routes: inputs altered in a region, and the user's own regions of inputs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.core.errors import BadParameter, JobFailed, NotFound
from app.core.schemas import Alteration, InputRegion, Region, WhatIf, WhatIfRequest, WhatIfResult
from backend.api import lookup, regions
from backend.api.http.context import Address, Backend, Client, Reviewer
from backend.api.http.errors import from_validation
from backend.api.http.forms import receive
from backend.api.http.strict import StrictRoute, loads
from backend.api.routes.ablations import WAIT
from backend.api.routes.inputs import row_of
from backend.api.routes.studies import Study
from backend.jobs.errands import unreadable
from backend.jobs.keys import job_key
from backend.store import Blobs, InputRow
from backend.store import regions as rows
from backend.tasks.decode import DecodePayload
from backend.tasks.whatif import WhatIfPayload

router = APIRouter(tags=["what if"], route_class=StrictRoute)
WHATIFS = Study("whatif", WhatIf, WhatIfRequest, WhatIfResult)
WHATIFS.add_to(router, "/whatifs")
TITLES = {"erase": "Without a region", "keep": "A region alone", "replace": "A region replaced"}
_REGION = {
    name: part
    for name, part in Region.model_json_schema(ref_template="#/components/schemas/{model}").items()
    if name != "$defs"
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _REGION},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["mask"],
                    "properties": {"mask": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post("/whatifs", response_model=None, responses={200: {"model": WhatIf}, 202: {"model": WhatIf}})
async def what_if(body: WhatIfRequest, services: Backend, client: Client) -> Response:
    """The prediction without a region (or with nothing else), beside the same with 20 random regions of equal area and
    shape: 200 with the result, or 202 with the job when it takes longer than five seconds."""
    model = await lookup.model(services, body.model)
    source = await services.source(body.input, body.model, body.start)
    model.require_available()
    model.require_modality(source.input.modality)
    model.require_target(body.target)
    regions.check_region(body, await row_of(services, body.input))
    if body.heard:
        _check_heard(body, source.input.modality)
    request = body.model_dump(mode="json")
    payload = WhatIfPayload(
        **dict(source),
        alteration={name: request[name] for name in Alteration.model_fields},
        target=body.target,
        heard=body.heard,
        request=request,
    )
    key = job_key("whatif", request, model.identity)
    row = await services.jobs.submit(
        "whatif", payload.as_json(), key=key, title=TITLES[body.mode], client=client
    )
    row = await services.jobs.wait(row.key, WAIT)
    return WHATIFS.answer(row, 202 if row.active else 200)


def _check_heard(body: WhatIfRequest, modality: str) -> None:
    if modality != "audio":
        raise BadParameter("Only recordings can be heard: leave out `heard`.", field="heard")
    if body.mode == "replace" or body.filler is not None:
        raise BadParameter(
            "A region of the sound itself is kept or erased (mode), and nothing is put in its place.",
            field="mode" if body.mode == "replace" else "filler",
        )


@router.put("/inputs/{id}/region", openapi_extra=_BODY)
async def put_region(
    id: str, request: Request, services: Backend, client: Address, reviewer: Reviewer
) -> InputRegion:
    """The user's own region of this input, in place of the one before: boxes or a mask as JSON, or a black and white
    picture of the input's size as `mask` of a form. Evaluations and checks count it."""
    row = await row_of(services, id)
    if request.headers.get("content-type", "").startswith("multipart/"):
        region = await _drawn(request, row, services, client)
    else:
        region = _sent(await request.body(), services.settings.limits.json_depth)
        regions.check_region(region, row)
    await services.store.run(rows.put_region, services.store, row.id, region.model_dump(mode="json"))
    await services.audit(reviewer, "region.change", row.id, boxes=len(region.boxes or ()))
    return regions.view(row.id, region.model_dump())


@router.get("/inputs/{id}/region")
async def get_region(id: str, services: Backend) -> InputRegion:
    """The user's own region; without boxes and mask where none was drawn."""
    row = await row_of(services, id)
    region = await services.store.run(rows.region_of, services.store, row.id)
    return regions.view(row.id, region or {})


@router.delete("/inputs/{id}/region", status_code=204)
async def delete_region(id: str, services: Backend, reviewer: Reviewer) -> None:
    row = await row_of(services, id)
    if not await services.store.run(rows.delete_region, services.store, row.id):
        raise NotFound("No region was drawn in this input.", code="no_region")
    await services.store.run(services.store.scrub)
    await services.audit(reviewer, "region.delete", row.id)


def _sent(body: bytes, depth: int) -> Region:
    content: Any = loads(body, depth) if body else None
    if not isinstance(content, dict):
        raise BadParameter("Send the region as a JSON object with boxes or a mask.", field="boxes")
    try:
        return Region.model_validate(content)
    except ValidationError as error:
        raise from_validation(error.errors()) from None


async def _drawn(request: Request, row: InputRow, services: Backend, client: str) -> Region:
    """A mask that was sent as a picture, decoded by a worker; its bytes go with the errand."""
    with services.jobs.errands.open() as errand:
        file = await receive(
            request,
            errand.sent,
            services.settings.limits,
            file_field="mask",
            text_fields=(),
            families=("image",),
        )
        payload = DecodePayload(
            file=errand.path(file.sha), read_as="mask", limits=services.settings.limits
        ).as_json()
        try:
            stored = await services.jobs.errands.run(errand, "decode", payload, client)
        except JobFailed as error:
            raise unreadable(error) from None
        if stored.result["modality"] != "image":
            raise BadParameter(
                "A mask must be a picture: white inside the region, black outside.", field="mask"
            )
        pixels = await services.store.run(Blobs(errand.made).array, stored.blobs["canonical"])
        return await services.store.run(regions.from_picture, pixels, row)
