"""A session from beginning to end, and what nobody gets with another's name or by guessing."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from app.core.errors import NotFound
from app.core.schemas import ModelInfo
from app.web.main import create_app
from backend.api import lookup
from backend.store import Store, cases, tables, users
from backend.store.audit import Filter, entries
from backend.store.cases import NewCase, WorklistRow
from frontend.ui import assets
from tests.app.web.visitors import (
    METHODS,
    PASSWORD,
    app,
    asked,
    cookie_of,
    let_in,
    settings,
    signed_in,
    store,
)
from tests.backend.databases import database_url

__all__ = ["app", "database_url", "store"]


def test_a_session_from_beginning_to_end(app: Any, store: Store) -> None:
    answer = let_in(app, "  aNN ")
    ann = {"sign_in": "password", "name": "Ann", "role": "admin", "change_password": False}
    assert answer.json() == ann
    name, *flags = answer.headers["set-cookie"].split("; ")
    assert sorted(flags) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"]
    cookie = cookie_of(answer)
    token = name.partition("=")[2]
    assert len(token) >= 43
    for path in ("/api/v1/limits", "/", "/_dash-layout", assets.url("page.js")):
        assert asked(app, "GET", path, headers=cookie).status_code == 200
    assert asked(app, "GET", "/api/v1/session", headers=cookie).json()["name"] == "Ann"
    with store.engine.connect() as connection:
        kept = str(connection.execute(users.sessions.select()).all())
        passwords = str(connection.execute(users.users.select()).all())
    assert token not in kept
    assert users.digest(token) in kept
    assert PASSWORD not in passwords
    assert passwords.count("$argon2id$") == 2

    gone = asked(app, "DELETE", "/api/v1/session", headers=cookie)
    assert gone.status_code == 204
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert asked(app, "GET", "/api/v1/limits", headers=cookie).status_code == 401
    log = [(entry.who, entry.action) for entry in entries(store, Filter(), 0, 10)[0]]
    assert log == [("Ann", "session.close"), ("Ann", "session.open")]


def test_behind_https_the_cookie_is_for_https_and_this_host_alone(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    app = create_app(settings(tmp_path / "data", database_url, trusted_proxies=("10.0.0.9",)))
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.4"}
    answer = let_in(app, headers=forwarded, client="10.0.0.9")
    name, *flags = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-evident_session=")
    assert "Secure" in flags
    cookie = cookie_of(answer)
    inside = asked(app, "GET", "/api/v1/limits", headers={**cookie, **forwarded}, client="10.0.0.9")
    assert inside.status_code == 200

    async def nothing(_: Any) -> None:
        raise NotFound("The catalogue was asked for.")

    monkeypatch.setattr(lookup, "catalogue", nothing)
    asking = {"json": METHODS, "headers": {**cookie, **forwarded}, "client": "10.0.0.9"}
    assert "was asked for" in asked(app, "POST", "/_dash-update-component", **asking).text
    weak = {
        "Cookie": cookie["Cookie"].removeprefix("__Host-"),
        **forwarded,
    }  # as http or another host can plant it
    assert asked(app, "GET", "/api/v1/limits", headers=weak, client="10.0.0.9").status_code == 401
    plain = let_in(app, headers=forwarded, client="192.0.2.7")  # who is no proxy cannot say so
    assert "Secure" not in plain.headers["set-cookie"]


def test_a_token_that_somebody_brought_is_never_taken_over(app: Any) -> None:
    planted = {"Cookie": "evident_session=planted-by-somebody-else-0123456789abcdef"}
    fresh = cookie_of(let_in(app, headers=planted))
    assert fresh != planted
    assert asked(app, "GET", "/api/v1/limits", headers=planted).status_code == 401
    second = cookie_of(let_in(app, headers=fresh))
    assert second != fresh
    assert asked(app, "GET", "/api/v1/limits", headers=fresh).status_code == 401


def test_sessions_end_by_themselves(app: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, began = signed_in(app), time.time()

    def later(minutes: float) -> int:
        monkeypatch.setattr(users.time, "time", lambda: began + minutes * 60)
        return asked(app, "GET", "/api/v1/limits", headers=cookie).status_code

    assert [later(minutes) for minutes in (59, 117, 175)] == [200, 200, 200]  # each is a sign of life
    assert later(175 + 61) == 401
    cookie = signed_in(app)
    for minutes in range(236, 236 + 12 * 60 - 1, 50):
        assert later(minutes) == 200
    assert later(236 + 12 * 60 + 1) == 401
    assert users.forget_ended(store, users.Lifetime(12 * 3600, 3600)) == 2


def test_another_password_ends_the_other_sessions(app: Any) -> None:
    here, there = signed_in(app, "Bob"), signed_in(app, "Bob")
    wrong = asked(
        app, "PUT", "/api/v1/session/password", headers=here, json={"present": "no", "new": "0123456789"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_password")
    body = {"present": PASSWORD, "new": "another long one"}
    for new in ("short", "bob", "x" * 201):
        weak = asked(app, "PUT", "/api/v1/session/password", headers=here, json={**body, "new": new})
        assert (weak.status_code, weak.json()["code"]) == (422, "bad_password")
    assert asked(app, "PUT", "/api/v1/session/password", headers=here, json=body).status_code == 204
    assert asked(app, "GET", "/api/v1/limits", headers=here).status_code == 200
    assert asked(app, "GET", "/api/v1/limits", headers=there).status_code == 401
    assert let_in(app, "Bob").status_code == 401
    assert let_in(app, "Bob", "another long one").status_code == 200


def test_a_wrong_password_and_an_unknown_name_look_and_cost_the_same(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    looked_at: list[str] = []
    verify = users._verify
    monkeypatch.setattr(
        users, "_verify", lambda hash, password: looked_at.append(hash) or verify(hash, password)
    )
    answers = [let_in(app, name, "wrong password") for name in ("Ann", "Nobody")]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert [hash.split("$")[:4] for hash in looked_at] == [looked_at[0].split("$")[:4]] * 2  # same parameters


def test_guessing_is_slow_for_a_name_and_for_an_address(app: Any) -> None:
    for name in ("Ann", "Nobody"):
        tries = [let_in(app, name, "wrong password", client=f"192.0.2.{place}") for place in range(7)]
        assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
        assert 1 <= int(tries[-1].headers["retry-after"]) <= 60
        assert tries[-1].json()["code"] == "too_many_attempts"
        assert let_in(app, name, client="198.51.100.1").status_code == 429  # also with the right password
    tries = [let_in(app, f"n{number}", "wrong password", client="203.0.113.5") for number in range(21)]
    assert [answer.status_code for answer in tries] == [401] * 20 + [429]
    assert let_in(app, "Bob", client="198.51.100.1").status_code == 200


def test_401_is_for_nobody_and_403_for_somebody_else(app: Any) -> None:
    bob, ann = signed_in(app, "Bob"), signed_in(app)
    doors = [("GET", "/api/v1/audit"), ("GET", "/api/v1/users"), ("DELETE", "/api/v1/models/upload-0")]
    doors += [("DELETE", "/api/v1/users/Ann"), ("PATCH", "/api/v1/users/Bob"), ("POST", "/api/v1/users")]
    for method, path in doors:
        body = {"json": {}} if method in ("PATCH", "POST") else {}
        assert asked(app, method, path, **body).status_code == 401
        refused = asked(app, method, path, headers=bob, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "admin_only"), path
    assert asked(app, "GET", "/api/v1/audit", headers=ann).status_code == 200


def test_a_list_goes_by_its_maker_or_an_admin(
    app: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a case of it. Of a list from before people signed in nobody is the maker, whatever name was given then."""
    users.add_user(store, "Cid", PASSWORD, "reviewer")
    ann, bob, cid = (signed_in(app, name) for name in ("Ann", "Bob", "Cid"))

    class Known:
        info = ModelInfo.model_construct(key="m", title="M", labels=["no", "yes"])

        def require_available(self) -> None: ...

        def require_modality(self, modality: str) -> None: ...

    async def model(*_: Any) -> Known:
        return Known()

    monkeypatch.setattr(lookup, "model", model)

    def made(title: str, maker: str | None) -> tuple[str, str]:
        inputs = [hashlib.sha256(f"{title} {n}".encode()).hexdigest() for n in range(2)]
        facts = {"modality": "image", "meta": {}, "created": 0.0}
        with store.write() as connection:
            connection.execute(insert(tables.inputs), [{"id": id, **facts} for id in inputs])
        if title == "hers":
            body = {"inputs": inputs, "model": "m", "title": title}
            added = asked(app, "POST", "/api/v1/cases", headers=ann, json=body).json()
            return added["worklist"]["id"], added["cases"][0]["id"]
        row = cases.open_worklist(store, WorklistRow("", title, "m", "M", ["no", "yes"], True, maker=maker))
        new = [NewCase(id, f"{id}.png") for id in inputs]
        return row.id, cases.add_cases(store, row.id, new, maker or "Bob", 10)[0][0]

    hers, his, old = made("hers", "Ann"), made("his", "BOB"), made("old", None)
    for (list_id, case), cookie, maker in ((hers, bob, "Ann"), (his, cid, "BOB"), (old, bob, None)):
        told = asked(app, "GET", f"/api/v1/worklists/{list_id}", headers=cookie).json()
        assert (told["maker"], told["deletable"]) == (maker, False)
        for path in (f"worklists/{list_id}", f"cases/{case}"):
            refused = asked(app, "DELETE", f"/api/v1/{path}", headers=cookie)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_the_maker")
            assert "or an admin" in refused.json()["detail"]
    assert [one["total"] for one in asked(app, "GET", "/api/v1/worklists", headers=bob).json()] == [2, 2, 2]
    for path, cookie in (
        (f"cases/{his[1]}", bob),
        (f"worklists/{his[0]}", bob),
        (f"worklists/{old[0]}", ann),
    ):
        answer = asked(app, "DELETE", f"/api/v1/{path}", headers=cookie)
        assert answer.status_code == 200, answer.text
    assert [one["title"] for one in asked(app, "GET", "/api/v1/worklists", headers=cid).json()] == ["hers"]


def test_an_admin_manages_users_and_stays_one(app: Any) -> None:
    ann = signed_in(app)
    new = {"name": "Cleo", "password": PASSWORD, "role": "reviewer"}
    assert asked(app, "POST", "/api/v1/users", headers=ann, json=new).status_code == 201
    again = asked(app, "POST", "/api/v1/users", headers=ann, json={**new, "name": "CLEO"})
    assert (again.status_code, again.json()["code"]) == (409, "user_exists")
    cleo = signed_in(app, "Cleo")
    assert asked(app, "PATCH", "/api/v1/users/cleo", headers=ann, json={"role": "admin"}).status_code == 200
    assert asked(app, "GET", "/api/v1/audit", headers=cleo).status_code == 200  # at once
    assert asked(app, "DELETE", "/api/v1/users/Cleo", headers=ann).status_code == 204
    assert asked(app, "GET", "/api/v1/limits", headers=cleo).status_code == 401
    last = asked(app, "DELETE", "/api/v1/users/Ann", headers=ann)
    assert (last.status_code, last.json()["code"]) == (409, "last_admin")
    assert asked(app, "DELETE", "/api/v1/users/Nobody", headers=ann).status_code == 404
