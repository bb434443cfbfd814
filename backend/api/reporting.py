"""What a report is made of, from the store. Starts nothing: what was not computed is not in it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool

from app import __version__
from app.core.check_results import ChecksResult, SanityResult
from app.core.errors import BadParameter, EvidentError, NotFound
from app.core.schemas import ExplanationRequest, Input, ModelInfo, Prediction, Record, Region, SanityRequest
from backend.api import lookup
from backend.jobs.keys import code_version, job_key
from backend.rendering.bundle import Look
from backend.reports import claims
from backend.reports.assemble import MapSource, Source, subject
from backend.reports.content import Report
from backend.store import JobRow
from backend.store import regions as regions_of

if TYPE_CHECKING:
    from backend.api.services import Services


SAME_START = 1e-6
"""Seconds that two starts of one window may differ."""


async def map_sources(
    services: Services, rows: Sequence[JobRow], earlier: JobRow | None = None
) -> list[MapSource]:
    """rows: finished explanations. earlier: a prediction on the loudest event, for its picture, where there is none of the map's own
    window or version of the program."""
    checks = await _checks_of(services, [row.key for row in rows])
    return [await _map_source(services, row, checks.get(row.key), earlier) for row in rows]


async def _map_source(
    services: Services, row: JobRow, checks: ChecksResult | None, earlier: JobRow | None
) -> MapSource:
    record = Record(**(row.result or {}))
    request = ExplanationRequest(**row.payload["request"]).model_dump(mode="json")
    found = await prediction_row(services, request)
    if found is None and earlier is not None and _begins(earlier, request["start"]):
        found = earlier
    return MapSource(
        id=row.key,
        request=request,
        record=record,
        values=await _array(services, row.key, "values"),
        grid=await _array(services, found.key, "display") if found else None,
        checks=checks,
        sanity=await _sanity_of(services, request),
    )


def _begins(row: JobRow, start: float | None) -> bool:
    """Whether a prediction on the loudest event looked at the window from `start` on: its picture is the map's."""
    window = (row.result or {}).get("window")
    return start is None or (window is not None and abs(window[0] - start) < SAME_START)


async def _array(services: Services, key: str, name: str) -> np.ndarray | None:
    with suppress(FileNotFoundError, NotFound):
        path = await services.jobs.file_path(key, name)
        if path is not None:
            data = await run_in_threadpool(path.read_bytes)
            return np.load(io.BytesIO(data), allow_pickle=False)
    return None


async def prediction_row(services: Services, request: Mapping[str, Any]) -> JobRow | None:
    """The finished prediction on the same window of the same input, if there is one."""
    asked = {name: request[name] for name in ("input", "model", "start")}
    with suppress(EvidentError):
        model = await lookup.model(services, str(request["model"]))
        row = await services.jobs.get(await lookup.prediction_key(services, asked, model))
        return row if row.result is not None else None
    return None


def prediction_of(row: JobRow | None) -> Prediction | None:
    if row is None or row.result is None:
        return None
    return Prediction(**{**row.result, "id": row.key, "state": "done", "display": ""})


async def _checks_of(services: Services, ids: Sequence[str]) -> dict[str, ChecksResult]:
    """The latest finished checks of each map."""
    rows = await services.store.run(services.jobs.queue.mentioning, list(ids)) if ids else []
    done = [row for row in rows if row.kind == "checks" and row.result is not None]
    return {
        row.payload["explanation"]: ChecksResult(**(row.result or {}))
        for row in sorted(done, key=lambda row: row.finished or "")
    }


async def _sanity_of(services: Services, request: Mapping[str, Any]) -> SanityResult | None:
    """Of the map's method on its model, where it was checked."""
    with suppress(EvidentError):
        model = await lookup.model(services, str(request["model"]))
        asked = SanityRequest(**{name: request[name] for name in SanityRequest.model_fields})
        row = await services.jobs.get(job_key("sanity", asked.model_dump(mode="json"), model.identity))
        return SanityResult(**row.result) if row.result is not None else None
    return None


async def source_of(
    services: Services,
    input_id: str,
    model_key: str,
    maps: Sequence[MapSource],
    found: JobRow | None,
    **more: Any,
) -> Source:
    """One input with what is stored of it. more: fields of the source that the caller knows."""
    facts = samples = wav = region = None
    with suppress(NotFound):
        row = await services.store.run(services.store.input, input_id)
        facts = Input(**row.meta)
        samples = await _blob_array(services, row.blobs.get("canonical"))
        wav = await _blob_bytes(services, row.blobs.get("audio.wav"))
        own = await services.store.run(regions_of.region_of, services.store, row.id)
        region = None if own is None else Region.model_validate(own)
    return Source(
        **{
            "input": input_id,
            "maps": maps,
            "name": "",
            "facts": facts,
            "samples": samples,
            "wav": wav,
            "prediction": prediction_of(found),
            "model": await model_info(services, model_key),
            "model_key": model_key,
            "region": region,
            **more,
        }
    )


async def _blob_array(services: Services, sha: str | None) -> np.ndarray | None:
    with suppress(EvidentError, FileNotFoundError):
        return None if sha is None else await services.store.run(services.blobs.array, sha)
    return None


async def _blob_bytes(services: Services, sha: str | None) -> bytes | None:
    path = None if sha is None else await services.store.run(services.blobs.path, sha)
    with suppress(FileNotFoundError):
        return None if path is None else await run_in_threadpool(path.read_bytes)
    return None


async def model_info(services: Services, key: str) -> ModelInfo | None:
    with suppress(EvidentError):
        return (await lookup.model(services, key)).info
    return None


async def comparison(
    services: Services, rows: Sequence[JobRow], look: Look, link: str, name: str, asked: bool, form: str
) -> Report:
    """The report of one input's maps, as Compare shows them. Raises BadParameter for maps of several inputs."""
    requests = [ExplanationRequest(**row.payload["request"]) for row in rows]
    if len({(request.input, request.model) for request in requests}) > 1:
        raise BadParameter(
            "These maps are of several inputs or models; ask for the report of one input under one model.",
            field="ids",
        )
    first = requests[0].model_dump(mode="json")
    found = await prediction_row(services, first)
    maps = await map_sources(services, rows)
    source = await source_of(
        services,
        requests[0].input,
        requests[0].model,
        maps,
        found,
        name=name,
        asked=asked,
        look=look,
        with_sound=form == "html",
    )
    return await run_in_threadpool(_compared, source, link, form)


def _compared(source: Source, link: str, form: str) -> Report:
    said = subject(source)
    what = {"recording": "one recording", "picture": "one picture", "spectrogram": "one spectrogram"}.get(
        said.kind, "one input"
    )
    manifest = {
        "evident": __version__,
        "code": code_version(),
        "kind": "comparison",
        "link": link,
        "subjects": [claims.of_source(source)],
    }
    state = newest([one.record.created for one in source.maps])
    return Report(
        title=f"What the model used: {what}",
        subtitle=f"Evidence report{f' · results of {state}' if state else ''}",
        state=f"Newest result in it: {state}." if state else "",
        link=link,
        subjects=[said],
        manifest=manifest,
        verify=f"evident verify report.{form}",
    )


def in_words(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"


def newest(times: Sequence[str]) -> str:
    """The latest of ISO times, in words; it dates the report, so that the same question gives the same bytes."""
    moments = sorted(datetime.fromisoformat(time).astimezone(UTC) for time in times if time)
    return f"{moments[-1]:%-d %B %Y, %H:%M} UTC" if moments else ""
