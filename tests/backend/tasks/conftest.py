"""Tasks run directly, as a worker would, on blobs in a temporary folder."""

from __future__ import annotations

import numpy as np
import pytest

from backend.store.blobs import Blobs


class Reports(list):
    """A `report` that remembers."""

    def __call__(self, done, total, partial=None, *, unit=None):
        self.append((done, total, None if partial is None else partial.shape, unit))


@pytest.fixture
def files(tmp_path):
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def report():
    return Reports()


def photo(seed=0, size=(80, 96)):
    """Smooth random colours, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (5, 6, 3)).repeat(size[0] // 5, 0).repeat(size[1] // 6, 1)
    return coarse.astype(np.uint8)


def payload_of(files, array, modality, **meta):
    return {
        "id": "i" * 64,
        "modality": modality,
        "meta": meta,
        "blobs": {"canonical": files.put_array(array)},
    }
