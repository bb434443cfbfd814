"""A study lets others go first, is stopped and goes on, and outlives its server."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import update

from app.core.settings import Settings
from backend.api.services import Services
from backend.jobs.client import Client
from backend.jobs.evaluation import cell_keys
from backend.store.tables import jobs
from backend.tasks.evaluation import EvaluationPayload, PlannedMethod
from tests.backend.api.conftest import explain, finished
from tests.backend.api.test_evaluations import STUDY, ended

SLOW = {**STUDY, "count": 10, "params": {"ramp": {"n_samples": 2, "pause": 0.25}}, "seed": 11}


def begun(client, id, cells):
    deadline = time.monotonic() + 60
    while (study := client.get(f"/evaluations/{id}").json())["progress"]["done"] < cells:
        assert study["state"] in ("queued", "running"), study
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return study


def test_a_study_lets_others_go_first_is_stopped_and_goes_on(client, server, photo):
    queue = server.services.jobs.queue
    before = queue.keys_of_kind("cell")
    id = client.post("/evaluations", json=SLOW).json()["id"]
    running = begun(client, id, 6)
    assert running["state"] == "running"
    assert any(0 < each["n"] < each["expected"] == 10 for each in running["result"]["table"])
    mine = queue.states(queue.keys_of_kind("cell") - before)
    # Few wait at a time, so that others come between; the rest is not even asked for.
    assert sum(state == "queued" for state in mine.values()) <= 4
    assert len(mine) < 30
    explanation = finished(client, explain(client, photo, seed=911).json()["id"])
    assert explanation["state"] == "done"
    assert client.get(f"/evaluations/{id}").json()["state"] == "running"
    assert client.delete(f"/evaluations/{id}").json()["state"] == "cancelled"
    deadline = time.monotonic() + 30
    while queue.active(queue.keys_of_kind("cell")):  # one that runs is asked to stop
        assert time.monotonic() < deadline
        time.sleep(0.05)
    states = queue.states(queue.keys_of_kind("cell") - before)
    kept = {key for key, state in states.items() if state == "done"}
    assert 6 <= len(kept) < 30
    again = client.post("/evaluations", json=SLOW)
    assert (again.status_code, again.json()["id"]) == (202, id)
    assert ended(client, id)["state"] == "done"
    states = queue.states(queue.keys_of_kind("cell") - before)
    assert (len(states), set(states.values())) == (30, {"done"})
    assert all(queue.get(key).attempts == 1 for key in kept)


def test_a_study_outlives_a_killed_server(tmp_path):
    """The second server finds a study whose owner died: it takes it over and measures what is missing."""
    settings = Settings(_env_file=None, data=tmp_path, workers=1)

    async def until(services, id, enough):
        while not enough(await services.jobs.get(id)):
            await asyncio.sleep(0.05)

    async def lives() -> None:
        first = Services(settings, plugins=("tests.backend.api.workshop",), preload=False)
        await first.start()
        study = EvaluationPayload(
            model="tiny",
            identity="tiny",
            labels=["first", "second", "third"],
            set="photographs",
            count=4,
            methods=[
                PlannedMethod(key="ramp", title="Ramp", params={"n_samples": 2, "pause": 0.3}),
                PlannedMethod(key="uniform", title="Uniform", control=True),
            ],
            metrics=[
                {"key": "sparseness", "title": "S", "short": "s", "family": "complexity", "better": "higher"}
            ],
        )
        row = await first.jobs.submit("evaluation", study.as_json(), key="e" * 64, client=Client("c"))
        await asyncio.wait_for(until(first, row.key, lambda row: row.progress.done >= 3), 180)
        # As kill -9 leaves it: nothing is given back or tidied up.
        first.jobs.dispatcher.stopping = True
        for task in (*first.jobs.dispatcher._loops, *(t for _, t in first.jobs.dispatcher._running.values())):
            task.cancel()
        first.engine.stop()
        for task in first._background:
            task.cancel()
        done = {
            key
            for key, state in first.jobs.queue.states(cell_keys(study).values()).items()
            if state == "done"
        }
        assert 3 <= len(done) < 8
        assert first.jobs.queue.get(row.key).state == "running"
        with first.store.write() as connection:
            dead = update(jobs).where(jobs.c.owner.is_not(None)).values(owner="elsewhere/1/1/x", lease=0.0)
            connection.execute(dead)
        second = Services(settings, plugins=("tests.backend.api.workshop",), preload=False)
        workers = second.engine.capacity["compute"]
        second.engine.capacity["compute"] = 0  # as of a cluster whose workers are yet to come
        await second.start()
        await asyncio.wait_for(until(second, row.key, lambda row: row.attempts == 2), 180)
        second.engine.capacity["compute"] = workers
        await asyncio.wait_for(until(second, row.key, lambda row: not row.active), 180)
        ended = await second.jobs.get(row.key)
        assert ended.state == "done", ended.error
        assert {entry["n"] for entry in ended.result["table"] if entry["metric"] == "sparseness"} == {4}
        assert all(second.jobs.queue.get(key).attempts == 1 for key in done)
        assert all(second.jobs.queue.get(key).results == 1 for key in cell_keys(study).values())
        await second.stop()

    asyncio.run(lives())
