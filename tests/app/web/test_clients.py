"""Whose request it is: only what trusted proxies wrote about the client counts."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.core.settings import Settings
from app.web.clients import TrustedProxies
from app.web.guard import protect

PROXIES = TrustedProxies(["10.0.0.0/8", "::1"])


def client(peer: str, **headers: str) -> str:
    return PROXIES.client(peer, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize(("peer", "headers", "found"), [
    ("192.0.2.7", {"x_forwarded_for": "1.1.1.1"}, "192.0.2.7"),  # nobody we trust says so
    ("10.0.0.1", {}, "10.0.0.1"),
    ("10.0.0.1", {"x_forwarded_for": "1.1.1.1"}, "1.1.1.1"),
    ("10.0.0.1", {"x_forwarded_for": "9.9.9.9, 1.1.1.1"}, "1.1.1.1"),  # the left part is the client's own word
    ("10.0.0.1", {"x_forwarded_for": "9.9.9.9, 1.1.1.1, 10.2.3.4"}, "1.1.1.1"),  # two proxies of ours
    ("10.0.0.1", {"x_forwarded_for": "10.9.9.9"}, "10.9.9.9"),  # somebody inside
    ("10.0.0.1", {"x_forwarded_for": "1.1.1.1, nonsense"}, "10.0.0.1"),
    ("10.0.0.1", {"x_forwarded_for": "1.1.1.1:4711"}, "1.1.1.1"),
    ("::1", {"x_forwarded_for": "[2001:db8::1]:80"}, "2001:db8::1"),
    ("::ffff:10.0.0.1", {"x_forwarded_for": "1.1.1.1"}, "1.1.1.1"),
    ("10.0.0.1", {"forwarded": 'for=1.1.1.1;proto=https, for="[2001:db8::2]:7"'}, "2001:db8::2"),
    ("10.0.0.1", {"forwarded": "proto=http;For=1.1.1.1"}, "1.1.1.1"),
    ("10.0.0.1", {"forwarded": "for=_hidden"}, "10.0.0.1"),
    ("10.0.0.1", {"forwarded": "for=8.8.8.8", "x_forwarded_for": "1.1.1.1"}, "10.0.0.1"),  # one of them was let through
    ("10.0.0.1", {"forwarded": "for=1.1.1.1", "x_forwarded_for": "1.1.1.1"}, "1.1.1.1"),
])  # fmt: skip
def test_the_rightmost_hop_that_is_not_ours(peer: str, headers: dict[str, str], found: str) -> None:
    assert client(peer, **headers) == found


@given(
    st.lists(st.ip_addresses().map(str), max_size=5),
    st.lists(st.ip_addresses(v=4, network="10.0.0.0/8").map(str), max_size=3),
    st.ip_addresses().map(str),
)
def test_nothing_that_the_client_sends_changes_who_it_is(
    forged: list[str], ours: list[str], true: str
) -> None:
    if true in PROXIES:
        return
    assert client(true, x_forwarded_for=", ".join(forged)) == true
    seen = client("10.0.0.1", x_forwarded_for=", ".join([*forged, true, *ours]))
    assert ipaddress.ip_address(seen) in (
        ipaddress.ip_address(true),
        getattr(ipaddress.ip_address(true), "ipv4_mapped", None),
    )


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_is_survived(one: str, other: str) -> None:
    found = PROXIES.client(
        "10.0.0.1",
        Headers(
            raw=[
                (b"x-forwarded-for", one.encode("utf-8", "replace")),
                (b"forwarded", other.encode("utf-8", "replace")),
            ]
        ),
    )
    ipaddress.ip_address(found)


@pytest.mark.parametrize(("trusted", "seen"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.9")])
def test_the_application_sees_the_client(trusted: tuple[str, ...], seen: str) -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(scope["client"][0])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask() -> None:
        transport = httpx.ASGITransport(protect(app, Settings(_env_file=None, trusted_proxies=trusted)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
            await asking.get("/", headers={"X-Forwarded-For": "192.0.2.9"})

    asyncio.run(ask())
    assert heard == [seen]
