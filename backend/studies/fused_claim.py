"""Is the product of Grad-CAM and LRP better than its factors? The study of arXiv 2405.12175, on inputs at hand.

The paper says of the fused map: better than Grad-CAM *and* LRP on complexity, and than *at least one* of them on
faithfulness, robustness, localisation and randomisation. Its five metrics are Quantus' own, with the settings of
Quantus' ImageNet tutorial:

    complexity       sparseness                 Gini coefficient of the map
    faithfulness     faithfulness_correlation   224 cells a draw set to black (silence), 100 draws
    robustness       avg_sensitivity            10 noisy copies, uniform noise of at most 0.2
    localisation     relevance_rank_accuracy    in boxes drawn by people, and in regions that a generator knows
    randomisation    random_logit               SSIM with the map of another class

A verdict per metric and set of inputs is `backend.scoring.claim.judge`'s. Every map explains the true class of its
input where it is known, else the predicted one; all three maps of an input are of the same class, with default
parameters. Grad-CAM, not the Grad-CAM++ that our fused map multiplies in, is the parent, as in the paper.

Sparse maps share their zeros, which structural similarity counts as likeness. So the likeness of the maps of two
*different inputs* (each and the next) stands beside the metric of randomisation: where it is as high as that of two
classes, the metric says nothing about the class.

Where we deviate: the paper's photographs and networks are not at hand. Localisation is measured only where a region is
known that no explanation made; of coughs there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import models
from app.core.errors import BadParameter
from backend.attribution.explain import explain
from backend.attribution.measuring.controls import CONTROLS, controls
from backend.attribution.measuring.evaluate import evaluate_all
from backend.attribution.methods import METHODS
from backend.attribution.metrics import METRICS
from backend.attribution.metrics.random_logit import likeness
from backend.scoring.claim import FUSED, PARENTS, SETTINGS, SOURCE, claimed, judge
from backend.studies.evidence import CASES as GENERATED
from backend.studies.inputs import Case, boxed
from models.labelled import labelled_files
from models.model import Model

SAME = {"schooner": "ship", "ship": "ship", "airliner": "airplane", "tabby cat": "cat", "cougar": "cat",
        "dalmatian": "dog", "rooster": "bird", "flamingo": "bird"}  # fmt: skip
"""Labels of the photographs that are a class of CIFAR-10 by another name."""
Report = Callable[[str, int], None]


@dataclass(frozen=True)
class Part:
    """A network and its inputs. cases: made anew at each call, so that nothing large is held."""

    key: str
    title: str
    model: Callable[[], Model]
    cases: Callable[[Model], Iterable[Case]]


def generated(n: int) -> list[Part]:
    """Sounds and pictures of our generators, which know where the evidence is; on any machine."""
    titles = {
        "cnnexplain_synthetic": "Generated coughs, the wheeze known, cnnexplain",
        "shapes": "Drawn shapes, the object known, a small CNN",
    }

    def cases(key: str, model: Model) -> Iterator[Case]:
        known = ((x, label, mask) for x, label, mask in GENERATED[key](model, n) if mask.any())
        for number, (x, label, mask) in enumerate(islice(known, n)):
            yield Case(f"{key} {number + 1}", x, label, mask)

    return [Part(key, title, partial(models.load, key), partial(cases, key)) for key, title in titles.items()]


def real(folder: Path, n: int | None) -> list[Part]:
    """Photographs with boxes and coughs of `folder` (`images/labels.csv`, `cough/labels.csv`, `weights/`). n: of each at
    most. Raises BadParameter where a table is missing."""
    photos, coughs = folder / "images" / "labels.csv", folder / "cough" / "labels.csv"
    residual = folder / "weights" / "resnet20_cifar10.safetensors"
    for path in (photos, coughs, residual):
        if not path.is_file():
            raise BadParameter(f"The folder has no {path.relative_to(folder)}.", field="data")
    squeezenet = Part(
        "photographs",
        "Photographs with boxes, SqueezeNet 1.1",
        partial(models.load, "squeezenet1_1"),
        lambda model: islice(boxed(folder, model), n),
    )
    resnet = Part(
        "photographs_resnet",
        "Photographs with boxes, ResNet-20 (32 x 32 px)",
        partial(models.load, "resnet20_cifar", weights=residual),
        lambda model: islice(boxed(folder, model, lambda file: _cifar(model, file.label)), n),
    )
    recordings = Part(
        "coughs",
        "Coughs made on request, cnnexplain",
        partial(models.load, "cnnexplain"),
        lambda model: islice(_coughs(folder, model), n),
    )
    return [squeezenet, resnet, recordings]


def _cifar(model: Model, label: str) -> int | None:
    return model.labels.index(SAME[label]) if label in SAME else None


def _coughs(folder: Path, model: Model) -> Iterator[Case]:
    """One clip a subject, in the order of the table; the predicted class, for the labels say what nobody can hear."""
    heard: set[str] = set()
    for file in labelled_files(folder / "cough"):
        if file.cells["set"] == "core" and file.cells["subject_id"] not in heard:
            heard.add(file.cells["subject_id"])
            x = model.prepare(file.path)
            yield Case(file.path.stem, x, int(model.predict(x).argmax()))


def study(parts: Sequence[Part], report: Report = lambda part, done: None) -> dict[str, Any]:
    """The scores of all maps and the verdicts, as JSON. report: part and number of the input just done."""
    return {
        "paper": SOURCE,
        "settings": SETTINGS,
        "metrics": {key: {"title": METRICS[key].title, "family": METRICS[key].family, "better": METRICS[key].better}
                    for key in SETTINGS},
        "methods": {key: METHODS[key].title for key in (FUSED, *PARENTS)},
        "parts": [_part(part, report) for part in parts],
    }  # fmt: skip


def _part(part: Part, report: Report) -> dict[str, Any]:
    model = part.model()
    rows = (FUSED, *PARENTS, *CONTROLS)
    names: list[str] = []
    alike: dict[str, list[float]] = {key: [] for key in (FUSED, *PARENTS)}
    before: dict[str, np.ndarray] = {}
    scores: dict[str, dict[str, list[float | None]]] = {
        row: {metric: [] for metric in SETTINGS} for row in rows
    }
    for number, case in enumerate(part.cases(model), 1):
        names.append(case.name)
        maps = {key: explain(model, case.x, key, target=case.target) for key in (FUSED, *PARENTS)}
        for key, result in maps.items():
            if key in before:
                alike[key].append(likeness(before[key], result.values))
            before[key] = result.values
        for key, result in (maps | controls(model, case.x)).items():
            own = SETTINGS if key in maps else {"sparseness": {}, "relevance_rank_accuracy": {}}
            measured = evaluate_all(
                model, case.x, result, metrics=list(own), mask=case.region, params=SETTINGS
            )
            for metric in SETTINGS:
                score = measured.get(metric)
                scores[key][metric].append(None if score is None else score.value)
        report(part.title, number)
    numbers = {
        row: {metric: np.array(values, float) for metric, values in metrics.items()}
        for row, metrics in scores.items()
    }
    findings = [
        judge(
            metric,
            claimed(METRICS[metric].family),
            METRICS[metric].better == "higher",
            numbers[FUSED][metric],
            {parent: numbers[parent][metric] for parent in PARENTS},
        )
        for metric in SETTINGS
    ]
    return {
        "key": part.key,
        "title": part.title,
        "inputs": names,
        "scores": scores,
        "alike": {key: float(np.mean(values)) if values else None for key, values in alike.items()},
        "means": {
            row: {metric: _mean(values) for metric, values in metrics.items()}
            for row, metrics in numbers.items()
        },
        "findings": [{**asdict(finding), "family": METRICS[finding.metric].family} for finding in findings],
    }


def _mean(values: np.ndarray) -> dict[str, float] | None:
    """Mean and standard error over the inputs that have a score."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return {
        "mean": float(values.mean()),
        "error": float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan"),
        "n": len(values),
    }
