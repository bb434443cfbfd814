"""Commands that talk to a server where people sign in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import remote
from app.cli import main
from app.web.main import create_app
from backend.store import Store
from backend.store.audit import Filter, entries
from backend.store.tables import sessions
from tests.app.web.visitors import PASSWORD, settings, store
from tests.backend.databases import database_url
from tests.serving import serving

__all__ = ["database_url", "store"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def address(store: Store, database_url: str, tmp_path: Path) -> Iterator[str]:
    with serving(create_app(settings(tmp_path / "data", database_url), "api")) as address:
        yield address


@pytest.fixture
def no_words(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing in the environment, and nobody at the terminal."""
    for name in (remote.USER, remote.PASSWORD):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return monkeypatch


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_command_signs_in_and_out_again(
    address: str, store: Store, no_words: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = ["cases", "list", "--server", address]
    assert main(listing) == 2
    said = capsys.readouterr().err
    assert "This server asks people to sign in" in said
    assert "EVIDENT_USER and EVIDENT_PASSWORD" in said

    no_words.setenv(remote.USER, "Bob")
    no_words.setenv(remote.PASSWORD, "wrong password")
    assert main(listing) == 2
    assert capsys.readouterr().err == "evident: Name or password is wrong.\n"

    no_words.setenv(remote.PASSWORD, PASSWORD)
    assert main(listing) == 0
    assert capsys.readouterr().out.startswith("worklist")
    assert main(["cases", "export", "Nothing", "--server", address]) == 2
    assert "There is no worklist" in capsys.readouterr().err
    log = [(entry.who, entry.action) for entry in entries(store, Filter(who="Bob"), 0, 10)[0]]
    assert log == [("Bob", "session.close"), ("Bob", "session.open")] * 2
    with store.engine.connect() as connection:
        assert connection.execute(sessions.select()).all() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_at_a_terminal_it_asks(
    address: str, store: Store, no_words: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_words.setattr("sys.stdin", Terminal("\n"))
    asked: list[str] = []
    no_words.setattr(remote.getpass, "getpass", lambda prompt: asked.append(prompt) or PASSWORD)
    assert main(["cases", "list", "--server", address, "--name", "Ann"]) == 0
    assert asked == ["Password of Ann: "]
    assert capsys.readouterr().err == "Name [Ann]: "
    assert entries(store, Filter(who="Ann"), 0, 10)[1] == 2


def test_a_password_on_its_way_in_the_open_is_told(
    no_words: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_words.setenv(remote.USER, "Bob")
    no_words.setenv(remote.PASSWORD, PASSWORD)
    for address, warned in (
        ("http://evident.example/api/v1", True),
        ("https://evident.example/api/v1", False),
        ("http://127.0.0.1:8050/api/v1", False),
    ):
        assert remote.credentials(address) == ("Bob", PASSWORD)
        assert ("not https" in capsys.readouterr().err) is warned
    assert not any(PASSWORD in word for word in vars(remote).values() if isinstance(word, str))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(303, headers={"location": "https://login.example"}), "proxy"),
        (httpx.Response(200, json={"sign_in": "proxy", "name": None, "role": None}), "proxy"),
        (httpx.Response(200, text="<html>"), "not Evident"),
        (httpx.Response(429, json={"detail": "Tried too often.", "code": "too_many_attempts"}), "too often"),
    ],
)
def test_what_else_may_answer(answer: httpx.Response, words: str) -> None:
    from app.core.errors import EvidentError

    with pytest.raises(EvidentError, match=words):
        _enter(lambda _: answer)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_session_that_ends_on_the_way_is_told(
    address: str, store: Store, no_words: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_words.setenv(remote.USER, "Bob")
    no_words.setenv(remote.PASSWORD, PASSWORD)
    inside = remote.signed_in
    no_words.setattr(remote, "signed_in", lambda client, name: _cut_off(inside(client, name), store))
    assert main(["cases", "list", "--server", address]) == 2
    assert "run the command again and sign in" in capsys.readouterr().err


class _cut_off:
    """Lets somebody in, and ends all sessions at once."""

    def __init__(self, inside: Any, store: Store) -> None:
        self.inside, self.store = inside, store

    async def __aenter__(self) -> None:
        await self.inside.__aenter__()
        with self.store.write() as connection:
            connection.execute(sessions.delete())

    async def __aexit__(self, *problem: Any) -> Any:
        return await self.inside.__aexit__(*problem)


def _enter(handler: Any) -> None:
    import asyncio

    async def scene() -> None:
        transport = httpx.MockTransport(handler)
        address = "http://127.0.0.1/api/v1"
        async with (
            httpx.AsyncClient(base_url=address, transport=transport) as client,
            remote.signed_in(client),
        ):
            pass

    asyncio.run(scene())
