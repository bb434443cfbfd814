"""Blobs: named by their bytes, whole or absent, checked when read."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import NoSpace, NotFound, StorageUnavailable
from backend.store.blobs import CHUNK, Blobs


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def files(blobs):
    return sorted(path for path in blobs.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"", b"a", os.urandom(CHUNK + 7)], ids=["empty", "one", "large"])
def test_name_is_the_hash_and_bytes_come_back(blobs, data):
    sha = blobs.put(data)
    assert sha == hashlib.sha256(data).hexdigest()
    assert blobs.get(sha) == data
    assert blobs.path(sha).read_bytes() == data
    assert sha in blobs
    assert list(blobs) == [sha]


def test_same_bytes_are_kept_once(blobs):
    assert blobs.put(b"x") == blobs.put(b"x")
    assert len(files(blobs)) == 1


def test_arrays_keep_type_and_shape_and_are_read_only(blobs):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    back = blobs.array(blobs.put_array(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == np.float32
    assert not back.flags.writeable


def test_objects_are_refused_and_leave_nothing(blobs):
    with pytest.raises(ValueError):
        blobs.put_array(np.array([{}], dtype=object))
    assert files(blobs) == []


def test_a_stream_in_parts_is_the_same_blob(blobs):
    with blobs.writer() as writer:
        for part in (b"ab", b"", b"cd"):
            writer.write(part)
    assert (writer.sha, writer.size) == (blobs.put(b"abcd"), 4)


def test_an_interrupted_stream_leaves_nothing(blobs):
    def interrupted():
        with blobs.writer() as writer:
            writer.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert files(blobs) == []


@pytest.mark.parametrize("size", [10, CHUNK + 10], ids=["small", "large"])
@pytest.mark.parametrize("position", [0, -1])
def test_one_flipped_bit_is_noticed_and_the_blob_removed(blobs, size, position):
    sha = blobs.put(os.urandom(size))
    path = blobs.path(sha)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    assert blobs.path(sha) is None
    assert sha not in blobs


def test_reading_a_damaged_blob_says_so_in_plain_words(blobs):
    sha = blobs.put(b"good")
    blobs.path(sha).write_bytes(b"evil")
    with pytest.raises(NotFound, match="damaged") as caught:
        blobs.get(sha)
    assert str(blobs.folder) not in caught.value.detail
    with pytest.raises(NotFound, match="missing"):
        blobs.get(sha)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 62 + "/x", "0" * 64 + "\n"]
)
def test_only_hashes_are_names(blobs, name):
    with pytest.raises(NotFound):
        blobs.path(name)
    assert name not in blobs


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "mkstemp", "replace"])
def test_a_full_disk_is_told_in_plain_words_and_leaves_nothing(blobs, monkeypatch, call, number):
    def full(*_args, **_kwargs):
        raise OSError(number, "no room")

    where = {"fsync": "os.fsync", "mkstemp": "tempfile.mkstemp", "replace": "pathlib.Path.replace"}[call]
    monkeypatch.setattr(where, full)
    with pytest.raises(NoSpace):
        blobs.put(b"data")
    monkeypatch.undo()
    assert files(blobs) == []


def test_other_faults_of_the_disk_are_not_called_full(blobs, monkeypatch):
    def broken(_descriptor):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageUnavailable):
        blobs.put(b"data")
    assert files(blobs) == []


def test_cleaning_takes_interrupted_writes_once_they_are_old(blobs):
    old, fresh = blobs.temporary / "old", blobs.temporary / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    moment = time.time() - 7200
    os.utime(old, (moment, moment))
    assert blobs.clean() == 1
    assert fresh.exists()


def test_a_blob_moves_from_one_folder_to_another_once(blobs, tmp_path):
    made = Blobs(tmp_path / "made")
    sha = made.put(b"result")
    for _ in range(2):  # again after a failure in between
        blobs.adopt(made.folder, sha)
    assert blobs.get(sha) == b"result"
    assert sha not in made
    blobs.delete(sha)
    with pytest.raises(NotFound, match="missing"):
        blobs.adopt(made.folder, sha)


def test_a_blob_moves_to_a_volume_of_its_own(blobs, tmp_path, monkeypatch):
    made = Blobs(tmp_path / "made")
    sha = made.put(b"result")
    plain = Path.replace

    def replace(self, target):
        if self.is_relative_to(made.folder) and Path(target).is_relative_to(blobs.folder):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    blobs.adopt(made.folder, sha)
    assert blobs.get(sha) == b"result"
    assert sha not in made


def test_blobs_are_their_owners_alone(blobs):
    blobs.put(b"mine")
    for path in (blobs.folder, *blobs.folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_many_writers_of_the_same_blob(blobs):
    """Every reader sees the whole blob or none, never a part."""
    data = os.urandom(200_000)
    sha, faults = hashlib.sha256(data).hexdigest(), []

    def work():
        for _ in range(20):
            if blobs.put(data) != sha or blobs.get(sha) != data:
                faults.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(files(blobs)) == 1
