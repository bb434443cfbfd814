"""Worklists and cases: who sees what, and that nothing that was said is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from backend.store import tables
from tests.backend.api.casework import ANNA, BEN, photos, predicted, said, worklist
from tests.backend.api.conftest import NOWHERE, Running
from tests.backend.api.reports import Page, pdf_text, plain
from tests.backend.api.test_gone import places_of
from tests.backend.api.walk import FREE_TEXT, api_routes


def test_a_case_from_hearing_to_agreement(client: httpx.Client) -> None:
    """Judge first, then see: both are kept with what was shown."""
    inputs = photos(client, 2)
    added = worklist(client, inputs, names={inputs[0]: "cough.wav"})
    assert (added["added"], [each["input"] for each in added["cases"]]) == (2, inputs)
    id = added["cases"][0]["id"]
    predicted(client, added["worklist"]["id"])
    hidden = client.get(f"/cases/{id}", headers=ANNA).json()
    assert (hidden["prediction"], hidden["model_says"]) == (None, None)
    assert hidden["fit"]["state"] == "ready", "whether the input suits the model is told before its answer"
    assert client.post(f"/cases/{id}/reveal", headers=ANNA).json()["code"] == "judge_first"
    assert said(client, id, ANNA, "after", prediction="plausible").json()["code"] == "not_revealed"
    assert said(client, id, ANNA, reading=1, note="two\nlines").status_code == 200
    case = client.post(f"/cases/{id}/reveal", headers=ANNA).json()
    assert case["revealed"]
    assert case["prediction"]["classes"]
    assert case["prediction"]["gate"]["state"] == hidden["fit"]["state"]
    assert case["prediction"]["quality"] == hidden["fit"]["checks"]
    assert said(client, id, ANNA, reading=2).json()["code"] == "already_revealed"
    case = said(client, id, ANNA, "after", prediction="not_plausible", explanation="misleading").json()
    assert [verdict["stage"] for verdict in case["verdicts"]] == ["before", "after"]
    assert case["verdicts"][0]["note"] == "two\nlines"
    assert case["verdicts"][0]["shown"]["model"] is None
    assert case["verdicts"][1]["shown"]["model"]["prediction"] == case["prediction"]["id"]
    assert [entry["kind"] for entry in case["history"]] == ["created", "before", "reveal", "after"]
    assert case["next"] == added["cases"][1]["id"]
    assert case["previous"] is None


def test_filters(client: httpx.Client) -> None:
    """One page of a list, by state, search, verdict, and in each order."""
    inputs = photos(client, 4, first=940)
    names = dict(zip(inputs, ["b.png", "a_100%.png", "d.png", "c.png"], strict=True))
    added = worklist(client, inputs, names=names)
    list_id, ids = added["worklist"]["id"], [each["id"] for each in added["cases"]]
    predicted(client, list_id)
    for id, reading in ((ids[0], 0), (ids[1], 1), (ids[2], "cannot_say")):
        said(client, id, ANNA, reading=reading, note="wheezes at the end" if reading == 1 else "")
        client.post(f"/cases/{id}/reveal", headers=ANNA)

    def asked(**query: Any) -> list[str]:
        page = client.get("/cases", params={"worklist": list_id, **query}, headers=ANNA).json()
        assert page["total"] >= len(page["cases"])
        return [each["name"] for each in page["cases"]]

    assert asked() == ["b.png", "a_100%.png", "d.png", "c.png"]
    assert asked(sort="name") == sorted(names.values())
    assert asked(offset=1, limit=2) == ["a_100%.png", "d.png"]
    assert asked(search="A_1") == ["a_100%.png"] == asked(search="%") == asked(search="WHEEZES")
    assert asked(verdict="cannot_say") == ["d.png"]
    assert asked(verdict="1") == ["a_100%.png"]
    assert asked(state="todo") == ["c.png"]
    whole = client.get("/cases", params={"worklist": list_id, "sort": "score"}, headers=ANNA).json()
    scores = [each["score"] for each in whole["cases"] if each["score"] is not None]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    for lowest, highest in ((scores[1], 1), (0, scores[1]), (scores[2], scores[1]), (scores[1], None)):
        within = {"score_from": lowest, **({} if highest is None else {"score_to": highest})}
        part = client.get("/cases", params={"worklist": list_id, **within}, headers=ANNA).json()
        inside = [
            each["name"]
            for each in sorted(whole["cases"], key=lambda each: each["number"])
            if each["score"] is not None and lowest <= each["score"] <= (highest or 1)
        ]
        assert ([each["name"] for each in part["cases"]], part["unscored"]) == (inside, 1)
    for each in whole["cases"]:
        differs = each["reading"] in (0, 1) and each["model_says"] in ("first", "second", "third")
        differs = differs and added["worklist"]["labels"][each["reading"]] != each["model_says"]
        expected = "todo" if each["reading"] is None else "disagree" if differs else "judged"
        assert each["state"] == expected
    assert {**whole["counts"]} == client.get(f"/worklists/{list_id}", headers=ANNA).json()["counts"]


def test_refused_cases(client: httpx.Client, after: Callable[[httpx.Response], dict[str, Any]]) -> None:
    """Each refusal says what is wrong."""
    photo = photos(client, 1)[0]

    def refused(status: int, code: str, **body: Any) -> None:
        answer = client.post("/cases", json={"inputs": [photo], "model": "tiny", **body})
        assert (after(answer)["status"], answer.json()["code"]) == (status, code), answer.text

    refused(422, "bad_parameter", inputs=[])
    refused(422, "too_many_inputs", inputs=[photo] * 2001)
    refused(404, "unknown_input", inputs=[photo, NOWHERE])
    refused(404, "unknown_input", inputs=["x"])
    refused(404, "unknown_model", model="none")
    refused(404, "unknown_worklist", worklist="none")
    refused(422, "wrong_modality", model="tiny_sound")
    refused(422, "bad_parameter", names={NOWHERE: "a.wav"})
    listed = worklist(client, [photo], title="Only once")["worklist"]
    refused(409, "other_mode", title="Only once", blind=False)
    refused(422, "bad_parameter", worklist=listed["id"], title="Another")


def test_refused_verdicts(client: httpx.Client, after: Callable[[httpx.Response], dict[str, Any]]) -> None:
    id = worklist(client, photos(client, 1))["cases"][0]["id"]

    def refused(status: int, code: str, at: str = id, **body: Any) -> None:
        answer = said(client, at, ANNA, **body)
        assert (after(answer)["status"], answer.json()["code"]) == (status, code), answer.text

    refused(404, "unknown_case", at="none", reading=0)
    refused(422, "unknown_class", reading=3)
    refused(422, "note_too_long", note="x" * 4001)
    refused(422, "empty_verdict")
    refused(422, "bad_parameter", reading=0, prediction="plausible")
    refused(422, "bad_parameter", reading=0, shown={"settings": {"x": "y" * 20_000}})
    refused(422, "box_outside", reading=0, region={"boxes": [[500, 600, 2, 9]]})
    refused(409, "not_revealed", stage="after", reading=0)
    assert after(client.post(f"/cases/{id}/events", json={"kind": "reveal"}))["status"] == 422
    assert after(client.post("/cases/none/events", json={"kind": "listened"}))["code"] == "unknown_case"
    assert after(client.get("/cases/none"))["code"] == "unknown_case"
    assert client.get(f"/cases/{id}", headers=ANNA).json()["verdicts"] == []


def test_refused_lists(client: httpx.Client, after: Callable[[httpx.Response], dict[str, Any]]) -> None:
    one, other = (worklist(client, photos(client, 1))["worklist"] for _ in range(2))
    taken = client.patch(f"/worklists/{one['id']}", json={"title": other["title"]})
    assert after(taken)["code"] == "title_taken"
    assert after(client.patch("/worklists/none", json={"title": "x"}))["code"] == "unknown_worklist"
    assert after(client.patch(f"/worklists/{one['id']}", json={"title": 1}))["status"] == 422
    renamed = client.patch(f"/worklists/{one['id']}", json={"title": f"{one['title']} b"})
    assert renamed.json()["title"] == f"{one['title']} b"
    wrong: list[dict[str, Any]] = [{"state": "x"}, {"verdict": "3"}, {"score_from": 2}, {"score_to": "nan"}]
    wrong += [{"score_from": 0.6, "score_to": 0.5}]
    for query in ({}, *({"worklist": one["id"], **each} for each in wrong)):
        assert after(client.get("/cases", params=query))["status"] == 422, query


def all_answers(
    client: httpx.Client, server: Running, list_id: str, ids: list[str], who: dict[str, str]
) -> dict[str, bytes]:
    """What every GET of cases and worklists tells a reviewer, in every order and under every filter. Reports carry the time
    they were made at; they are made of `GET /cases/{id}`."""
    asked: list[tuple[str, dict[str, str]]] = []
    for path, route in api_routes(server.app):
        if (
            "GET" not in route.methods
            or not path.startswith(("/v1/cases", "/v1/worklists"))
            or "report" in path
        ):
            continue
        path = path.removeprefix("/v1")
        if path == "/cases":
            filters = [("state", value) for value in ("todo", "judged", "disagree")]
            filters += [("verdict", value) for value in ("0", "1", "2", "plausible", "not_plausible")]
            filters += [("search", value) for value in ("truth", "seen")]
            filters += [("score_from", "0"), ("score_from", "0.5"), ("score_to", "0.5")]
            filters += [("sort", value) for value in ("arrival", "name", "score", "verdict")]
            asked += [(path, {"worklist": list_id, name: value}) for name, value in filters]
        elif path.startswith("/cases/"):
            asked += [(path.replace("{id}", id), {}) for id in ids]
        else:
            asked.append((path.replace("{id}", list_id), {}))
    return {
        f"{path} {query}": client.get(path, params=query, headers=who).raise_for_status().content
        for path, query in asked
    }


def test_nothing_tells_the_answer_before_the_reading(client: httpx.Client, server: Running) -> None:
    """Whatever the model and the others say, the answers to a reviewer who has not judged are the same to the byte."""
    inputs = photos(client, 3, first=960)
    added = worklist(client, inputs, labels=dict.fromkeys(inputs, "truth one"))
    list_id, ids = added["worklist"]["id"], [each["id"] for each in added["cases"]]
    predicted(client, list_id)
    for id in ids:
        said(client, id, BEN, reading=0)
        client.post(f"/cases/{id}/reveal", headers=BEN)
        said(client, id, BEN, "after", reading=1, prediction="plausible", note="seen")
    said(client, ids[0], ANNA, reading=1)
    store = server.services.store
    hidden, open_to_ben = (all_answers(client, server, list_id, ids, who) for who in (ANNA, BEN))
    with store.write() as connection:
        mine = tables.cases.c.worklist == list_id
        answer = {"answer": "undecided", "score": 0.123, "score_class": 2, "label": "truth two"}
        connection.execute(update(tables.cases).where(mine).values(answer))
        connection.execute(
            update(tables.cases).where(tables.cases.c.id == ids[1]).values(answer="2", score=0.9)
        )
        connection.execute(
            update(tables.cases).where(tables.cases.c.id == ids[2]).values(answer="failed", problem="x")
        )
        his = (tables.verdicts.c.reviewer == "Bén", tables.verdicts.c.case.in_(ids))
        connection.execute(
            update(tables.verdicts).where(*his).values(reading="2", prediction="not_plausible")
        )
    assert all_answers(client, server, list_id, ids, ANNA) == hidden
    changed = all_answers(client, server, list_id, ids, BEN)
    assert {name for name in changed if changed[name] != open_to_ben[name]} >= {
        f"/cases/{id} {{}}" for id in ids
    }
    case = client.get(f"/cases/{ids[0]}", headers=ANNA).json()
    names = ("model_says", "score", "score_of", "prediction", "label", "problem")
    assert [case[name] for name in names] == [None] * 6
    assert [verdict["reviewer"] for verdict in case["verdicts"]] == ["Anna"]
    assert client.post(f"/cases/{ids[0]}/reveal", headers=ANNA).json()["label"] == "truth two"
    assert all_answers(client, server, list_id, ids, ANNA) != hidden


def test_a_spectrogram_has_its_axes_before_the_answer(client: httpx.Client, grid: str) -> None:
    """The picture is the prediction's own, under an address that does not lead to the prediction."""
    added = worklist(client, [grid], model="tiny_sound")
    id = added["cases"][0]["id"]
    predicted(client, added["worklist"]["id"])
    hidden = client.get(f"/cases/{id}", headers=ANNA).json()
    assert (hidden["prediction"], hidden["score"]) == (None, None)
    picture = client.get(hidden["picture"]["path"], headers=ANNA)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    said(client, id, ANNA, reading=0)
    shown = client.post(f"/cases/{id}/reveal", headers=ANNA).json()
    axes = ("x_axis", "y_axis")
    assert [hidden["picture"][axis] for axis in axes] == [shown["prediction"][axis] for axis in axes]
    assert picture.content == client.get(shown["prediction"]["display"]).content
    assert shown["prediction"]["id"] not in str(hidden)


def test_two_reviewers_keep_both_and_their_agreement(client: httpx.Client) -> None:
    """Nothing is overwritten, and a reviewer sees the other's word once the model was shown."""
    inputs = photos(client, 3, first=980)
    names = dict(zip(inputs, ["=1+1.wav", "+2.wav", "c.wav"], strict=True))
    added = worklist(client, inputs, names=names)
    list_id, ids = added["worklist"]["id"], [each["id"] for each in added["cases"]]
    predicted(client, list_id)
    for id, anna, ben in zip(ids, (0, 1, "cannot_say"), (0, 2, 1), strict=True):
        said(client, id, ANNA, reading=anna)
        said(client, id, ANNA, reading=1, note="@SUM(A1)")
        said(client, id, BEN, reading=ben)
        assert len(client.get(f"/cases/{id}", headers=BEN).json()["verdicts"]) == 1
        client.post(f"/cases/{id}/reveal", headers=ANNA)
    case = client.get(f"/cases/{ids[0]}", headers=ANNA).json()
    assert [(verdict["reviewer"], verdict["own"], verdict["reading"]) for verdict in case["verdicts"]] == [
        ("Anna", True, 0),
        ("Anna", True, 1),
        ("Bén", False, 0),
    ]
    assert case["reading"] == 0, "the first reading counts"
    told = client.get(f"/worklists/{list_id}/agreement", headers=ANNA).json()
    assert told["reviewers"] == [{"name": "Anna", "judged": 3}, {"name": "Bén", "judged": 3}]
    pair = told["pairs"][0]
    assert (pair["a"], pair["b"], pair["n"], pair["left_out"], pair["agree"]) == ("Anna", "Bén", 2, 1, 0.5)
    assert pair["low"] is None
    assert "Fewer than 10" in pair["words"]
    says = [client.get(f"/cases/{id}", headers=ANNA).json()["model_says"] for id in ids]
    labels = added["worklist"]["labels"]
    decided = [k for k in (0, 1) if says[k] in labels]
    anna = next(row for row in told["model"] if row["reviewer"] == "Anna")
    assert anna["n"] == len(decided)
    if decided:
        assert anna["before"] == pytest.approx(sum(says[k] == labels[k] for k in decided) / len(decided))
        assert anna["after"] == pytest.approx(sum(says[k] == labels[1] for k in decided) / len(decided))
    unseen = client.get(f"/worklists/{list_id}/agreement", headers=BEN).json()
    assert (unseen["pairs"], unseen["hidden"]) == ([], 3)
    rows = list(
        csv.DictReader(io.StringIO(client.get(f"/worklists/{list_id}/verdicts.csv", headers=ANNA).text[1:]))
    )
    assert len(rows) == 9
    assert [row["name"] for row in rows[::3]] == ["'=1+1.wav", "'+2.wav", "c.wav"]
    assert rows[1]["note"] == "'@SUM(A1)"
    assert rows[0]["reading"] == "first"
    his = list(
        csv.DictReader(io.StringIO(client.get(f"/worklists/{list_id}/verdicts.csv", headers=BEN).text[1:]))
    )
    assert {row["reviewer"] for row in his} == {"Bén"}
    for form, text in (("pdf", pdf_text), ("html", lambda data: Page(data).text)):
        path = f"/worklists/{list_id}/report.{form}"
        report = text(client.get(path, headers=ANNA).content)
        for row in [pair, *told["model"]]:
            assert plain(row["words"]) in report
        assert f"Anna and Bén 2 {pair['kappa']:.2f} (no interval)" in report
        hidden = text(client.get(path, headers=BEN).content)
        assert (
            "Nobody has judged a case that can be counted yet. Not counted: 3 cases whose model is still hidden from Bén."
            in hidden
        )
        assert "Anna" not in hidden


def test_the_same_again_is_the_same_case(client: httpx.Client) -> None:
    """Posting twice changes nothing but what was lacking."""
    inputs = photos(client, 2, first=990)
    first = worklist(client, [inputs[0]])
    title = first["worklist"]["title"]
    again = worklist(
        client, [inputs[0], inputs[1], inputs[1]], title=title, names={inputs[0]: "a", inputs[1]: "b"}
    )
    assert (again["worklist"]["id"], again["added"]) == (first["worklist"]["id"], 1)
    assert [each["id"] for each in again["cases"]][:1] == [first["cases"][0]["id"]]
    assert [each["name"] for each in again["cases"]] == ["a", "b", "b"]
    third = worklist(client, inputs, title=title, names={inputs[0]: "other"})
    assert (third["added"], third["cases"][0]["name"]) == (0, "a")


def test_deleted_means_gone(client: httpx.Client, server: Running) -> None:
    """A list with its inputs leaves no byte; an input that another list has stays; an input that goes alone leaves what
    people said of it."""
    inputs = photos(client, 3, first=995)
    added = worklist(client, inputs, names={inputs[0]: "SECRETLY-NAMED.wav"}, title="SECRETLY-TITLED")
    other = worklist(client, [inputs[2]])
    ids = [each["id"] for each in added["cases"]]
    predicted(client, added["worklist"]["id"])
    predicted(client, other["worklist"]["id"])
    said(client, ids[0], ANNA, reading=0, note="SECRETLY-NOTED")
    client.post(f"/cases/{ids[0]}/events", json={"kind": "listened", "detail": {"part": "SECRETLY-HEARD"}})

    refused = client.delete(f"/inputs/{inputs[1]}")
    assert (refused.status_code, [each["kind"] for each in refused.json()["holders"]]) == (409, ["case"])
    assert "1 worklist case" in refused.json()["detail"]
    assert said(client, ids[1], ANNA, reading=1).status_code == 200
    client.post(f"/cases/{ids[1]}/reveal", headers=ANNA)
    assert client.delete(f"/inputs/{inputs[1]}", params={"with": "all"}).status_code == 204
    left = client.get(f"/cases/{ids[1]}", headers=ANNA).json()
    assert (left["gone"], left["prediction"], left["model_says"], left["waveform"]) == (True, None, None, [])
    assert left["verdicts"][0]["reading"] == 1
    assert client.get("/cases", params={"worklist": left["worklist"]}, headers=ANNA).json()["total"] == 3

    gone = client.delete(f"/worklists/{added['worklist']['id']}", params={"inputs": True}).json()
    assert gone == {"cases": 3, "inputs": 1, "inputs_kept": 1}
    assert [client.get(f"/inputs/{id}").status_code for id in inputs] == [404, 404, 200]
    assert client.get(f"/cases/{ids[0]}").status_code == 404
    assert client.get(f"/worklists/{added['worklist']['id']}").status_code == 404
    words = [b"SECRETLY-NAMED", b"SECRETLY-NOTED", b"SECRETLY-HEARD", b"SECRETLY-TITLED", inputs[0].encode()]
    if server.services.store.is_sqlite:
        assert places_of(server.data, *words) == []
    assert client.delete(f"/cases/{other['cases'][0]['id']}", params={"inputs": True}).json()["inputs"] == 1
    assert client.get(f"/inputs/{inputs[2]}").status_code == 404


def test_a_case_whose_model_went_says_why(client: httpx.Client, server: Running) -> None:
    """It is answered by what is wrong, once, and does not hold up the others."""
    added = worklist(client, photos(client, 2, first=1010))
    list_id, ids = added["worklist"]["id"], [each["id"] for each in added["cases"]]
    predicted(client, list_id)
    with server.services.store.write() as connection:
        gone = tables.worklists.c.id == list_id
        connection.execute(update(tables.worklists).where(gone).values(model="gone"))
        connection.execute(
            update(tables.cases).where(tables.cases.c.id == ids[0]).values(answer=None, problem=None)
        )
    other = worklist(client, photos(client, 1, first=1020))
    predicted(client, other["worklist"]["id"])
    predicted(client, list_id)
    said(client, ids[0], ANNA, reading=1)
    case = client.post(f"/cases/{ids[0]}/reveal", headers=ANNA).json()
    assert (case["model_says"], case["prediction"], case["state"]) == (None, None, "judged")
    assert "no model of that name" in case["problem"]


CASE, LIST = "test_a_case_from_hearing_to_agreement", "test_refused_lists"
VERDICTS, GONE = "test_refused_verdicts", "test_deleted_means_gone"
SEEN = "test_a_spectrogram_has_its_axes_before_the_answer"
TWO = "test_two_reviewers_keep_both_and_their_agreement"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("POST", "/v1/cases"): {200: CASE, 404: "test_refused_cases", 422: "test_refused_cases"},
    ("GET", "/v1/cases"): {200: "test_filters", 404: "/cases?worklist=none", 422: LIST},
    ("GET", "/v1/cases/{id}"): {200: CASE, 404: "/cases/none", 422: FREE_TEXT},
    ("GET", "/v1/cases/{id}/picture.png"): {200: SEEN, 404: "/cases/none/picture.png", 422: FREE_TEXT},
    ("PUT", "/v1/cases/{id}/verdict"): {200: CASE, 404: VERDICTS, 422: VERDICTS},
    ("POST", "/v1/cases/{id}/reveal"): {200: CASE, 404: "/cases/none/reveal", 422: FREE_TEXT},
    ("POST", "/v1/cases/{id}/events"): {200: CASE, 404: VERDICTS, 422: VERDICTS},
    ("GET", "/v1/worklists"): {200: LIST, 404: "it is a list", 422: "it takes nothing"},
    ("GET", "/v1/worklists/{id}"): {200: CASE, 404: "/worklists/none", 422: FREE_TEXT},
    ("GET", "/v1/worklists/{id}/agreement"): {200: TWO, 404: "/worklists/none/agreement", 422: FREE_TEXT},
    ("GET", "/v1/worklists/{id}/verdicts.csv"): {
        200: TWO,
        404: "/worklists/none/verdicts.csv",
        422: FREE_TEXT,
    },
    ("DELETE", "/v1/worklists/{id}"): {200: GONE, 404: "/worklists/none", 422: FREE_TEXT},
    ("DELETE", "/v1/cases/{id}"): {200: GONE, 404: "/cases/none", 422: FREE_TEXT},
    ("PATCH", "/v1/worklists/{id}"): {200: LIST, 404: LIST, 422: LIST},
}
