"""What a finished map is worth: is it stable, does it lie where no evidence can be, do its cells carry the score?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.check_results import (
    ChecksResult,
    CurvesResult,
    FigureOfMap,
    RegionShare,
    ShortcutResult,
    StabilityResult,
)
from app.core.schemas import KnownRegion, Region
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelOnInput

if TYPE_CHECKING:
    import numpy as np

    from backend.attribution.measuring.shortcuts import Share
    from backend.attribution.measuring.stability import Stability
    from backend.store.blobs import Blobs
    from models import Model, Prepared

FLAT = "Nothing to check: every cell of this map has the same value."
CONCEPT = "A concept map says where a concept is, not what speaks for a class; its verdict stands beside random concepts."
NOTHING_FOR = "Nothing in this map speaks for the class, so no support can lie on a shortcut."
FIGURES = ("sparseness", "complexity", "effective_complexity")
WITHIN = ("pointing_game", "relevance_rank_accuracy")
"""Metrics of a map with a known region."""
TOO_DEAR = "Not measured: making this map {n} times again is too dear; fewer samples or steps can be checked."


class ChecksPayload(ModelOnInput):
    """explanation: id of the map. values, stages: digests of its arrays. samples: that it was averaged over, where it
    was. region: where the evidence is known to be. known: what else is known to be in the input. request: as it was made."""

    explanation: str
    method: str
    target: int
    layer: str | None = None
    params: dict[str, Any] = Field({})
    seed: int = 0
    signed: bool = True
    native: tuple[int, int] = (1, 1)
    samples: int | None = None
    values: str
    region: Region | None = None
    known: list[KnownRegion] = Field([])
    stages: Mapping[str, str] = Field({})
    request: dict[str, Any] = Field({})


@register
class ChecksTask(Task[ChecksPayload, ChecksResult]):
    """Blob: `stable` uint8 [H, W], 1 where a cell is stable."""

    key = "checks"
    lane = "batch"
    rank = -20
    Payload = ChecksPayload

    def compute(self, payload: ChecksPayload, files: Blobs, report: Report) -> Outcome[ChecksResult]:
        import time

        import numpy as np

        from backend.attribution.methods import METHODS
        from backend.tasks.models import model_of, prepare

        report(0, 0, unit="checks")
        started = time.perf_counter()
        values = files.array(payload.values)
        result = ChecksResult(explanation=payload.explanation)
        if float(np.ptp(values)) == 0.0:
            result.notes = {"map": FLAT}
            return Outcome(result)
        model = model_of(payload, files)
        prepared = prepare(model, payload, files)
        concept = METHODS[payload.method].family == "concept"
        if concept:
            result.notes["map"] = CONCEPT
        else:
            result.shortcut = shortcut_of(model, values, prepared, payload, files)
            if result.shortcut is None:
                result.notes["shortcut"] = NOTHING_FOR
        stability = stability_of(model, prepared, values, payload, files, report)
        if stability is None:
            result.notes["stability"] = TOO_DEAR.format(n=4)
        else:
            result.stability = StabilityResult(
                share=stability.share, words=stability.words, jitters=stability.n
            )
        if not concept:
            result.curves = curves_of(model, prepared, values, payload)
        result.figures = figures_of(model, prepared, values, payload)
        result.localisation = localisation_of(values, prepared, payload)
        result.seconds = time.perf_counter() - started
        return Outcome(result, {} if stability is None else {"stable": stability.stable.astype(np.uint8)})


def shortcut_of(
    model: Model, values: np.ndarray, prepared: Prepared, payload: ChecksPayload, files: Blobs
) -> ShortcutResult | None:
    """None for a map with nothing positive."""
    sound = None
    if payload.input.modality == "audio":
        from backend.tasks.models import raw_of
        from models.media.segment import mono

        samples, rate = raw_of(payload.input, files)
        sound = mono(samples)[0], rate
    weighed = [share_result(each) for each in _shares(values, prepared, sound, payload)]
    if not weighed:
        return None
    if sound is not None:
        weighed = ranged(weighed, _moved_shares(model, prepared, sound, payload, files))
    first = weighed[0]
    return ShortcutResult(
        regions=weighed,
        share=first.share,
        area=first.area,
        title=first.title,
        flagged=first.flagged,
        words=first.words,
    )


def _shares(
    values: np.ndarray, prepared: Prepared, sound: tuple[np.ndarray, int] | None, payload: ChecksPayload
) -> list[Share]:
    from backend.attribution.measuring import shortcuts
    from models.regions import cells_inside

    axes = prepared.y_axis, prepared.x_axis
    known = [
        shortcuts.Region(
            part.key,
            part.title,
            f"on the {part.title.lower()}",
            cells_inside(Region(boxes=[list(box) for box in part.boxes], mask=part.mask), *axes),
        )
        for part in payload.known
    ]
    named = {part.key for part in known}
    told = [region for region in shortcuts.regions_of(prepared, sound) if region.key not in named]
    return shortcuts.shares(values, [*known, *told])


def _moved_shares(
    model: Model, prepared: Prepared, sound: tuple[np.ndarray, int], payload: ChecksPayload, files: Blobs
) -> list[dict[str, float]]:
    """By region, of the map made again with the window cut a little earlier and later; empty where that is too dear."""
    from backend.attribution.concepts.library import Library
    from backend.attribution.explain import explain, resolve_params
    from backend.attribution.measuring import stability
    from backend.attribution.methods import METHODS
    from backend.tasks.gate import moved

    method = METHODS[payload.method]
    cost = method.cost(model, resolve_params(method, model, payload.params))
    if not stability.jitters_of(model, cost.forwards + 2 * cost.backwards):
        return []
    again = []
    for other in moved(model, prepared, sound):
        made = explain(
            model, other.x, payload.method, target=payload.target, layer=payload.layer, seed=payload.seed,
            library=Library(files), **payload.params,
        )  # fmt: skip
        again.append({each.key: each.share for each in _shares(made.values, other, sound, payload)})
    return again


def ranged(weighed: list[RegionShare], moved: list[dict[str, float]]) -> list[RegionShare]:
    """Each share with its range over the maps made again; in its words too, where the range is wider than a percentage point."""
    from backend.attribution.measuring.shortcuts import said
    from backend.tasks.familiar import span

    told = []
    for part in weighed:
        every = [part.share, *(other[part.key] for other in moved if part.key in other)]
        low, high = min(every), max(every)
        words = part.words
        if high - low > 0.01:
            between = f"{span(100 * low, 100 * high)} % (window moved by 50 ms)"
            words = words.replace(said(part.share), between, 1)
        told.append(
            part.model_copy(update={"low": low, "high": high, "words": words} if len(every) > 1 else {})
        )
    return told


def share_result(share: Share) -> RegionShare:
    return RegionShare(
        key=share.key,
        title=share.title,
        share=share.share,
        area=share.area,
        times=share.times,
        rare=share.rare,
        flagged=share.flagged,
        words=share.words,
    )


def stability_of(
    model: Model, prepared: Prepared, values: np.ndarray, payload: ChecksPayload, files: Blobs, report: Report
) -> Stability | None:
    """None where it is too dear."""
    from backend.attribution.concepts.library import Library
    from backend.attribution.explain import explain, resolve_params
    from backend.attribution.measuring import stability
    from backend.attribution.methods import METHODS

    stages = {name: files.array(sha) for name, sha in payload.stages.items()}
    own = stability.own_error(values, stages, payload.samples)
    if own is not None:
        return own
    method = METHODS[payload.method]
    cost = method.cost(model, resolve_params(method, model, payload.params))
    n = stability.jitters_of(model, cost.forwards + 2 * cost.backwards)
    if not n:
        return None
    library = Library(files)

    def again(x: Any) -> Any:
        return explain(
            model, x, payload.method, target=payload.target, layer=payload.layer, seed=payload.seed, library=library, **payload.params
        )  # fmt: skip

    rows = prepared.y_axis.name != "frequency"
    x = prepared.x.to(model.device)
    return stability.by_jitters(values, x, again, n, payload.seed, rows, report)


def curves_of(model: Model, prepared: Prepared, values: np.ndarray, payload: ChecksPayload) -> CurvesResult:
    from backend.attribution.measuring.curves import curves

    found = curves(model, prepared.x.to(model.device), values, payload.target, payload.seed)
    return CurvesResult(
        x=found.x.tolist(),
        deletion=found.deletion.tolist(),
        insertion=found.insertion.tolist(),
        random_low=found.low.tolist(),
        random_high=found.high.tolist(),
        baseline=found.baseline,
        words=found.words(model.labels[payload.target]),
    )


def figures_of(
    model: Model, prepared: Prepared, values: np.ndarray, payload: ChecksPayload
) -> list[FigureOfMap]:
    """How concentrated the map is, and how it ranks the known region beside maps that look at nothing, by the metrics of
    studies."""
    from backend.attribution.measuring.controls import controls
    from backend.attribution.measuring.evaluate import evaluate_all
    from backend.attribution.measuring.registry import METRICS
    from backend.attribution.types import Attribution
    from models.regions import cells_inside

    result = Attribution(values, payload.signed, payload.native, method=payload.method, target=payload.target)
    mask = None if payload.region is None else cells_inside(payload.region, prepared.y_axis, prepared.x_axis)
    within = () if mask is None else WITHIN
    x = prepared.x.to(model.device)
    scores = evaluate_all(model, x, result, (*FIGURES, *within), mask, seed=payload.seed)
    blind = {
        name: evaluate_all(model, x, control, within, mask, seed=payload.seed)
        for name, control in controls(model, x, payload.target).items()
        if within
    }
    return [
        FigureOfMap(
            key=key,
            title=METRICS[key].title,
            value=score.value,
            words=score.words or score.note,
            controls={name: found[key].value for name, found in blind.items() if key in found},
        )
        for key, score in scores.items()
    ]


def localisation_of(values: np.ndarray, prepared: Prepared, payload: ChecksPayload) -> list[RegionShare]:
    """What the map holds of the region where the evidence is known to be; empty where none is known or shown."""
    from backend.attribution.measuring import shortcuts
    from models.regions import cells_inside

    if payload.region is None:
        return []
    mask = cells_inside(payload.region, prepared.y_axis, prepared.x_axis)
    region = shortcuts.Region("evidence", "Known evidence", "inside the known evidence", mask)
    inside = [share_result(each) for each in shortcuts.shares(values, [region])]
    return [each.model_copy(update={"flagged": False}) for each in inside]
