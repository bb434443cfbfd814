"""Expected seconds follow what runs really took: at once, per model and method, through restarts, never mixed.

Time is what the records say: a run that took long is one whose record says so.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from app.core.settings import Settings
from backend.api import services
from backend.api.routes.explanations import SHORT_SECONDS
from backend.jobs.client import SERVER
from backend.jobs.keys import conditions
from backend.jobs.queue import Queue
from backend.jobs.workers import Stored
from backend.store import Store, runs
from backend.store.tables import jobs
from tests.backend.api.conftest import Running, finished

SHAPES = Path(__file__).resolve().parents[3] / "models" / "weights" / "shapes.safetensors"


@pytest.fixture(autouse=True)
def nothing_known(server: Running) -> None:
    for model in ("tiny", "tiny_sound"):
        runs.forget(server.services.store, model)


def ask(client: httpx.Client, photo: str, seed: int, method: str = "ramp", **params: Any) -> httpx.Response:
    return client.post(
        "/explanations",
        json={"input": photo, "model": "tiny", "method": method, "seed": seed, "params": params},
    )


def fits(client: httpx.Client, model: str = "tiny") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/models/{model}/compatibility").json()
    return found


def took(server: Running, record: dict[str, Any], key: str, **changed: Any) -> None:
    """A run that a server of this kind finished, with this record."""
    queue = Queue(server.services.store, server.settings.limits, server.services.jobs.queue.conditions)
    queue.submit(key, "explanation", lane="none", rank=0, payload={}, title="", client=SERVER)
    running = update(jobs).where(jobs.c.key == key).values(state="running", owner=queue.owner, lease=4e9)
    with queue.store.write() as connection:
        connection.execute(running)
    assert queue.finish(key, Stored({**record, **changed}), 1)
    queue.delete(key)


def test_a_run_is_counted_once_and_an_answer_from_the_store_is_not(client: httpx.Client, photo: str) -> None:
    assert fits(client)["ramp"]["runs"] == 0
    id = ask(client, photo, 900).json()["id"]
    assert finished(client, id)["state"] == "done"
    assert fits(client)["ramp"]["runs"] == 1
    assert ask(client, photo, 900).status_code == 200
    assert fits(client)["ramp"]["runs"] == 1
    assert fits(client, "tiny_sound")["ramp"]["runs"] == 0


def test_the_next_estimate_and_its_lane_move_at_once(
    client: httpx.Client, server: Running, photo: str
) -> None:
    record = finished(client, ask(client, photo, 901).json()["id"])["record"]
    runs.forget(server.services.store, "tiny")
    before = fits(client)["ramp"]["seconds"]
    for n in range(3):
        took(server, record, f"{n:064x}", seconds=3 * before)
    assert fits(client)["ramp"]["seconds"] == pytest.approx(3 * before)
    # As many samples as take half of what counts as short by the measurement take longer by the runs.
    many = max(4, round(4 * SHORT_SECONDS / before / 2))
    long = ask(client, photo, 902, n_samples=many, pause=0.01).json()
    assert long["estimate"] == pytest.approx(3 * before * many / 4)
    with server.services.store.engine.connect() as connection:
        lane = connection.execute(jobs.select().where(jobs.c.key == long["id"])).mappings().one()["lane"]
    assert lane == "interactive"
    client.delete(f"/explanations/{long['id']}")


def test_choosing_a_model_has_it_measured_as_it_will_run(
    client: httpx.Client, server: Running, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prediction asks for it; what it finds is what the page says before anything ran."""
    monkeypatch.setattr(services, "QUIET_SECONDS", 0.1)
    client.post("/predictions", json={"input": photo, "model": "tiny"}).raise_for_status()
    digest = client.get("/models/tiny").json()["digest"]
    key = server.services._speed_key("tiny", digest)
    queue = server.services.jobs.queue
    while key not in server.services._measured or queue.get(key).active:
        time.sleep(0.05)
    row = queue.get(key)
    assert (row.kind, row.state, row.client) == ("speed", "done", "")
    assert fits(client)["layered"]["seconds"] == row.result["seconds"]["layered"]
    assert fits(client)["fitless"]["seconds"] is None
    assert key not in {job["id"] for job in client.get("/jobs").json()}, "nobody asked for it"


def test_a_run_that_stopped_early_counts_by_the_passes_it_spent(
    client: httpx.Client, server: Running, photo: str
) -> None:
    record = finished(client, ask(client, photo, 903).json()["id"])["record"]
    runs.forget(server.services.store, "tiny")
    before = fits(client)["ramp"]["seconds"]
    took(server, record, "a" * 64, forwards=2, seconds=before)
    assert fits(client)["ramp"]["seconds"] == pytest.approx(2 * before)


def test_a_restart_keeps_what_was_learnt(client: httpx.Client, server: Running, photo: str) -> None:
    finished(client, ask(client, photo, 904).json()["id"])
    digest = client.get("/models/tiny").json()["digest"]
    again = Settings(_env_file=None, **server.settings.model_dump())
    store = Store(again.database_url, again.data)
    assert len(runs.recent(store, "tiny", digest, conditions(again))["ramp"]) == 1
    store.close()
    other = again.model_copy(update={"threads": 7})
    assert conditions(other) != conditions(again), "other threads are other seconds"


def test_a_deleted_model_is_forgotten(client: httpx.Client, photo: str) -> None:
    labels = json.loads(SHAPES.with_suffix(".json").read_text())["labels"]

    def upload() -> str:
        answer = client.post(
            "/models",
            files={"weights": ("shapes.safetensors", SHAPES.read_bytes())},
            data={"architecture": "shapes", "labels": json.dumps(labels)},
        )
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["key"])

    key = upload()
    body = {"input": photo, "model": key, "method": "ramp", "seed": 905}
    finished(client, client.post("/explanations", json=body).json()["id"])
    assert fits(client, key)["ramp"]["runs"] == 1
    assert client.delete(f"/models/{key}").status_code == 204
    assert upload() == key
    assert fits(client, key)["ramp"]["runs"] == 0
    client.delete(f"/models/{key}")


def test_a_waiting_map_says_how_many_come_before_it(client: httpx.Client, photo: str) -> None:
    usual = fits(client)["ramp"]["seconds"]
    many = round(4 * 3 * SHORT_SECONDS / usual)
    ids = [ask(client, photo, 906 + n, n_samples=many, pause=0.5).json()["id"] for n in range(3)]
    try:
        while client.get(f"/explanations/{ids[0]}").json()["state"] == "queued":
            time.sleep(0.05)
        shown = [client.get(f"/explanations/{id}").json() for id in ids]
        assert [view["ahead"] for view in shown] == [0, 1, 2]
        assert [view["started"] is None for view in shown] == [False, True, True]
        assert {job["id"]: job["ahead"] for job in client.get("/jobs").json()}[ids[2]] == 2
    finally:
        for id in ids:
            client.delete(f"/explanations/{id}")
