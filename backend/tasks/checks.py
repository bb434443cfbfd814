"""What a finished map is worth: is it stable, does it lie where no evidence can be, do its cells carry the score?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.check_results import ChecksResult, CurvesResult, RegionShare, ShortcutResult, StabilityResult
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
TOO_DEAR = "Not measured: making this map {n} times again is too dear; fewer samples or steps can be checked."


class ChecksPayload(ModelOnInput):
    """explanation: id of the map. values, stages: digests of its arrays. samples: that it was averaged over, where it
    was. request: as it was made."""

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
            result.shortcut = shortcut_of(values, prepared, payload, files)
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
        result.seconds = time.perf_counter() - started
        return Outcome(result, {} if stability is None else {"stable": stability.stable.astype(np.uint8)})


def shortcut_of(
    values: np.ndarray, prepared: Prepared, payload: ChecksPayload, files: Blobs
) -> ShortcutResult | None:
    """None for a map with nothing positive."""
    from backend.attribution.measuring import shortcuts

    sound = None
    if payload.input.modality == "audio":
        from backend.tasks.models import raw_of
        from models.media.segment import mono

        samples, rate = raw_of(payload.input, files)
        sound = mono(samples)[0], rate
    weighed = [share_result(each) for each in shortcuts.shares(values, shortcuts.regions_of(prepared, sound))]
    if not weighed:
        return None
    first = weighed[0]
    return ShortcutResult(
        regions=weighed,
        share=first.share,
        area=first.area,
        title=first.title,
        flagged=first.flagged,
        words=first.words,
    )


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
