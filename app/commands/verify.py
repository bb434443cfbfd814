"""`evident verify`: what a report claims, recomputed on this machine and compared, without a server."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.core.settings import Limits, Settings
    from backend.reports.manifest import ClaimedSubject
    from backend.store import Store
    from backend.store.blobs import Blobs
    from backend.tasks.payloads import ModelSource, StoredInput
    from backend.tasks.verification import VerifiedSubject

NAME = "verify"
HELP = "Recompute what an evidence report claims, and compare. Exit code 0: the same, 1: not the same or not fully checked, 2: bad input."
SIGNS = {"identical": "=", "equal": "~", "different": "x", "impossible": "?"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "report", type=Path, help="the PDF or HTML file as it was made, or its manifest (.json)"
    )
    parser.add_argument(
        "--input",
        type=Path,
        action="append",
        default=[],
        help="the file that the report is about, where it is not in the data folder; may be given several times",
    )
    parser.add_argument(
        "--data", type=Path, help="data folder of a server that holds the input (default ./data)"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    from app.core.errors import NotFound
    from app.core.settings import Settings
    from backend.api.routes.verifications import parsed
    from backend.jobs.keys import code_version
    from backend.reports import manifest
    from backend.store.blobs import Blobs
    from backend.tasks.verification import VerificationPayload, verified

    for file in (args.report, *args.input):
        if not file.is_file():
            raise NotFound(f"There is no file {file}; give the path of a report.", field="report")
    settings = Settings(**({} if args.data is None else {"data": args.data}))
    found = manifest.opened(args.report, settings.limits.report_bytes)
    claims = parsed(found.text, settings.limits.json_depth)
    with tempfile.TemporaryDirectory() as folder:
        files = Blobs(Path(folder))
        subjects = _Here(settings, files, args.input).all(claims.subjects)
        payload = VerificationPayload(
            manifest="", code=code_version(), sealed=found.sealed, shown=found.shown, inputs=subjects
        )
        with _progress(args.json) as report:
            result = verified(claims, payload, files, report)
    if args.json:
        print(json.dumps(result.model_dump(mode="json"), indent=1))
    else:
        for item in result.items:
            print(f"{SIGNS[item.state]} {item.title}: {item.words}")
        print("\n".join([*result.notes, result.words]))
    return 0 if result.state == "same" else 1


class _Here:
    """Inputs and models that a report names, as far as this machine has them."""

    def __init__(self, settings: Settings, files: Blobs, given: Sequence[Path]) -> None:
        self.settings, self.files, self.given = settings, files, given
        self.store = _store(settings)

    def all(self, claimed: Sequence[ClaimedSubject]) -> list[VerifiedSubject]:
        read = [_read(path, self.settings.limits, self.files) for path in self.given]
        known = {stored.id: stored for several in read for stored in several}
        return [self._one(subject, known) for subject in claimed]

    def _one(self, claimed: ClaimedSubject, known: dict[str, StoredInput]) -> VerifiedSubject:
        from app.core.errors import EvidentError
        from backend.tasks.verification import VerifiedSubject

        try:
            stored = known.get(claimed.input.id) or self._stored(claimed.input.id)
            source = self._model(claimed)
        except EvidentError as error:
            return VerifiedSubject(why=error.detail)
        if stored is None:
            another = bool(self.given)
            return VerifiedSubject(why=OTHER if another else LOST, another=another)
        return VerifiedSubject(input=stored, source=source)

    def _stored(self, id: str) -> StoredInput | None:
        """From the data folder, its numbers brought to the others."""
        from app.core.errors import EvidentError
        from backend.tasks.payloads import StoredInput

        if self.store is None:
            return None
        try:
            row = self.store.input(id)
            sha = self.files.put(self.store.blobs.get(row.blobs["canonical"]))
        except EvidentError:
            return None
        return StoredInput(id=row.id, modality=row.modality, meta=row.meta, blobs={"canonical": sha})

    def _model(self, claimed: ClaimedSubject) -> ModelSource:
        """As the report names it; an uploaded one with its weights from the data folder."""
        from app.core.errors import EvidentError
        from backend.tasks.payloads import ModelSource, Upload

        key, digest = claimed.model.key, claimed.model.sha256
        if self.store is None:
            return ModelSource(model=key, digest=digest)
        try:
            row = self.store.model(key)
        except EvidentError:
            return ModelSource(model=key, digest=digest)
        self.files.put(self.store.blobs.get(row.digest))
        names = ("key", "title", "architecture", "labels", "digest")
        return ModelSource(
            model=key, upload=Upload(**{name: getattr(row, name) for name in names}), digest=digest
        )


LOST = "The input is not in the data folder; give its file with --input."
OTHER = "The file that was given is not the input of the report: its bytes have another SHA-256."


def _store(settings: Settings) -> Store | None:
    """The data folder's, if there is one; nothing is made or migrated."""
    from backend.store import Store

    if settings.database is None and not (settings.data / "evident.db").is_file():
        return None
    return Store(settings.database_url, settings.data)


def _read(path: Path, limits: Limits, files: Blobs) -> list[StoredInput]:
    """The file decoded, under each id that it may have: read as it is, or as a spectrogram. Raises EvidentError for one that cannot
    be read."""
    import hashlib

    from backend.api.intake import As, input_id
    from backend.tasks.decode import Decode, DecodePayload
    from backend.tasks.payloads import StoredInput
    from models.media.levels import SCALES

    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    ways: list[tuple[As, Any]] = [("auto", None)]
    if path.suffix.lower() == ".npy":
        ways += [(how, scale) for how in ("auto", "spectrogram") for scale in (None, *SCALES)][1:]
    elif path.suffix.lower() not in {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".webm"}:
        ways.append(("spectrogram", None))
    read = []
    for how, scale in ways:
        payload = DecodePayload(**{"as": how}, file=path, scale=scale, limits=limits)
        made = Decode().compute(payload, files, lambda *_, **__: None)
        blobs = {"canonical": files.put_array(made.arrays["canonical"])}
        meta = made.result.model_dump(mode="json")
        read.append(
            StoredInput(id=input_id(sha, how, scale), modality=made.result.modality, meta=meta, blobs=blobs)
        )
    return read


class _progress:
    """A bar on the error stream, called as tasks report."""

    def __init__(self, quiet: bool) -> None:
        from tqdm import tqdm

        self.bar = tqdm(desc="Recomputing", unit=" results", leave=False, disable=quiet or None)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, done: int, total: int, partial: Any = None, *, unit: str | None = None) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)
