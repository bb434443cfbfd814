"""`.npy` spectrograms: what numbers pass, and every way a header can lie."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from app.core.errors import EvidentError, InvalidInput, NotDecodable, TooLarge, UnsupportedType
from app.core.settings import Limits
from models.media import decode
from tests.models.media.encoders import npy, npy_header, verdict

LIMITS = Limits()
VALUES = np.random.default_rng(0).normal(size=(20, 30))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", "<i2", "|u1", "<i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_real_numbers_of_any_kind(dtype: str, order: str) -> None:
    values = np.asarray((VALUES * 20 + 100).astype(dtype), order=order)
    found = decode(npy(values), LIMITS)
    assert found.modality == "spectrogram"
    assert found.canonical.dtype == np.float32
    assert found.canonical.flags.c_contiguous
    scale = np.float32(255 if dtype == "|u1" else 1)  # bytes are grey levels
    assert (found.canonical == values.astype(np.float32) / scale).all()
    assert found.facts["scale"] == ("unit" if dtype == "|u1" else "db")
    assert (found.facts["height"], found.facts["width"]) == (20, 30)


def test_one_channel_in_front() -> None:
    assert (decode(npy(VALUES[None]), LIMITS).canonical == VALUES.astype(np.float32)).all()


@pytest.mark.parametrize(
    "values",
    [VALUES[0], VALUES[None, None], np.stack([VALUES] * 3), np.zeros((0, 5)), VALUES[:1], np.float64(3)],
)
def test_wrong_shapes(values: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="two sides"):
        decode(npy(values), LIMITS)


@pytest.mark.parametrize(
    "values",
    [VALUES.astype(complex), VALUES > 0, np.array([["a", "b"], ["c", "d"]]), np.zeros((4, 4), [("a", "f4")])],
)
def test_wrong_kinds(values: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="real numbers"):
        decode(npy(values), LIMITS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_not_finite(bad: float) -> None:
    values = VALUES.copy()
    values[2, 3] = bad
    with pytest.raises(InvalidInput, match="not finite"):
        decode(npy(values), LIMITS)


def test_constant() -> None:
    with pytest.raises(InvalidInput, match="same"):
        decode(npy(np.full((8, 8), 3.0)), LIMITS)


def test_objects_are_never_unpickled(tmp_path) -> None:
    mark = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    out = io.BytesIO()
    np.save(out, np.array([[Evil()] * 3] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput):
        decode(out.getvalue(), LIMITS)
    assert not mark.exists()


@pytest.mark.parametrize(("text", "kind"), [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000), }", TooLarge),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999999, 2), }", TooLarge),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (64, 64), }", NotDecodable),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 8), }", NotDecodable),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 8), }", EvidentError),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': 'abc', }", NotDecodable),
    ("{'descr': '|V99999999', 'fortran_order': False, 'shape': (2, 2), }", InvalidInput),
    ("__import__('os').getcwd()", NotDecodable),
    ("{" * 3000, NotDecodable),
    ("(" * 5000 + ")" * 5000, NotDecodable),
    ("9" * 9000, NotDecodable),
    ("", NotDecodable),
])  # fmt: skip
def test_lying_headers(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        decode(npy_header(text, b"\0" * 64), LIMITS)


def test_header_longer_than_the_file() -> None:
    for data in (
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x09\x09",
        b"\x93NUMPY",
    ):
        with pytest.raises(NotDecodable):
            decode(data, LIMITS)


def test_bytes_must_match_the_shape() -> None:
    for data in (npy(VALUES)[:-1], npy(VALUES) + b"\0"):
        with pytest.raises(NotDecodable, match="length"):
            decode(data, LIMITS)


def test_archives_are_refused() -> None:
    out = io.BytesIO()
    np.savez_compressed(out, values=np.zeros((4000, 4000)))
    with pytest.raises(UnsupportedType, match="npy"):
        decode(out.getvalue(), LIMITS)


def test_flips_never_surprise() -> None:
    data = npy(VALUES[:4, :4])
    generator = random.Random(3)
    for _ in range(500):
        flipped = bytearray(data)
        for _ in range(generator.choice((1, 2, 6))):
            flipped[generator.randrange(len(flipped))] ^= 1 << generator.randrange(8)
        found = verdict(bytes(flipped), LIMITS)
        assert isinstance(found, EvidentError) or np.isfinite(found.canonical).all()
