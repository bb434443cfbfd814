"""What a report claims, for a machine: every request with what it gave, and the texts that state computed figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.core.schemas import Prediction, WhatIfRequest, WhatIfResult
from backend.reports import figures, words
from backend.reports.assemble import MapSource, Source
from backend.reports.manifest import VALUES_BYTES, packed


def of_source(source: Source, name: str = "input-1", with_values: bool = True) -> dict[str, Any]:
    """One input's part of the manifest. name: of its section in the document."""
    maps = [of_map(one, with_values) for one in source.maps]
    told = [_words(one, source) for one in source.maps if one.values is not None]
    prediction = source.prediction
    weights = source.model.digest if source.model else None
    start = source.maps[0].request.get("start") if source.maps else None
    return {
        "name": name,
        "input": {
            "id": source.input,
            "modality": source.facts.modality if source.facts else None,
            "bytes": source.facts.bytes if source.facts else None,
        },
        "model": {"key": source.model_key or (source.model.key if source.model else ""), "sha256": weights},
        "region": source.region.model_dump(mode="json") if source.region else None,
        "prediction": None if prediction is None else of_prediction(prediction, source.withheld, start),
        "explanations": maps,
        "again": [] if source.withheld else [of_again(*one) for one in source.again or ()],
        "verdict": [list(row) for row in source.verdict],
        "look": {
            "opacity": source.look.opacity,
            "top": source.look.top,
            "sign": source.look.sign,
            "scale": source.look.scale,
        },
        "shown": words.shown_figures(None if source.withheld else prediction, told),
    }


def of_prediction(prediction: Prediction, withheld: bool, start: float | None) -> dict[str, Any]:
    """A withheld one is claimed by its checksum alone: the score is nowhere in the file."""
    result = words.result_of(prediction)
    request = {"input": prediction.input, "model": prediction.model, "start": start}
    return {"request": request, "sha256": words.checksum(result), "result": None if withheld else result}


def of_again(request: WhatIfRequest, result: WhatIfResult) -> dict[str, Any]:
    """The region is the subject's own."""
    asked = request.model_dump(mode="json", include={"mode", "filler", "seed", "heard", "start"})
    return {**asked, "target": result.target, "result": result.model_dump(mode="json")}


def of_map(one: MapSource, with_values: bool = True) -> dict[str, Any]:
    record = one.record.model_dump(mode="json")
    values = (
        one.values if with_values and one.values is not None and one.values.nbytes <= VALUES_BYTES else None
    )
    return {
        "id": one.id,
        "request": dict(one.request),
        "record": record,
        "values": None if values is None else packed(values),
        "sanity": one.sanity.state if one.sanity else None,
    }


def _words(one: MapSource, source: Source) -> list[str]:
    inside = None
    if source.region is not None:
        inside = figures.within(source.region, one.record.y_axis, one.record.x_axis)
    assert one.values is not None
    return words.map_words(one.record, np.asarray(one.values, np.float64), inside)
