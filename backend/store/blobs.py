"""Content-addressed files: a blob is named by the sha256 of its bytes, written once and checked when read."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from app.core.errors import NotFound
from backend.store.faults import fault_of

if TYPE_CHECKING:
    import numpy as np

NAME = re.compile(r"[0-9a-f]{64}")
CHUNK = 1024 * 1024
STALE_SECONDS = 3600.0


class Writer:
    """A blob being written. Leaving the `with` block moves it to its hash; an error removes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self.size = 0
        self.sha = ""
        """Hex sha256 once the block is left."""

    def write(self, data: bytes | memoryview) -> int:
        with full_disk():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def digest(self) -> str:
        return self._hash.hexdigest()


class Blobs:
    """The folder. Safe for many processes at once, also on a shared file system with atomic rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        self._trusted: dict[str, tuple[int, int, int]] = {}

    def put(self, data: bytes) -> str:
        """Returns the hex sha256. Raises NoSpace."""
        with self.writer() as writer:
            writer.write(data)
        return writer.sha

    def put_array(self, array: np.ndarray) -> str:
        """The array as `.npy`, never pickled. Raises NoSpace, ValueError for objects."""
        import numpy as np

        with self.writer() as writer:
            np.lib.format.write_array(writer, np.ascontiguousarray(array), allow_pickle=False)
        return writer.sha

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """For streams: temp file, fsync, rename. Raises NoSpace."""
        with full_disk():
            handle, name = tempfile.mkstemp(dir=self.temporary)
        temporary = Path(name)
        try:
            with full_disk(), os.fdopen(handle, "wb") as file:
                writer = Writer(file)
                yield writer
                file.flush()
                os.fsync(file.fileno())
            self._file_away(temporary, writer)
        finally:
            temporary.unlink(missing_ok=True)

    def _file_away(self, temporary: Path, writer: Writer) -> None:
        writer.sha = writer.digest()
        place = self._place(writer.sha)
        with full_disk():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            temporary.replace(place)
            _sync_folder(place.parent)

    def adopt(self, folder: Path, sha: str) -> None:
        """Moves a blob here from another folder of blobs; harmless when it was moved before. Raises
        NotFound when it is in neither."""
        place = self._place(sha)
        with full_disk():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                (folder / sha[:2] / sha).replace(place)
            except FileNotFoundError:
                if not place.exists():
                    raise _missing() from None
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._carry(folder / sha[:2] / sha)
            _sync_folder(place.parent)

    def _carry(self, source: Path) -> None:
        """Moves a blob from another file system, where the folder of blobs is a volume of its own."""
        with self.writer() as writer, source.open("rb") as file:
            while data := file.read(CHUNK):
                writer.write(data)
        source.unlink()

    def _place(self, sha: str) -> Path:
        if not NAME.fullmatch(sha):
            raise NotFound("There is no stored file of that name.")
        return self.folder / sha[:2] / sha

    def path(self, sha: str) -> Path | None:
        """Where the checked blob lies; None when it is missing or damaged (a damaged one is removed)."""
        place = self._place(sha)
        try:
            stat = place.stat()
            fingerprint = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            # Small blobs are hashed at every read (0.2 ms); a recording is served in hundreds of ranges, so a
            # large one only when new.
            if stat.st_size > CHUNK and self._trusted.get(sha) == fingerprint:
                return place
            with place.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha:
                    place.unlink(missing_ok=True)
                    return None
        except OSError:
            return None
        self._trusted[sha] = fingerprint
        return place

    def get(self, sha: str) -> bytes:
        """Checked bytes. Raises NotFound when missing or damaged."""
        place = self._place(sha)
        try:
            data = place.read_bytes()
        except OSError:
            raise _missing() from None
        if hashlib.sha256(data).hexdigest() != sha:
            place.unlink(missing_ok=True)
            raise NotFound(
                "The stored file was damaged; ask for it to be computed or uploaded again.",
                code="blob_missing",
            )
        return data

    def array(self, sha: str) -> np.ndarray:
        """Read-only array. Raises NotFound."""
        import numpy as np

        array: np.ndarray = np.load(io.BytesIO(self.get(sha)), allow_pickle=False)
        array.setflags(write=False)
        return array

    def __contains__(self, sha: object) -> bool:
        return isinstance(sha, str) and bool(NAME.fullmatch(sha)) and self._place(sha).exists()

    def __iter__(self) -> Iterator[str]:
        for place in self.folder.glob("??/*"):
            if NAME.fullmatch(place.name):
                yield place.name

    def delete(self, sha: str) -> None:
        self._place(sha).unlink(missing_ok=True)
        self._trusted.pop(sha, None)

    def clean(self) -> int:
        """Removes temporary files of interrupted writes that are older than an hour; returns how many."""
        limit = time.time() - STALE_SECONDS
        removed = 0
        for path in self.temporary.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    removed += 1
        return removed


def _missing() -> NotFound:
    return NotFound(
        "The stored file is missing; ask for it to be computed or uploaded again.", code="blob_missing"
    )


@contextmanager
def full_disk() -> Iterator[None]:
    """Turns the OSError of a full, read-only or absent disk into NoSpace or StorageUnavailable."""
    try:
        yield
    except OSError as error:
        fault = fault_of(
            OSError(errno.EIO, "") if error.errno == errno.ENOENT else error
        )  # the folder itself went away
        if fault is not None:
            raise fault from None
        raise


def _sync_folder(folder: Path) -> Any:
    """The rename itself must survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
