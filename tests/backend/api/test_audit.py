"""Who did what: names from the request, an entry for each deed, ids and versions only."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from app import __version__
from app.core.errors import BadParameter
from backend.api.http.context import REVIEWER, said_reviewer
from backend.store import audit
from backend.store.tables import audit as table
from tests.backend.api.conftest import CANARY, Running, send
from tests.models.media.encoders import image, picture


def entries(server: Running) -> list[Any]:
    with server.services.store.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)).all())


def test_a_name_is_read_from_the_header_as_percent_encoded_utf8() -> None:
    assert said_reviewer("") == REVIEWER == said_reviewer("%20")
    assert said_reviewer("J%C3%B6rg%20B.") == "Jörg B."
    assert said_reviewer(quote("x" * 40)) == "x" * 40
    for refused in ("x" * 41, "%00", "a%0Ab", "%FF", "%E2%80%AEx"):
        with pytest.raises(BadParameter):
            said_reviewer(refused)


def test_deeds_are_written_down_with_their_doer_and_nothing_of_what_was_sent(
    client: httpx.Client, server: Running, after: Any
) -> None:
    before = len(entries(server))
    client.headers["Evident-Reviewer"] = quote("Dr Ødegård")
    id = send(client, image(picture(seed=811)), name=f"{CANARY}.png").json()["id"]
    send(client, image(picture(seed=811)), name="again.png")
    concept = client.post("/concepts", json={"name": CANARY, "examples": [{"input": id}]}).json()["id"]
    client.put(f"/concepts/{concept}", json={"name": f"{CANARY} 2"})
    client.delete(f"/concepts/{concept}")
    for _ in range(2):
        client.post("/explanations", json={"input": id, "model": "tiny", "method": "ramp", "seed": 811})
    del client.headers["Evident-Reviewer"]
    assert client.delete(f"/inputs/{id}").status_code == 204

    rows = entries(server)[before:]
    assert [(row.who, row.action) for row in rows] == [
        ("Dr Ødegård", "input.upload"),
        ("Dr Ødegård", "concept.create"),
        ("Dr Ødegård", "concept.change"),
        ("Dr Ødegård", "concept.delete"),
        ("Dr Ødegård", "explanation.start"),
        (REVIEWER, "input.delete"),
    ]
    assert rows[0].object == id[:12] == rows[-1].object
    assert {row.facts["evident"] for row in rows} == {__version__}
    assert rows[4].facts["method"] == "ramp"
    assert rows[4].facts["input"] == id[:12]
    assert CANARY not in str(rows)
    assert id not in str(rows)

    refused = client.delete(f"/inputs/{id}", headers={"Evident-Reviewer": "x" * 41})
    assert after(refused)["code"] == "bad_reviewer"
    assert len(entries(server)) == before + len(rows)


def test_hashes_are_shortened_wherever_they_stand() -> None:
    assert audit.short("explanation:" + "a" * 64 + ":b") == "explanation:" + "a" * 12 + ":b"
    assert audit.short("upload-0123") == "upload-0123"


def test_where_no_header_can_be_sent_the_cookie_says_the_name(client: httpx.Client, server: Running) -> None:
    for cookie, name in (("evident_reviewer=%C3%85se", "Åse"), ("evident_reviewer=%FF", REVIEWER)):
        id = send(client, image(picture(seed=812))).json()["id"]
        assert client.delete(f"/inputs/{id}", headers={"Cookie": cookie}).status_code == 204
        assert entries(server)[-1].who == name


def test_the_log_is_read_in_pages_and_by_what_stands_in_it(
    client: httpx.Client, server: Running, after: Any
) -> None:
    client.headers["Evident-Reviewer"] = "Pat"
    ids = [send(client, image(picture(seed=820 + number))).json()["id"] for number in range(3)]
    for id in ids:
        client.delete(f"/inputs/{id}")
    mine = client.get("/audit", params={"who": "Pat"}).json()
    assert mine["total"] == 6
    assert [entry["action"] for entry in mine["entries"]] == ["input.delete"] * 3 + ["input.upload"] * 3
    assert mine["retention_days"] is None
    assert {"Pat", REVIEWER} <= set(mine["people"])
    assert {"input.upload", "input.delete"} <= set(mine["actions"])
    paged = [
        client.get("/audit", params={"who": "Pat", "limit": 4, "offset": offset}).json()["entries"]
        for offset in (0, 4, 8)
    ]
    assert [*paged[0], *paged[1]] == mine["entries"]
    assert paged[2] == []
    for beginning in (ids[1], ids[1][:12], ids[1][:5]):
        found = client.get("/audit", params={"object": beginning}).json()["entries"]
        assert [entry["action"] for entry in found] == ["input.delete", "input.upload"]
    assert client.get("/audit", params={"object": "%"}).json()["total"] == 0
    middle = mine["entries"][2]["at"]
    later = client.get("/audit", params={"who": "Pat", "since": middle}).json()["total"]
    earlier = client.get("/audit", params={"who": "Pat", "until": middle}).json()["total"]
    assert later >= 3 > 0
    assert later + earlier == 6
    for bad in ({"limit": 0}, {"limit": 501}, {"offset": -1}, {"since": "nan"}, {"who": "x" * 201}):
        assert after(client.get("/audit", params=bad))["status"] == 422


def test_where_nobody_signs_in_there_is_nobody_to_manage(client: httpx.Client, after: Any) -> None:
    client.headers["Evident-Reviewer"] = "Pat"
    pat = {"sign_in": "off", "name": "Pat", "role": "admin", "change_password": False}
    assert client.get("/session").json() == pat
    assert client.get("/users").json() == []
    assert client.delete("/session").status_code == 204
    user = {"name": "Ann", "password": "correct horse battery"}
    for method, path, body in (
        ("POST", "/session", user),
        ("PUT", "/session/password", {"present": "a", "new": "b"}),
        ("POST", "/users", user),
        ("PATCH", "/users/Ann", {"role": "admin"}),
        ("POST", "/users/Ann/password", None),
        ("DELETE", "/users/Ann/sessions", None),
        ("DELETE", "/users/Ann", None),
    ):
        refused = after(client.request(method, path, json=body))
        assert (refused["status"], refused["code"]) == (409, "sign_in_off")
        if body is not None:
            assert after(client.request(method, path, json={**body, "other": 1}))["code"] == "unknown_field"


OFF = "test_where_nobody_signs_in_there_is_nobody_to_manage"
ELSEWHERE = "409 where nobody signs in; tests/app/web/test_entrance.py has it"
NOTHING = "takes nothing that could be wrong"
TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/session"): {200: OFF, 404: NOTHING, 422: NOTHING},
    ("POST", "/v1/session"): {200: OFF, 404: ELSEWHERE, 422: OFF},
    ("DELETE", "/v1/session"): {200: OFF, 404: NOTHING, 422: NOTHING},
    ("PUT", "/v1/session/password"): {200: OFF, 404: ELSEWHERE, 422: OFF},
    ("GET", "/v1/users"): {200: OFF, 404: NOTHING, 422: NOTHING},
    ("POST", "/v1/users"): {200: OFF, 404: ELSEWHERE, 422: OFF},
    ("PATCH", "/v1/users/{name}"): {200: OFF, 404: ELSEWHERE, 422: OFF},
    ("DELETE", "/v1/users/{name}"): {200: OFF, 404: ELSEWHERE, 422: ELSEWHERE},
    ("POST", "/v1/users/{name}/password"): {200: OFF, 404: ELSEWHERE, 422: ELSEWHERE},
    ("DELETE", "/v1/users/{name}/sessions"): {200: OFF, 404: ELSEWHERE, 422: ELSEWHERE},
    ("GET", "/v1/audit"): {
        200: "test_the_log_is_read_in_pages_and_by_what_stands_in_it",
        404: NOTHING,
        422: "test_the_log_is_read_in_pages_and_by_what_stands_in_it",
    },
}
