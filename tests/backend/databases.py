"""Every database a test should run on: SQLite always, PostgreSQL where a server is at hand."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

POSTGRES = os.environ.get("EVIDENT_TEST_POSTGRES")
"""URL of a PostgreSQL server on which a schema may be made, e.g.
postgresql+psycopg://user@localhost/postgres."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    with postgres_schema() as url:
        yield url


@contextmanager
def postgres_schema() -> Iterator[str]:
    """URL of an empty schema that is dropped afterwards; skips the test where there is no server."""
    if not POSTGRES:
        pytest.skip("no PostgreSQL at hand (set EVIDENT_TEST_POSTGRES to its URL)")
    schema = f"evident_{uuid.uuid4().hex[:12]}"
    admin = create_engine(POSTGRES)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield (
            make_url(POSTGRES)
            .update_query_dict({"options": f"-csearch_path={schema}"})
            .render_as_string(hide_password=False)
        )
    finally:
        with admin.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        admin.dispose()
