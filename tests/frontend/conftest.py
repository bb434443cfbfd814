"""The browser modules in a node process, for tests that compare them with Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.frontend.evident.modules import Node


@pytest.fixture(scope="session")
def js() -> Iterator[Node]:
    """One process for all: what these functions keep is never asked twice."""
    node = Node()
    node.evaluate(
        "() => { globalThis.field = (values, rows, cols, signed) => new evident.Field(Float32Array.from(values), rows, cols, signed); }"
    )
    yield node
    node.close()
