"""From what is stored to what the report says. Whatever is gone is named, and the rest stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.core.check_results import ChecksResult, SanityResult
from app.core.schemas import (
    AxisInfo,
    Input,
    ModelInfo,
    Prediction,
    Record,
    Region,
    WhatIfRequest,
    WhatIfResult,
)
from backend.rendering.bundle import Look
from backend.reports import figures, words
from backend.reports.content import Again, Figure, Line, Map, Score, ScoreBar, Sound, State, Subject

MARKED = 20.0
"""Percent of a map's cells, the strongest, that are to be heard."""
LONGEST = 90.0
"""Seconds of a recording that a report holds as sound; of a longer one it holds what the model heard."""
BADGES: Mapping[str | None, State] = {"pass": "ok", "weak": "warning", "fail": "bad", None: "unknown"}
LINES: Mapping[str, State] = {"ok": "ok", "warning": "warning", "bad": "bad", "unknown": "unknown"}
GATE: Mapping[str, tuple[State, str]] = {
    "ready": ("ok", "Ready"),
    "doubtful": ("warning", "Doubtful"),
    "abstain": ("bad", "The model should abstain"),
}


@dataclass(frozen=True)
class MapSource:
    """A finished map. values, grid: None where the bytes are lost. checks, sanity: where they were made."""

    id: str
    request: Mapping[str, Any]
    record: Record
    values: np.ndarray | None
    grid: np.ndarray | None = None
    checks: ChecksResult | None = None
    sanity: SanityResult | None = None


@dataclass(frozen=True)
class Source:
    """One input and all that is stored of it. facts: None for one that was deleted. samples: the recording, float32 `[n]`, or the
    picture, uint8 `[h, w, 3]`. wav: the recording as it is played. asked: somebody wanted a score that the gate withholds."""

    input: str
    maps: Sequence[MapSource]
    name: str = ""
    facts: Input | None = None
    samples: np.ndarray | None = None
    wav: bytes | None = None
    prediction: Prediction | None = None
    asked: bool = False
    model: ModelInfo | None = None
    model_key: str = ""
    region: Region | None = None
    region_label: str = "the region drawn"
    again: Sequence[tuple[WhatIfRequest, WhatIfResult]] | None = None
    """What the model was asked of `region` alone and of all but it; None where that is no question of the report."""
    verdict: Sequence[tuple[str, str]] = ()
    title: str = "What the model used"
    look: Look = field(default=Look())
    with_sound: bool = False

    @property
    def withheld(self) -> bool:
        return self.prediction is not None and self.prediction.gate.state == "abstain" and not self.asked


def subject(source: Source, number: int = 1) -> Subject:
    """One page's worth. Sounds are made only where they can be played."""
    overview, axes = _overview(source)
    kind = {"audio": "recording", "image": "picture", "spectrogram": "spectrogram"}
    prediction = source.prediction
    return Subject(
        title=source.title,
        kind=kind.get(source.facts.modality if source.facts else "", "input"),
        facts=_facts(source),
        checks=_checks(source),
        gate=_gate(prediction),
        overview=_outlined(overview, source, axes),
        overview_title=_overview_title(source),
        score=None if prediction is None else _score(prediction, source.withheld),
        maps=_maps(source),
        model=_about(source.model, source.model_key),
        figures_of_model=words.card_figures(source.model.card) if source.model else [],
        cautions=_cautions(source.model),
        verdict=source.verdict,
        settings=_settings(source),
        sounds=_recording(source),
        missing=_missing(source),
        again=_again(source),
        anchor=f"input-{number}",
    )


def _facts(source: Source) -> list[tuple[str, str]]:
    facts = source.facts
    rows = [("File", source.name)] if source.name else []
    if facts is not None and facts.seconds is not None:
        coughs = len(facts.coughs)
        rows.append(
            ("Length", f"{facts.seconds:.2f} s, {coughs} {'cough' if coughs == 1 else 'coughs'} found")
        )
    if facts is not None and facts.rate is not None:
        rows.append(("Sampled", f"{facts.rate / 1000:g} kHz, {_resampled(source, facts.rate)}"))
    if facts is not None and facts.width and facts.height:
        rows.append(
            ("Size", f"{facts.width} × {facts.height} {'px' if facts.modality == 'image' else 'cells'}")
        )
    if source.prediction is not None and source.prediction.window is not None:
        start, end = source.prediction.window
        rows.append(("Looked at", f"{start:.2f} to {end:.2f} s"))
    if facts is not None and facts.sample:
        rows.append(("Sample", facts.sample))
    return [*rows, ("SHA-256", source.input)]


def _resampled(source: Source, rate: int) -> str:
    wanted = source.model.input.get("rate") if source.model else None
    if not wanted or wanted == rate:
        return "taken as it is"
    return f"brought to {wanted / 1000:g} kHz for the model"


def _checks(source: Source) -> list[Line]:
    checks = source.prediction.quality if source.prediction else (source.facts.checks if source.facts else [])
    return [Line(check.label, LINES[check.state], check.detail) for check in checks]


def _gate(prediction: Prediction | None) -> Line | None:
    if prediction is None or not (prediction.quality or prediction.gate.reasons):
        return None
    state, word = GATE[prediction.gate.state]
    return Line(word, state, " ".join(prediction.gate.reasons))


def _overview(source: Source) -> tuple[Figure | None, tuple[AxisInfo, AxisInfo] | None]:
    facts, samples = source.facts, source.samples
    if facts is None or samples is None:
        return None, None
    if facts.modality == "audio" and facts.rate:
        hears = source.model.input.get("high") if source.model else None
        window = source.prediction.window if source.prediction else None
        figure, y, x = figures.spectrogram(samples, facts.rate, facts.coughs, window, hears)
        return figure, (y, x)
    if facts.modality == "image":
        seen = (source.prediction.y_axis, source.prediction.x_axis) if source.prediction else None
        figure, y, x = figures.photograph(samples, seen)
        return figure, (y, x)
    return None, None


def _outlined(figure: Figure | None, source: Source, axes: tuple[AxisInfo, AxisInfo] | None) -> Figure | None:
    from dataclasses import replace

    if figure is None or axes is None or source.region is None:
        return figure
    mark = figures.outline(source.region, *axes, source.region_label)
    return figure if mark is None else replace(figure, marks=[*figure.marks, mark])


def _overview_title(source: Source) -> str:
    region = f", {source.region_label} (dashed)" if source.region else ""
    if source.facts is None:
        return ""
    if source.facts.modality == "image":
        return f"The picture, what the model looked at (frame){region}"
    return f"Spectrogram, coughs (numbers), what the model looked at (frame){region}"


def _score(prediction: Prediction, withheld: bool) -> Score:
    if withheld:
        reasons = " ".join(prediction.gate.reasons)
        made = f"{reasons} It was not asked for, so this report does not tell it."
        return Score("Score withheld", "", made, withheld=True)
    told, within = words.headline(prediction)
    index = words.named_class(prediction)
    shown = (
        [one for one in prediction.classes if one.index == index]
        if len(prediction.classes) == 2
        else prediction.classes[: words.MOST_CLASSES]
    )
    bars = [
        ScoreBar(one.label, one.probability, *(prediction.interval.get(one.index) or (None, None)))
        for one in shown
    ]
    if len(prediction.classes) == 2:  # the track has a class at each end
        other = next(one for one in prediction.classes if one.index != index)
        bars.append(ScoreBar(other.label, other.probability))
    coughs = [(str(n), words.score(cough.scores[index])) for n, cough in enumerate(prediction.coughs, 1)]
    return Score(told, within, words.how_made(prediction), bars, coughs)


def _maps(source: Source) -> list[Map]:
    largest = max((max(abs(one.record.vmin), abs(one.record.vmax)) for one in source.maps), default=0.0)
    return [_map(one, source, largest) for one in source.maps if one.values is not None]


def _map(one: MapSource, source: Source, largest: float) -> Map:
    from dataclasses import replace

    record, values = one.record, np.asarray(one.values, np.float64)
    full = figures.full_colour(values, source.look, largest)
    figure = figures.map_figure(one.grid, values, record, source.look, full)
    inside = None
    if source.region is not None:
        mark = figures.outline(source.region, record.y_axis, record.x_axis, source.region_label)
        inside = figures.within(source.region, record.y_axis, record.x_axis)
        figure = figure if mark is None else replace(figure, marks=[*figure.marks, mark])
    told = words.map_words(record, values, inside)
    more = "from " if float(np.abs(values).max()) > full * 1.000001 else ""
    side = "supports" if record.signed else "used for"
    return Map(
        key=record.method,
        title=record.method_title,
        target=record.target_label,
        badge=_badge(one.sanity),
        figure=figure,
        bar=figures.colour_bar(record.signed),
        bar_words=(
            "speaks against" if record.signed else "0",
            "0" if record.signed else "",
            f"{side} {record.target_label}",
        ),
        bar_note=f"full colour {more or 'at '}{full:.3g}",
        words=told,
        checked=[*words.unmarked(record, values), *_checked(one.checks)],
        conditions=_conditions(record),
        sounds=_marked(record, values, source),
    )  # fmt: skip


def _badge(sanity: SanityResult | None) -> Line:
    """Does the map change with the weights and with the class?"""
    if sanity is None:
        return Line("sanity not checked", "unknown", "")
    return Line(f"sanity {sanity.state or 'unknown'}", BADGES[sanity.state], sanity.words)


def _checked(checks: ChecksResult | None) -> list[str]:
    if checks is None:
        return []
    told = []
    if checks.stability is not None:
        told.append(words.sentence(checks.stability.words))
    if checks.shortcut is not None and checks.shortcut.flagged:
        told.append(words.sentence(checks.shortcut.words))
    return told


def _conditions(record: Record) -> str:
    params = ", ".join(f"{name} {value}" for name, value in sorted(record.params.items()))
    parts = [
        record.layer and f"layer {record.layer}",
        f"seed {record.seed}",
        params,
        record.engine,
        record.plan,
    ]
    return " · ".join([*(part for part in parts if part), f"map {record.values_sha256[:12]}"])


def _marked(record: Record, values: np.ndarray, source: Source) -> list[Sound]:
    """What the map marks, and the rest."""
    facts = source.facts
    if (
        not source.with_sound
        or facts is None
        or facts.modality != "audio"
        or source.samples is None
        or not facts.rate
        or not (values > 0).any()
    ):
        return []
    from backend.rendering.listen import Cells, marked_sound
    from models.media.wav import write_wav

    cells = Cells(values, record.y_axis.values, record.x_axis.values)
    titles = {"only": f"Only what it marks (strongest {MARKED:g} %)", "rest": "Only the rest"}
    return [
        Sound(titles[part], write_wav(marked_sound(source.samples, facts.rate, cells, part=part, top=MARKED, window=record.window), facts.rate))
        for part in ("only", "rest")
    ]  # fmt: skip


def _recording(source: Source) -> list[Sound]:
    facts = source.facts
    if not source.with_sound or facts is None or facts.modality != "audio":
        return []
    if source.wav is not None and (facts.seconds or 0.0) <= LONGEST:
        return [Sound("The recording", source.wav)]
    window = source.prediction.window if source.prediction else None
    if window is None or source.samples is None or not facts.rate:
        return []
    from models.media.wav import write_wav

    begin, end = (round(at * facts.rate) for at in window)
    piece = np.asarray(source.samples[begin:end], np.float32)
    return [
        Sound(f"What the model heard, {window[0]:.2f} to {window[1]:.2f} s", write_wav(piece, facts.rate))
    ]


def _again(source: Source) -> Again | None:
    """The score of the region alone and of the rest, each with what random regions give; in words what was not asked."""
    if source.region is None or source.again is None:
        return None
    if source.withheld:
        return Again((), "The score is withheld, and so is what the model says of the region alone.")
    told: dict[str, str] = {
        request.mode: words.again(request.mode, result) for request, result in source.again
    }
    if not told:
        return Again((), "The model was not asked about the region alone, nor about all but it.")
    titles = {"keep": "Only the region", "erase": "All but the region"}
    rows = [(title, told.get(mode, "The model was not asked.")) for mode, title in titles.items()]
    return Again(rows, source.again[0][1].caveat)


def _about(model: ModelInfo | None, key: str) -> str:
    if model is None:
        return f"The model {key} is no longer on this server." if key else ""
    card = model.card
    size = f", {model.parameters:,} weights" if model.parameters else ""
    parts = [
        f"{model.title}{size}.",
        *(words.sentence(str(card[name])) for name in ("data", "purpose") if card.get(name)),
    ]
    return " ".join(parts[:2] if len(parts[0]) + len(parts[-1]) > 300 else parts)


def _cautions(model: ModelInfo | None) -> list[str]:
    card = model.card if model else {}
    return [
        words.sentence(str(card[name])) for name in ("caution", "limits", "intended_use") if card.get(name)
    ]


def _settings(source: Source) -> list[str]:
    """Versions, seeds, hashes, for somebody who makes it again."""
    lines = []
    records = [one.record for one in source.maps]
    versions = {f"{name} {version}" for record in records for name, version in record.versions.items()}
    if versions:
        lines.append(" · ".join(sorted(versions)))
    key = source.model.key if source.model else source.model_key
    weights = (
        source.model.digest if source.model else next((record.weights_sha256 for record in records), None)
    )
    if key:
        lines.append(f"model {key} · weights {weights or 'not known'}")
    if source.model and source.model.card.get("temperature"):
        lines.append(f"temperature {source.model.card['temperature']}")
    for record in records:
        lines.append(f"{record.method_title}: {_conditions(record)}")
    devices = sorted({record.device for record in records})
    lines += [f"computed on {device}" for device in devices]
    if records:
        lines.append(f"drawn with {source.look.words}")
    return lines


def _missing(source: Source) -> list[str]:
    told = []
    if source.facts is None:
        told.append(
            "The input was deleted: its picture, its sound and every map of it went with it. What is left is what the report states here."
        )
    elif source.samples is None:
        told.append("The bytes of the input are lost; upload it again to see and hear it.")
    lost = [one.record.method_title for one in source.maps if one.values is None]
    if lost and source.facts is not None:
        told.append(f"The maps of {', '.join(lost)} are no longer there; their records are.")
    if source.prediction is None and source.facts is not None:
        told.append("There is no prediction on this window; make one, then the report states the score.")
    return told
