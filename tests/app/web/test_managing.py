"""Admins manage users; whoever is sent away is away at once, from open streams too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.core.errors import Conflict
from app.web import entrance
from backend.jobs.client import SERVER
from backend.store import Store, users
from backend.store.audit import Filter, entries
from tests.app.web.visitors import PASSWORD, app, asked, let_in, root_of, signed_in, store
from tests.backend.databases import database_url

__all__ = ["app", "database_url", "store"]

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PAGE = {"Accept": "text/html"}


@sqlite
def test_a_one_time_password_opens_nothing_but_the_choice_of_another(app: Any, store: Store) -> None:
    ann = signed_in(app)
    added = asked(app, "POST", "/api/v1/users", headers=ann, json={"name": "Cleo"})
    assert added.status_code == 201
    given = added.json().pop("password")
    assert len(given) >= 19
    assert {name: added.json()[name] for name in ("role", "active", "one_time", "signed_in", "sessions")} == {
        "role": "reviewer", "active": True, "one_time": True, "signed_in": None, "sessions": 0,
    }  # fmt: skip
    answer = let_in(app, "Cleo", given)
    assert answer.json()["change_password"] is True
    cleo = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    refused = asked(app, "GET", "/api/v1/limits", headers=cleo)
    assert (refused.status_code, refused.json()["code"]) == (403, "choose_password")
    assert asked(app, "GET", "/api/v1/session", headers=cleo).json()["change_password"] is True
    page = asked(app, "GET", "/about", headers={**cleo, **PAGE})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Fabout")
    assert asked(app, "POST", "/_dash-update-component", headers=cleo, json={}).status_code == 403

    own = "her own long password"
    for new, status in ((given, 422), ("short", 422), (own, 204)):
        body = {"present": given, "new": new}
        assert asked(app, "PUT", "/api/v1/session/password", headers=cleo, json=body).status_code == status
    assert asked(app, "GET", "/api/v1/limits", headers=cleo).status_code == 200
    assert let_in(app, "Cleo", own).json()["change_password"] is False
    assert let_in(app, "Cleo", given).status_code == 401

    reset = asked(app, "POST", "/api/v1/users/cleo/password", headers=ann)
    again = reset.json()["password"]
    assert again != given
    assert asked(app, "GET", "/api/v1/limits", headers=cleo).status_code == 401
    assert let_in(app, "Cleo", own).status_code == 401
    assert let_in(app, "Cleo", again).json()["change_password"] is True
    log = entries(store, Filter(), 0, 50)[0]
    assert [(each.who, each.action) for each in log if each.action.startswith("user.")] == [
        ("Ann", "user.password"),
        ("Ann", "user.add"),
    ]
    assert given not in str(log)
    assert again not in str(log)


@sqlite
def test_who_is_not_active_is_out_and_told_what_a_stranger_is_told(app: Any) -> None:
    ann, bob = signed_in(app), signed_in(app, "Bob")
    listed = {user["name"]: user for user in asked(app, "GET", "/api/v1/users", headers=ann).json()}
    assert (listed["Bob"]["sessions"], listed["Bob"]["active"]) == (1, True)
    assert listed["Bob"]["signed_in"] >= listed["Bob"]["created"]
    away = asked(app, "PATCH", "/api/v1/users/Bob", headers=ann, json={"active": False})
    assert (away.json()["active"], away.json()["sessions"]) == (False, 0)
    assert asked(app, "GET", "/api/v1/limits", headers=bob).status_code == 401
    right, wrong = let_in(app, "Bob"), let_in(app, "Bob", "wrong password")
    assert {**right.json(), "request_id": ""} == {**wrong.json(), "request_id": ""}
    back = asked(app, "PATCH", "/api/v1/users/Bob", headers=ann, json={"active": True})
    assert back.json()["active"] is True
    assert asked(app, "GET", "/api/v1/limits", headers=bob).status_code == 401  # that session has ended
    bob = signed_in(app, "Bob")
    assert asked(app, "DELETE", "/api/v1/users/Bob/sessions", headers=bob).status_code == 403
    assert asked(app, "DELETE", "/api/v1/users/Bob/sessions", headers=ann).status_code == 204
    assert asked(app, "GET", "/api/v1/limits", headers=bob).status_code == 401
    for method, path in (
        ("DELETE", "/api/v1/users/Nobody/sessions"),
        ("POST", "/api/v1/users/Nobody/password"),
    ):
        assert asked(app, method, path, headers=ann).status_code == 404


def test_somebody_who_can_sign_in_stays_admin(store: Store) -> None:
    """An admin who is not active is none; and a refusal changes nothing."""
    users.add_user(store, "Cleo", PASSWORD, "admin")
    users.set_active(store, "Cleo", active=False, keep_an_admin=True)
    ways: list[Callable[[], None]] = [
        lambda: users.set_role(store, "Ann", "reviewer", keep_an_admin=True),
        lambda: users.set_active(store, "Ann", active=False, keep_an_admin=True),
        lambda: users.remove_user(store, "Ann", keep_an_admin=True),
    ]
    for way in ways:
        with pytest.raises(Conflict, match="last admin"):
            way()
    assert users.account(store, "ANN").is_admin
    users.set_active(store, "Cleo", active=True)
    ways[2]()
    assert [user.name for user in users.all_users(store)] == ["Bob", "Cleo"]


class Stream:
    """An event stream of a browser that reads on and on."""

    def __init__(self, app: Any, path: str, cookie: dict[str, str]) -> None:
        self.begun, self.body, self.status = asyncio.Event(), b"", 0
        self.finished = False
        headers = [(b"host", b"evident.example"), (b"cookie", cookie["Cookie"].encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
        }
        scope |= {"raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http"}
        scope |= {"root_path": "", "client": ("192.0.2.7", 1), "server": ("evident.example", 80)}
        self._sent = False
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self._sent:
            await asyncio.Event().wait()  # it never goes away by itself
        self._sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.body += message.get("body", b"")
        self.finished = not message.get("more_body", False)
        self.begun.set()


@sqlite
def test_an_open_stream_ends_with_the_session(
    app: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends, also by another process; somebody else's goes on."""
    monkeypatch.setattr(entrance, "STILL_SECONDS", 0.02)
    services = next(route.app for route in root_of(app).routes if getattr(route, "path", "") == "/api")
    queue = services.state.services.jobs.queue
    payload = {"request": {"input": "0" * 64, "model": "tiny", "method": "ramp"}}
    queue.submit("f" * 64, "explanation", lane="none", rank=0, payload=payload, title="", client=SERVER)
    path = f"/api/v1/explanations/{'f' * 64}/events"
    ends: list[Callable[[str], None]] = [
        lambda token: users.close_session(store, token),
        lambda _: users.set_active(store, "Bob", active=False),
        lambda _: users.set_password(store, "Bob", PASSWORD),
        lambda _: users.remove_user(store, "Bob"),
    ]
    ann = signed_in(app)

    async def scene() -> None:
        other = Stream(app, path, ann)
        await asyncio.wait_for(other.begun.wait(), 60)
        for end in ends:
            await asyncio.to_thread(users.set_active, store, "Bob", True)
            bob = await asyncio.to_thread(signed_in, app, "Bob")
            stream = Stream(app, path, bob)
            await asyncio.wait_for(stream.begun.wait(), 60)
            assert (stream.status, stream.finished) == (200, False)
            await asyncio.to_thread(end, bob["Cookie"].partition("=")[2])
            await asyncio.wait_for(stream.task, 60)
            assert stream.finished
        assert not other.task.done()
        other.task.cancel()
        await asyncio.gather(other.task, return_exceptions=True)
        assert other.task.cancelled()

    asyncio.run(scene())
