"""The operator's own files in the gallery (`evident serve --inputs FOLDER`), right and wrong marked.

What is known of them, `models.labelled` reads.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from app.core.errors import EvidentError, InvalidInput
from app.core.schemas import Modality, Sample
from backend.api.intake import Arrival, As, Intake, input_id
from backend.jobs.keys import job_key
from backend.store import InputRow
from backend.tasks.judgement import JudgementPayload
from backend.tasks.payloads import StoredInput
from models.labelled import LabelledFile, family_of, labelled_files
from models.media.sniff import Family

if TYPE_CHECKING:
    from backend.api.services import Services

MOST = 48
"""Files shown, as many of each label as can be."""
PREFIX = "own-"
"""Of the keys of these samples."""
JUDGE_SECONDS = 3.0
"""Longer than a gallery of photographs takes on an idle machine; later ones are marked when the page is opened again."""
MODALITY: dict[Family | None, Modality] = {"image": "image", "audio": "audio", "array": "spectrogram"}


@dataclass(frozen=True)
class OwnFile:
    """A file that can be an input. key: of its sample. known: what the table or its folder says of it."""

    key: str
    known: LabelledFile
    modality: Modality

    @property
    def path(self) -> Path:
        return self.known.path

    @property
    def label(self) -> str | None:
        return self.known.label or None


def check_inputs(folder: Path) -> None:
    """Raises InvalidInput: no folder, nothing in it that can be an input, or a labels.csv that cannot be read."""
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}; give --inputs a folder of files.", field="inputs")
    if not own_files(folder):
        raise InvalidInput(
            f"No file in {folder.name} can be an input: put pictures, recordings or .npy tables there, in one folder a class.",
            field="inputs",
        )


def own_files(folder: Path) -> list[OwnFile]:
    """Files to show, the labels in turn. Raises InvalidInput for a labels.csv that cannot be read."""
    by_label: dict[str, list[OwnFile]] = {}
    for known in labelled_files(folder, within=True):
        place = by_label.setdefault(known.label, [])
        family = family_of(known.path) if len(place) < MOST else None
        if family in MODALITY:
            place.append(OwnFile(_key(known, folder), known, MODALITY[family]))
    in_turn = chain.from_iterable(zip_longest(*by_label.values()))
    return [file for file in in_turn if file is not None][:MOST]


def own_file(folder: Path | None, sample: str | None) -> LabelledFile | None:
    """The file behind a sample of the operator's; None for another sample, and for a file that is gone."""
    if folder is None or not (sample or "").startswith(PREFIX):
        return None
    try:
        return next(
            (file for file in labelled_files(folder, within=True) if _key(file, folder) == sample), None
        )
    except InvalidInput:
        return None


def title_of(file: LabelledFile) -> str:
    """As a person says it."""
    return file.path.stem.replace("_", " ").strip() or file.path.name


def _key(file: LabelledFile, folder: Path) -> str:
    return PREFIX + hashlib.sha256(str(file.path.relative_to(folder)).encode()).hexdigest()[:16]


async def own_samples(services: Services, intake: Intake) -> list[Sample]:
    """The operator's files, decoded and judged by his network; those it gets wrong come first. A file that cannot be
    read is left out."""
    folder = services.settings.inputs
    if folder is None:
        return []
    try:
        files = await run_in_threadpool(own_files, folder)
        catalogue = await services.catalogue(start=False)
    except EvidentError:
        return []
    if any(absent["own"] and absent["reason"] is None for absent in catalogue["absent"]):
        return []  # his files are for his own models
    models = {file.key: _model_for(file, catalogue["models"]) for file in files}
    taken = [file for file in files if models[file.key] is not None]
    rows = await asyncio.gather(*(_row(file, models[file.key], intake) for file in taken))
    decoded = [(file, row) for file, row in zip(taken, rows, strict=True) if row is not None]
    samples: list[Sample] = []
    for info in catalogue["models"]:
        mine = [(file, row) for file, row in decoded if models[file.key] is info]
        tops = await _judged(services, info, [row for _, row in mine])
        samples += [_sample(file, row, info, top) for (file, row), top in zip(mine, tops, strict=True)]
    return sorted(samples, key=lambda sample: ("wrong", "right", "example", "shortcut").index(sample.role))


async def prepare(services: Services, intake: Intake) -> None:
    """At the start, so that the first page need not wait for it."""
    await own_samples(services, intake)


def _model_for(file: OwnFile, models: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first that is given such files by default, else the first that takes them. A picture may be one of a
    spectrogram, for a network that takes no photos."""
    usable = [info for info in models if info["available"]]
    kinds = [file.modality, "spectrogram"] if file.modality == "image" else [file.modality]
    for kind in kinds:
        takes = [info for info in usable if kind in info["modalities"]]
        own = [info for info in takes if kind in info["default_for"]]
        if own or takes:
            return (own or takes)[0]
    return None


async def _row(file: OwnFile, info: Mapping[str, Any] | None, intake: Intake) -> InputRow | None:
    assert info is not None
    read_as: As = "auto" if file.modality in info["modalities"] else "spectrogram"
    try:
        stat = file.path.stat()
        sha = await run_in_threadpool(_sha, file.path, stat.st_size, stat.st_mtime_ns)
        row = await intake.known(input_id(sha, read_as))
        if row is None:
            with intake.services.jobs.errands.open() as errand:
                sha = await run_in_threadpool(lambda: errand.sent.put(file.path.read_bytes()))
                arrival = Arrival(errand, sha, read_as, sample=file.key, name=file.path.name)
                row, _ = await intake.take(arrival, "")
    except (EvidentError, OSError):
        return None
    return row


@lru_cache(1024)
def _sha(path: Path, size: int, changed: int) -> str:
    """size, changed: so that a replaced file is read again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def _judged(services: Services, info: Mapping[str, Any], rows: list[InputRow]) -> list[int | None]:
    """The top class of each; None while the network is still at it, or where it cannot take the input."""
    if not rows:
        return []
    stored = [StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs=row.blobs) for row in rows]
    source = await services.source(rows[0].id, info["key"])
    payload = JudgementPayload(model=source.model, upload=source.upload, digest=source.digest, inputs=stored)
    key = job_key("judgement", {"model": info["key"], "inputs": [row.id for row in rows]}, info["digest"])
    try:
        await services.jobs.submit(
            "judgement", payload.as_json(), key=key, title=f"Right and wrong by {info['title']}"
        )
        row = await services.jobs.wait(key, JUDGE_SECONDS)
    except EvidentError:
        return [None] * len(rows)
    return list(row.result["tops"]) if row.state == "done" and row.result else [None] * len(rows)


def _sample(file: OwnFile, row: InputRow, info: Mapping[str, Any], top: int | None) -> Sample:
    says = "" if top is None else f"the model says {info['labels'][top]}"
    truth = file.known.class_in(info["labels"])
    if file.label is None:
        known = f"No label; {says}." if says else "No label."
    elif truth is None:
        known = f"Labelled {file.label}, which is no class of this model{f'; {says}' if says else ''}."
    else:
        known = f"Labelled {file.label}{f'; {says}' if says else '; not judged yet'}."
    return Sample(
        key=file.key,
        group="own",
        title=title_of(file.known),
        description=f"{info['title']}.",
        known=known,
        role="example" if top is None or truth is None else "right" if top == truth else "wrong",
        modality=row.modality,
        model=info["key"],
        input=row.id,
        label=file.label,
    )
