"""Studies by HTTP: cost, table, drill-down, files; and what is refused."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from app.core.settings import Settings
from backend.api.services import Services
from backend.jobs.evaluation import cell_keys
from backend.store.tables import jobs
from backend.tasks.evaluation import EvaluationPayload, PlannedMethod
from tests.backend.api.conftest import NOWHERE, explain, finished, upload
from tests.backend.api.walk import FREE_TEXT
from tests.models.media.encoders import image, picture

METRICS = ["sparseness", "relevance_mass_accuracy"]
STUDY = {"model": "tiny", "set": "photographs", "count": 3, "methods": ["ramp"], "metrics": METRICS}


def ended(client, id):
    deadline = time.monotonic() + 60
    while True:
        study = client.get(f"/evaluations/{id}").json()
        if study["state"] not in ("queued", "running"):
            return study
        assert time.monotonic() < deadline
        time.sleep(0.05)


def measured(client, **more):
    answer = client.post("/evaluations", json={**STUDY, **more})
    assert answer.status_code in (200, 202), answer.text
    study = ended(client, answer.json()["id"])
    assert study["state"] == "done", study["error"]
    return study


def loaded(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def entry(study, method, metric):
    return next(e for e in study["result"]["table"] if (e["method"], e["metric"]) == (method, metric))


def test_a_study_from_its_cost_to_its_files(client):
    before = client.post("/evaluations/price", json=STUDY).json()
    assert (before["cells"], before["fits"]) == (9, True)
    study = measured(client)
    assert study["progress"]["done"] == study["progress"]["total"] == 9
    result = study["result"]
    assert [row["method"] for row in result["rows"]] == ["ramp", "centre_blob", "uniform"]
    assert len(result["table"]) == 6
    assert len(result["inputs"]) == 3
    place = f"/evaluations/{study['id']}"
    cells = client.get(f"{place}/cells.json", params={"method": "ramp", "metric": "sparseness"}).json()[
        "cells"
    ]
    assert np.mean([cell["value"] for cell in cells]) == pytest.approx(
        entry(study, "ramp", "sparseness")["mean"]
    )
    assert entry(study, "uniform", "sparseness")["mean"] == pytest.approx(0, abs=1e-6)
    assert entry(study, "ramp", "relevance_mass_accuracy")["note"].startswith("No region is known")
    values = loaded(client, f"{place}/maps/2/centre_blob.npy")
    assert values.dtype == np.float32
    shown = Image.open(io.BytesIO(client.get(f"{place}/inputs/2.png").content))
    assert (shown.mode, shown.size[::-1]) == ("L", values.shape)
    lines = list(csv.DictReader(io.StringIO(client.get(f"{place}/scores.csv").text)))
    assert len(lines) == 3 * 3 * 2
    assert {line["method"] for line in lines} == {"ramp", "centre_blob", "uniform"}
    file = json.loads(client.get(f"{place}/study.json").text)
    assert file["result"]["table"] == result["table"]
    assert client.post("/evaluations/price", json=STUDY).json()["known"] == 9
    again = client.post("/evaluations", json=STUDY)
    assert (again.status_code, again.json()["id"]) == (200, study["id"])


def test_a_larger_study_takes_the_cells_that_are_there(client, server):
    measured(client, count=2)
    queue = server.services.jobs.queue
    before = queue.keys_of_kind("cell")
    price = client.post("/evaluations/price", json={**STUDY, "count": 4}).json()
    assert price["known"] >= 6
    measured(client, count=4)
    assert before < queue.keys_of_kind("cell")
    assert all(queue.get(key).results == 1 for key in before)


def test_the_list_of_jobs_holds_the_study_and_none_of_its_cells(client):
    study = measured(client)
    kinds = {job["kind"] for job in client.get("/jobs", params={"limit": 500}).json()}
    assert "evaluation" in kinds
    assert "cell" not in kinds
    assert study["id"] in {each["id"] for each in client.get("/evaluations").json()}


def test_deleting_a_study_deletes_the_cells_that_no_other_has(client, server):
    small, large = measured(client, count=1, seed=7), measured(client, count=3, seed=7)
    queue = server.services.jobs.queue
    everything = queue.keys_of_kind("cell")
    assert client.delete(f"/evaluations/{large['id']}").status_code == 204
    assert len(everything) - len(queue.keys_of_kind("cell")) == 6
    assert client.get(f"/evaluations/{small['id']}").json()["result"]["table"]
    assert loaded(client, f"/evaluations/{small['id']}/maps/0/ramp.npy").any()
    assert client.get(f"/evaluations/{large['id']}").status_code == 404


def test_stored_inputs_are_measured_and_their_deletion_takes_the_study_along(client):
    ids = [upload(client, image(picture(seed=seed))) for seed in (41, 42)]
    study = measured(client, set=None, count=None, inputs=ids)
    assert [each["id"] for each in study["result"]["inputs"]] == ids
    refused = client.delete(f"/inputs/{ids[0]}")
    assert refused.status_code == 409
    assert client.delete(f"/inputs/{ids[0]}", params={"with": "all"}).status_code == 204
    assert client.get(f"/evaluations/{study['id']}").status_code == 404


def test_the_evidence_of_stored_inputs(client):
    id = upload(client, image(picture(30, 40, seed=43)))
    region = client.put(f"/inputs/{id}/region", json={"boxes": [[10, 20, 0, 15]]})
    assert region.status_code == 200, region.text
    study = measured(client, set=None, count=None, inputs=[id])
    mask = loaded(client, f"/evaluations/{study['id']}/masks/0.npy")
    expected = np.zeros((24, 32), bool)
    expected[:12, 8:16] = True  # of a photo of 30 x 40 pixels on a grid of 24 x 32
    np.testing.assert_array_equal(mask.astype(bool), expected)
    assert study["result"]["inputs"][0]["mask"] is True
    mass = entry(study, "uniform", "relevance_mass_accuracy")["mean"]
    assert mass == pytest.approx(expected.mean())


def test_a_method_that_does_not_fit_is_a_row_that_says_why(client):
    study = measured(client, methods=["fitless", "ramp"], count=1)
    row = study["result"]["rows"][0]
    assert (row["method"], row["reason"].startswith("This method needs")) == ("fitless", True)
    assert entry(study, "fitless", "sparseness")["note"] == row["reason"]
    assert entry(study, "ramp", "sparseness")["n"] == 1
    assert client.get(f"/evaluations/{study['id']}/maps/0/fitless.npy").status_code == 404


SLOW = {**STUDY, "count": 10, "params": {"ramp": {"n_samples": 2, "pause": 0.1}}, "seed": 11}


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
    assert (
        0 < sum(state == "queued" for state in mine.values()) <= 4
    )  # few wait at a time: others come between
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
                PlannedMethod(key="ramp", title="Ramp", params={"n_samples": 2, "pause": 0.1}),
                PlannedMethod(key="uniform", title="Uniform", control=True),
            ],
            metrics=[
                {"key": "sparseness", "title": "S", "short": "s", "family": "complexity", "better": "higher"}
            ],
        )
        row = await first.jobs.submit("evaluation", study.as_json(), key="e" * 64, client="c")
        await asyncio.wait_for(until(first, row.key, lambda row: row.progress.done >= 3), 60)
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
        await asyncio.wait_for(until(second, row.key, lambda row: row.attempts == 2), 60)
        second.engine.capacity["compute"] = workers
        await asyncio.wait_for(until(second, row.key, lambda row: not row.active), 60)
        ended = await second.jobs.get(row.key)
        assert ended.state == "done", ended.error
        assert {entry["n"] for entry in ended.result["table"] if entry["metric"] == "sparseness"} == {4}
        assert all(second.jobs.queue.get(key).attempts == 1 for key in done)
        assert all(second.jobs.queue.get(key).results == 1 for key in cell_keys(study).values())
        await second.stop()

    asyncio.run(lives())


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"methods": ["rmp"]}, 404, "Did you mean ramp?"),
        ({"metrics": ["sparsness"]}, 404, "Did you mean sparseness?"),
        ({"methods": []}, 422, "at least one method"),
        ({"metrics": []}, 422, "at least one metric"),
        ({"methods": ["ramp", "ramp"]}, 422, "twice"),
        ({"set": None, "count": None, "inputs": []}, 422, "name at least one"),
        ({"set": None, "count": None, "inputs": [NOWHERE]}, 404, "no such input"),
        ({"inputs": [NOWHERE]}, 422, "not both"),
        ({"set": None}, 422, "not both"),
        ({"set": "shapes"}, 422, "does not fit"),
        ({"set": "nowhere"}, 404, "no set of that name"),
        ({"count": 65}, 422, "64 inputs"),
        ({"target": "label"}, 422, "no labels"),
        ({"target": 99}, 422, "whole number"),
        ({"target": -1}, 422, "whole number"),
        ({"params": {"slow": {}}}, 422, "not in the study"),
        ({"metric_params": {"sparseness": {"x": 1}}}, 422, "no such parameter"),
        ({"model": "nothing"}, 404, "no model"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(client, after, change, status, says):
    for path in ("/evaluations", "/evaluations/price"):
        answer = client.post(path, json={**STUDY, **change})
        assert answer.status_code == status, answer.text
        assert says in after(answer)["detail"]


def test_an_input_that_is_named_twice_is_refused(client, photo, after):
    answer = client.post("/evaluations", json={**STUDY, "set": None, "count": None, "inputs": [photo, photo]})
    assert answer.status_code == 422
    assert "twice" in after(answer)["detail"]


def test_questions_without_what_they_need_are_refused(client, after):
    study = measured(client, count=1)
    place = f"/evaluations/{study['id']}"
    for path in (
        "/evaluations/sets",
        "/evaluations/advice",
        "/evaluations?limit=0",
        f"{place}/cells.json",
        f"{place}/maps/x/ramp.npy",
        f"{place}/inputs/x.png",
        f"{place}/masks/x.npy",
    ):
        assert after(client.get(path))["status"] == 422, path
    for path in (
        "maps/1/ramp.npy",
        "maps/0/rmp.npy",
        "inputs/1.png",
        "masks/0.npy",
        "cells.json?method=ramp&metric=x",
    ):
        assert after(client.get(f"{place}/{path}"))["status"] == 404, path


def test_sets_and_advice(client):
    sets = {each["key"]: each for each in client.get("/evaluations/sets", params={"model": "tiny"}).json()}
    assert set(sets) == {"photographs"}
    assert (sets["photographs"]["count"], sets["photographs"]["masks"]) == (64, False)
    assert [
        each["key"] for each in client.get("/evaluations/sets", params={"model": "tiny_sound"}).json()
    ] == ["coughs"]
    assert client.get("/evaluations/advice", params={"model": "tiny_sound"}).json() is None
    study = measured(client, count=6)
    advice = client.get("/evaluations/advice", params={"model": "tiny"}).json()
    assert (advice["study"], advice["methods"]) == (study["id"], ["ramp"])


def test_events_tell_state_and_progress(client):
    study = measured(client, count=2)
    told = client.get(f"/evaluations/{study['id']}/events")
    last = json.loads([line for line in told.text.splitlines() if line.startswith("data: ")][-1][6:])
    assert (last["state"], last["progress"]["done"], "result" in last) == ("done", 6, False)


WHOLE, REFUSED = "test_a_study_from_its_cost_to_its_files", "test_what_cannot_be_measured_is_refused_in_words"
LACKING = "test_questions_without_what_they_need_are_refused"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/evaluations"): {200: WHOLE, 404: REFUSED, 422: REFUSED},
    ("POST", "/v1/evaluations/price"): {200: WHOLE, 404: REFUSED, 422: REFUSED},
    ("GET", "/v1/evaluations"): {200: "test_the_list_of_jobs_holds_the_study_and_none_of_its_cells", 404: "names nothing", 422: LACKING},
    ("GET", "/v1/evaluations/sets"): {200: "test_sets_and_advice", 404: "/evaluations/sets?model=nope", 422: LACKING},
    ("GET", "/v1/evaluations/advice"): {200: "test_sets_and_advice", 404: "/evaluations/advice?model=nope", 422: LACKING},
    ("GET", "/v1/evaluations/{id}"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}", 422: FREE_TEXT},
    ("GET", "/v1/evaluations/{id}/events"): {200: "test_events_tell_state_and_progress", 404: f"/evaluations/{NOWHERE}/events", 422: FREE_TEXT},
    ("GET", "/v1/evaluations/{id}/cells.json"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}/cells.json?method=a&metric=b", 422: LACKING},
    ("GET", "/v1/evaluations/{id}/maps/{index}/{method}.npy"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}/maps/0/a.npy", 422: LACKING},
    ("GET", "/v1/evaluations/{id}/inputs/{index}.png"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}/inputs/0.png", 422: LACKING},
    ("GET", "/v1/evaluations/{id}/masks/{index}.npy"): {200: "test_the_evidence_of_stored_inputs", 404: f"/evaluations/{NOWHERE}/masks/0.npy", 422: LACKING},
    ("GET", "/v1/evaluations/{id}/scores.csv"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}/scores.csv", 422: FREE_TEXT},
    ("GET", "/v1/evaluations/{id}/study.json"): {200: WHOLE, 404: f"/evaluations/{NOWHERE}/study.json", 422: FREE_TEXT},
    ("DELETE", "/v1/evaluations/{id}"): {200: "test_deleting_a_study_deletes_the_cells_that_no_other_has", 404: f"/evaluations/{NOWHERE}", 422: FREE_TEXT},
}  # fmt: skip
