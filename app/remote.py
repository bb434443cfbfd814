"""Signing in to a running server from a command: name and password from the terminal or the environment, never from the
command line, which everybody on the machine can read."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.core.errors import Busy, InvalidInput, NotSignedIn

if TYPE_CHECKING:
    import httpx

USER, PASSWORD = "EVIDENT_USER", "EVIDENT_PASSWORD"
HOW = f"set {USER} and {PASSWORD} in the environment, or run the command at a terminal, which asks for them"


@asynccontextmanager
async def signed_in(client: httpx.AsyncClient, name: str = "") -> AsyncIterator[None]:
    """The client with a session of its own, which ends afterwards, where the server asks for one. name: proposed at the
    terminal. Raises NotSignedIn, InvalidInput, Busy."""
    session = await _session(client, "GET")
    if session.get("sign_in") == "proxy" and session.get("name") is None:
        raise by_proxy()
    if session.get("sign_in") != "password":
        yield
        return
    who, password = credentials(str(client.base_url), name)
    session = await _session(client, "POST", json={"name": who, "password": password})
    try:
        if session.get("change_password"):
            raise NotSignedIn(
                "This password was for the first sign-in: open the dashboard in a browser, sign in, and choose one of your own."
            )
        yield
    finally:
        with suppress(Exception):  # it ends by itself later
            await client.delete("/session")


def credentials(address: str, name: str = "") -> tuple[str, str]:
    """Name and password. Raises NotSignedIn where there is nobody to ask."""
    who, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
    if not (who and password) and not sys.stdin.isatty():
        raise NotSignedIn(f"This server asks people to sign in: {HOW}.")
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        sys.stderr.write("evident: this address is not https: name and password can be read on their way.\n")
    if not who:
        sys.stderr.write(f"Name{f' [{name}]' if name else ''}: ")
        sys.stderr.flush()
        who = sys.stdin.readline().strip() or name
    try:
        return who, password or getpass.getpass(f"Password of {who}: ")
    except EOFError:
        raise NotSignedIn(f"Without a password nobody is let in: {HOW}.") from None


def ended() -> NotSignedIn:
    """For a 401 to somebody who was let in."""
    return NotSignedIn("The session has ended: run the command again and sign in; it goes on where it was.")


def by_proxy() -> NotSignedIn:
    return NotSignedIn(
        "A proxy signs people in to this server, which a command cannot do: run it on the server's own machine with --data."
    )


async def _session(client: httpx.AsyncClient, method: str, **more: Any) -> dict[str, Any]:
    """Who the server says this client is. Raises NotSignedIn, InvalidInput, Busy."""
    import httpx

    try:
        answer = await client.request(method, "/session", **more)
    except httpx.TransportError:
        raise Busy(
            "The server does not answer; start it, or give its address with --server.", code="unreachable"
        ) from None
    try:
        told = answer.json()
    except ValueError:
        told = None
    if isinstance(told, dict) and "sign_in" in told:
        return told
    if isinstance(told, dict) and "detail" in told and "code" in told:  # a wrong password, too many attempts
        raise NotSignedIn(str(told["detail"]), code=str(told["code"]))
    if answer.status_code in (301, 302, 303, 307, 308, 401, 403):
        raise by_proxy()
    raise InvalidInput("What answers at this address is not Evident; check --server.", field="server")
