"""Inputs that a network sees as alike: nearest by its features, and by what they add to a class."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.errors import InvalidInput
from app.core.schemas import Neighbour, SimilarResult
from app.core.schemas.similar import By
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import InputWindow, ModelOnInput

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs
    from models import Model

KEPT = 5000
"""Inputs whose features a worker remembers."""
MEANS = (
    "|a - b| / |b| of what layer {layer} answers, averaged over its places: 0 is the same input to the network, 1 is as far as one "
    "without any answer. By reason, each filter's answer counts by what it adds to the score of {label}."
)


class SimilarPayload(ModelOnInput):
    """inputs: to search among. unlisted: how many more there were than may be searched. request: as it was made, for the
    routes."""

    inputs: list[InputWindow]
    unlisted: int = 0
    n: int = 5
    target: int | None = None
    request: dict[str, Any] = Field({})


@dataclass(frozen=True, eq=False)
class Seen:
    """features, added: `[D]`, see `backend.attribution.network.embedding`. top, score: likeliest class, score of the
    target."""

    features: np.ndarray
    added: np.ndarray
    top: int
    score: float


_SEEN: OrderedDict[tuple[str, str, float | None, int], Seen] = OrderedDict()


@register
class SimilarTask(Task[SimilarPayload, SimilarResult]):
    """One pass forward and one back for each input that was not seen before."""

    key = "similar"
    lane = "interactive"
    rank = 5
    Payload = SimilarPayload

    def compute(self, payload: SimilarPayload, files: Blobs, report: Report) -> Outcome[SimilarResult]:
        import time

        from backend.attribution.explain import resolve_target
        from backend.tasks.models import model_of, prepare, versions

        total = len(payload.inputs)
        report(0, total, unit="inputs")
        model = model_of(payload, files)
        started = time.perf_counter()
        x = prepare(model, payload, files).x
        target = resolve_target(model, x.to(model.device), payload.target)
        asked = look(model, x, target)
        others: list[tuple[str, Seen]] = []
        for done, window in enumerate(payload.inputs):
            report(done, total, unit="inputs")
            seen = _remembered(model, window, target, files)
            if seen is not None:
                others.append((window.input.id, seen))
        label = model.labels[target]
        neighbours = nearest(asked, others, payload.n, model.labels)
        return Outcome(
            SimilarResult(
                input=payload.input.id,
                model=model.key,
                weights_sha256=model.digest,
                target=target,
                target_label=label,
                layer=model.default_layer,
                searched=len(others),
                left_out=total - len(others) + payload.unlisted,
                neighbours=neighbours,
                words=sentences(label, len(others), neighbours),
                distance_means=MEANS.format(layer=model.default_layer, label=label),
                seconds=time.perf_counter() - started,
                versions=versions(),
            )
        )


def look(model: Model, x: Any, target: int) -> Seen:
    """x: `[1, C, H, W]`."""
    from backend.attribution.network.embedding import embedded_for

    scores = model.predict(x.to(model.device))[0]
    return Seen(*embedded_for(model, x, target), top=int(scores.argmax()), score=float(scores[target]))


def _remembered(model: Model, window: InputWindow, target: int, files: Blobs) -> Seen | None:
    """None for an input that the network cannot take."""
    from backend.tasks.models import prepare

    key = (model.digest, window.input.id, window.start, target)
    if key not in _SEEN:
        try:
            _SEEN[key] = look(model, prepare(model, window, files).x, target)
        except InvalidInput:
            return None
        while len(_SEEN) > KEPT:
            _SEEN.popitem(last=False)
    _SEEN.move_to_end(key)
    return _SEEN[key]


def nearest(
    asked: Seen, others: Sequence[tuple[str, Seen]], n: int, labels: Sequence[str]
) -> list[Neighbour]:
    """The n nearest by features, then the n nearest by what the features add to the class, each the nearest first. others:
    ids and what was seen of them."""
    ways: tuple[By, ...] = ("embedding", "relevance")
    told = []
    for by in ways:
        far = [(distance(asked, seen, by), id, seen) for id, seen in others]
        ranked = sorted(far, key=lambda part: part[:2])
        told += [
            Neighbour(input=id, by=by, distance=away, model_says=labels[seen.top], score=seen.score)
            for away, id, seen in ranked[:n]
        ]
    return told


def distance(asked: Seen, other: Seen, by: By) -> float:
    import numpy as np

    here, there = (part.features if by == "embedding" else part.added for part in (asked, other))
    size = float(np.linalg.norm(here))
    return float(np.linalg.norm(there - here)) / (size if size > 0 else 1.0)


def sentences(label: str, searched: int, neighbours: Sequence[Neighbour]) -> str:
    if not neighbours:
        return "There is no other input to compare with: samples and labelled worklists that fit this model are searched."
    alike = {part.input for part in neighbours if part.by == "embedding"}
    reason = {part.input for part in neighbours if part.by == "relevance"}
    both = len(alike & reason)
    inputs = "input" if searched == 1 else "inputs"
    return (
        f"{searched} {inputs} searched. {both} of the {len(alike)} nearest by what the network sees are also among the {len(reason)} nearest "
        f"by what speaks for {label}. Alike to the network is not alike in health."
    )
