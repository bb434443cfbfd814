"""Where people sign in, nothing but a short list is answered to somebody unknown; nobody can write themselves a name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount, Route

from app.core.errors import InvalidInput, NotFound
from app.web.guard import check_exposure
from app.web.main import create_app
from backend.api import lookup
from backend.api.startup import check_start
from backend.store import Store
from frontend import sign_in
from frontend.ui import assets
from tests.app.web.visitors import (
    METHODS,
    PASSWORD,
    app,
    asked,
    cookie_of,
    let_in,
    people,
    quick,
    root_of,
    settings,
    signed_in,
    store,
)
from tests.backend.api.walk import _walk, api_routes
from tests.backend.databases import database_url
from tests.serving import serving

__all__ = ["app", "database_url", "quick", "store"]

PAGE = {"Accept": "text/html,application/xhtml+xml"}


def test_every_route_has_a_rule(quick: Any) -> None:
    """All of them, from the router: those of the API, the dashboard's, those of no use. Who is unknown is
    answered only what stands in the list."""
    root = root_of(quick)
    paths = [(f"/api{path}", route.methods) for path, route in api_routes(root)]
    paths += [(path, route.methods) for path, route in _walk(root.routes)]
    paths += [(route.path, route.methods or {"GET"}) for route in root.routes if isinstance(route, Route)]
    assert len(paths) > 90
    assert any(path == "/_dash-update-component" for path, _ in paths)
    assert {type(route) for route in root.routes} >= {Mount}
    answered = set()
    for path, methods in paths:
        address = re.sub(r"{[^}]*}", "0", path)
        for method in methods - {"HEAD", "OPTIONS"}:
            answer = asked(quick, method, address)
            if answer.status_code == 401:
                assert answer.json()["code"] == "sign_in"
                assert answer.headers["content-type"] == "application/problem+json"
            else:
                answered.add((method, address))
    assert answered == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/sign-in"),
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
        ("GET", "/_favicon.ico"),
    }


def url_of(file: Path) -> str:
    return assets.url(str(file.relative_to(assets.FOLDER)))


def test_files_of_the_page_to_sign_in_and_no_others(quick: Any) -> None:
    """And the list holds all that its page needs, and what that needs."""
    files = [url_of(path) for path in assets.FOLDER.rglob("*") if path.is_file()]
    open_ones = {path for path in files if asked(quick, "GET", path).status_code == 200}
    assert open_ones == sign_in.OPEN - {"/sign-in", "/_favicon.ico"}
    page = asked(quick, "GET", "/sign-in")
    waiting = set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text))
    needed: set[str] = set()
    while waiting:
        path = waiting.pop()
        needed.add(path)
        file = assets.FOLDER / path.removeprefix(f"{assets.BASE}/")
        if path.endswith(".mjs"):
            found = re.findall(r'from "(\.[^"]+)"', file.read_text())
            waiting |= {url_of((file.parent / name).resolve()) for name in found} - needed
    assert needed <= sign_in.OPEN
    assert "unsafe" not in page.headers["content-security-policy"].split("style-src")[0]


def test_a_page_leads_to_the_sign_in_and_back(quick: Any) -> None:
    for address, place in (
        ("/", "/sign-in"),
        ("/about?x=1&y=%26", "/sign-in?next=%2Fabout%3Fx%3D1%26y%3D%2526"),
        ("//evil.example/a", "/sign-in?next=%2F%2Fevil.example%2Fa"),
    ):
        answer = asked(quick, "GET", f"http://evident.example{address}", headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert asked(quick, "GET", "/api/v1/limits", headers=PAGE).status_code == 401
    assert asked(quick, "POST", "/", headers=PAGE).status_code == 401


def test_a_websocket_of_somebody_unknown_is_closed(quick: Any) -> None:
    sent: list[Any] = []

    async def connect() -> None:
        headers = [(b"host", b"evident.example"), (b"origin", b"http://evident.example")]
        scope = {"type": "websocket", "path": "/any", "scheme": "ws", "headers": headers, "client": ("192.0.2.7", 1)}  # fmt: skip

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await quick(scope, receive, send)

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_cookie_does_not_open_the_door_to_other_sites(quick: Any) -> None:
    cookie = signed_in(quick, client="198.51.100.77")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        answer = asked(quick, "DELETE", "/api/v1/session", headers={**cookie, **headers})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
        assert let_in(quick, headers=headers).status_code == 403
    assert asked(quick, "GET", "/api/v1/limits", headers=cookie).status_code == 200


def test_a_name_is_believed_from_the_proxy_alone(tmp_path: Path) -> None:
    app = create_app(
        settings(
            tmp_path,
            sign_in=None,
            user_header="X-Forwarded-User",
            trusted_proxies=("10.0.0.9",),
            admins=("Åse",),
        )
    )
    with closing(Store(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path)) as store:
        store.migrate()

    def who(client: str, *values: bytes) -> tuple[int, Any]:
        headers = [(b"X-Forwarded-User", value) for value in values]
        answer = asked(app, "GET", "/api/v1/session", client=client, headers=headers)
        inside = asked(app, "GET", "/api/v1/limits", client=client, headers=headers).status_code
        return inside, (answer.json()["name"], answer.json()["role"])

    assert who("10.0.0.9", "Åse".encode()) == (200, ("Åse", "admin"))
    assert who("10.0.0.9", b"Bob") == (200, ("Bob", "reviewer"))
    for client, values in (
        ("192.0.2.7", [b"Ann"]),
        ("10.0.0.8", ["Åse".encode()]),
        ("10.0.0.9", [b"Ann", b"Bob"]),
        ("10.0.0.9", []),
        ("10.0.0.9", [b" "]),
        ("10.0.0.9", [b"\xff"]),
    ):
        assert who(client, *values) == (401, (None, None)), (client, values)
    page = asked(app, "GET", "/", client="192.0.2.7", headers=PAGE)
    assert page.status_code == 401  # there is nothing to sign in with here
    headers = {"X-Forwarded-User": "Bob"}
    assert let_in(app, client="10.0.0.9", headers=headers).json()["code"] == "sign_in_elsewhere"


def test_with_sign_in_off_everybody_is_at_home(tmp_path: Path) -> None:
    with people(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path):
        app = create_app(settings(tmp_path, sign_in=None))
        session = asked(app, "GET", "/api/v1/session", headers={"Evident-Reviewer": "Eve"}).json()
        eve = {"sign_in": "off", "name": "Eve", "role": "admin", "change_password": False}
        assert session == eve
        assert let_in(app).json()["code"] == "sign_in_off"
        # A dashboard in front may ask for more.
        strict = {"Evident-Sign-In": "required"}
        assert asked(app, "GET", "/api/v1/limits").status_code == 200
        assert asked(app, "GET", "/api/v1/limits", headers=strict).status_code == 401
        cookie = cookie_of(let_in(app, headers=strict))
        assert asked(app, "GET", "/api/v1/limits", headers={**strict, **cookie}).status_code == 200


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[str]:
    """The API alone, with sign-in off, on a port."""
    with people(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path):
        app = create_app(settings(tmp_path, sign_in=None, trusted_proxies=("127.0.0.1",)), "api")
        with serving(app, lifespan="off") as address:
            yield address


def test_the_dashboard_alone_carries_the_session_on(behind: str, tmp_path: Path) -> None:
    """It listens beyond its machine, so its API must ask who somebody is though it would not by itself."""
    assert httpx.get(f"{behind}/api/v1/limits").status_code == 200
    of_ui = settings(tmp_path / "ui", sign_in=None, host="0.0.0.0", api_url=behind)
    client = "192.0.2.7"

    async def visit() -> None:
        app = create_app(of_ui, "ui")  # its connections belong to one event loop
        transport = httpx.ASGITransport(app, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://evident.example") as browser:
            assert (await browser.get("/about", headers=PAGE)).status_code == 303
            assert (await browser.get("/_dash-layout")).status_code == 401
            spoofed = {"Evident-Sign-In": "off", "X-Forwarded-User": "Ann"}
            assert (await browser.get("/api/v1/limits", headers=spoofed)).status_code == 401
            assert (await browser.get("/sign-in")).status_code == 200
            body = {"name": "Bob", "password": PASSWORD}
            assert (await browser.post("/api/v1/session", json=body)).json()["role"] == "reviewer"
            for path in ("/", "/_dash-layout", "/api/v1/limits"):
                assert (await browser.get(path, headers=PAGE)).status_code == 200
            assert (await browser.get("/api/v1/audit")).status_code == 403
            assert (await browser.delete("/api/v1/session")).status_code == 204
            assert (await browser.get("/_dash-layout")).status_code == 401

    asyncio.run(visit())


def test_who_asks_the_dashboard_is_who_asks_the_api(quick: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback answers with what the API lets its visitor see."""

    async def nothing(_: Any) -> None:
        raise NotFound("The catalogue was asked for.")

    monkeypatch.setattr(lookup, "catalogue", nothing)
    assert asked(quick, "POST", "/_dash-update-component", json=METHODS).status_code == 401
    cookie = signed_in(quick, client="198.51.100.78")
    answer = asked(quick, "POST", "/_dash-update-component", json=METHODS, headers=cookie)
    assert answer.status_code == 200
    assert "The catalogue was asked for." in answer.text


def test_a_server_that_others_can_reach_starts_with_sign_in_or_not_at_all(tmp_path: Path) -> None:
    def started(**more: Any) -> None:
        standard: dict[str, Any] = {"host": "0.0.0.0", "sign_in": None, "data": tmp_path}
        chosen = settings(**{**standard, **more})
        check_exposure(chosen)
        check_start(chosen)

    with pytest.raises(InvalidInput, match="evident users add"):
        started()
    with pytest.raises(InvalidInput, match="needs sign-in"):
        started(sign_in=False)
    with pytest.raises(InvalidInput, match="EVIDENT_TRUSTED_PROXIES"):
        started(user_header="X-Forwarded-User")
    started(user_header="X-Forwarded-User", trusted_proxies=("10.0.0.9",))
    started(host="127.0.0.1")
    with pytest.raises(InvalidInput, match="evident users add"):
        started(host="127.0.0.1", sign_in=True)
    with people(f"sqlite:///{tmp_path / 'evident.db'}", tmp_path):
        started()
    for name in ("Cookie", "X User", "Host"):
        with pytest.raises(ValueError, match="carries nothing else"):
            settings(tmp_path, user_header=name)
