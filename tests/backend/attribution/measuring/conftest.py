"""A small network without tricks."""

from __future__ import annotations

import pytest

import models
from tests.tiny import build


@pytest.fixture(scope="module")
def plain() -> models.Model:
    return build("plain")
