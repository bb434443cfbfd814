"""Studies by HTTP: cost, table, drill-down, files; and what is refused."""

from __future__ import annotations

import csv
import io
import json
import time

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from backend.attribution.methods import METHODS
from backend.jobs.evaluation import cell_keys, study_of
from backend.store.tables import jobs
from tests.backend.api.conftest import NOWHERE, upload
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


def test_own_inputs_have_the_names_and_the_classes_that_are_sent_with_them(client):
    names = ["=HYPERLINK(1) <b>cat</b>.png", "dög.png"]
    ids = [upload(client, image(picture(seed=seed))) for seed in (51, 52, 53)]
    labels = client.get("/models/tiny").json()["labels"]
    study = measured(
        client,
        set=None,
        count=None,
        inputs=ids,
        names=dict(zip(ids, names, strict=False)),
        labels={ids[0]: labels[1].upper(), ids[1]: "0"},
    )
    inputs = study["result"]["inputs"]
    assert [each["name"] for each in inputs] == [*names, "Input 3"]
    assert [each["label"] for each in inputs] == [labels[1], labels[0], None]
    assert [each["correct"] for each in inputs[:2]] == [
        each["target"] == each["label"] for each in inputs[:2]
    ]
    assert study["request"]["names"] == dict(zip(ids, names, strict=False))
    lines = list(csv.DictReader(io.StringIO(client.get(f"/evaluations/{study['id']}/scores.csv").text)))
    assert {(line["input"], line["label"]) for line in lines} == {
        (f"'{names[0]}", labels[1]),  # a spreadsheet would run it as a formula
        (names[1], labels[0]),
        ("Input 3", ""),
    }
    renamed = measured(
        client,
        set=None,
        count=None,
        inputs=ids,
        names={ids[0]: "first"},
        labels={ids[0]: labels[1], ids[1]: "0"},
    )
    assert renamed["result"]["inputs"][0]["name"] == "first"
    assert renamed["result"]["table"] == study["result"]["table"]


def read_labels(client, text, model="tiny", kind="text/csv", **query):
    data = text if isinstance(text, bytes) else text.encode()
    return client.post(
        "/evaluations/labels", content=data, params={"model": model, **query}, headers={"content-type": kind}
    )


def test_a_table_of_labels_says_the_classes_of_files_and_where_their_evidence_lies(client):
    table = "file;label;imagenet_index;box_x0;box_y0;box_x1;box_y1;mask\r\n"
    lines = [
        "a.png;SECOND;;1;2;30;40;",
        "in/b.png; 0 ;404;;;;;masks/b.png",
        "c.png;fird;;;;;;",
        "d.png;;;;;;;",
    ]
    told = read_labels(client, b"\xef\xbb\xbf" + (table + "\r\n".join(lines)).encode()).json()
    assert [(line["line"], line["file"], line["label"]) for line in told["lines"]] == [
        (2, "a.png", "second"),
        (3, "in/b.png", "first"),
        (4, "c.png", None),
        (5, "d.png", None),
    ]
    assert [(line["box"], line["mask"]) for line in told["lines"][:2]] == [
        ([1, 30, 2, 40], ""),
        (None, "masks/b.png"),
    ]
    [note] = told["notes"]
    assert note.startswith("labels.csv, line 4: ")
    assert note.endswith("did you mean third?")
    many = read_labels(client, "".join(f"{i}.png,class {i % 9}\n" for i in range(90))).json()["notes"]
    assert len(many) == 4
    assert many[0].startswith("labels.csv, line 1 and 9 more: ")
    assert (
        read_labels(client, "a.png,none", name="truth.csv")
        .json()["notes"][0]
        .startswith("truth.csv, line 1: ")
    )


@pytest.mark.parametrize(
    ("table", "status", "says"),
    [
        ("", 422, "has no lines"),
        ("file,label\n", 422, "has no lines"),
        ("file,class\na.png,first\n", 422, "must hold `label`"),
        ("file,label\na.png,first\nb.png\n", 422, "line 3"),
        ("file,label\n,first\n", 422, "line 2: it names no file"),
        ("a.png,first\nb.png,first\na.png,second\n", 422, "line 3: line 1 names the same file"),
        ("file,box_x0,box_y0,box_x1,box_y1\na.png,1,2,3,x\n", 422, "line 2: a box is four numbers"),
        ("file,label\na.png,first\n".encode("utf-16"), 422, "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", 422, "UTF-8"),
        ('file,label\n"' + "a" * 140_000, 422, "cannot be read"),
        ("".join(f"{i},0\n" for i in range(20_001)), 422, "20,001 lines, and 20,000 are read"),
        ("a.png,first\n" * 400_000, 413, "larger than allowed"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_words(client, after, table, status, says):
    answer = read_labels(client, table)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text[:400]
    after(answer)
    for other, refused in (({"model": "nope"}, 404), ({"kind": "application/json"}, 415)):
        assert read_labels(client, "a.png,first", **other).status_code == refused


def test_as_many_own_inputs_as_are_allowed_go_with_their_classes(client, after):
    ids = [f"{i:064x}" for i in range(3000)]
    own = {"inputs": ids, "names": dict.fromkeys(ids, "a" * 100), "labels": dict.fromkeys(ids, "first")}
    answer = client.post("/evaluations/price", json={**STUDY, "set": None, "count": None, **own})
    assert answer.status_code == 404, "the first of them is not stored; the request itself is read"
    after(answer)


def test_names_and_labels_of_what_is_not_measured_are_refused(client, photo, after):
    own = {**STUDY, "set": None, "count": None, "inputs": [photo]}
    for change, says in (
        ({"labels": {photo: "no such class"}}, "no class of this network"),
        ({"labels": {"another": "0"}}, "that the study lists"),
        ({"names": {"another": "a"}}, "that the study lists"),
        ({"names": {photo: "a\nb"}}, "control character"),
        ({"names": {photo: "a" * 500}}, "names"),
        ({"set": "photographs", "inputs": None, "names": {photo: "a"}}, "that the study lists"),
    ):
        answer = client.post("/evaluations", json={**own, **change})
        assert answer.status_code == 422, answer.text
        assert says in json.dumps(after(answer))


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


def test_asking_again_tries_failed_maps_again_and_no_others(client, server):
    study = measured(client, count=2, seed=23)
    queue, store = server.services.jobs.queue, server.services.store
    lost = next(iter(cell_keys(study_of(queue.get(study["id"]))).values()))
    problem = {"code": "worker_died", "detail": "The worker died."}
    with store.write() as connection:
        connection.execute(
            update(jobs)
            .where(jobs.c.key == lost)
            .values(state="failed", result=None, results=0, error=problem)
        )
    server.services.evaluations._tables.clear()
    assert client.post("/evaluations/price", json={**STUDY, "count": 2, "seed": 23}).json()["known"] == 5
    again = client.post("/evaluations", json={**STUDY, "count": 2, "seed": 23})
    assert (again.status_code, again.json()["id"], again.json()["result"]["failed"]) == (202, study["id"], 1)
    done = ended(client, study["id"])
    assert (done["state"], done["result"]["failed"]) == ("done", 0)
    assert done["result"]["table"] == study["result"]["table"]
    assert client.post("/evaluations", json={**STUDY, "count": 2, "seed": 23}).status_code == 200


def test_a_study_with_a_name_can_be_asked_for_as_it_is(client):
    known = client.get("/evaluations/presets").json()
    assert [preset["key"] for preset in known] == ["fused"]
    assert set(known[0]["methods"]) <= set(METHODS)
    body = {**STUDY, **{name: known[0][name] for name in ("metrics", "metric_params")}}
    assert client.post("/evaluations/price", json=body).json()["fits"]


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
    study = measured(client, count=6, metrics=["pixel_flipping", "sparseness"])
    measured(client, count=2, metrics=["pixel_flipping"])  # too few inputs to judge a method by
    measured(client, count=6, metrics=["sparseness"])  # and nothing that decides
    advice = client.get("/evaluations/advice", params={"model": "tiny"}).json()
    assert (advice["study"], advice["methods"]) == (study["id"], ["ramp"])


def test_events_tell_state_and_progress(client):
    study = measured(client, count=2)
    told = client.get(f"/evaluations/{study['id']}/events")
    last = json.loads([line for line in told.text.splitlines() if line.startswith("data: ")][-1][6:])
    assert (last["state"], last["progress"]["done"], "result" in last) == ("done", 6, False)


WHOLE, REFUSED = "test_a_study_from_its_cost_to_its_files", "test_what_cannot_be_measured_is_refused_in_words"
LACKING = "test_questions_without_what_they_need_are_refused"
TABLES = "test_tables_that_cannot_be_used_are_refused_in_words"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/evaluations"): {200: WHOLE, 404: REFUSED, 422: REFUSED},
    ("POST", "/v1/evaluations/price"): {200: WHOLE, 404: REFUSED, 422: REFUSED},
    ("POST", "/v1/evaluations/labels"): {200: "test_a_table_of_labels_says_the_classes_of_files_and_where_their_evidence_lies", 404: TABLES, 422: TABLES},
    ("GET", "/v1/evaluations"): {200: "test_the_list_of_jobs_holds_the_study_and_none_of_its_cells", 404: "names nothing", 422: LACKING},
    ("GET", "/v1/evaluations/sets"): {200: "test_sets_and_advice", 404: "/evaluations/sets?model=nope", 422: LACKING},
    ("GET", "/v1/evaluations/presets"): {200: "test_a_study_with_a_name_can_be_asked_for_as_it_is", 404: "names nothing", 422: "it takes nothing"},
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
