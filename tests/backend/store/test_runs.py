"""What the last runs took: per model, weights, method and conditions, on both databases."""

from __future__ import annotations

import pytest

from app.core.cost import REMEMBERED, Run
from backend.store import Store, runs

HERE = {"model": "shapes", "digest": "d" * 64, "method": "lime", "conditions": "here"}


@pytest.fixture
def store(database_url, tmp_path):
    store = Store(database_url, tmp_path / "data")
    store.migrate()
    yield store
    store.close()


def remember(store, passes, seconds, **other):
    with store.write() as connection:
        runs.remember(connection, passes=passes, seconds=seconds, **{**HERE, **other})


def recent(store, model="shapes", digest="d" * 64, conditions="here"):
    return runs.recent(store, model, digest, conditions)


def test_models_weights_methods_and_machines_do_not_mix(store):
    remember(store, 100, 1.0)
    remember(store, 100, 2.0, method="rise")
    remember(store, 100, 3.0, model="cnnexplain")
    remember(store, 100, 4.0, digest="e" * 64)
    remember(store, 100, 5.0, conditions="there")
    assert recent(store) == {"lime": [Run(100, 1.0)], "rise": [Run(100, 2.0)]}
    assert recent(store, model="cnnexplain") == {"lime": [Run(100, 3.0)]}
    assert recent(store, digest="e" * 64) == {"lime": [Run(100, 4.0)]}
    assert recent(store, conditions="there") == {"lime": [Run(100, 5.0)]}


def test_the_newest_first_and_old_ones_go(store):
    for n in range(runs.STORED + 5):
        remember(store, n + 1, 1.0)
    assert [run.passes for run in recent(store)["lime"]] == list(
        range(runs.STORED + 5, runs.STORED + 5 - REMEMBERED, -1)
    )
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == runs.STORED


def test_a_restart_keeps_them_and_a_deleted_model_takes_them_along(store, database_url, tmp_path):
    remember(store, 100, 1.0)
    remember(store, 100, 2.0, model="cnnexplain")
    again = Store(database_url, tmp_path / "data")
    again.migrate()
    assert recent(again) == {"lime": [Run(100, 1.0)]}
    runs.forget(again, "shapes")
    assert recent(store) == {}
    assert recent(store, model="cnnexplain") == {"lime": [Run(100, 2.0)]}
    again.close()
