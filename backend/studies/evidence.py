"""Share of each map that lies inside the evidence, on generated sounds and pictures whose evidence is
known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import models
from app.core.errors import BadParameter
from backend.attribution.explain import explain
from backend.attribution.measuring.controls import centre_blob
from backend.attribution.methods import METHODS
from backend.studies.inputs import boxed
from models.model import Model
from models.synthetic import coughs, shapes

SEED = 90_001
"""Of the inputs: far from the seeds that the models were trained with."""
REPEATS = 1000
SHARE_PAST = 3
"""Inputs drawn per requested input at most; wrongly classified ones are left out."""

Case = tuple[Tensor, int, np.ndarray]
"""Input `[1, C, H, W]`, true class, mask of the evidence `[H, W]`."""


@dataclass(frozen=True)
class Row:
    """mass: mean share of positive relevance inside the evidence; low, high: 95 % bootstrap interval over
    inputs. uniform: what a map that is the same everywhere gets. hit: share of inputs whose brightest cell
    lies in the evidence (of equally bright ones, their share). empty: maps without positive relevance, which
    count as uniform. seconds: mean per map."""

    method: str
    title: str
    mass: float
    low: float
    high: float
    uniform: float
    ratio: float
    hit: float
    empty: int
    n: int
    seconds: float


def sounds(model: Model, n: int) -> Iterator[Case]:
    """Recordings with a wheeze; the evidence is its box in seconds and Hz."""
    for item in coughs.generate(2 * n, seed=SEED, hum="none"):
        if not item.boxes:
            continue
        prepared = model.input.prepare((item.waveform, item.rate))
        yield prepared.x, item.label, coughs.box_mask(item.boxes, (prepared.y_axis, prepared.x_axis))


def pictures(model: Model, n: int) -> Iterator[Case]:
    """Objects on textured grounds; the evidence is the object."""
    drawn = shapes.generate(n, seed=SEED)
    for image, label, mask in zip(drawn.images, drawn.labels, drawn.masks, strict=True):
        yield model.prepare(image), int(label), mask


def photographs(folder: Path, model: Model, n: int) -> Iterator[Case]:
    """Photographs of a folder; the evidence is the box that people drew."""
    for case in islice(boxed(folder, model), n):
        assert case.region is not None
        yield case.x, case.target, case.region


CASES: dict[str, Callable[[Model, int], Iterator[Case]]] = {
    "cnnexplain_synthetic": sounds,
    "shapes": pictures,
}
"""Models whose evidence is known, and where their inputs come from."""
PHOTOGRAPHS = "squeezenet1_1"
"""The model of the photographs."""


def evidence_table(
    model_key: str,
    n: int = 32,
    methods: Sequence[str] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    photos: Path | None = None,
) -> list[dict[str, Any]]:
    """Relevance mass inside the known evidence, per method, over `n` rightly classified inputs; best first,
    with the two baselines.

    methods: keys, None takes all that fit the model but the concept maps, which explain something else. photos: folder of
    photographs with boxes, for `PHOTOGRAPHS`.
    Raises BadParameter for a model without known evidence, NotFound for an unknown method.
    """
    sources = CASES | ({} if photos is None else {PHOTOGRAPHS: partial(photographs, photos)})
    if model_key not in sources:
        raise BadParameter(
            f"The evidence is known for the models {' and '.join(CASES)}, and for {PHOTOGRAPHS} where there are photographs "
            "with boxes.",
            field="model",
        )
    model = models.load(model_key)
    candidates = [METHODS[key] for key in (methods if methods is not None else METHODS)]
    fitting = [
        method.key for method in candidates if method.family != "concept" and method.is_compatible(model).ok
    ]
    cases = known_cases(model, n, sources[model_key])
    rows, total = [], len(fitting) * len(cases)
    for i, key in enumerate(fitting):
        rows.append(asdict(_row(model, key, cases, lambda done, i=i: report(i * len(cases) + done, total))))  # type: ignore[misc]
    rows += [asdict(row) for row in baseline_rows(cases)]
    return sorted(rows, key=lambda row: -row["mass"])


def known_cases(
    model: Model, n: int, source: Callable[[Model, int], Iterator[Case]] | None = None
) -> list[Case]:
    """The first `n` inputs that the model classifies rightly and whose evidence is neither nothing nor everything."""
    cases: list[Case] = []
    for x, label, mask in (source or CASES[model.key])(model, SHARE_PAST * n):
        if mask.any() and not mask.all() and int(model.predict(x).argmax()) == label:
            cases.append((x, label, mask))
        if len(cases) == n:
            break
    return cases


def _row(model: Model, key: str, cases: Sequence[Case], report: Callable[[int], None]) -> Row:
    def maps() -> Iterator[tuple[np.ndarray, float]]:
        for done, (x, label, _) in enumerate(cases, 1):
            result = explain(model, x, key, target=label)
            yield result.values, result.seconds
            report(done)

    return _judged(key, METHODS[key].title, cases, maps())


def _judged(key: str, title: str, cases: Sequence[Case], maps: Iterable[tuple[np.ndarray, float]]) -> Row:
    """The row of a method. maps: one per case, with its seconds."""
    masses, uniform, hits, seconds, empty = [], [], [], [], 0
    for (_, _, mask), (values, took) in zip(cases, maps, strict=True):
        mass = shapes.evidence_mass(values, mask)
        uniform.append(float(mask.mean()))
        empty += bool(np.isnan(mass))
        masses.append(uniform[-1] if np.isnan(mass) else mass)
        hits.append(float(mask[values == values.max()].mean()))
        seconds.append(took)
    low, high = _interval(np.array(masses))
    mean, base = float(np.mean(masses)), float(np.mean(uniform))
    return Row(
        key,
        title,
        mean,
        low,
        high,
        base,
        mean / base,
        float(np.mean(hits)),
        empty,
        len(cases),
        float(np.mean(seconds)),
    )


def baseline_rows(cases: Sequence[Case]) -> list[Row]:
    """Rows of two maps that ignore the input, uniform and centred: a method must do better."""
    sizes = [mask.shape for _, _, mask in cases]
    return [
        _judged(
            "uniform", "(the same everywhere)", cases, [(np.ones(size, np.float32), 0.0) for size in sizes]
        ),
        _judged("centre", "(the middle of the grid)", cases, [(centre_blob(size), 0.0) for size in sizes]),
    ]


def _interval(values: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    drawn = np.random.default_rng(0).integers(len(values), size=(REPEATS, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return float(low), float(high)


def as_markdown(model_key: str, rows: Sequence[dict[str, Any]]) -> str:
    """The table for docs/evidence.md."""
    lines = [
        f"### {model_key}",
        "",
        f"{rows[0]['n']} rightly classified inputs; a uniform map would have {rows[0]['uniform']:.1%} of its relevance inside the evidence.",
        "",
        "| method | relevance inside the evidence | 95 % interval | times uniform | brightest cell inside | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['title']} | {row['mass']:.1%} | {row['low']:.1%} to {row['high']:.1%} | {row['ratio']:.1f} "
            f"| {row['hit']:.0%} | {row['seconds']:.2f} |"
        )
    return "\n".join(lines) + "\n"
