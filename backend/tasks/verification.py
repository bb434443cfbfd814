"""A report's claims, recomputed one by one and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.errors import EvidentError
from app.core.schemas import VerificationResult
from backend.tasks import TASKS, Outcome, Report, Task, register
from backend.tasks.payloads import ModelSource, Payload, StoredInput

if TYPE_CHECKING:
    import numpy as np

    from app.core.schemas import VerifiedItem
    from backend.reports.manifest import ClaimedAgain, ClaimedMap, ClaimedSubject, Claims
    from backend.store.blobs import Blobs

NOTES = [
    "The report is not signed: this says whether its figures are what this machine computes, not who made it.",
    "Verdicts and names are what people wrote, and badges (sanity, stability, shortcuts) were measured when the report was made: neither "
    "is recomputed.",
]


class VerifiedSubject(Payload):
    """What there is here of one subject of a report. why: without an input or a model, the reason in a sentence. refused: maps that
    may not be computed, by their number, and why."""

    input: StoredInput | None = None
    source: ModelSource | None = None
    why: str = ""
    another: bool = False
    """The file that was given instead is not the input of the report."""
    refused: Mapping[str, str] = Field({})


class VerificationPayload(Payload):
    """manifest: sha256 of the blob. code: version of the code here. sealed, shown: as `backend.reports.manifest.Opened` has them.
    inputs: one for each subject of the manifest."""

    manifest: str
    code: str
    sealed: bool
    shown: Mapping[str, str] | None = None
    inputs: Sequence[VerifiedSubject]
    request: dict[str, Any] = Field({})


@register
class Verification(Task[VerificationPayload, VerificationResult]):
    """No blobs."""

    key = "verification"
    lane = "batch"
    rank = 10
    Payload = VerificationPayload

    def compute(
        self, payload: VerificationPayload, files: Blobs, report: Report
    ) -> Outcome[VerificationResult]:
        import json

        from backend.reports.manifest import Claims

        claims = Claims.model_validate(json.loads(files.get(payload.manifest)))
        return Outcome(verified(claims, payload, files, report))


def verified(
    claims: Claims, payload: VerificationPayload, files: Blobs, report: Report
) -> VerificationResult:
    """Every claim with its outcome. Raises Cancelled."""
    import time

    from backend.tasks.models import versions

    started = time.perf_counter()
    checker = _Checker(payload, files, report, sum(map(_results, claims.subjects)))
    items = checker.file(claims)
    for subject, here in zip(claims.subjects, payload.inputs, strict=True):
        items += checker.subject(subject, here)
    state, words = outcome(items)
    notes = [*NOTES]
    if claims.code and claims.code != payload.code:
        notes.insert(0, "The report was made by another version of the program or of its libraries; small differences can come from that.")  # fmt: skip
    return VerificationResult(
        state=state,
        words=words,
        items=items,
        notes=notes,
        versions=versions(),
        seconds=time.perf_counter() - started,
    )


def outcome(items: Sequence[VerifiedItem]) -> tuple[Any, str]:
    """Of all claims together."""
    count = {
        state: sum(item.state == state for item in items)
        for state in ("identical", "equal", "different", "impossible")
    }
    computed = [item for item in items if item.what in ("prediction", "map") and item.state != "impossible"]
    if count["different"]:
        first = next(item for item in items if item.state == "different")
        return (
            "different",
            f"Not the same: {count['different']} of {len(items)} claims do not hold. First: {first.title}.",
        )
    if count["impossible"] or not computed:
        done = (
            f"{len(computed)} {'result was' if len(computed) == 1 else 'results were'} recomputed and agree"
            if computed
            else "nothing could be recomputed"
        )
        return "incomplete", f"Not fully checked: {done}; {count['impossible']} could not be recomputed here."  # fmt: skip
    how = (
        "to the last bit"
        if not count["equal"]
        else f"{count['equal']} within the tolerance, the rest to the last bit"
    )
    return "same", f"The same: all {len(computed)} results were recomputed and agree, {how}."


class _Checker:
    """One report. total: results to recompute."""

    def __init__(self, payload: VerificationPayload, files: Blobs, report: Report, total: int) -> None:
        self.payload, self.files, self.report = payload, files, report
        self.done, self.total = 0, total

    def _step(self) -> None:
        self.report(self.done, self.total, unit="results")
        self.done += 1

    def _quiet(self, *_: Any, **__: Any) -> None:
        """Progress of one result; whether to stop is asked all the same."""
        self.report(max(0, self.done - 1), self.total, unit="results")

    def file(self, claims: Claims) -> list[VerifiedItem]:
        """What the file says of itself: its checksum, and the figures on its page beside those of the manifest."""
        items = [
            _item("", "file", "The file", "identical", "The file is as it was made: its checksum holds.")
            if self.payload.sealed
            else _item("", "file", "The file", "different", "The file was changed after it was made: its checksum does not hold.")
        ]  # fmt: skip
        if self.payload.shown is None:
            return items
        told = {
            f"{subject.name}.{name}": text
            for subject in claims.subjects
            for name, text in subject.shown.items()
        }
        apart = sorted({name for name in told.keys() | self.payload.shown.keys() if told.get(name) != self.payload.shown.get(name)})  # fmt: skip
        if apart:
            words = f"{len(apart)} {'figure' if len(apart) == 1 else 'figures'} on the page {'is' if len(apart) == 1 else 'are'} not what the manifest says: {', '.join(apart[:4])}."
            return [*items, _item("", "text", "Figures on the page", "different", words)]
        return [*items, _item("", "text", "Figures on the page", "identical", f"All {len(told)} texts with figures are those of the manifest.")]  # fmt: skip

    def subject(self, claimed: ClaimedSubject, here: VerifiedSubject) -> list[VerifiedItem]:
        """Prediction and maps of one input, and the words on them."""
        if here.input is None or here.source is None:
            state: Any = "different" if here.another else "impossible"
            lost = [_item(claimed.name, "input", f"Input {claimed.input.id[:12]}", state, here.why)]
            self.done += _results(claimed)
            return lost
        items, told = [], []
        prediction, computed = self._prediction(claimed, here)
        items += prediction
        for number, one in enumerate(claimed.explanations):
            item, words = self._map(claimed, one, here, here.refused.get(str(number), ""))
            items.append(item)
            told.append(words)
        items += [self._again(claimed, one, here) for one in claimed.again]
        return [*items, *self._texts(claimed, computed, told)]

    def _prediction(self, claimed: ClaimedSubject, here: VerifiedSubject) -> tuple[list[VerifiedItem], Any]:
        """Item, and the recomputed result (None without one)."""
        from app.core.schemas import PredictionResult
        from backend.reports import compare
        from backend.reports.words import checksum, result_of

        self._step()
        said = claimed.prediction
        if said is None:
            return [], None
        title = f"Model score of {claimed.model.key}"
        if said.request.input != claimed.input.id or said.request.model != claimed.model.key:
            return [_item(claimed.name, "prediction", title, "different", "The prediction is about another input or model than the section.")], None  # fmt: skip
        try:
            made = TASKS["prediction"].run(self._payload(here, said.request.start), self.files, self._quiet)
        except EvidentError as error:
            return [_item(claimed.name, "prediction", title, "impossible", _because(error))], None
        computed = PredictionResult(**made.result)
        result = result_of(computed)
        if checksum(result) == said.sha256 and (said.result is None or result_of(said.result) == result):
            return [_item(claimed.name, "prediction", title, "identical", "Recomputed: every number is the same to the last bit.", 0.0)], computed  # fmt: skip
        if said.result is None:
            words = "Recomputed: not the same bits. The report withholds the score, so how far apart they are cannot be said."
            return [_item(claimed.name, "prediction", title, "different", words)], None
        apart = compare.results(result_of(said.result), result)
        if apart <= compare.SCORES:
            words = f"Recomputed: equal within {compare.SCORES:g}; the largest difference is {apart:.2g}."
            return [_item(claimed.name, "prediction", title, "equal", words, apart)], said.result
        words = (
            f"Recomputed: not the same; the largest difference is {apart:.3g}."
            if apart < float("inf")
            else "Recomputed: not the same classes, checks or windows."
        )
        return [_item(claimed.name, "prediction", title, "different", words, apart)], None

    def _map(
        self, claimed: ClaimedSubject, one: ClaimedMap, here: VerifiedSubject, refused: str
    ) -> tuple[VerifiedItem, list[str] | None]:
        """Item, and the words that belong to the claimed map, where it could be recomputed."""
        from app.core.schemas import Record
        from backend.reports import words

        self._step()
        title = f"{one.record.method_title[:60]}, {one.record.target_label[:60]}"
        item = lambda state, told, *more: _item(claimed.name, "map", title, state, told, *more)  # noqa: E731
        if one.request.input != claimed.input.id or one.request.model != claimed.model.key:
            return item("different", "The map is about another input or model than the section."), None
        if refused:
            return item("impossible", refused), None
        request = one.request.model_dump(mode="json")
        payload = self._payload(here, one.request.start) | {
            "method": one.request.method, "target": one.record.target, "layer": one.request.layer, "params": one.request.params,
            "seed": one.request.seed, "request": request, "altered": request["altered"],
        }  # fmt: skip
        try:
            made = TASKS["explanation"].run(payload, self.files, self._quiet)
        except EvidentError as error:
            return item("impossible", _because(error)), None
        state, told, apart, ranks, values = judged(one, made.result, made.arrays["values"])
        record = Record(**made.result)
        inside = _inside(claimed, record)
        said = words.map_words(record, values.astype("float64"), inside) if state != "different" else None
        return item(state, told, apart, ranks), said

    def _again(self, claimed: ClaimedSubject, one: ClaimedAgain, here: VerifiedSubject) -> VerifiedItem:
        """The score of the region alone, or of all but it."""
        from backend.reports import compare
        from backend.tasks.models import model_of
        from backend.tasks.whatif import WhatIfPayload

        assert here.input is not None
        self._step()
        title = "Score of only the region" if one.mode == "keep" else "Score of all but the region"
        boxed = claimed.region is not None and bool(claimed.region.boxes) and one.filler is None
        if claimed.region is None or (one.heard and not (boxed and here.input.modality == "audio")):
            return _item(claimed.name, "prediction", title, "different", "The report names no region that this could be asked about.")  # fmt: skip
        region = claimed.region.model_dump(mode="json")
        payload = self._payload(here, one.start) | {
            "alteration": {**region, "mode": one.mode, "filler": one.filler, "seed": one.seed},
            "target": one.target,
            "heard": one.heard,
        }
        try:
            if one.target >= len(model_of(WhatIfPayload(**payload), self.files).labels):
                return _item(claimed.name, "prediction", title, "different", "The model has no such class.")
            made = TASKS["whatif"].run(payload, self.files, self._quiet)
        except EvidentError as error:
            return _item(claimed.name, "prediction", title, "impossible", _because(error))
        said, computed = ({name: value for name, value in each.items() if name not in ("seconds", "versions")} for each in (one.result.model_dump(mode="json"), dict(made.result)))  # fmt: skip
        apart = compare.results(said, computed)
        if apart == 0.0:
            return _item(claimed.name, "prediction", title, "identical", "Recomputed: every number is the same to the last bit.", 0.0)  # fmt: skip
        if apart <= compare.SCORES:
            return _item(claimed.name, "prediction", title, "equal", f"Recomputed: equal within {compare.SCORES:g}; the largest difference is {apart:.2g}.", apart)  # fmt: skip
        return _item(claimed.name, "prediction", title, "different", "Recomputed: not the same.")

    def _payload(self, here: VerifiedSubject, start: float | None) -> dict[str, Any]:
        assert here.input is not None
        assert here.source is not None
        return {**here.source.as_json(), "input": here.input.as_json(), "start": start}

    def _texts(
        self, claimed: ClaimedSubject, computed: Any, told: Sequence[list[str] | None]
    ) -> list[VerifiedItem]:
        """Whether the texts with figures follow from the recomputed numbers."""
        from backend.reports import words

        wanted = words.shown_figures(computed, []) if computed is not None else {}
        wanted |= {f"map.{number}": " ".join(said) for number, said in enumerate(told, 1) if said is not None}
        known = {name: text for name, text in claimed.shown.items() if name in wanted}
        withheld = claimed.prediction is None or claimed.prediction.result is None
        missing = [
            name
            for name in wanted
            if name not in claimed.shown and not (withheld and not name.startswith("map."))
        ]
        apart = sorted([*missing, *(name for name, text in known.items() if text != wanted[name])])
        if apart:
            words_ = f"What the report says does not follow from the numbers: {', '.join(apart[:4])}."
            return [_item(claimed.name, "text", "Texts with figures", "different", words_)]
        if not known:
            return []
        return [_item(claimed.name, "text", "Texts with figures", "identical", f"{len(known)} texts follow from the recomputed numbers.")]  # fmt: skip


def _results(claimed: ClaimedSubject) -> int:
    """How many are to be recomputed."""
    return 1 + len(claimed.explanations) + len(claimed.again)


def judged(
    one: ClaimedMap, made: Mapping[str, Any], computed: np.ndarray
) -> tuple[Any, str, float | None, float | None, np.ndarray]:
    """State, words, largest difference, rank correlation, and the claimed map (the recomputed one where only its checksum is
    claimed and holds)."""
    import hashlib

    from backend.reports import compare
    from backend.reports.manifest import unpacked

    record = one.record
    wrong = compare.contradictions(record.model_dump(mode="json"), dict(made))
    if wrong:
        return (
            "different",
            f"Recomputed, and the record says otherwise: {', '.join(wrong[:4])}.",
            None,
            None,
            computed,
        )
    same = hashlib.sha256(computed.tobytes()).hexdigest() == record.values_sha256
    if one.values is None:
        if same:
            return "identical", "Recomputed: every cell is the same to the last bit.", 0.0, None, computed
        return "different", "Recomputed: not the same bits. The report holds only the map's checksum, so how far apart they are cannot be said.", None, None, computed  # fmt: skip
    claimed = unpacked(one.values, record.shape)
    if claimed is None or hashlib.sha256(claimed.tobytes()).hexdigest() != record.values_sha256:
        return (
            "different",
            "The map in the report is not the one whose checksum it states.",
            None,
            None,
            computed,
        )
    state, apart, ranks = compare.maps(claimed, computed)
    if state == "identical":
        return state, "Recomputed: every cell is the same to the last bit.", apart, ranks, claimed
    measured = f"the largest difference is {apart:.2g}, the rank correlation {'not defined' if ranks is None else f'{ranks:.4f}'}"
    if state == "equal":
        return (
            state,
            f"Recomputed: equal within {compare.MAPS:g} of the strongest cell; {measured}.",
            apart,
            ranks,
            claimed,
        )
    return state, f"Recomputed: not the same map; {measured}.", apart, ranks, claimed


def _inside(claimed: ClaimedSubject, record: Any) -> np.ndarray | None:
    from models.regions import cells_inside

    return None if claimed.region is None else cells_inside(claimed.region, record.y_axis, record.x_axis)


def _because(error: EvidentError) -> str:
    if error.instance_code == "weights_replaced":
        return "The weights here are not those of the report, so it cannot be recomputed."
    return f"It cannot be recomputed here: {error.detail}"


def _item(
    subject: str,
    what: Any,
    title: str,
    state: Any,
    words: str,
    max_abs: float | None = None,
    ranks: float | None = None,
) -> VerifiedItem:
    from app.core.schemas import VerifiedItem

    finite = None if max_abs is None or max_abs == float("inf") else max_abs
    return VerifiedItem(
        subject=subject,
        what=what,
        title=title,
        state=state,
        words=words,
        max_abs=finite,
        rank_correlation=ranks,
    )
