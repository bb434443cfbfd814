"""Numbers of a report in words. Pure: the same numbers give the same words, so that words can be checked against numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.core.schemas import AxisInfo, Prediction, PredictionResult, Record, WhatIfResult

MOST_CLASSES = 3
HALF = 0.5


def score(value: float) -> str:
    return f"{value:.2f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


def between(low: float, high: float) -> str:
    return f"{score(low)} to {score(high)}"


def named_class(prediction: PredictionResult | Prediction) -> int:
    """The class whose score is told: of two, the second (the one that the question is about); of more, the likeliest."""
    return 1 if len(prediction.classes) == 2 else prediction.top


def headline(prediction: PredictionResult | Prediction) -> tuple[str, str]:
    """The outcome, and the interval: `undecided: Covid-19 0.48`, `0.47 to 0.51`."""
    index = named_class(prediction)
    shown = next(one for one in prediction.classes if one.index == index)
    told = f"{shown.label} {score(shown.probability)}"
    interval = prediction.interval.get(index)
    return (f"undecided: {told}" if prediction.undecided else told), between(*interval) if interval else ""


def how_made(prediction: PredictionResult | Prediction) -> str:
    """Where the score and its interval come from, in sentences."""
    parts = [sentence(prediction.interval_means)] if prediction.interval_means else ["It has no interval."]
    if prediction.undecided:
        two = len(prediction.classes) == 2
        parts.append(
            "The interval reaches across 0.5, so no class is named."
            if two
            else "The intervals of the first classes meet, so none is named."
        )
    index = named_class(prediction)
    label = next(one.label for one in prediction.classes if one.index == index)
    return " ".join([*parts, f"A model score, not a probability of {label}."])


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def map_words(record: Record, values: np.ndarray, inside: np.ndarray | None = None) -> list[str]:
    """What a map marks, in sentences with numbers. inside: the reviewer's region on the map's grid."""
    support = np.clip(values.astype(np.float64), 0.0, None)
    total, whole = float(support.sum()), float(np.abs(values.astype(np.float64)).sum())
    if whole == 0.0:
        return ["The map is flat: no evidence was found."]
    words = []
    if record.signed:
        words.append(
            f"{percent(total / whole)} of the map supports {record.target_label}, {percent(1 - total / whole)} speaks against."
        )
    if total > 0.0:
        words.append(_where(record, support))
        if inside is not None and inside.any():
            share, area = float(support[inside].sum()) / total, float(inside.mean())
            words.append(
                f"The region holds {percent(share)} of the support; an even map would have {percent(area)} there."
            )
    return words


def again(mode: str, result: WhatIfResult) -> str:
    """The score of an altered input beside the score of the whole and those of random regions."""
    told = f"{result.target_label} {score(result.after)}, with everything {score(result.before)}"
    count, total = result.stronger_than, len(result.randoms)
    if not total:
        return f"{told}; no other place has room for a region of this shape."
    than = "More is left than" if mode == "keep" else "The score moves further than"
    return f"{told}. {than} with {count} of {total} random regions of the same shape."


def unmarked(record: Record, values: np.ndarray) -> list[str]:
    """Why no part of a map can be heard or asked about alone."""
    if not values.any() or (values > 0).any():
        return []
    return [
        f"Nothing in this map supports {record.target_label}: no part of it is marked, so none can be heard or scored alone."
    ]


def _where(record: Record, support: np.ndarray) -> str:
    """The narrowest stretch along each axis that holds half of the support."""
    across, down = (
        _stretch(support.sum(0), record.x_axis),
        _stretch(support.sum(1), record.y_axis),
    )
    if record.x_axis.unit == "s":
        return f"Half of the support lies in {across[0]:.2f} to {across[1]:.2f} s, half in {down[0]:,.0f} to {down[1]:,.0f} Hz."
    return (
        f"Half of the support lies {across[0]:.0f} to {across[1]:.0f} px from the left, half {down[0]:.0f} to "
        f"{down[1]:.0f} px from the top."
    )


def _stretch(weight: np.ndarray, axis: AxisInfo) -> tuple[float, float]:
    """The fewest neighbouring cells with at least half of the weight, as coordinates of the outer cells' edges."""
    sums = np.concatenate([[0.0], np.cumsum(weight)])
    best = (0, len(weight) - 1)
    for first in range(len(weight)):
        last = int(np.searchsorted(sums, sums[first] + HALF * sums[-1], "left")) - 1
        if last >= len(weight):
            break
        if last - first < best[1] - best[0]:
            best = (first, max(first, last))
    edges = cell_edges(axis.values)
    return float(edges[best[0]]), float(edges[best[1] + 1])


def cell_edges(centres: Sequence[float]) -> np.ndarray:
    """Of cells by their ascending centres, `[n + 1]`."""
    values = np.asarray(centres, np.float64)
    if len(values) < 2:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def card_figures(card: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The first table of figures that the model's card holds, all next to each other: label, value, interval, note."""
    for title, rows in card.items():
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            continue
        if not all("label" in row and isinstance(row.get("value"), int | float) for row in rows):
            continue
        unit = "AUC " if "AUC" in title else ""
        return [
            (
                str(row["label"]),
                f"{unit}{row['value']:.2f}",
                f"{row['low']:.2f}–{row['high']:.2f}" if "low" in row and "high" in row else "",
                str(row.get("note", "")),
            )
            for row in rows
        ]
    return []


def shown_figures(
    prediction: PredictionResult | Prediction | None, maps: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Every text of a subject that states a computed figure, by the name under which the report marks it. maps: words of each."""
    shown: dict[str, str] = {}
    if prediction is not None:
        shown["score"], shown["interval"] = headline(prediction)
        for number, cough in enumerate(prediction.coughs, 1):
            shown[f"cough.{number}"] = score(cough.scores[named_class(prediction)])
    for number, words in enumerate(maps, 1):
        shown[f"map.{number}"] = " ".join(words)
    return shown


def result_of(prediction: PredictionResult) -> dict[str, Any]:
    """What the model said, without the address of its picture."""
    return {
        name: value
        for name, value in prediction.model_dump(mode="json").items()
        if name in PredictionResult.model_fields
    }


def checksum(result: Mapping[str, Any]) -> str:
    """Over the numbers as JSON in one order: equal for equal bits."""
    text = json.dumps(result, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
